"""The law of the number of distinct examples among draws with replacement."""

from typing import Any

import numpy as np

from jaxsgd.errors import InvalidInput, integer

_LEAST = 1e-25  # probabilities below this at the ends are left out; they sum to less than 1e-18
_TRIM = 64  # draws between two looks at the ends
_MOST = 10**7  # draws, some minutes


def distinct_distribution(examples: int, draws: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """P(D = k) for the number D of distinct examples among m uniform draws from n with replacement.

        P_(m+1)(k) = P_m(k) k/n + P_m(k-1) (n - k + 1)/n

    All terms are positive, so that no digits are lost, as they are in the alternating sum
    C(n, k) sum_j (-1)^j C(k, j) ((k - j)/n)^m. For m = n the law tends to a normal one with mean n (1 - 1/e) and
    variance n (1/e - 2/e^2).

    **Arguments**

    - `examples`: n.
    - `draws`: m, at least 0; default n. Time grows as m sqrt(n): 0.1 s for n = m = 10^4, 20 s for 10^6.

    **Returns** the values k with a probability of at least 1e-25, increasing, and their probabilities.

    Source: Johnson and Kotz (1977), Urn Models and Their Application, section 3.2.

    >>> values, probabilities = distinct_distribution(3)
    >>> values.tolist(), np.round(probabilities * 27).tolist()
    ([1, 2, 3], [3.0, 18.0, 6.0])
    """
    n = integer("examples", examples, at_least=1)
    m = n if draws is None else integer("draws", draws, at_least=0)
    if m > _MOST:
        raise InvalidInput(f"draws must be at most {_MOST} for the whole distribution, got {m}")
    first, p = 0, np.ones(1)  # p[i] is the probability of first + i
    for start in range(0, m, _TRIM):
        count = min(_TRIM, m - start)
        last = min(first + len(p) - 1 + count, n)
        p = np.append(p, np.zeros(last - first + 1 - len(p)))
        stay = np.arange(first, last + 1) / n
        grow = 1 - stay[:-1]
        for _ in range(count):
            new = p * stay
            new[1:] += p[:-1] * grow
            p = new
        kept = np.flatnonzero(p > _LEAST)
        first, p = first + int(kept[0]), p[kept[0] : kept[-1] + 1]
    return np.arange(first, first + len(p)), p
