"""How many draws it takes until every example was drawn."""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

from jaxsgd.errors import integer
from jaxsgd.theory.sampling.distinct import distinct_distribution


class CouponCollector(NamedTuple):
    """Mean and variance of the number of draws until every example was drawn."""

    mean: float
    variance: float


def coupon_collector(examples: int) -> CouponCollector:
    """T, the number of draws with replacement until all n examples were drawn: a sum of n geometric variables.

        E T = n sum_k 1/k = n H_n,    Var T = n^2 sum_k 1/k^2 - n H_n

    For large n, P(T <= n log n + c n) tends to exp(-exp(-c)), a Gumbel law. In a permutation T = n.

    **Arguments**

    - `examples`: n.

    Source: Erdős and Rényi (1961), "On a classical problem of probability theory"; Feller (1968), An Introduction to
    Probability Theory and Its Applications, volume 1, section IX.3.

    >>> round(coupon_collector(10).mean, 10)
    29.2896825397
    """
    n = integer("examples", examples, at_least=1)
    mean = n * (digamma(n + 1) + np.euler_gamma)
    squares = np.pi**2 / 6 - polygamma(1, n + 1)
    return CouponCollector(float(mean), float(max(n**2 * squares - mean, 0.0)) if n > 1 else 0.0)


def coupon_probability(examples: int, draws: int) -> float:
    """P(T <= m): all n examples are among m draws with replacement; by the law of their number.

    Arguments, errors and time are those of [`jaxsgd.theory.distinct_distribution`][].

    >>> round(coupon_probability(3, 3), 10)  # 3! / 3^3
    0.2222222222
    """
    values, probabilities = distinct_distribution(examples, draws)
    return float(probabilities[-1]) if values[-1] == examples else 0.0
