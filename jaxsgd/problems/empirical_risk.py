"""The mean of the losses of n examples: what sampled examples need of a problem."""

import abc
from typing import Any

import equinox as eqx
import numpy as np

from jaxsgd.errors import InvalidInput
from jaxsgd.problems.examples import take
from jaxsgd.problems.held_out_risk import HeldOutRisk
from jaxsgd.problems.problem import Problem


class EmpiricalRisk(Problem):
    """R(x) = (1/n) sum_i f_i(x), with f_i the loss of example i = 0 .. n-1.

    A subclass gives, besides what a problem gives, the examples as a pytree of arrays (n, ...), and the gradients of
    some of the f_i.
    """

    data: eqx.AbstractVar[Any]
    test: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def example_gradient(self, x: Any, example: Any) -> Any:
        """grad f_i(x), of an example in the structure of the data."""

    def examples_at(self, indices: Any) -> Any:
        """The examples with these indices () or (b,), which lie in 0..n-1, in the structure of the data."""
        return take(self.data, indices)

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
    def example_strong_convexity(self) -> float | None:
        """The largest known mu_min >= 0 such that every f_i is mu_min-strongly convex; 0: every f_i is convex."""
        return None

    @property
    def gradient_noise(self) -> float | None:
        """(1/n) sum_i ||grad f_i(x*)||^2 at the minimiser, in float64."""
        return None

    @property
    def constants(self) -> dict[str, float | None]:
        """What is known of the problem in numbers, by name."""
        of_examples = ("example_strong_convexity", "example_smoothness", "gradient_noise")
        names = ("examples", "minimum", "strong_convexity", "smoothness", *of_examples)
        return {name: getattr(self, name) for name in names}
