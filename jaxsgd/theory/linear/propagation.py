"""How mean and covariance pass through affine maps, many steps at a time.

A step takes mean and covariance to M m + c and M V M' + Q. Such pairs of maps can be put together, two steps to one, so
that all steps from a start are found in log2 of their number passes over arrays, in place of a loop over steps.
"""

import abc
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxsgd.theory.finite_sums.cost_limit import check_cost
from jaxsgd.theory.linear.maps import Law, Maps, MapsOfMethod
from jaxsgd.theory.recursion import DIGITS, EPS, MeanAndCovariance

_AT_ONCE = 2**17
"""Numbers of the matrices of one pass."""

_SMALL = 12
"""Up to this size maps are put together; of larger matrices, products cost more than a loop over steps."""


class Recorded(NamedTuple):
    """The laws of x, of each average and of each further point at one step, less x*."""

    x: MeanAndCovariance
    averages: list[MeanAndCovariance]
    points: list[MeanAndCovariance]


class EnteringNoise(abc.ABC):
    """The noise of gradients, and the laws that it leads to.

    - `correlates`: whether it is correlated between blocks.
    - `multiplications`: what a step of it costs.
    """

    correlates: bool
    multiplications: float

    @abc.abstractmethod
    def laws(self, first: int, maps: "Augmented", start: Law) -> Law:
        """The laws of z and averages before each of L steps and after the last of them, from step `first` on."""


class Augmented(NamedTuple):
    """The maps of z and averages: M (L, B, m, m), c (L, B, m), N (L, B, m, r); P and p of where gradients are taken."""

    matrices: np.ndarray
    offsets: np.ndarray
    enters: np.ndarray
    taken: tuple[np.ndarray, np.ndarray] | None


class FixedNoise(EnteringNoise):
    """Cov xi_t = c_t S.

    **Arguments**

    - `covariance`: S (B, r, r); or (B, B, r, r), between all blocks.
    - `factors`: c_t; of as many steps as there are, and one more.
    """

    multiplications = 0.0

    def __init__(self, covariance: np.ndarray, factors: np.ndarray) -> None:
        self._covariance, self._roots, self.correlates = covariance, np.sqrt(factors), covariance.ndim == 4

    def laws(self, first: int, maps: Augmented, start: Law) -> Law:
        enters = self._roots[first : first + len(maps.enters), None, None, None] * maps.enters
        S = _between_all(self._covariance) if start.covariance.ndim == 4 else self._covariance
        return passed_on(
            maps.matrices, maps.offsets, conjugated(enters, np.broadcast_to(S, (len(enters), *S.shape))), start
        )


def recorded(
    maps: MapsOfMethod, noise: EnteringNoise, mixings: Sequence[np.ndarray], steps: np.ndarray
) -> Iterator[Recorded]:
    """The laws at increasing steps; mean and covariance have shapes (B, r) and (B, r, r), or (B, B, r, r).

    Averages join z: xbar + c_t (x_t - xbar) is another row of the map. What rounding has taken of the second moments is
    followed, too: with w the roots of the diagonal of E zz', local errors are at most eps b b' for b = |M| w, entry by
    entry, and m eps diag(b^2) in the order of positive matrices; P of them passes on as M P M' + m eps diag(b^2).

    **Arguments**

    - `maps`: of the method.
    - `mixings`: c_t of each average (T,).
    - `steps`: at which laws are wanted.
    """
    blocks, m = maps.start.mean.shape
    last, r = int(steps[-1]), maps.between(0, 1).noise.shape[-1]
    size = m + r * len(mixings)
    pairs = noise.correlates or maps.start.covariance.ndim == 4
    each = blocks * (blocks if pairs else 1) * size**2
    check_cost((last + 1) * (noise.multiplications + each * size * (4.0 if size <= _SMALL else 0.5)))
    law, lost = _with_averages(maps.start, r, len(mixings), pairs), np.zeros((blocks, size, size))
    at_once = 2 ** int(np.log2(max(1, _AT_ONCE / each)))
    for first in range(0, last + 1, at_once):
        end = min(first + at_once, last + 1)
        some = maps.between(first, end)
        some.check(first, last)  # after the last update there is no other one
        joined = augmented(some, [c[first:end] for c in mixings])
        found = noise.laws(first, joined, law)
        errors = _errors(joined.matrices, found, lost) if size > r else np.zeros((end - first + 1, *lost.shape))
        for step in steps[(steps >= first) & (steps < end)].tolist():
            at = step - first
            now, error = Law(found.mean[at], found.covariance[at]), errors[at]
            seen = [_seen(rows_of(blocks, size, a, r), now, error) for a in (0, *range(m, size, r))]
            points = [_seen(padded(P[at], size), now, error, p[at]) for P, p in some.points]
            yield Recorded(seen[0], seen[1:], points)
        law, lost = Law(found.mean[-1], found.covariance[-1]), errors[-1]


