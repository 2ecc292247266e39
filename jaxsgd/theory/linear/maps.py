"""Affine maps of many steps at once, as arrays, block by block."""

import abc
from typing import NamedTuple

import numpy as np

from jaxsgd.errors import NoExactSolution


class Maps(NamedTuple):
    """z_{t+1} = M_t z_t + N_t xi_t + c_t for L steps t, separately in each of B blocks.

    A block holds m numbers of z, of which the first r are those of x, and r of the noise. Centred: z is the distance to
    what the method makes of x_0 = x*.

    - `matrices`: M (L, B, m, m).
    - `noise`: N (L, B, m, r).
    - `offsets`: c (L, B, m).
    - `points`: P and p of each further point P z_t + p, less x*: (L, B, r, m) and (L, B, r).
    - `taken`: of the point at which the gradient is taken, where its noise depends on that point.
    """

    matrices: np.ndarray
    noise: np.ndarray
    offsets: np.ndarray
    points: list[tuple[np.ndarray, np.ndarray]]
    taken: tuple[np.ndarray, np.ndarray] | None = None

    def check(self, first: int = 0, last: int | None = None) -> None:
        """An error if maps of the steps from `first` on, and before `last`, hold NaN.

        It is one of the method, such as 0/0 in a factor of t = 0, and no overflow, which counts as inf in moments.
        """
        count = None if last is None else last - first
        of_next = self.matrices, self.noise, self.offsets, *(self.taken or ())
        bad = sum(np.isnan(each[:count]).sum(tuple(range(1, each.ndim))) for each in of_next)
        if np.any(bad):
            raise NoExactSolution(f"the numbers with which the method updates x and its state are NaN at t = "
                                  f"{first + int(np.argmax(bad))}")  # fmt: skip


class Law(NamedTuple):
    """Mean (.., B, m) of z, and its covariance: (.., B, m, m), or (.., B, B, m, m) between all blocks."""

    mean: np.ndarray
    covariance: np.ndarray


class MapsOfMethod(abc.ABC):
    """The maps of a study.

    - `start`: the law of z_0.
    """

    start: Law

    @abc.abstractmethod
    def between(self, first: int, last: int) -> Maps:
        """Those of the steps first .. last - 1."""


class PlainMaps(MapsOfMethod):
    """x - eta_t (A (x - x*) + drift + xi_t) in the eigenbasis of A: every coordinate is a block of its own.

    **Arguments**

    - `eigenvalues`, `drift`: of A (d,), and (d,).
    - `start`: the law of x_0 - x*, of one coordinate a block.
    - `rates`: eta_t.
    """

    def __init__(self, eigenvalues: np.ndarray, start: Law, rates: np.ndarray, drift: np.ndarray | float = 0.0) -> None:
        self._eigenvalues, self._rates, self._drift, self.start = eigenvalues, rates, drift, start

    def between(self, first: int, last: int) -> Maps:
        rates = self._rates[first:last, None]
        matrices = (1 - rates * self._eigenvalues)[..., None, None]
        noise, zero = np.broadcast_to(-rates[..., None, None], matrices.shape), np.zeros(matrices.shape[:-1])
        offsets = -rates[..., None] * (self._drift + zero[..., 0])[..., None]
        return Maps(matrices, noise, offsets, [], (np.ones(matrices.shape), zero))
