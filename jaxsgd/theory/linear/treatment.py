"""How a method treats the coordinates of x: each for itself, or all alike, or neither."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxsgd.theory.linear.affine_update import AffineUpdate, changes_with_time
from jaxsgd.theory.linear.traced_maps import MethodOnQuadratic, Quadratic

_NUMBERS = 10**7  # of derivatives at once
_CLOSE = 1e-12


def treats_each(update: AffineUpdate, numbers: Any, of_z: np.ndarray, rates: np.ndarray) -> bool:
    """Whether each coordinate is treated for itself, whose places in z these are (d, m), at all times.

    So it is if derivatives of x_0 and of updates along random directions within sets of coordinates are 0 outside of
    them, of a random diagonal Hessian. The sets are those of coordinates whose number has a given binary digit: any two
    are parted by one of them.
    """
    d, size, random = len(of_z), update.size, np.random.default_rng(0)
    digits = (np.arange(d) >> np.arange(max(1, (d - 1).bit_length()))[:, None]) & 1
    sets = np.concatenate([digits, 1 - digits]).astype(bool)
    inside = np.zeros((len(sets), size + d), bool)
    inside[:, of_z], inside[:, size:] = sets[:, :, None], sets
    directions = inside * random.uniform(0.5, 1.5, inside.shape)
    method = MethodOnQuadratic(update, numbers, Quadratic(random.uniform(0.5, 1.5, d), np.zeros(d)), rates)
    _, of_start = method.start(np.zeros(d), directions[:, size:])
    if np.any(of_start[~inside[:, :size]]):
        return False
    for times in _chunks(_times(update, numbers, rates), directions.size):
        _, found = method.derivatives(times, directions)  # (L, outputs, sets)
        of_next, of_points = found[:, :size], found[:, size:].reshape(len(times), -1, d, len(sets))
        if np.any(of_next[:, ~inside[:, :size].T]) or np.any(of_points[:, :, ~sets.T]):
            return False
    return True


def treats_alike(update: AffineUpdate, numbers: Any, of_z: np.ndarray, rates: np.ndarray) -> bool:
    """Whether all coordinates, whose places in z these are (d, m), are treated for themselves and alike at all times.

    So it is if an update makes of parts of z, of points and of gradients nothing but sums of them with numbers as
    factors, gradients taken as if they were no functions of points: then the method commutes with rotations of x,
    whatever the Hessian. A linear map is such a factor if it takes one random direction to a multiple of it. Where
    gradients are taken inside of a branch this cannot be told, and counts as no.
    """
    d = len(of_z)
    direction = np.random.default_rng(0).uniform(0.5, 1.5, d)
    method = MethodOnQuadratic(update, numbers, Quadratic(None, np.zeros(d)), rates)
    _, of_start = method.start(np.zeros(d), direction[None])
    if not update.starts_affine or np.any(method.origin) or not _are_multiples(of_start[:, of_z.T], direction):
        return False
    for times in _chunks(_times(update, numbers, rates), (of_z.shape[1] + 4) * 2 * update.size):
        found = method.parts(times, of_z, direction)
        if found is None or np.any(found[0]):
            return False
        z_next, others = np.split(found[1], [update.size], axis=-1)
        if not _are_multiples(z_next[..., of_z.T], direction):
            return False
        if not _are_multiples(others.reshape(*others.shape[:2], -1, d), direction):
            return False
    return True


def _times(update: AffineUpdate, numbers: Any, rates: np.ndarray) -> np.ndarray:
    """All times, or one of each learning rate if the update depends on nothing else of them."""
    if changes_with_time(update, numbers):
        return np.arange(len(rates))
    return np.unique(rates, return_index=True)[1]


def _chunks(times: np.ndarray, each: int) -> Iterator[np.ndarray]:
    """The times, as many at once as it is a power of two and they have few numbers."""
    at_once = 2 ** int(np.log2(max(1, _NUMBERS / each)))
    for first in range(0, len(times), at_once):
        yield times[first : first + at_once]


def _are_multiples(values: np.ndarray, direction: np.ndarray) -> bool:
    """Whether all vectors (.., d) are multiples of one, but for rounding of each of them."""
    factors = values @ direction / (direction @ direction)
    off = np.abs(values - factors[..., None] * direction).max(-1)
    return bool(np.all(off <= _CLOSE * np.abs(values).max(-1)))
