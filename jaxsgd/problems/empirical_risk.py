"""The mean of the losses of n examples: what sampled examples need of a problem."""

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from jaxsgd.errors import InvalidInput
from jaxsgd.module import Facts
from jaxsgd.problems.examples import count, take
from jaxsgd.problems.held_out_risk import HeldOutRisk
from jaxsgd.problems.problem import Problem


class SquaredResiduals(NamedTuple):
    """f_i(x) = (a_i'x - b_i)^2 / 2 + l2/2 ||x||^2: the a_i as rows (n, d), the b_i (n,), and l2."""

    features: np.ndarray
    targets: np.ndarray
    l2: float


class ExampleFacts(Facts):
    """What may be known of the examples of a mean R = (1/n) sum_i f_i. None stands for not known.

    - `test`: test data, in the structure of the data.
    - `example_smoothness`: the smallest known L_max such that every f_i is L_max-smooth.
    - `example_strong_convexity`: the largest known mu_min >= 0 such that every f_i is mu_min-strongly convex; 0: every
      f_i is convex.
    - `gradient_noise`: (1/n) sum_i ||grad f_i(x*)||^2 at the minimiser, in float64.
    - `example_value`: f_i(x) as a JAX function of x and of an example in the structure of the data. Where it is a
      quadratic, which is read off its program, moments of SGD on the examples are exact.
    - `squared_residuals`: the numbers of a least squares problem, with which the same is faster.
    - `test_residuals`: those of `test_risk`, where it is the mean of squared residuals of the test data.
    """

    test: Any = None
    example_smoothness: float | None = None
    example_strong_convexity: float | None = None
    gradient_noise: float | None = None
    example_value: Callable[[Any, Any], jax.Array] | None = None
    squared_residuals: SquaredResiduals | None = None
    test_residuals: SquaredResiduals | None = None

    @property
    def has_gradient(self) -> np.ndarray:
        """(n,), false for those examples whose gradient is known to vanish everywhere."""
        return np.ones(self.examples, bool)  # type: ignore[attr-defined] - as of every problem


class EmpiricalRisk(ExampleFacts, Problem):
    """R(x) = (1/n) sum_i f_i(x), with f_i the loss of example i = 0 .. n-1.

    A subclass gives, besides what a problem gives, the examples as a pytree of arrays (n, ...), and the gradients of
    some of the f_i.
    """

    data: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def example_gradient(self, x: Any, example: Any) -> Any:
        """grad f_i(x), of an example in the structure of the data."""

    def gradient_at_once(self, x: Any, examples: Any, weights: Any) -> Any:
        """sum_i weights_i grad f_i(x) of some examples, their arrays with a first axis (b,); weights are (b,).

        None where that would gain nothing: then their gradients are taken one after the other.
        """
        return None

    def examples_at(self, indices: Any) -> Any:
        """The examples with these indices () or (b,), which lie in 0..n-1, in the structure of the data."""
        return take(self.data, indices)

    @property
    def examples(self) -> int:
        return count(self.data)

    def _held_out_risk(self) -> HeldOutRisk:
        """The mean loss of the examples in `test`."""
        if self.example_value is None:
            raise InvalidInput("the risk on test data needs the loss of an example, example_value")
        return HeldOutRisk(self.example_value, self.test)

    @property
    def test_risk(self) -> HeldOutRisk:
        """The mean loss of the test data as a function of x, to be observed: ``{"test_risk": problem.test_risk}``."""
        if self.test is None:
            raise InvalidInput("the problem has no test data: give it test=")
        return self._held_out_risk()

    @property
    def constants(self) -> dict[str, float | None]:
        """What is known of the problem in numbers, by name."""
        of_examples = ("example_strong_convexity", "example_smoothness", "gradient_noise")
        names = ("examples", "minimum", "strong_convexity", "smoothness", *of_examples)
        return {name: getattr(self, name) for name in names}
