"""Exact tails of the binomial distribution, by the regularised incomplete beta function."""

from scipy.special import betainc, betaincinv


def at_least(successes: int, trials: int, probability: float) -> float:
    """P(X >= s) = I_p(s, n - s + 1) for X ~ Binomial(n, p); p outside [0, 1] is moved to the nearer end.

    P(X <= s) is `at_least(n - s, n, 1 - p)`.

    >>> at_least(1, 2, 0.5)
    0.75
    """
    if successes <= 0:
        return 1.0
    if successes > trials:
        return 0.0
    return float(betainc(successes, trials - successes + 1, min(max(probability, 0.0), 1.0)))


def critical_count(trials: int, probability: float, level: float) -> int:
    """The least s with P(X >= s) <= level; n + 1 where no outcome is that unlikely.

    >>> critical_count(10, 0.5, 0.05)  # P(X >= 9) = 11/1024, P(X >= 8) = 56/1024
    9
    """
    likely, unlikely = 0, trials + 1
    while unlikely - likely > 1:
        middle = (likely + unlikely) // 2
        if at_least(middle, trials, probability) <= level:
            unlikely = middle
        else:
            likely = middle
    return unlikely


def probability_reaching(successes: int, trials: int, chance: float) -> float:
    """The p for which P(X >= s) = chance, where 1 <= s <= n.

    >>> round(probability_reaching(1, 10, 0.9), 6)  # 1 - (1 - p)^10 = 0.9
    0.205672
    """
    return float(betaincinv(successes, trials - successes + 1, chance))
