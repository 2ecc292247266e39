"""Stochastic gradient descent with Polyak's step."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import scalar
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.lengths import length
from jaxsgd.methods.method import Method


class PolyakStep(Method):
    """x_{t+1} = x_t - gamma_t g_t, gamma_t = min((f_t(x_t) - f*) / (c ||g_t||^2), eta_t): SPS_max of the source.

    f_t is the drawn loss, so that the oracle must have one: `RandomLoss`, `ExampleSampling`, `FullGradient`. The
    schedule is the cap. gamma_t is not negative: f_t(x_t) below f* is taken for rounding, and leaves x where it is.

    **Arguments**

    - `c`: greater than 0; the source takes 1/2 on strongly convex risks, and at least 1/2 elsewhere.
    - `minimum`: f*, the minimum of the loss f_t of a draw, the same for all draws. It is 0 for losses that are not
      negative if each example can be fitted alone, as in least squares without penalty; where the minima differ take a
      lower bound of all, with which steps are longer than those of the source.

    Source: Loizou, Vaswani, Laradji and Lacoste-Julien (2021), "Stochastic Polyak step-size for SGD: an adaptive
    learning rate for fast convergence", AISTATS, arXiv 2002.10542.
    """

    c: np.ndarray
    minimum: np.ndarray
    plain = False
    linear = False

    def __init__(self, c: Any = 0.5, minimum: Any = 0.0) -> None:
        self.c, self.minimum = scalar("c", c, above=0.0), scalar("minimum", minimum)

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        gradient = draw.gradient(x)
        norm = length(gradient)
        divisor = jnp.where(norm == 0, 1, norm)  # where it is 0 the step does not matter
        rate = jnp.clip((draw.loss(x) - self.minimum) / (self.c * divisor) / divisor, 0, learning_rate)
        return x - rate * gradient, state
