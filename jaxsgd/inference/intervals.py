"""Confidence intervals for means and for probabilities."""

from typing import Any

import numpy as np
from scipy.special import betainccinv, betaincinv, ndtri, stdtrit

from jaxsgd.errors import InvalidInput, finite_array, integer
from jaxsgd.inference.checks import level, real


def z_value(alpha: float, tests: int = 1) -> float:
    """The normal quantile z_{1 - alpha / (2 k)} of k two-sided statements that hold together.

    Intervals estimate +- z SE for k quantities then cover all of them with probability at least
    1 - alpha, whatever their dependence (Bonferroni).

    **Arguments**

    - `alpha`: probability that at least one interval misses, in (0, 1).
    - `tests`: k, the number of statements.

    **Raises** `InvalidInput` or `InvalidType` if alpha is no such probability or k no positive integer.

    Source: Dunn (1961), "Multiple comparisons among means", JASA 56.

    >>> round(z_value(0.01), 3), round(z_value(0.01, tests=10), 3)
    (2.576, 3.291)
    """
    return -float(ndtri(level("alpha", alpha) / (2 * integer("tests", tests, at_least=1))))


def mean_interval(mean: Any, standard_error: Any, confidence: float, count: Any = None) -> tuple[Any, Any]:
    """The two-sided interval mean -+ t SE, with Student's t at (1 + confidence) / 2 and N - 1 degrees of freedom.

    Its coverage is exact for normal variables, and otherwise asymptotic: it takes some 25 skewness^2 trajectories, and
    far more for rare events, for which there is `proportion_interval`. Measured coverage of the interval of 95%
    (`scripts/calibration`), which skewness lowers by misses on the side of the long tail:

    | N | normal | exponential | chi-square (1) | lognormal (0, 1) |
    |---|---|---|---|---|
    | 8 | .951 | .892 | .850 | .833 |
    | 20 | .949 | .918 | .893 | .867 |
    | 50 | .950 | .935 | .923 | .899 |
    | 100 | .951 | .942 | .933 | .918 |
    | 300 | .949 | .948 | .945 | .935 |
    | 1000 | .950 | .949 | .949 | .945 |

    **Arguments**

    - `mean`, `standard_error`: numbers or arrays that broadcast; NaN gives NaN.
    - `confidence`: in (0, 1).
    - `count`: N, at least 2, from how many values mean and standard error come. None stands for a known standard error,
      or very many: then the quantile is the normal one.

    **Returns** the lower and the upper limit.

    **Raises** `InvalidInput` if a standard error is negative, a count below 2, or confidence is outside (0, 1).

    Source: Student (1908), "The probable error of a mean", Biometrika 6.

    >>> lower, upper = mean_interval(10.0, 1.0, confidence=0.95)
    >>> round(float(lower), 2), round(float(upper), 2)
    (8.04, 11.96)
    >>> lower, upper = mean_interval(10.0, 1.0, confidence=0.95, count=8)
    >>> round(float(lower), 2), round(float(upper), 2)
    (7.64, 12.36)
    """
    mean, error = real("mean", mean), real("standard_error", standard_error)
    if np.any(error < 0):
        raise InvalidInput(f"standard_error must be at least 0, got {np.nanmin(error):g}")
    with np.errstate(invalid="ignore"):  # an infinite mean with an infinite error has no limits
        half_width = student_quantile((1 - level("confidence", confidence)) / 2, count) * error
        return mean - half_width, mean + half_width


def student_quantile(tail: float, count: Any = None) -> Any:
    """The t that Student's law with `count` - 1 degrees of freedom exceeds with probability `tail`; normal for None."""
    if count is None:
        return -float(ndtri(level("tail", tail)))
    count = finite_array("count", count)
    if np.any(count < 2):
        raise InvalidInput(f"count must be at least 2, since fewer values have no standard error, got {count.min():g}")
    return -stdtrit(count - 1, level("tail", tail))


def proportion_interval(successes: Any, trials: Any, confidence: float) -> tuple[Any, Any]:
    """The exact interval for a probability p from s successes in n independent trials.

    It holds the p with P(X >= s) > a and P(X <= s) > a, where X ~ Binomial(n, p) and
    a = (1 - confidence) / 2. Its coverage is at least `confidence` for every p and n. Without a
    success it is [0, 1 - a^(1/n)], without a failure [a^(1/n), 1], without a trial [0, 1].

    **Arguments**

    - `successes`, `trials`: integers 0 <= s <= n, or arrays of them that broadcast.
    - `confidence`: in (0, 1).

    **Returns** the lower and the upper limit.

    **Raises** `InvalidInput` if the counts are not such integers or confidence is outside (0, 1).

    Source: Clopper and Pearson (1934), Biometrika 26.

    >>> lower, upper = proportion_interval(0, 1000, confidence=0.99)
    >>> float(lower), round(float(upper), 6)
    (0.0, 0.005284)
    """
    s, n = np.broadcast_arrays(_counts("successes", successes), _counts("trials", trials))
    if np.any(s > n):
        raise InvalidInput(f"successes must not exceed trials, got {s[s > n][0]:g} of {n[s > n][0]:g}")
    tail = (1 - level("confidence", confidence)) / 2
    # The incomplete beta function has no parameter 0, which stands for a limit at the end of [0, 1].
    lower = np.where(s == 0, 0.0, betaincinv(np.maximum(s, 1), n - s + 1, tail))
    upper = np.where(s == n, 1.0, betainccinv(s + 1, np.maximum(n - s, 1), tail))
    return lower[()], upper[()]


def _counts(name: str, value: Any) -> np.ndarray:
    counts = finite_array(name, value)
    bad = counts[(counts < 0) | (counts != np.floor(counts))]
    if bad.size:
        raise InvalidInput(f"{name} must be an integer of at least 0, or an array of them, got {bad[0]:g}")
    return counts
