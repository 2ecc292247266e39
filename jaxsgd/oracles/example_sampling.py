"""Gradients of sampled examples: stochastic gradient descent on a finite sum."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax

from jaxsgd.errors import InvalidInput, InvalidType, integer
from jaxsgd.oracles.oracle import Oracle
from jaxsgd.orders import Order, WithReplacement
from jaxsgd.problems import EmpiricalRisk
from jaxsgd.streams import Stream
from jaxsgd.structure import whole

_AT_ONCE = 2**12  # numbers of looked up examples, for each trajectory of a tile


class Sample(NamedTuple):
    """The examples of one update, or their indices where there are too many at once; and their weights, or None."""

    examples: Any
    weights: Any


class ExampleSampling(Oracle):
    """g_t = (1/b) sum_j grad f_{i_j}(x_t), over the b examples i_1 .. i_b that `order` draws for update t.

    One update costs b gradients of examples, whatever n; one of gradient descent, [`FullGradient`][
    jaxsgd.oracles.FullGradient], n.

    **Arguments**

    - `problem`: R = (1/n) sum_i f_i, one of `FiniteSum`, `LeastSquares` and `LogisticRegression`.
    - `order`: how the examples are drawn, one of [`jaxsgd.orders`][].
    - `batch`: b, at least 1. Where an order draws different examples it must not exceed n. With replacement it may: g_t
      is the mean of b independent gradients of examples, whatever n.
    """

    problem: EmpiricalRisk
    order: Order
    batch: int = eqx.field(static=True)
    averages_examples = True
    tail_index = math.inf  # given x there are finitely many gradients

    def __init__(self, problem: EmpiricalRisk, order: Order = WithReplacement(), batch: int = 1) -> None:  # noqa: B008
        if not isinstance(problem, EmpiricalRisk):
            raise InvalidType(
                f"problem must be a mean over examples, problems.FiniteSum, LeastSquares or LogisticRegression, "
                f"got {problem!r}"
            )
        if not isinstance(order, Order):
            hint = "; call it" if isinstance(order, type) else ""
            raise InvalidType(f"order must be one of jaxsgd.orders, got {order!r}{hint}")
        self.problem, self.order = problem, order
        self.batch = integer("batch", batch, at_least=1)
        order.check(problem.has_gradient, self.batch)

    @property
    def unbiased(self) -> bool | None:
        order = self.order
        whole = order.distinct and order.weights == "equal" and self.batch == self.problem.examples
        return True if whole else order.unbiased

    def memory(self) -> Any:
        return self.order.memory(self.problem.examples)

    def sample(self, stream: Stream, like: Any, t: Any, memory: Any) -> tuple[Sample, Any]:
        (indices, weights), memory = self.order.draw(stream, t, memory, self.problem.examples, self.batch)
        return Sample(self.problem.examples_at(indices) if self._at_once else indices, weights), memory

    def gradient(self, x: Any, sample: Sample) -> Any:
        if self.batch > 1 and self._at_once:
            weights = jnp.ones(self.batch) if sample.weights is None else sample.weights
            at_once = self.problem.gradient_at_once(x, sample.examples, weights / self.batch)
            if at_once is not None:
                return at_once
        return self._mean(lambda example: self.problem.example_gradient(x, example), sample, like=x)

    def drawn_loss(self, x: Any, sample: Sample) -> jax.Array:
        value = self.problem.example_value
        if value is None:
            raise InvalidInput(f"{type(self.problem).__name__} has no loss of an example: declare its example_value")
        return self._mean(lambda example: value(whole(x), example), sample, like=jnp.zeros((), jnp.result_type(float)))

    def _mean(self, function: Callable[[Any], Any], sample: Sample, like: Any) -> Any:
        """(1/b) sum_j w_j f(example j) over the drawn examples, in the structure of ``like``."""

        def weighted(example: Any, weight: Any) -> Any:
            value = function(example if self._at_once else self.problem.examples_at(example))
            return value if weight is None else jax.tree.map(lambda leaf: weight * leaf, value)

        if self.batch == 1:
            return weighted(*sample)

        def add(total: Any, drawn: Sample) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, weighted(*drawn)), None

        total, _ = lax.scan(add, jax.tree.map(jnp.zeros_like, like), sample)
        return jax.tree.map(lambda leaf: leaf / self.batch, total)

    @property
    def _at_once(self) -> bool:
        """Whether the examples of a batch are looked up together, before their gradients are taken."""
        return self.example_floats <= _AT_ONCE

    def risk(self, x: Any, sample: Sample) -> jax.Array:
        return self.problem.value(x)

    def example_gradients(self, updates: Any) -> Any:
        return self.order.examples_used(updates, self.problem.examples, self.batch)

    @property
    def updates_per_epoch(self) -> int:
        return self.order.updates_per_epoch(self.problem.examples, self.batch)

    @property
    def example_floats(self) -> int:
        return self.batch * sum(math.prod(leaf.shape[1:]) for leaf in jax.tree.leaves(self.problem.data))
