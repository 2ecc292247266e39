"""Moments of the iterate that do not exist since the noise of the gradient has none."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.one_update import OneUpdate, moved_by
from jaxsgd.study import Study

_LARGEST = 100  # coordinates up to which it is found out how a method that is linear responds to a gradient


def why_no_moment(study: Study, order: float, step: int | None = None, average: str | None = None) -> str:
    """Why E||x_s - x*||^k is infinite for k = order; "" where nothing is known to be wrong.

    Given x_{s-1}, x_s = x_{s-1} - eta grad R(x_{s-1}) - eta xi has the noise xi in it, independent of the rest, so
    that E||u - eta xi||^k is infinite for every u if E||xi||^k is: whatever R is, and whatever became of the noise of
    earlier updates. That needs a method which is plain SGD, or a linear one in which no direction of g is lost;
    projected on a bounded set all moments of x exist, and clipping bounds the noise. The same is true of an average,
    of the last iterate that it took up.

    **Arguments**

    - `study`: whose oracle declares the tail index of its noise.
    - `order`: k.
    - `step`: s, default the last.
    - `average`: the name of an average in place of x. Of further points of a method nothing is known.
    """
    index = study.oracle.tail_index
    if index is None or order < index or not _noisy(study, study.steps if step is None else step, average):
        return ""
    what = "x_s - x*" if average is None else f"{average} - x*"
    return (
        f"E||{what}||^{order:g} is infinite: the noise of the gradient has the tail index {index:g}, so that E||xi||^k "
        f"is infinite for k >= {index:g}, and each update adds a multiple of it"
    )


def _noisy(study: Study, step: int, average: str | None) -> bool:
    """Whether x_s, or an average at step s, is known to hold the noise of an update independent of all else in it."""
    last = step  # of the iterates x_0, x_1, .. that it is made of
    if average is not None and average not in study.averages:
        return False  # a point of the method, of which it is not known
    if average is not None:
        taken = np.flatnonzero(study.averages[average].mixing(study.learning_rates[: study.steps])[:step] > 0)
        last = int(taken[-1]) if len(taken) else 0
    rates, noisy = study.learning_rates[:last], study.oracle.adds_noise(last)
    if study.method.plain:
        return bool(np.any((rates > 0) & noisy))
    if not (last > 0 and study.method.linear and study.dimension <= _LARGEST and noisy[-1]):
        return False
    return _responds(study, rates[-1])


def _responds(study: Study, rate: float) -> bool:
    """Whether a linear method turns different gradients into different iterates."""
    one, zero = OneUpdate(study.oracle, study.method, study.point), np.zeros(study.dimension)

    def moved_from_0(gradient: jax.Array) -> jax.Array:
        at, g = (one.as_seen(one.point.unravel(each)) for each in (jnp.asarray(zero), gradient))
        return one.point.ravel(one.as_pytree(moved_by(study.method, at, g, rate)))

    with jax.enable_x64(True):
        moved = jax.jacobian(moved_from_0)(zero)
    return bool(np.linalg.matrix_rank(np.asarray(moved)) == study.dimension)
