"""Moments of the iterate that do not exist since the noise of the gradient has none."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.one_update import OneUpdate, moved_by
from jaxsgd.study import Study

_LARGEST = 100  # coordinates up to which it is found out how a method that is linear responds to a gradient
_MOST_RATES = 100  # for which that is found out


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
    step = study.steps if step is None else step
    index = study.oracle.tail_index
    if index is None or order < index or not holds_noise(study, np.array([step]), average)[0]:
        return ""
    what = "x_s - x*" if average is None else f"{average} - x*"
    return (
        f"E||{what}||^{order:g} is infinite: the noise of the gradient has the tail index {index:g}, so that E||xi||^k "
        f"is infinite for k >= {index:g}, and each update adds a multiple of it"
    )


def holds_noise(study: Study, steps: np.ndarray, average: str | None = None) -> np.ndarray:
    """At which steps x, or an average, is known to hold the noise of an update independent of all else in it.

    Of linear methods that are not plain SGD that is found out for the last `_MOST_RATES` different learning rates.
    """
    none = np.zeros(len(steps), bool)
    last = np.asarray(steps)  # of the iterates x_0, x_1, .. that it is made of
    if average is not None and average not in study.averages:
        return none  # a point of the method, of which it is not known
    T = int(last.max(initial=0))
    if average is not None:
        taken = study.averages[average].mixing(study.learning_rates[: study.steps])[:T] > 0
        last = np.append(0, np.maximum.accumulate(np.where(taken, np.arange(T), 0)))[last]
    rates, noisy = study.learning_rates[:T], np.append(False, study.oracle.adds_noise(T))  # of what led to x_0, x_1, ..
    if study.method.plain:
        return np.logical_or.accumulate(noisy & np.append(False, rates > 0))[last]
    if not (study.method.linear and study.dimension <= _LARGEST):
        return none
    rates = np.append(np.nan, rates)[last]
    asked = list(dict.fromkeys(rates[noisy[last]][::-1].tolist()))[:_MOST_RATES]
    return noisy[last] & np.isin(rates, _responding(study, asked) if asked else [])


def _responding(study: Study, rates: list[float]) -> list[float]:
    """The learning rates with which a linear method turns different gradients into different iterates."""
    one, zero = OneUpdate(study.oracle, study.method, study.point), np.zeros(study.dimension)

    def moved_from_0(gradient: jax.Array, rate: jax.Array) -> jax.Array:
        at, g = (one.as_seen(one.point.unravel(each)) for each in (jnp.asarray(zero), gradient))
        return one.point.ravel(one.as_pytree(moved_by(study.method, at, g, rate)))

    with jax.enable_x64(True):
        responses = jax.vmap(lambda rate: jax.jacobian(moved_from_0)(zero, rate))(np.array(rates))
    ranks = np.linalg.matrix_rank(np.asarray(responses))
    return [rate for rate, rank in zip(rates, ranks, strict=True) if rank == study.dimension]