def _with_averages(start: Law, r: int, count: int, pairs: bool) -> Law:
    """The law of z_0 and of averages, which start at x_0."""
    m = start.mean.shape[-1]
    join = np.concatenate([np.eye(m), *[np.eye(r, m)] * count])
    covariance = _between_all(start.covariance) if pairs else start.covariance
    return Law(start.mean @ join.T, join @ covariance @ join.T)


def _between_all(covariance: np.ndarray) -> np.ndarray:
    """A covariance within each block, or one between all, as one between all (B, B, m, m)."""
    if covariance.ndim == 4:
        return covariance
    blocks = np.arange(len(covariance))
    between = np.zeros((len(blocks), *covariance.shape))
    between[blocks, blocks] = covariance
    return between


def augmented(maps: Maps, mixings: Sequence[np.ndarray]) -> Augmented:
    """The maps of z and averages."""
    L, blocks, m, r = maps.noise.shape
    size = m + r * len(mixings)
    matrices, offsets = np.zeros((L, blocks, size, size)), np.zeros((L, blocks, size))
    matrices[..., :m, :m], offsets[..., :m] = maps.matrices, maps.offsets
    for number, mixing in enumerate(mixings):
        c = np.zeros(L)
        c[: len(mixing)] = mixing  # no average takes up what comes after the last update
        for k in range(r):
            row = m + r * number + k
            matrices[:, :, row, k], matrices[:, :, row, row] = c[:, None], 1 - c[:, None]
    enters = np.zeros((L, blocks, size, r))
    enters[..., :m, :] = maps.noise
    return Augmented(matrices, offsets, enters, maps.taken and (padded(maps.taken[0], size), maps.taken[1]))


def passed_on(matrices: np.ndarray, offsets: np.ndarray, covariances: np.ndarray, start: Law) -> Law:
    """The laws before each of L steps and after the last of them."""
    if matrices.shape[-1] <= _SMALL:
        M, c, Q = _composed(*(np.moveaxis(each, 0, -1).copy() for each in (matrices, offsets, covariances)))
        if np.isfinite(M).all() and np.isfinite(Q).all():
            mean = _applied(M, start.mean[..., None]) + c
            covariance = _conjugated(M, start.covariance[..., None]) + Q
            return Law(_from(start.mean, mean), _from(start.covariance, covariance))
    # Products that overflow need not do so once they are applied, to 0 for example.
    means, found = [start.mean], [start.covariance]
    for M, c, Q in zip(matrices, offsets, covariances, strict=True):
        means.append((M @ means[-1][..., None])[..., 0] + c)
        found.append(conjugated(M, found[-1]) + Q)
    return Law(np.array(means), np.array(found))


def _from(start: np.ndarray, later: np.ndarray) -> np.ndarray:
    """The start and what comes later, whose last axis is time, along a first axis of time."""
    return np.concatenate([start[None], np.moveaxis(later, -1, 0)])


