"""What least squares and logistic regression share: losses of a linear prediction, and a ridge."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType, finite_array
from jaxsgd.problems.empirical_risk import EmpiricalRisk
from jaxsgd.problems.examples import mean_gradient, mean_loss
from jaxsgd.problems.held_out_risk import HeldOutRisk
from jaxsgd.problems.problem import GradientSizes


class LinearModel(EmpiricalRisk):
    """f_i(x) = l(a_i'x, y_i) + l2/2 ||x||^2, with `features` a_i as rows (n, d) and one y_i (n,) for each."""

    features: eqx.AbstractVar[np.ndarray]
    l2: eqx.AbstractVar[np.ndarray]
    convex = True

    @property
    @abc.abstractmethod
    def responses(self) -> np.ndarray:
        """The y_i (n,)."""

    @staticmethod
    @abc.abstractmethod
    def loss(prediction: Any, response: Any) -> jax.Array:
        """l(z, y), elementwise."""

    @staticmethod
    @abc.abstractmethod
    def slope(prediction: Any, response: Any) -> jax.Array:
        """The derivative of l(z, y) in z, elementwise."""

    @classmethod
    def example_loss(cls, x: Any, example: Any) -> jax.Array:
        """l(a'x, y) of one example (a, y), without the ridge."""
        features, response = example
        return cls.loss(jnp.dot(features, x, precision=jax.lax.Precision.HIGHEST), response)

    @property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        return self.features, self.responses

    def example_value(self, x: jax.Array, example: Any) -> jax.Array:
        return self.example_loss(x, example) + self.l2 / 2 * jnp.sum(x * x)

    def value(self, x: jax.Array) -> jax.Array:
        return mean_loss(self.example_loss, self.data, x) + self.l2 / 2 * jnp.sum(x * x)

    def gradient(self, x: jax.Array) -> jax.Array:
        return mean_gradient(self.example_loss, self.data, x) + self.l2 * x

    def example_gradient(self, x: jax.Array, example: Any) -> jax.Array:
        features, response = example
        prediction = jnp.dot(features, x, precision=jax.lax.Precision.HIGHEST)
        return self.slope(prediction, response) * features + self.l2 * x

    def _held_out_risk(self) -> HeldOutRisk:
        return HeldOutRisk(self.example_loss, self.test)

    @property
    def has_gradient(self) -> np.ndarray:
        return self.features.any(1) | (self.l2 > 0)

    @property
    def start(self) -> np.ndarray:
        return np.zeros(self.features.shape[1])

    @property
    def gradient_noise(self) -> float | None:
        if self.minimiser is None:
            return None
        with jax.enable_x64(True):
            slopes = np.asarray(self.slope(self.features @ self.minimiser, self.responses))
        gradients = slopes[:, None] * self.features + self.l2 * self.minimiser
        return float(np.mean(np.einsum("ij,ij->i", gradients, gradients)))

    def _largest_square(self) -> float:
        """max_i ||a_i||^2."""
        return float(np.einsum("ij,ij->i", self.features, self.features).max())

    def _gradient_sizes(self, drift: np.ndarray, slopes: np.ndarray) -> GradientSizes:
        """Those with this drift, and slopes (n,) at x*: data and residuals of large numbers are rounded at random."""
        X, size = np.abs(self.features), np.abs(self.features) @ np.abs(self.minimiser) + np.abs(self.responses)
        rounding = np.sqrt(np.mean((X * size[:, None]) ** 2, 0) / len(X))
        return GradientSizes(drift, rounding, np.std(self.features * slopes[:, None], 0))


def design(features: Any, responses: Any, name: str, where: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Features (n, d) and one response for each row, checked; `name` is that of the responses."""
    X = finite_array(f"features{where}", features)
    if X.ndim != 2 or 0 in X.shape:
        raise InvalidInput(f"features{where} must be a matrix (n, d), one row for each example, got shape {X.shape}")
    y = finite_array(f"{name}{where}", responses)
    if y.shape != X.shape[:1]:
        raise InvalidInput(f"{name}{where} must have shape {X.shape[:1]}, one for each row of features, got {y.shape}")
    return X, y


def held_out_design(test: Any, name: str, d: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The test data (X, y), checked; None stays None."""
    if test is None:
        return None
    if not isinstance(test, tuple | list) or len(test) != 2:
        raise InvalidType(f"test must be a pair (features, {name}), got {type(test).__name__}")
    X, y = design(test[0], test[1], name, " of test")
    if X.shape[1] != d:
        raise InvalidInput(f"features of test must have {d} columns, as those of the problem, got {X.shape[1]}")
    return X, y
