"""Stochastic gradient descent with gradients that arrive late."""

from typing import Any

import equinox as eqx
import jax

from jaxsgd.errors import integer
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.method import Method


class Delayed(Method):
    """x_{t+1} = x_t - eta_t g_t(x_{t - tau}), x_s = x_0 for s < 0, as workers compute it that read x some time ago.

    Its state is x_{t-tau}, .., x_{t-1}. The observable `gradient_norm_squared` stays that of g_t(x_t).

    **Arguments**

    - `tau`: how many updates old the point of a gradient is, at least 0.

    Source: Agarwal and Duchi (2011), "Distributed delayed stochastic optimization", arXiv 1104.5525.
    """

    tau: int = eqx.field(static=True)
    linear = True

    def __init__(self, tau: int) -> None:
        self.tau = integer("tau", tau, at_least=0)

    @property
    def plain(self) -> bool:
        return self.tau == 0

    def init(self, x0: Any) -> Any:
        return (x0,) * self.tau

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        late, *recent = *state, x
        return x - learning_rate * draw.gradient(late), tuple(recent)
