"""Whether a sample is large enough for its mean to have a standard error that can be relied on.

The mean of N values is nearly normal only if no few of them make it up. Three numbers of the sample tell:

- the *largest share*, the largest squared deviation from the mean as a part of the sum M2 of all of them. With a
  finite variance it goes to 0 as N grows, without one it does not. If it is s, then the trajectory that it belongs to
  moves the mean by sqrt(s) standard errors;
- the *skewness* g = E(X - mu)^3 / sigma^3, for which tests and limits are corrected (`jaxsgd.inference.skewed`) as
  long as N is at least 25 g^2;
- N itself. No sample shows what is rarer than 1 / N: an event of probability p leaves no trace in N trajectories with
  probability (1 - p)^N, whatever it would do to the mean.

Sources: Cochran (1977), Sampling Techniques, section 2.15, for 25 g^2; Bahadur and Savage (1956), Ann. Math. Stat. 27:
there is no test of a mean without any assumption on the tails.
"""

import math
from typing import Any

import numpy as np

from jaxsgd.inference.checks import level
from jaxsgd.inference.intervals import z_value
from jaxsgd.inference.measurement import Measurement

LEAST_SHARE = 0.1
"""A largest share up to this is harmless: it moves the mean by a third of a standard error."""

_AT_MANY_RECORDS = 1e6
"""Samples of which one exceeds the limit by chance, where many are looked at."""

SKEWNESS_RULE = 25.0
"""A standard error takes at least so many times skewness^2 trajectories."""


def largest_share(mean: Any, m2: Any, least: Any, greatest: Any) -> Any:
    """The largest squared deviation from the mean as a part of M2; NaN where nothing varies. Arrays broadcast.

    >>> float(largest_share(mean=1.0, m2=16.0, least=0.0, greatest=3.0))
    0.25
    """
    mean, m2 = np.asarray(mean, float), np.asarray(m2, float)
    with np.errstate(all="ignore"):
        deviation = np.maximum(np.subtract(greatest, mean), np.subtract(mean, least))
        varies = (m2 > 0) & (np.asarray(greatest) != least)
        return np.where(varies, np.minimum(np.square(deviation / np.sqrt(m2)), 1.0), np.nan)


def share_limit(count: Any, rarity: float = 1e3) -> Any:
    """The largest share that is still taken for harmless in a sample of so many: max(0.1, e / (1 + e)),

        e = (log(rarity N) - 1)^2 / N.

    The maximum of N exponential variables lies beyond log(r N) with probability 1 / r: of a sample that exceeds the
    limit, the tail is heavier than exponential, or N is small. Measured, with r = 1000: exceeded by at most 1% of
    samples of an exponential law, 4% of those of chi-square with one degree of freedom (1.5% from N = 300 on), none of
    a normal law.

    >>> round(float(share_limit(100)), 2), float(share_limit(10_000))
    (0.52, 0.1)
    """
    count = np.asarray(count, float)
    excess = np.square(np.log(rarity * np.maximum(count, 1)) - 1) / np.maximum(count, 1)
    return np.maximum(LEAST_SHARE, excess / (1 + excess))


def carries_standard_error(count: Any, share: Any, skewness: Any) -> Any:
    """Whether a sample carries a standard error of its mean. Arrays broadcast; NaN stands for not known.

    It does not if the largest share exceeds `share_limit`, or N < 25 skewness^2. The limit is one that a sample exceeds
    by chance once in a million, as many observables at many records are looked at.
    """
    with np.errstate(invalid="ignore"):
        return ~((share > share_limit(count, _AT_MANY_RECORDS)) | (count < SKEWNESS_RULE * np.square(skewness)))


def needed_for_skewness(skewness: Any, alpha: float) -> Any:
    """Trajectories from which on skewness no more than doubles the error alpha / 2 of a side, as that is bounded:

        N = (g x^3 / (2 log 2))^2,    x = z_{1 - alpha / 2},    and 25 g^2 at least.

    >>> round(needed_for_skewness(2.0, alpha=0.01)), round(needed_for_skewness(2.0, alpha=0.0001))
    (608, 7218)
    """
    x = z_value(level("alpha", alpha))
    return np.square(skewness) * max((x**3 / (2 * math.log(2))) ** 2, SKEWNESS_RULE)


def why_no_test(count: int, share: float, skewness: float) -> str:
    """Why a sample carries no test of its mean, in words; empty if it does, as far as the sample tells.

    That is why it carries no standard error: one of its values makes up too much of the variance, or N < 25 skewness^2.
    """
    return why_not_carried(count, share, skewness, share_limit(count))


def why_not_carried(count: int, share: float, skewness: float, limit: Any = None) -> str:
    """Why a sample carries no standard error, in words; empty if it does, as `carries_standard_error` says."""
    if share > (share_limit(count, _AT_MANY_RECORDS) if limit is None else limit):
        return (
            f"one of {count} trajectories makes up {share:.0%} of the variance: its tail is too heavy for a sample of "
            "this size, or its variance does not exist"
        )
    needed = SKEWNESS_RULE * skewness**2
    if count < needed:
        return f"a skewness of {skewness:.3g} takes {needed:.2g} trajectories, and there are {count}"
    return ""


def probability_unseen(count: int, alpha: float) -> float:
    """The p = 1 - alpha^(1/N) of an event that leaves no trace in N trajectories with probability alpha.

    >>> round(probability_unseen(10_000, alpha=0.01), 6)
    0.00046
    """
    return -math.expm1(math.log(level("alpha", alpha)) / count)


def unseen_event_explains(measurement: Measurement, least: float, greatest: float, alpha: float) -> str:
    """Why a refutation may be that of a rare event which the sample does not show, in words; empty if it is not.

    An event of the probability p of `probability_unseen` at which the variable has the value u moves the mean by
    p (u - estimate). It explains the departure if that reaches the statement for some u from `least` to `greatest`, the
    values to which the variable is known to reach.
    """
    low, high = measurement.tolerated
    p, estimate = probability_unseen(measurement.count, alpha), measurement.estimate
    if estimate < low and estimate + p * (greatest - estimate) >= low:
        reach = greatest
    elif estimate > high and estimate + p * (least - estimate) <= high:
        reach = least
    else:
        return ""
    return (
        f"an event of probability {p:.2g}, which none of {measurement.count} trajectories need show, may explain it: "
        f"where the draws reach further the variable is {reach:.3g}"
    )


def takes_to_see(measurement: Measurement, least: float, greatest: float, alpha: float) -> float:
    """Trajectories at which no event with values from `least` to `greatest` would explain the departure, about."""
    low, high = measurement.tolerated
    estimate = measurement.estimate
    ratio = (greatest - estimate) / (low - estimate) if estimate < low else (estimate - least) / (estimate - high)
    return -math.log(alpha) * ratio
