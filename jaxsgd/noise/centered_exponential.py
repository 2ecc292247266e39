"""Skewed noise: exponentials less their mean."""

import math
from typing import Any

import numpy as np

from jaxsgd.noise.noise import Scaled
from jaxsgd.streams import Stream


class CenteredExponential(Scaled):
    """xi_j = scale (E_j - 1), with independent standard exponentials E_j: variance scale^2, skewness 2, kurtosis 9.

    Never below -scale; drawn up to 43 scales, see [`jaxsgd.streams.Stream.exponential`][].

    **Arguments**

    - `scale`: one number or one for each coordinate (d,).

    >>> CenteredExponential(scale=2.0).cumulants(3, 1)
    array([16.])
    """

    normal = False
    tail_index = np.inf

    @property
    def symmetric(self) -> bool:
        """Only without any spread."""
        return not np.any(self.scale)

    def standard(self, stream: Stream, shape: tuple[int, ...]) -> Any:
        return stream.exponential(shape) - 1

    def standard_cumulant(self, order: int) -> float:
        """(k - 1)!: E exp(u E) = 1 / (1 - u)."""
        return float(math.factorial(order - 1))

    def marginal(self, dimension: int) -> Any:
        from scipy import stats

        return self.frozen(stats.expon, dimension, loc=-1.0)