def _errors(matrices: np.ndarray, laws: Law, lost: np.ndarray) -> np.ndarray:
    """Bounds P (L + 1, B, m, m) of the errors of second moments."""
    mean, covariance = laws.mean[:-1], laws.covariance[:-1]
    if covariance.ndim == 5:
        covariance = np.einsum("liijk->lijk", covariance)
    size = mean.shape[-1]
    roots = np.sqrt(np.maximum(np.diagonal(covariance, axis1=-2, axis2=-1), 0) + mean**2)
    local = size * EPS * (np.abs(matrices) @ roots[..., None]) ** 2 * np.eye(size)
    return passed_on(matrices, np.zeros(mean.shape), local, Law(np.zeros(mean.shape[1:]), lost)).covariance


# Below, time is the last axis: NumPy is fast along it.


def _composed(M: np.ndarray, c: np.ndarray, Q: np.ndarray) -> list[np.ndarray]:
    """The maps of the first step, the first two, the first three, ... together."""
    count = M.shape[-1]
    if count == 1:
        return [M, c, Q]
    first, second, odd = ([each[..., some] for each in (M, c, Q)] for some in (
        slice(0, count - 1, 2), slice(1, None, 2), slice(2, None, 2)))  # fmt: skip
    of_pairs = _composed(*_after(first, second))
    after_odd = _after([each[..., : odd[0].shape[-1]] for each in of_pairs], odd)
    found = [np.empty(each.shape) for each in (M, c, Q)]
    for whole, single, pair, rest in zip(found, (M, c, Q), of_pairs, after_odd, strict=True):
        whole[..., 0], whole[..., 1::2], whole[..., 2::2] = single[..., 0], pair, rest
    return found


def _after(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Steps of one list, each followed by that of another one."""
    (M1, c1, Q1), (M2, c2, Q2) = first, second
    return [_product(M2, M1), _applied(M2, c1) + c2, _conjugated(M2, Q1) + Q2]


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    total = a[..., :, 0, None, :] * b[..., 0, None, :, :]
    for j in range(1, a.shape[-2]):
        total += a[..., :, j, None, :] * b[..., j, None, :, :]
    return total


def _applied(M: np.ndarray, vector: np.ndarray) -> np.ndarray:
    return _product(M, vector[..., None, :])[..., 0, :]


def _conjugated(M: np.ndarray, V: np.ndarray) -> np.ndarray:
    """M V M'; M_i V_ij M_j' where V holds pairs of blocks."""
    left, right = (M[:, None], M[None]) if V.ndim > M.ndim else (M, M)
    return _product(_product(left, V), right.swapaxes(-3, -2))


# Above, time is the last axis.


def conjugated(M: np.ndarray, V: np.ndarray) -> np.ndarray:
    """M V M', or M_i V_ij M_j' where V holds pairs of blocks; with time as the first axis, or without."""
    left, right = (M[..., :, None, :, :], M[..., None, :, :, :]) if V.ndim > M.ndim else (M, M)
    return left @ V @ right.swapaxes(-1, -2)


def rows_of(blocks: int, size: int, first: int, r: int) -> np.ndarray:
    """The rows (B, r, size) that take z and averages to r of their numbers, from one on."""
    return np.broadcast_to(np.eye(size)[first : first + r], (blocks, r, size))


def padded(rows: np.ndarray, size: int) -> np.ndarray:
    """Rows of z as rows of z and averages, of this size."""
    return np.concatenate([rows, np.zeros((*rows.shape[:-1], size - rows.shape[-1]))], axis=-1)


def _seen(rows: np.ndarray, law: Law, lost: np.ndarray, offset: np.ndarray | float = 0.0) -> MeanAndCovariance:
    """The law of rows z + offset, known where they are and rounding leaves six digits of the sum of the squares."""
    mean, covariance = (rows @ law.mean[..., None])[..., 0] + offset, conjugated(rows, law.covariance)
    own = covariance if covariance.ndim == 3 else np.einsum("iijk->ijk", covariance)
    size = np.trace(own, axis1=-2, axis2=-1).sum() + np.sum(mean**2)
    error = np.trace(conjugated(rows, lost), axis1=-2, axis2=-1).sum()
    undefined = (
        np.isnan(rows).any() or np.isnan(offset).any()
    )  # a point of the method that is 0/0 at first, for example
    return MeanAndCovariance(mean, covariance, not (undefined or error > DIGITS * size))
