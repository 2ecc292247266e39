"""Noise of random signs."""

from typing import Any

import numpy as np

from jaxsgd.noise.noise import Scaled, cumulant_of_moments
from jaxsgd.streams import Stream


class _TwoPoints:
    """The law of +scale and -scale with probability 1/2 each."""

    def __init__(self, scales: np.ndarray) -> None:
        self._scales = scales

    def cdf(self, x: Any) -> np.ndarray:
        """P(xi <= x)."""
        return ((x >= -self._scales) + 1.0 * (x >= self._scales)) / 2


class Rademacher(Scaled):
    """xi_j = +scale or -scale with probability 1/2 each, independently: bounded noise, of variance scale^2.

    **Arguments**

    - `scale`: one number or one for each coordinate (d,).

    >>> Rademacher(scale=2.0).cumulants(4, 1)
    array([-32.])
    """

    normal = False
    symmetric = True
    tail_index = np.inf

    @property
    def bounded(self) -> bool:
        """Whatever the scale."""
        return True

    def standard(self, stream: Stream, shape: tuple[int, ...]) -> Any:
        return stream.rademacher(shape)

    def standard_cumulant(self, order: int) -> float:
        return cumulant_of_moments([1.0 - k % 2 for k in range(1, order + 1)])

    def marginal(self, dimension: int) -> Any:
        return _TwoPoints(self.scales(dimension))
