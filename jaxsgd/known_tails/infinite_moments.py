"""Which built-in observables have no mean or no variance, since the noise of the gradient has too few moments."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxsgd.known_tails.moments_of_noise import holds_noise, why_no_moment
from jaxsgd.study import Study

_INSTEAD = "; probabilities and quantiles exist"


Held = Callable[[str | None], np.ndarray]
"""At which of some steps x, or an average, is known to hold fresh noise."""


def has_moment(study: Study, observable: str, order: int, steps: np.ndarray, held: Held) -> np.ndarray:
    """At which steps E|o|^k of a built-in observable, k = order, is not known to be infinite."""
    base, average = parts(observable)
    power, index = order * growth(study, base), study.oracle.tail_index
    if index is None or not power or power < index or not len(steps):
        return np.ones(len(steps), bool)
    if base == "gradient_norm_squared":
        return ~study.oracle.adds_noise(int(max(steps)) + 1)[steps]
    return ~held(average)


def why_infinite(study: Study, observable: str | None, step: int) -> str:
    """Why the mean or the variance of an observable is infinite; "" where nothing is known to be wrong.

    **Arguments**

    - `observable`: the name of a built-in one; None for any variable that is quadratic in x.
    """
    name = observable or "distance_squared"
    if observable is not None and observable not in study.built_in:
        return ""
    (base, average), at = parts(name), np.array([step])
    for order, what in ((1, "mean"), (2, "variance")):
        if has_moment(study, name, order, at, lambda average: holds_noise(study, at, average))[0]:
            continue
        if base == "gradient_norm_squared":
            index = study.oracle.tail_index
            reason = f"the gradient has the tail index {index:g}, E||g_s||^k is infinite for k >= {index:g}"
        else:
            reason = why_no_moment(study, order * growth(study, base), step, average)
        return f"its {what} is infinite, and no standard error goes with its estimate: {reason}{_INSTEAD}"
    return ""


def parts(observable: str) -> tuple[str, str | None]:
    """What is observed, and of which average."""
    base, _, average = observable.partition("_of_")
    return base, average or None


def growth(study: Study, base: str) -> int:
    """A power of ||x - x*|| with which an observable is known to grow in all directions, 0 where it is not known."""
    if base != "risk":
        return 2
    problem = study.oracle.problem
    if problem is None or problem.minimiser is None or problem.minimum is None:
        return 0
    if (problem.strong_convexity or 0.0) > 0:
        return 2
    return 1 if problem.convex and study.dimension == 1 and _rises_on_both_sides(study) else 0


def _rises_on_both_sides(study: Study) -> bool:
    """Whether R(x* + 1) and R(x* - 1) lie above R*: then a convex R of one coordinate grows as |x - x*| at least."""
    problem: Any = study.oracle.problem
    with jax.enable_x64(True):
        sides = [jax.tree.map(lambda leaf, by=by: np.asarray(leaf) + by, problem.minimiser) for by in (-1.0, 1.0)]
        return all(float(problem.value(side)) > float(problem.minimum) for side in sides)
