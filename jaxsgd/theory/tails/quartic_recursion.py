"""Moments up to order 4 of a random affine recursion, from step to step."""

import functools
import itertools
import math
from collections.abc import Iterable, Iterator

import numpy as np
import scipy.sparse

from jaxsgd.theory.finite_sums.cost_limit import OVERHEAD

_POWER = 10
"""Equal steps, for each coordinate of the moments, from which on their linear map is raised to a power."""


class Places:
    """Symmetric tensors of order 4 over m indices, as vectors of their N different entries.

    - `entries`: of each the four indices, in increasing order (N, 4).
    - `mean`, `spread`: from all m^4 entries of a tensor to the N, as means over the places that are alike; and back.
    """

    def __init__(self, m: int) -> None:
        self.m = m
        self.entries = np.array(list(itertools.combinations_with_replacement(range(m), 4)))
        powers = m ** np.arange(3, -1, -1)
        number = {code: i for i, code in enumerate((self.entries @ powers).tolist())}
        alike = np.sort(np.indices((m,) * 4).reshape(4, -1), axis=0)
        which = np.array([number[code] for code in (powers @ alike).tolist()])
        shape, everywhere = (m**4, len(self.entries)), np.arange(m**4)
        self.spread = scipy.sparse.csr_array((np.ones(m**4), (everywhere, which)), shape=shape)
        self.mean = scipy.sparse.csr_array((1 / np.bincount(which)[which], (which, everywhere)), shape=shape[::-1])

    def __len__(self) -> int:
        return len(self.entries)

    def powers(self, z: np.ndarray) -> np.ndarray:
        """z z z z of a vector z (m,)."""
        return np.prod(z[self.entries], axis=1)

    def form(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The vector whose product with that of E zzzz is E (z'Az)(z'Bz), for matrices A, B (m, m)."""
        return self.spread.T @ np.multiply.outer(first, second).ravel()


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
        inputs = np.append(np.arange(d), self.size - 1)
        self._update = self._coefficients(
            _embedded(R.reshape((d, d + 1) * k), np.arange(d), inputs, self.size) for k, R in enumerate(raw, 1)
        )
        if averaged:
            B = np.zeros((self.size,) * 2)
            B[d : 2 * d, :d], B[d : 2 * d, d : 2 * d] = np.eye(d), -np.eye(d)
            self._mixing = self._coefficients(functools.reduce(np.multiply.outer, [B] * k) for k in range(1, 5))

    def _coefficients(self, factors: Iterable[np.ndarray]) -> np.ndarray:
        """C(4, k) sym(E[B .. B] I .. I) on the vectors of symmetric tensors (5, N, N), of E[B .. B] (m, m, ..)."""
        m, found = self.size, [np.eye(len(self.places))]
        for k, tensor in enumerate(factors, 1):
            for _ in range(4 - k):
                tensor = np.multiply.outer(tensor, np.eye(m))
            matrix = tensor.transpose(0, 2, 4, 6, 1, 3, 5, 7).reshape(m**4, m**4)
            found.append(math.comb(4, k) * ((self.places.mean @ matrix) @ self.places.spread))
        return np.array(found)

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
        step = _polynomial(self._update, -move[0])
        if self.averaged:
            step = step @ _polynomial(self._mixing, move[1])
        if times > _POWER * len(moments):
            return np.linalg.matrix_power(step, times) @ moments
        for _ in range(times):
            moments = step @ moments
        return moments

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
    each = OVERHEAD + 5 * N**2 + (5 * N**2 + N**3 if averaged else 0) + np.minimum(times, _POWER * N) * N**2
    return float(8 * m**8 + np.sum(each))


def _polynomial(coefficients: np.ndarray, s: float) -> np.ndarray:
    return np.tensordot(s ** np.arange(5), coefficients, 1)


def _embedded(tensor: np.ndarray, rows: np.ndarray, columns: np.ndarray, m: int) -> np.ndarray:
    """A tensor (d, d + 1, d, d + 1, ..) in one of (m, m, m, m, ..)."""
    found = np.zeros((m,) * tensor.ndim)
    found[np.ix_(*[rows, columns] * (tensor.ndim // 2))] = tensor
    return found


def _runs(moves: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Rows that follow each other, and how often each is repeated."""
    if not len(moves):
        return []
    starts = np.append(0, 1 + np.flatnonzero((np.diff(moves, axis=0) != 0).any(1)))
    return list(zip(moves[starts], np.diff(starts, append=len(moves)).tolist(), strict=True))
