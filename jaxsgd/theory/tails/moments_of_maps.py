"""The moments of a random affine gradient g = G (e, 1), up to order 4: of examples, of batches of them, of draws."""

from typing import NamedTuple, Self

import numpy as np

_AT_ONCE = 2 * 10**6  # numbers of a table of products


class Shares(NamedTuple):
    """What of the central moments of one draw is left in the mean of b draws D_1 .. D_b:

    E[D D] = second M2, E[D D D] = third M3, and E[D D D D] = fourth M4 + pairs (M2 M2 in the three ways to make pairs
    of four places).
    """

    second: float
    third: float
    fourth: float
    pairs: float

    @classmethod
    def of_independent(cls, b: int) -> Self:
        """1/b, 1/b^2, 1/b^3 and (b - 1)/b^3."""
        return cls(1 / b, 1 / b**2, 1 / b**3, (b - 1) / b**3)

    @classmethod
    def of_distinct(cls, b: int, n: int) -> Self:
        """Of b different ones of n, all subsets alike.

        With w_k = b (b - 1) .. (b - k + 1) / (n (n - 1) .. (n - k + 1)), the probability that k places of the batch
        hold k given examples, sums over different indices are written as power sums, of which the first is 0.
        """
        w1, w2, w3, w4 = (_falling(b, k) / _falling(n, k) if k <= b else 0.0 for k in range(1, 5))
        return cls(
            n / b**2 * (w1 - w2),
            n / b**3 * (w1 - 3 * w2 + 2 * w3),
            n / b**4 * (w1 - 7 * w2 + 12 * w3 - 6 * w4),
            n**2 / b**4 * (w2 - 2 * w3 + w4),
        )


def _falling(n: int, k: int) -> float:
    return float(np.prod(np.arange(n, n - k, -1.0)))


def multiplications(maps: int, size: int) -> float:
    """What `raw_moments` costs of maps with D numbers each; one in a product of large matrices counts as an eighth."""
    return maps * size**4 / 8


def raw_moments(maps: np.ndarray, probabilities: np.ndarray, shares: Shares) -> list[np.ndarray]:
    """R_k (D, .., D), k = 1 .. 4, which agree with E[G .. G] of the mean G of a batch once made symmetric in k places.

    With the mean M of one draw, which has the maps (n, D) with these probabilities, and central moments C_k of a batch,

        R_2 = M M + C_2,    R_3 = M M M + 3 M C_2 + C_3,    R_4 = M M M M + 6 M M C_2 + 4 M C_3 + C_4.
    """
    outer = np.multiply.outer
    mean = probabilities @ maps
    second, third, fourth = _central_moments(maps - mean, probabilities)
    C2, C3 = shares.second * second, shares.third * third
    C4 = shares.fourth * fourth + 3 * shares.pairs * outer(second, second)
    MM = outer(mean, mean)
    return [
        mean,
        MM + C2,
        outer(mean, MM + 3 * C2) + C3,
        outer(MM, MM + 6 * C2) + outer(4 * mean, C3) + C4,
    ]


def _central_moments(deviations: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """sum_i p_i D_i .. D_i of orders 2, 3 and 4."""
    n, D = deviations.shape
    second, third, fourth = np.zeros((D, D)), np.zeros((D * D, D)), np.zeros((D * D, D * D))
    chunk = max(1, _AT_ONCE // D**2)
    for first in range(0, n, chunk):
        some = deviations[first : first + chunk]
        weighted = probabilities[first : first + chunk, None] * some
        squares = (some[:, :, None] * some[:, None, :]).reshape(len(some), -1)
        second += weighted.T @ some
        third += squares.T @ weighted
        fourth += squares.T @ (probabilities[first : first + chunk, None] * squares)
    return second, third.reshape(D, D, D), fourth.reshape(D, D, D, D)
