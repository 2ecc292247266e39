"""Least squares: the finite sum for which SGD has exact second moments."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, scalar
from jaxsgd.problems.empirical_risk import SquaredResiduals
from jaxsgd.problems.linear_model import LinearModel, design, held_out_design
from jaxsgd.problems.problem import GradientSizes


class LeastSquares(LinearModel):
    """R(x) = (1/n) sum_i (a_i'x - b_i)^2 / 2 + l2/2 ||x||^2.

    x* is computed in float64 from one QR factorisation of (A, b) / sqrt(n), without forming A'A. Without `l2`, and
    with columns of A that are linearly dependent, there are many minimisers: then x* is the one of least norm, to
    which gradient methods that start at 0 converge; singular values below 2.2e-16 max(n, d) of the largest count as 0.

    The risk is evaluated as R* + 1/2 ||F (x - x*)||^2 + l2/2 ||x - x*||^2 with F'F = A'A / n, F triangular (at most d
    rows): its cost does not depend on n, and the excess over R* loses no digits near x*.

    **Arguments**

    - `features`: the a_i as rows (n, d).
    - `targets`: the b_i (n,).
    - `l2`: the ridge, at least 0; part of every f_i.
    - `test`: test data (features, targets); `test_risk` is their mean loss, without the ridge.

    Source: Björck (1996), Numerical Methods for Least Squares Problems, sections 1.2 and 2.4.

    >>> problem = LeastSquares(features=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], targets=[1.0, 2.0, 0.0])
    >>> round(problem.minimum, 10)
    0.5
    """

    features: np.ndarray
    targets: np.ndarray
    l2: np.ndarray
    test: tuple[np.ndarray, np.ndarray] | None
    _factor: np.ndarray
    minimiser: np.ndarray
    minimum: float

    def __init__(self, features: Any, targets: Any, l2: Any = 0.0, test: Any = None) -> None:
        self.features, self.targets = design(features, targets, "targets")
        self.l2 = scalar("l2", l2, at_least=0.0)
        self.test = held_out_design(test, "targets", self.features.shape[1])
        n, d = self.features.shape
        # ||A x - b||^2 / n = ||T (x, -1)||^2
        T = np.asarray(np.linalg.qr(np.column_stack([self.features, self.targets]) / np.sqrt(n), mode="r"))
        self._factor = T[: min(n, d), :d]
        self.minimiser, self.minimum = _solve(T[:, :d], T[:, d], float(self.l2))

    @property
    def responses(self) -> np.ndarray:
        return self.targets

    @staticmethod
    def loss(prediction: Any, response: Any) -> jax.Array:
        return (prediction - response) ** 2 / 2

    @staticmethod
    def slope(prediction: Any, response: Any) -> jax.Array:
        return prediction - response

    def value(self, x: jax.Array) -> jax.Array:
        error = x - self.minimiser
        image = jnp.matmul(self._factor, error, precision=jax.lax.Precision.HIGHEST)
        return self.minimum + 0.5 * jnp.sum(image * image) + 0.5 * self.l2 * jnp.sum(error * error)

    def gradient(self, x: jax.Array) -> jax.Array:
        error = x - self.minimiser
        image = jnp.matmul(self._factor, error, precision=jax.lax.Precision.HIGHEST)
        return jnp.matmul(jnp.transpose(self._factor), image, precision=jax.lax.Precision.HIGHEST) + self.l2 * error

    def _eigenvalues(self) -> np.ndarray:
        """Those of the Hessian A'A / n + l2 I, increasing (d,)."""
        n, d = self.features.shape
        values = np.linalg.svd(self._factor, compute_uv=False)
        values = np.where(values > np.finfo(float).eps * max(n, d) * values.max(), values, 0.0)
        return np.sort(np.append(values**2, np.zeros(d - len(values)))) + self.l2

    @property
    def squared_residuals(self) -> SquaredResiduals:
        return SquaredResiduals(self.features, self.targets, float(self.l2))

    @property
    def test_residuals(self) -> SquaredResiduals | None:
        return None if self.test is None else SquaredResiduals(*self.test, 0.0)

    @property
    def hessian(self) -> np.ndarray:
        return self._factor.T @ self._factor + self.l2 * np.eye(self.features.shape[1])

    @property
    def strong_convexity(self) -> float:
        return float(self._eigenvalues()[0])

    @property
    def smoothness(self) -> float:
        return float(self._eigenvalues()[-1])

    @property
    def example_strong_convexity(self) -> float:
        d = self.features.shape[1]  # with d > 1 there is a direction in which a_i'x does not change
        return float(self.l2 + (np.min(self.features**2) if d == 1 else 0.0))

    @property
    def example_smoothness(self) -> float:
        return self._largest_square() + float(self.l2)

    def gradient_sizes(self, start: np.ndarray) -> GradientSizes:
        drift = np.abs(self.hessian @ (start - self.minimiser))
        return self._gradient_sizes(drift, self.features @ self.minimiser - self.targets)


def _solve(F: np.ndarray, c: np.ndarray, l2: float) -> tuple[np.ndarray, float]:
    """x* and R* of 1/2 ||F x - c||^2 + l2/2 ||x||^2; of many x* the one of least norm."""
    d = F.shape[1]
    if l2:
        F, c = np.vstack([F, np.sqrt(l2) * np.eye(d)]), np.append(c, np.zeros(d))
    x = np.linalg.lstsq(F, c, rcond=None)[0]
    residual = F @ x - c
    slope, scale = np.linalg.norm(F.T @ residual), np.linalg.norm(F) * np.linalg.norm(c)
    if not slope <= 1e-10 * max(1.0, scale):
        raise InvalidInput(
            f"features and targets are too large or too unlike in size for float64: the gradient at the minimiser "
            f"found has norm {slope:.2g}; rescale them"
        )
    return x, float(residual @ residual) / 2
