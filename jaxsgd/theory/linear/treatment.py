"""How a method treats the coordinates of x: each for itself, or all together."""

import enum
from typing import Any

import numpy as np

from jaxsgd.theory.linear.affine_update import AffineUpdate
from jaxsgd.theory.linear.traced_maps import MethodOnQuadratic, Places, Quadratic

_TIMES = 64
_NUMBERS = 10**7  # of derivatives at once
_CLOSE = 1e-12


class Treatment(enum.Enum):
    """Coordinates are mixed; or each is treated for itself; or each for itself, and all alike."""

    mixed = enum.auto()
    each = enum.auto()
    alike = enum.auto()


def treatment(update: AffineUpdate, numbers: Any, of_z: np.ndarray, rates: np.ndarray) -> Treatment:
    """How coordinates are treated, whose places in z these are (d, m), at up to 64 of the times.

    Each is treated for itself if derivatives along random directions within sets of coordinates are 0 outside of them.
    The sets are those of coordinates whose number has a given binary digit: any two are parted by one of them. And all
    are treated alike if coordinates that exchange their curvatures exchange their maps, and none has an offset where
    x* = 0; then a method commutes with rotations of x.
    """
    d = len(of_z)
    random = np.random.default_rng(0)
    digits = (np.arange(d) >> np.arange(max(1, (d - 1).bit_length()))[:, None]) & 1
    sets = np.concatenate([digits, 1 - digits]).astype(bool)
    places = Places(of_z, np.arange(d)[:, None])
    inside = np.zeros((len(sets), update.size + d), bool)
    inside[:, of_z], inside[:, update.size :] = sets[:, :, None], sets
    directions = np.concatenate([inside * random.uniform(0.5, 1.5, inside.shape), places.directions])
    most = max(2, min(_TIMES, _NUMBERS // directions.size))
    times = np.unique(np.geomspace(1, len(rates), most).astype(int)) - 1
    curvature, order = random.uniform(0.5, 1.5, d), np.roll(np.arange(d), 1)

    def responses(curvature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        method = MethodOnQuadratic(update, numbers, Quadratic(curvature, np.zeros(d)), rates)
        values, derivatives = method.derivatives(times, directions)
        return np.abs(values).max() + np.abs(method.origin).max(), derivatives

    offset, found = responses(curvature)
    owner = np.empty(found.shape[1], int)
    owner[of_z], owner[update.size :] = np.arange(d)[:, None], np.arange(found.shape[1] - update.size) % d
    if np.any(found[:, :, : len(sets)].swapaxes(1, 2)[:, ~sets[:, owner]]):
        return Treatment.mixed
    moved = np.empty(found.shape[1], int)  # where what belongs to coordinate order[i] has what belongs to i
    moved[of_z], moved[update.size :] = of_z[order], _in_order(order, found.shape[1] - update.size, update.size)
    _, exchanged = responses(curvature[order])
    _, equal = responses(np.full(d, curvature[0]))
    maps, exchanged, equal = (each[:, :, len(sets) :] for each in (found, exchanged, equal))
    # Of the others' curvatures the maps of a coordinate must not depend either.
    off = max(np.abs(maps[:, moved] - exchanged).max(), np.abs((maps - equal)[:, owner == 0]).max())
    alike = off <= _CLOSE * np.abs(maps).max()
    return Treatment.alike if alike and offset == 0 and update.starts_affine else Treatment.each


def _in_order(order: np.ndarray, count: int, first: int) -> np.ndarray:
    """The places, from `first` on, of the coordinates of points in another order."""
    return (first + np.arange(0, count, len(order))[:, None] + order).ravel()
