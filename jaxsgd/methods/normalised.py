"""Stochastic gradient descent by the direction of the gradient."""

from typing import Any

import jax

from jaxsgd.methods.draw import Draw
from jaxsgd.methods.lengths import direction
from jaxsgd.methods.method import Method


class Normalised(Method):
    """x_{t+1} = x_t - eta_t g_t / ||g_t||; x_t where g_t = 0.

    Source: Shor (1985), "Minimization methods for non-differentiable functions", Springer, chapter 2; of stochastic
    gradients Hazan, Levy and Shalev-Shwartz (2015), "Beyond convexity: stochastic quasi-convex optimization", arXiv
    1507.02030.
    """

    plain = False
    linear = False

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        return x - learning_rate * direction(draw.gradient(x)), state
