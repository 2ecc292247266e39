"""Stochastic gradient descent with Polyak's momentum."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import scalar
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.method import Method


class HeavyBall(Method):
    """x_{t+1} = x_t - eta_t g_t + b (x_t - x_{t-1}), x_{-1} = x_0.

    Its state is x_t - x_{t-1}. With a constant rate the paths are those of torch, where v <- b v + g and
    x <- x - eta v; where the rate changes, torch's velocity is multiplied by the new one.

    **Arguments**

    - `momentum`: b, at least 0 and less than 1.

    Source: Polyak (1964), "Some methods of speeding up the convergence of iteration methods", USSR Comput. Math. 4(5).
    """

    momentum: np.ndarray
    plain = False
    linear = True

    def __init__(self, momentum: Any) -> None:
        self.momentum = scalar("momentum", momentum, at_least=0.0, below=1.0)

    def init(self, x0: Any) -> Any:
        return jnp.zeros_like(x0)

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        moved = self.momentum * state - learning_rate * draw.gradient(x)
        return x + moved, moved
