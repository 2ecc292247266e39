"""Moments up to order 4 of a random affine recursion, from step to step."""

import functools
import itertools
import math
from collections.abc import Iterator

import numpy as np

from jaxsgd.theory.finite_sums.cost_limit import OVERHEAD

_POWER = 10
"""Equal steps, for each coordinate of the moments, from which on their linear map is raised to a power."""


class Places:
    """Symmetric tensors of order 4 over m indices, as vectors of their N different entries.

    - `entries`: of each the four indices, in increasing order (N, 4).
    - `which`: the number of the entry at each place (m, m, m, m).
    - `alike`: how many places hold each entry (N,).
    """

    def __init__(self, m: int) -> None:
        self.entries = np.array(list(itertools.combinations_with_replacement(range(m), 4)))
        powers = m ** np.arange(3, -1, -1)
        places = np.sort(np.indices((m,) * 4).reshape(4, -1), axis=0)
        self.which = np.searchsorted(self.entries @ powers, powers @ places).reshape((m,) * 4)
        self.alike = np.bincount(self.which.ravel())

    def __len__(self) -> int:
        return len(self.entries)

    def powers(self, z: np.ndarray) -> np.ndarray:
        """z z z z of a vector z (m,)."""
        return np.prod(z[self.entries], axis=1)

    def form(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The vector whose product with that of E zzzz is E (z'Az)(z'Bz), for matrices A, B (m, m)."""
        return np.bincount(self.which.ravel(), np.multiply.outer(first, second).ravel())

    def map(self, tensor: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """sym(T I .. I) on these vectors (N, N), T (r, c, r, c, ..) of k pairs and 4 - k identities.

        In the places of T stand these rows and columns of (m, m, m, m, ..), in which all others are 0.
        """
        k, m, N = tensor.ndim // 2, len(self.which), len(self)
        axes = np.ix_(*[rows, columns] * k, *[np.arange(m)] * (4 - k))
        row = self.which[(*axes[0 : 2 * k : 2], *axes[2 * k :])]
        column = self.which[(*axes[1 : 2 * k : 2], *axes[2 * k :])]
        values = tensor.reshape(tensor.shape + (1,) * (4 - k)) / self.alike[row]
        return np.bincount((row * N + column).ravel(), values.ravel(), N * N).reshape(N, N)


@functools.lru_cache(maxsize=8)
def places(m: int) -> Places:
    """The same object for the same m."""
    return Places(m)


class QuarticRecursion:
    """E zzzz of z = (e, 1), or (e, ebar, 1), which holds all moments up to order 4.

    An update takes e to e - eta G (e, 1) with G drawn afresh; before it, an average is mixed, ebar + c (e - ebar). Both
    are z + s B z with a matrix B (m, m), s = -eta or c, so that E zzzz passes to

        sum_k C(4, k) s^k sym(E[B .. B] I .. I) E zzzz,    k factors B and 4 - k identities,

    where sym makes a tensor symmetric.

    - `raw`: E[G .. G] (D, .., D), D = d (d + 1), for k = 1 .. 4 factors, up to symmetry.
    - `averaged`: whether z holds an average.
    """

    def __init__(self, raw: list[np.ndarray], dimension: int, averaged: bool = False) -> None:
        d, self.size = dimension, size_of(dimension, averaged)
        self.places, self.dimension, self.averaged = places(self.size), dimension, averaged
        tensors = [R.reshape((d, d + 1) * k) for k, R in enumerate(raw, 1)]
        self._update = self._coefficients(tensors, np.arange(d), np.append(np.arange(d), self.size - 1))
        if averaged:
            mixed = np.hstack([np.eye(d), -np.eye(d)])
            powers = [functools.reduce(np.multiply.outer, [mixed] * k) for k in range(1, 5)]
            self._mixing = self._coefficients(powers, np.arange(d, 2 * d), np.arange(2 * d))

    def _coefficients(self, tensors: list[np.ndarray], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """C(4, k) sym(E[B .. B] I .. I) for k = 0 .. 4 (5, N, N), of the E[B .. B] for k = 1 .. 4."""
        maps = [math.comb(4, k) * self.places.map(tensor, rows, columns) for k, tensor in enumerate(tensors, 1)]
        return np.array([np.eye(len(self.places)), *maps])

    def moments(self, start: np.ndarray, moves: np.ndarray, steps: np.ndarray) -> Iterator[np.ndarray]:
        """The vectors of E zzzz (N,) at increasing steps, from e_0 = start.

        `moves` (T, 1) holds eta_t; (T, 2) eta_t and c_t, where there is an average.
        """
        z = [start, start, [1.0]] if self.averaged else [start, [1.0]]
        found, at = self.places.powers(np.concatenate(z)), 0
        for step in steps.tolist():
            for move, times in _runs(moves[at:step]):
                found = self._advanced(found, move, times)
            at = step
            yield found

    def _advanced(self, moments: np.ndarray, move: np.ndarray, times: int) -> np.ndarray:
        if times <= _POWER * len(moments):
            for _ in range(times):
                moments = self._moved(moments, move)
            return moments
        return np.linalg.matrix_power(self._moved(np.eye(len(moments)), move), times) @ moments

    def _moved(self, moments: np.ndarray, move: np.ndarray) -> np.ndarray:
        """After one update, of one vector (N,) or of several (N, k)."""
        if self.averaged:
            moments = _applied(self._mixing, move[1], moments)
        return _applied(self._update, -move[0], moments)

    def second(self, weights: np.ndarray) -> np.ndarray:
        """The vector whose product with that of E zzzz is E e'We, or E ebar'W ebar; W (d, d)."""
        last = np.zeros((self.size,) * 2)
        last[-1, -1] = 1.0
        return self.places.form(self._placed(weights), last)

    def fourth(self, weights: np.ndarray) -> np.ndarray:
        """That of E (e'We)^2, or E (ebar'W ebar)^2."""
        return self.places.form(*[self._placed(weights)] * 2)

    def _placed(self, weights: np.ndarray) -> np.ndarray:
        d, W = self.dimension, np.zeros((self.size,) * 2)
        some = slice(d, 2 * d) if self.averaged else slice(d)
        W[some, some] = weights
        return W


def size_of(dimension: int, averaged: bool) -> int:
    """m, the length of z."""
    return dimension * (2 if averaged else 1) + 1


def multiplications(dimension: int, averaged: bool, moves: np.ndarray, steps: np.ndarray) -> float:
    """What it costs to make a `QuarticRecursion` and to follow it."""
    m = size_of(dimension, averaged)
    N = math.comb(m + 3, 4)
    times = np.array([count for gap in np.split(moves[: steps[-1]], steps[:-1]) for _, count in _runs(gap)])
    each = OVERHEAD + (10 if averaged else 5) * N**2
    pairs = dimension * (2 * dimension if averaged else dimension + 1)
    return float(20 * pairs**4 + np.sum(np.minimum(times, _POWER * N) * each))


def _applied(coefficients: np.ndarray, s: float, moments: np.ndarray) -> np.ndarray:
    """(C_0 + s C_1 + .. + s^4 C_4) moments."""
    return np.tensordot(s ** np.arange(5), coefficients @ moments, 1)


def _runs(moves: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Rows that follow each other, and how often each is repeated."""
    if not len(moves):
        return []
    starts = np.append(0, 1 + np.flatnonzero((np.diff(moves, axis=0) != 0).any(1)))
    return list(zip(moves[starts], np.diff(starts, append=len(moves)).tolist(), strict=True))
