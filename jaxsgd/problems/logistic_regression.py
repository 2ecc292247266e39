"""Logistic regression with two classes."""

from typing import Any

import jax
import numpy as np

from jaxsgd.errors import InvalidInput, scalar
from jaxsgd.problems.linear_model import LinearModel, design, held_out_design
from jaxsgd.problems.newton import minimise
from jaxsgd.problems.problem import GradientSizes


class LogisticRegression(LinearModel):
    """R(x) = (1/n) sum_i log(1 + exp(-y_i a_i'x)) + l2/2 ||x||^2 with y_i = -1 or +1.

    The ridge must be positive: without it, data that a plane separates have no minimiser. There is no intercept; a
    column of ones is one, with the ridge on it as on all others.

    mu = l2, which the Hessian approaches far away; L = lambda_max(A'A) / (4n) + l2, which it has at 0; L_max =
    max_i ||a_i||^2 / 4 + l2. x* is found by Newton's method in float64 until the gradient is below 1e-10.

    **Arguments**

    - `features`: the a_i as rows (n, d).
    - `labels`: (n,), 0 and 1 or -1 and +1; kept as -1 and +1. Both classes must occur.
    - `l2`: the ridge, greater than 0; part of every f_i.
    - `test`: test data (features, labels); `test_risk` is their mean loss, without the ridge.

    scikit-learn's ``LogisticRegression(C=1 / (n * l2), fit_intercept=False)`` has the same minimiser.

    Source: Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, section 4.4.

    >>> problem = LogisticRegression(features=[[1.0], [-1.0]], labels=[1, 0], l2=0.25)
    >>> problem.smoothness, problem.example_smoothness
    (0.5, 0.5)
    """

    features: np.ndarray
    labels: np.ndarray
    l2: np.ndarray
    test: tuple[np.ndarray, np.ndarray] | None
    minimiser: np.ndarray
    minimum: float
    smoothness: float

    def __init__(self, features: Any, labels: Any, l2: Any, test: Any = None) -> None:
        self.features, given = design(features, labels, "labels")
        self.labels = _signs("labels", given)
        if len(np.unique(self.labels)) == 1:
            raise InvalidInput(f"labels must be of two classes, got {given[0]:g} {len(given)} times")
        self.l2 = scalar("l2", l2, above=0.0)
        held_out = held_out_design(test, "labels", self.features.shape[1])
        self.test = None if held_out is None else (held_out[0], _signs("labels of test", held_out[1]))
        gram = self.features.T @ self.features / self.examples
        self.smoothness = float(np.linalg.eigvalsh(gram)[-1] / 4 + self.l2)
        self.minimiser = minimise(
            self._value, self._gradient, self._hessian, np.zeros(len(gram)), scale=np.sqrt(np.trace(gram))
        )
        self.minimum = self._value(self.minimiser)

    @property
    def responses(self) -> np.ndarray:
        return self.labels

    @staticmethod
    def loss(prediction: Any, response: Any) -> jax.Array:
        return jax.nn.softplus(-response * prediction)

    @staticmethod
    def slope(prediction: Any, response: Any) -> jax.Array:
        return -response * jax.nn.sigmoid(-response * prediction)

    @property
    def strong_convexity(self) -> float:
        return float(self.l2)

    @property
    def example_strong_convexity(self) -> float:
        return float(self.l2)

    @property
    def example_smoothness(self) -> float:
        return self._largest_square() / 4 + float(self.l2)

    def gradient_sizes(self, start: np.ndarray) -> GradientSizes:
        drift = np.full(len(start), self.smoothness * float(np.linalg.norm(start - self.minimiser)))
        return self._gradient_sizes(drift, self._slopes(self.minimiser))

    # in float64

    def _value(self, x: np.ndarray) -> float:
        return float(np.mean(np.logaddexp(0, -self.labels * (self.features @ x))) + self.l2 / 2 * (x @ x))

    def _slopes(self, x: np.ndarray) -> np.ndarray:
        from scipy.special import expit  # takes 0.2 s to import

        return -self.labels * expit(-self.labels * (self.features @ x))

    def _gradient(self, x: np.ndarray) -> np.ndarray:
        return self.features.T @ self._slopes(x) / self.examples + self.l2 * x

    def _hessian(self, x: np.ndarray) -> np.ndarray:
        slopes = np.abs(self._slopes(x))
        weighted = self.features * (slopes * (1 - slopes) / self.examples)[:, None]
        return self.features.T @ weighted + self.l2 * np.eye(len(x))


def _signs(name: str, labels: np.ndarray) -> np.ndarray:
    """Labels as -1 and +1."""
    found = set(np.unique(labels).tolist())
    if found <= {0.0, 1.0}:
        return 2 * labels - 1
    if found <= {-1.0, 1.0}:
        return labels
    wrong = sorted(found - {-1.0, 0.0, 1.0}) or sorted(found)
    raise InvalidInput(
        f"{name} must be 0 and 1, or -1 and +1, got {', '.join(f'{label:g}' for label in wrong[:5])}; "
        "name the class that is +1, as in labels == 2"
    )
