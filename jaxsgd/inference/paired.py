"""The mean difference of two quantities measured on the same trajectories."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxsgd.errors import InvalidInput
from jaxsgd.inference.checks import real


@dataclass(frozen=True)
class PairedDifference:
    """The mean of first - second over trajectories.

    - `mean`, `standard_error`, `count`: of the difference, what a `Measurement` needs.
    - `correlation`: between first and second; NaN if one of them does not vary.
    - `variance_ratio`: (Var first + Var second) / Var(first - second), how many times more trajectories
      independent samples would need for the same standard error; below 1 where pairing hurts.
    """

    mean: float
    standard_error: float
    count: int
    correlation: float
    variance_ratio: float


def paired_difference(first: Any, second: Any) -> PairedDifference:
    """The mean difference between paired values, with SE = sqrt(Var(first - second) / n).

    With common random numbers, or for a gap between the two sides of a bound, the values of one
    trajectory are correlated, and the difference varies less than either.

    **Arguments**: `first`, `second`, one value for each trajectory, shape (n,), n >= 2. A value that is not
    finite (a trajectory that diverged) makes every number of the result NaN: no trajectory is left out.

    **Raises** `InvalidInput` or `InvalidType` if an argument is not as stated.

    >>> difference = paired_difference([1.0, 2.0, 3.0, 4.0], [0.0, 1.1, 1.9, 3.0])
    >>> round(difference.mean, 3), round(difference.standard_error, 3), round(difference.variance_ratio)
    (1.0, 0.041, 491)
    """
    first, second = real("first", first), real("second", second)
    if first.ndim != 1 or first.shape != second.shape or first.size < 2:
        raise InvalidInput(
            f"first and second must be one-dimensional, of one length of at least 2, got shapes {first.shape} and "
            f"{second.shape}"
        )
    n = first.size
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return PairedDifference(math.nan, math.nan, n, math.nan, math.nan)
    with np.errstate(all="ignore"):  # without variation there is no correlation: 0 / 0
        # Seen from the first value, what does not vary has variance 0 exactly, and not that of rounding.
        difference = first - second
        a, b, d = first - first[0], second - second[0], difference - difference[0]
        variance = d.var(ddof=1)
        ratio = (a.var(ddof=1) + b.var(ddof=1)) / variance
        a, b = a - a.mean(), b - b.mean()
        correlation = (a @ b) / np.sqrt((a @ a) * (b @ b))
    mean = float(difference[0] + d.mean())
    return PairedDifference(mean, math.sqrt(variance / n), n, float(correlation), float(ratio))
