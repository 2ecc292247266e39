"""Gradients of sampled examples: stochastic gradient descent on a finite sum."""

from typing import Any

import equinox as eqx
import jax

from jaxsgd.errors import InvalidType, integer
from jaxsgd.oracles.oracle import Oracle
from jaxsgd.orders import Drawn, Order, WithReplacement
from jaxsgd.problems import EmpiricalRisk
from jaxsgd.streams import Stream


class ExampleSampling(Oracle):
    """g_t = (1/b) sum_j grad f_{i_j}(x_t), over the b examples i_1 .. i_b that `order` draws for update t.

    One update costs b gradients of examples, whatever n; one of gradient descent, [`FullGradient`][
    jaxsgd.oracles.FullGradient], n.

    **Arguments**

    - `problem`: R = (1/n) sum_i f_i, one of `FiniteSum`, `LeastSquares` and `LogisticRegression`.
    - `order`: how the examples are drawn, one of [`jaxsgd.orders`][].
    - `batch`: b, at least 1. With replacement it may exceed n.
    """

    problem: EmpiricalRisk
    order: Order
    batch: int = eqx.field(static=True)

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

    def sample(self, stream: Stream, like: Any) -> Drawn:
        return self.order.draw(stream, self.problem.examples, self.batch)

    def gradient(self, x: Any, sample: Drawn) -> Any:
        return self.problem.batch_gradient(x, *sample)

    def risk(self, x: Any, sample: Drawn) -> jax.Array:
        return self.problem.value(x)

    @property
    def example_gradients(self) -> int:
        return self.batch
