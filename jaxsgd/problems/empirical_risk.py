"""The mean of the losses of n examples: what sampled examples need of a problem."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput
from jaxsgd.problems.examples import mean_over
from jaxsgd.problems.held_out_risk import HeldOutRisk
from jaxsgd.problems.problem import Problem


class EmpiricalRisk(Problem):
    """R(x) = (1/n) sum_i f_i(x), with f_i the loss of example i = 0 .. n-1.

    A subclass gives, besides what a problem gives, the gradients of some of the f_i.
    """

    test: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def sum_of_gradients(self, x: Any, indices: jax.Array, weights: jax.Array) -> Any:
        """sum_j weights_j grad f_{i_j}(x) over indices i_j (b,); of one index () the product."""

    def batch_gradient(self, x: Any, indices: jax.Array, weights: jax.Array | None) -> Any:
        """grad f_i(x) for one index (); for a batch (b,), the mean (1/b) sum_j grad f_{i_j}(x).

        With `weights`, in the shape of `indices`, each gradient is multiplied by its own.
        """
        weights = jnp.ones(indices.shape) if weights is None else weights
        if not indices.ndim:
            return self.sum_of_gradients(x, indices, weights)
        return mean_over(lambda part, shares: self.sum_of_gradients(x, part[0], shares * part[1]), (indices, weights))

    @abc.abstractmethod
    def _held_out_risk(self) -> HeldOutRisk:
        """The mean loss of the examples in `test`."""

    @property
    def test_risk(self) -> HeldOutRisk:
        """The mean loss of the test data as a function of x, to be observed: ``{"test_risk": problem.test_risk}``."""
        if self.test is None:
            raise InvalidInput("the problem has no test data: give it test=")
        return self._held_out_risk()

    @property
    def has_gradient(self) -> np.ndarray:
        """(n,), false for those examples whose gradient is known to vanish everywhere."""
        return np.ones(self.examples, bool)

    @property
    def example_smoothness(self) -> float | None:
        """The smallest known L_max such that every f_i is L_max-smooth."""
        return None

    @property
    def gradient_noise(self) -> float | None:
        """(1/n) sum_i ||grad f_i(x*)||^2 at the minimiser, in float64."""
        return None

    @property
    def constants(self) -> dict[str, float | None]:
        """What is known of the problem in numbers, by name."""
        names = ("examples", "minimum", "strong_convexity", "smoothness", "example_smoothness", "gradient_noise")
        return {name: getattr(self, name) for name in names}
