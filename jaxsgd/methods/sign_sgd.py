"""Stochastic gradient descent by the signs of the gradient."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxsgd.methods.draw import Draw
from jaxsgd.methods.method import Method


class SignSgd(Method):
    """x_{t+1} = x_t - eta_t sign(g_t), coordinate by coordinate, sign(0) = 0.

    Source: Bernstein, Wang, Azizzadenesheli and Anandkumar (2018), "signSGD: compressed optimisation for non-convex
    problems", arXiv 1802.04434.
    """

    plain = False
    linear = False

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        return x - learning_rate * jnp.sign(draw.gradient(x)), state
