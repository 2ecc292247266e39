"""Stochastic gradient descent with Nesterov's momentum."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import scalar
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.method import Method


class Nesterov(Method):
    """y_t = x_t + b (x_t - x_{t-1}), x_{t+1} = y_t - eta_t g_t(y_t), x_{-1} = x_0: the gradient is taken at y_t.

    Its state is x_t - x_{t-1}, and y_t its point "y", of which `risk_of_y` is recorded. Torch's ``nesterov=True`` keeps
    y_t for its parameters: with v <- b v + g and y <- y - eta (g + b v) the paths of y are the same where the rate is
    constant. So `risk` here is that of x_t, and torch's loss is `risk_of_y`.

    **Arguments**

    - `momentum`: b, at least 0 and less than 1.

    Source: Nesterov (1983), "A method for solving the convex programming problem with convergence rate O(1/k^2)",
    Soviet Math. Dokl. 27(2); of stochastic gradients Sutskever, Martens, Dahl and Hinton (2013), "On the importance of
    initialization and momentum in deep learning", ICML.
    """

    momentum: np.ndarray
    plain = False
    linear = True

    def __init__(self, momentum: Any) -> None:
        self.momentum = scalar("momentum", momentum, at_least=0.0, below=1.0)

    def init(self, x0: Any) -> Any:
        return jnp.zeros_like(x0)

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        moved = self.momentum * state - learning_rate * draw.gradient(x + self.momentum * state)
        return x + moved, moved

    def points(self, x: Any, state: Any) -> Mapping[str, Any]:
        return {"y": x + self.momentum * state}
