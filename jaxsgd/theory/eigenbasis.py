"""A quadratic with Gaussian gradient noise in the eigenbasis of its curvature.

There e = Q'(x - x*), I - eta A is a diagonal, and risk, distance and gradient norm are weighted sums
of squares.
"""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
import xarray as xr

from jaxsgd.errors import NoExactSolution
from jaxsgd.noise import Gaussian
from jaxsgd.oracles import AdditiveNoise, FullGradient, Oracle
from jaxsgd.problems import Quadratic

LARGEST_COVARIANCE = 10**7
"""An x_covariance of more numbers than this, 80 MB, is left out."""


@dataclasses.dataclass(frozen=True)
class Eigenbasis:
    """A = Q diag(h) Q' and S = Cov xi, rotated. Covariances are (d,) while they are all diagonal.

    - `minimiser`: x* (d,).
    - `eigenvalues`: h (d,).
    - `vectors`: Q (d, d), or None for the identity.
    - `noise`: Q'SQ (d, d), or its diagonal (d,) where nothing else is left.
    """

    minimiser: np.ndarray
    eigenvalues: np.ndarray
    vectors: np.ndarray | None
    noise: np.ndarray

    @classmethod
    def of(cls, oracle: Oracle) -> Self:
        """The eigenbasis of an oracle, or NoExactSolution where it has none."""
        if not isinstance(oracle, AdditiveNoise | FullGradient):
            raise _missing("oracles.AdditiveNoise or oracles.FullGradient", oracle)
        problem = oracle.problem
        if not isinstance(problem, Quadratic):
            raise _missing("problems.Quadratic", problem)
        covariance = np.zeros(len(problem.minimiser))
        if isinstance(oracle, AdditiveNoise):
            if not isinstance(oracle.noise, Gaussian):
                raise _missing("noise.Gaussian", oracle.noise)
            covariance = oracle.noise.covariance_matrix(len(problem.minimiser))
        if problem.curvature.ndim == 1:
            return cls(problem.minimiser, np.maximum(problem.curvature, 0), None, covariance)
        h, Q = np.linalg.eigh(problem.curvature)
        h[h < rounding(h)] = 0
        isotropic = covariance.ndim == 1 and np.ptp(covariance) == 0
        if not isotropic:
            covariance = Q.T @ (np.diag(covariance) if covariance.ndim == 1 else covariance) @ Q
        return cls(problem.minimiser, h, Q, covariance)

    def columns(self, vector: np.ndarray) -> np.ndarray:
        """k, of (d, 1) if covariances are matrices, so that k * k.T are the factors k_i k_j of their entries."""
        return vector[:, None] if self.noise.ndim == 2 else vector

    def enter(self, x: np.ndarray) -> np.ndarray:
        """e = Q'(x - x*)."""
        return x - self.minimiser if self.vectors is None else (x - self.minimiser) @ self.vectors

    def x_moments(self, mean: np.ndarray, covariance: np.ndarray) -> dict[str, np.ndarray]:
        """x_mean (..., d) and, up to `LARGEST_COVARIANCE` numbers, x_covariance (..., d, d)."""
        Q = self.vectors
        moments = {"x_mean": self.minimiser + (mean if Q is None else mean @ Q.T)}
        if mean.size * mean.shape[-1] <= LARGEST_COVARIANCE:
            if covariance.ndim == mean.ndim:
                covariance = covariance[..., None] * np.eye(mean.shape[-1])
            moments["x_covariance"] = covariance if Q is None else Q @ covariance @ Q.T
        return moments

    def observables(self, mean: np.ndarray, covariance: np.ndarray, of: str = "") -> dict[str, np.ndarray]:
        """Means and variances of risk and squared distance for e ~ N(mean, covariance)."""
        return {
            **quadratic_form(f"risk{of}", self.eigenvalues / 2, mean, covariance),
            **quadratic_form(f"distance_squared{of}", np.ones_like(self.eigenvalues), mean, covariance),
        }

    def gradient_norm(self, mean: np.ndarray, covariance: np.ndarray) -> dict[str, np.ndarray]:
        """Mean and variance of ||g||^2, where g ~ N(A m, A V A + S)."""
        h = self.columns(self.eigenvalues)
        gradient = self.eigenvalues * mean, h * h.T * covariance + self.noise
        return quadratic_form("gradient_norm_squared", np.ones_like(self.eigenvalues), *gradient)


def quadratic_form(name: str, w: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and variance of sum_i w_i e_i^2, e ~ N(m, V).

    E = sum_i w_i (v_ii + m_i^2) and Var = sum_ij w_i w_j v_ij (2 v_ij + 4 m_i m_j). What overflows is inf.
    """
    if covariance.ndim == mean.ndim:
        variances, products, weights, axes = covariance, mean**2, w**2, (-1,)
    else:
        variances = np.diagonal(covariance, axis1=-2, axis2=-1)
        products, weights, axes = mean[..., :, None] * mean[..., None, :], np.outer(w, w), (-2, -1)
    expectation = (w * (variances + mean**2)).sum(-1)
    variance = (weights * covariance * (2 * covariance + 4 * products)).sum(axes)
    # Only an overflow makes NaN here, by inf - inf or 0 inf.
    return {f"{name}_mean": _overflowed(expectation), f"{name}_variance": _overflowed(variance)}


def labelled(moments: dict[str, np.ndarray], coordinates: Sequence[str], **leading: np.ndarray) -> xr.Dataset:
    """Moments with the axes (*leading, coordinate, coordinate_2), or the first of them."""
    dimensions = (*leading, "coordinate", "coordinate_2")
    return xr.Dataset(
        {name: (dimensions[: values.ndim], values) for name, values in moments.items()},
        coords={**leading, "coordinate": list(coordinates), "coordinate_2": list(coordinates)},
    )


def rounding(values: np.ndarray) -> float:
    """Below this, an eigenvalue or a rotated variance is a rounding error of the largest one."""
    return len(values) * np.finfo(float).eps * np.abs(values).max()


def _overflowed(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.inf, values)


def _missing(needed: str, given: object) -> NoExactSolution:
    return NoExactSolution(f"exact moments need {needed}, got {type(given).__name__}")
