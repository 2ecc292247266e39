"""Why the mean of an observable has no standard error that a sample of some size would show."""

from typing import Any

import jax
import numpy as np

from jaxsgd.errors import InvalidInput, NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory.stationary_tail_index import stationary_tail_index
from jaxsgd.theory.tails.fourth_moments import relative_second_moments
from jaxsgd.theory.tails.moments_of_noise import why_no_moment


def why_no_standard_error(study: Study, observable: str | None, step: int, trajectories: int) -> str:
    """Why no standard error goes with a mean of so many trajectories; "" where theory knows of no reason.

    A standard error needs a finite variance, and a sample that shows it. Two things are known before any run:

    - The noise declares a tail index. Of what is quadratic in x, fourth moments of x must be finite.
    - On a random affine recursion `relative_second_moments` knows kappa = E q^2 / (E q)^2 of what is quadratic in x.
      The mean of N values is near normal for N >= 25 skewness^2 (Cochran, 1977, "Sampling Techniques", section 2.15),
      and the skewness of a variable q >= 0 is guessed from its coefficient of variation c = sqrt(kappa - 1) as

          max(2 c, c^3):    2 c for a gamma variable, such as the square of a normal one; c^3 + 3 c = (kappa + 2) c for
                            a lognormal one, E q^k = exp(k m + k^2 s / 2), kappa = exp(s), by expanding E (q - E q)^3,

      so that N >= 25 max(4 (kappa - 1), (kappa - 1)^3). It is a rule of thumb: products of random factors are near
      lognormal, and tails like those of a power, which such recursions have in the long run, are more skewed still,
      even infinitely; where it withholds a standard error, it does so by orders of magnitude.

    **Arguments**

    - `observable`: the name of a built-in one; None for any variable that is quadratic in x. Of others nothing is
      known.
    - `step`: s. kappa is that of the last recorded step up to s.
    - `trajectories`: N.

    >>> from jaxsgd import oracles, problems, schedules
    >>> problem = problems.LeastSquares([[1.0]] * 49 + [[7.0]], np.linspace(-1, 1, 50))
    >>> oracle = oracles.ExampleSampling(problem)
    >>> study = Study(oracle=oracle, schedule=schedules.constant(0.064), steps=200)
    >>> why_no_standard_error(study, "risk", 200, 16384).partition(";")[0]
    'E q^2 / (E q)^2 = 3.2e+13 at step 200 for q = R - R*: a mean of 16384 trajectories has no standard error that a \
sample could show'
    >>> why_no_standard_error(study.replace(schedule=schedules.constant(0.04)), "risk", 200, 16384)
    ''
    """
    if observable is not None and observable not in study.built_in:
        return ""
    base, _, average = ("distance_squared", "", "") if observable is None else observable.partition("_of_")
    return _infinite(study, base, step, average or None) or _unseen(study, observable, step, trajectories)


def trajectories_needed(kappa: float) -> float:
    """25 skewness^2 of a variable with this E q^2 / (E q)^2, guessed as `why_no_standard_error` says."""
    return 25.0 * max(4 * (kappa - 1), (kappa - 1) ** 3) if kappa < 1e100 else np.inf


def _infinite(study: Study, base: str, step: int, average: str | None) -> str:
    """Why the mean or the variance of an observable is infinite."""
    growth = _growth(study, base)
    for times, what in ((1, "mean"), (2, "variance")):
        order = times * growth
        reason = ""
        if base == "gradient_norm_squared":
            index = study.oracle.tail_index
            if index is not None and order >= index and study.oracle.adds_noise(step + 1)[step]:
                reason = f"the gradient has the tail index {index:g}, E||g_s||^k is infinite for k >= {index:g}"
        elif growth:
            reason = why_no_moment(study, order, step, average)
        if reason:
            return f"its {what} is infinite, and no standard error goes with its estimate: {reason}"
    return ""


def _growth(study: Study, base: str) -> int:
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


def _unseen(study: Study, observable: str | None, step: int, trajectories: int) -> str:
    """Why the variance is finite, but not shown by a sample."""
    known = relative_second_moments(study)
    at = int(np.searchsorted(study.recorded_steps, step, side="right")) - 1
    if known is None or at < 0:
        return ""
    base = None if observable is None else observable.partition("_of_")[0]
    either = max((known["risk"], known["distance_squared"]), key=lambda kappa: kappa[at])
    kappa = float(known.get(observable or "", known.get(base or "", either))[at])
    needed = trajectories_needed(kappa)
    if trajectories >= needed:
        return ""
    q = "R - R*" if base == "risk" else "||x - x*||^2"
    more = f"it would take about {needed:.0e} of them" if np.isfinite(needed) else "no number of them would do"
    return (
        f"E q^2 / (E q)^2 = {kappa:.2g} at step {int(study.recorded_steps[at])} for q = {q}: a mean of {trajectories} "
        f"trajectories has no standard error that a sample could show; {_in_the_long_run(study)}{more}"
    )


def _in_the_long_run(study: Study) -> str:
    """That the stationary law has no variance of what is quadratic, if its tail index is known to be 4 or less."""
    try:
        index = stationary_tail_index(study)
    except (InvalidInput, NoExactSolution):
        return ""
    return f"with the tail index {index:.3g} the stationary law has no variance of q at all; " if index <= 4 else ""
