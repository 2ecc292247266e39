"""Noise of a gradient whose covariance depends on the point: its mean is linear in second moments of the point."""

import abc

import numpy as np

from jaxsgd.theory.recursion import MeanAndCovariance


class NoiseAtPoint(abc.ABC):
    """Of examples that are drawn afresh, or noise that grows with the gradient, in the eigenbasis of the mean Hessian.

    - `multiplications`: what `noise` costs.
    """

    multiplications: float

    @property
    @abc.abstractmethod
    def matrix(self) -> np.ndarray | None:
        """K (d^2, (d + 1)^2) with E Cov(g_t | x_t) = K E zz' as vectors, z = (e, 1); None where it is too large."""

    @abc.abstractmethod
    def noise(self, x: MeanAndCovariance) -> np.ndarray:
        """E Cov(g_t | x_t) (d, d), for a law of e."""
