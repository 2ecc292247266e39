"""Student's law of a mean, made safe against skewness.

A mean of N values of skewness g > 0 lies far below its expectation more often than the normal law says: of
t = (mean - mu) / SE,

    P(t < -x) = P(z < -x) exp(g x^3 / (3 sqrt(N))) (1 + small terms)

(Petrov, 1975, Sums of Independent Random Variables, chapter VIII, for sums; Hall, 1992, The Bootstrap and Edgeworth
Expansion, section 2.6, for t). Samples of heavy tails show less skewness than their law has, so that the exponent is
taken half as large again, g x^3 / (2 sqrt(N)). Beyond x* = 2 sqrt(N) / (3 g), where the bound is least, it says no
more: a sample of this size shows no smaller error. On the other side the normal law is cautious, and is kept.
Measured: `scripts/calibration`.
"""

import math

from scipy.special import stdtr

from jaxsgd.inference.checks import level
from jaxsgd.inference.intervals import student_quantile

_SMALLEST = 37.0  # beyond it normal tails are below the smallest float


def skewed_tail(x: float, count: int, skewness: float) -> float:
    """At most the probability that t is off by x >= 0 on the side that this skewness endangers, where it is positive.

    >>> round(skewed_tail(3.0, 1000, 0.0), 5), round(skewed_tail(3.0, 1000, 2.0), 5)
    (0.00138, 0.00325)
    """
    y = min(x, _farthest(count, skewness), _SMALLEST)
    return min(1.0, float(stdtr(count - 1, -y)) * math.exp(max(skewness, 0.0) * y**3 / (2 * math.sqrt(count))))


def skewed_quantile(tail: float, count: int, skewness: float) -> float:
    """The x of which `skewed_tail` is ``tail``; inf where no x has so small a one.

    >>> round(skewed_quantile(0.005, 1000, 0.0), 3), round(skewed_quantile(0.005, 1000, 2.0), 3)
    (2.581, 2.818)
    """
    start = float(student_quantile(level("tail", tail), count))
    if skewness <= 0 or start <= 0:
        return start
    end = min(_farthest(count, skewness), _SMALLEST)
    if end <= start or skewed_tail(end, count, skewness) > tail:
        return math.inf
    for _ in range(60):  # the bound falls between start and end
        middle = (start + end) / 2
        start, end = (start, middle) if skewed_tail(middle, count, skewness) <= tail else (middle, end)
    return end


def _farthest(count: int, skewness: float) -> float:
    """x* for Student's law, of which the logarithm falls like x / (1 + x^2 / N): the root of x^3 + N x = N x_0."""
    if skewness <= 0:
        return math.inf
    normal = 2 * math.sqrt(count) / (3 * skewness)
    return 2 * math.sqrt(count / 3) * math.sinh(math.asinh(1.5 * normal * math.sqrt(3 / count)) / 3)
