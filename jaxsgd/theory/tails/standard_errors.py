"""Why the mean of an observable has no standard error that a sample of some size would show."""

import numpy as np

from jaxsgd.errors import InvalidInput, NoExactSolution
from jaxsgd.known_tails import trajectories_needed, why_infinite, why_unseen
from jaxsgd.study import Study
from jaxsgd.theory.stationary_tail_index import stationary_tail_index
from jaxsgd.theory.tails.fourth_moments import relative_second_moments


def why_no_standard_error(study: Study, observable: str | None, step: int, trajectories: int) -> str:
    """Why no standard error goes with a mean of so many trajectories; "" where theory knows of no reason.

    A standard error needs a finite variance, and a sample that shows it. Two things are known before any run:

    - The noise declares a tail index. Of what is quadratic in x, fourth moments of x must be finite.
    - On a random affine recursion `relative_second_moments` knows kappa = E q^2 / (E q)^2 of what is quadratic in x.
      `trajectories_needed` says how many trajectories a standard error then takes; where that rule of thumb withholds
      one, it does so by orders of magnitude.

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
    return why_infinite(study, observable, step) or _unseen(study, observable, step, trajectories)


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
    return why_unseen(observable, kappa, int(study.recorded_steps[at]), trajectories, _in_the_long_run(study))


def _in_the_long_run(study: Study) -> str:
    """That the stationary law has no variance of what is quadratic, if its tail index is known to be 4 or less."""
    try:
        index = stationary_tail_index(study)
    except (InvalidInput, NoExactSolution):
        return ""
    return f"with the tail index {index:.3g} the stationary law has no variance of q at all; " if index <= 4 else ""
