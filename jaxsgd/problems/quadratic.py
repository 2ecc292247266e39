"""The quadratic, for which SGD has exact moments."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, finite_array, semidefinite
from jaxsgd.problems.problem import CentredConvex, GradientSizes


class Quadratic(CentredConvex):
    """R(x) = 1/2 (x - x*)' A (x - x*), with minimum 0 at x*.

    It is evaluated as 1/2 ||F (x - x*)||^2 with A = F'F, from the eigenvalues in float64: a sum of squares, which no
    rounding makes negative, however small it is beside its terms.

    **Arguments**

    - `curvature`: A, symmetric and positive semi-definite; its diagonal (d,) or all of it (d, d).
    - `minimiser`: x*, one number or (d,).

    >>> Quadratic(curvature=[2.0, 4.0])
    Quadratic(curvature=[2, 4], minimiser=[0, 0])
    """

    curvature: np.ndarray
    minimiser: np.ndarray
    _factor: np.ndarray | None  # F (d, d); None where A is a diagonal

    def __init__(self, curvature: Any, minimiser: Any = 0.0) -> None:
        self.curvature = finite_array("curvature", curvature)
        shape = self.curvature.shape
        if len(shape) not in (1, 2) or 0 in shape or len(set(shape)) != 1:
            raise InvalidInput(f"curvature must be a diagonal (d,) or a matrix (d, d), got shape {shape}")
        semidefinite("curvature", self.curvature, "the quadratic would have no minimum")
        centre = finite_array("minimiser", minimiser)
        if centre.shape not in ((), shape[:1]):
            raise InvalidInput(f"minimiser must be one number or have shape {shape[:1]}, got {centre.shape}")
        self.minimiser = np.broadcast_to(centre, shape[:1]).copy()
        self._factor = None if len(shape) == 1 else _factor(self.curvature)

    def value(self, x: jax.Array) -> jax.Array:
        error = x - self.minimiser
        if self._factor is None:
            return 0.5 * jnp.sum(error * jnp.multiply(self.curvature, error))
        image = jnp.matmul(self._factor, error, precision=jax.lax.Precision.HIGHEST)
        return 0.5 * jnp.sum(image * image)

    def gradient(self, x: jax.Array) -> jax.Array:
        error = x - self.minimiser
        if self.curvature.ndim == 1:
            return jnp.multiply(self.curvature, error)
        return jnp.matmul(self.curvature, error, precision=jax.lax.Precision.HIGHEST)

    @property
    def hessian(self) -> np.ndarray:
        return self.curvature

    @property
    def strong_convexity(self) -> float:
        return max(float(_eigenvalues(self.curvature).min()), 0.0)

    @property
    def smoothness(self) -> float:
        return float(_eigenvalues(self.curvature).max())

    def gradient_sizes(self, start: np.ndarray) -> GradientSizes:
        error = start - self.minimiser
        if self.curvature.ndim == 1:
            return GradientSizes(np.abs(self.curvature * error), np.zeros(len(error)))
        rounding = np.abs(self.curvature).max(1) * np.linalg.norm(error)
        return GradientSizes(np.abs(self.curvature @ error), rounding)


def _eigenvalues(curvature: np.ndarray) -> np.ndarray:
    return curvature if curvature.ndim == 1 else np.linalg.eigvalsh(curvature)


def _factor(matrix: np.ndarray) -> np.ndarray:
    """F (d, d) with F'F = A: a row for each eigenvalue, of zeros for one that is 0 to rounding."""
    values, vectors = np.linalg.eigh(matrix)
    rounding = len(values) * np.finfo(float).eps * values[-1]
    return np.sqrt(np.where(values > rounding, values, 0.0))[:, None] * vectors.T
