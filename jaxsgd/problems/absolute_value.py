"""The absolute value: convex, Lipschitz, and neither smooth nor strongly convex."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.problems.problem import CentredConvex, GradientSizes
from jaxsgd.problems.separable import per_coordinate, positive


class AbsoluteValue(CentredConvex):
    """R(x) = sum_i scale_i |x_i - x*_i|, with minimum 0 at x*.

    The gradient is the subgradient scale_i sign(x_i - x*_i), 0 at the kink. Where no coordinate is at its kink
    it has length G = ||scale||, the Lipschitz constant, however near x* is: x_t comes to rest only as the
    learning rate goes to 0. Until it crosses x*, gradient descent in one dimension attains the bound
    [`jaxsgd.theory.bounds.LastIterate`][].

    **Arguments**

    - `scale`: the slope of each coordinate, positive; one number or (d,).
    - `minimiser`: x*, one number or (d,). If both are numbers, d = 1 and R(x) = scale |x - x*|.

    Source: Nesterov (2018), Lectures on Convex Optimization, section 3.2, for subgradient methods.

    >>> AbsoluteValue(scale=[3.0, 4.0]).lipschitz
    5.0
    """

    scale: np.ndarray
    minimiser: np.ndarray
    strong_convexity = 0.0

    def __init__(self, scale: Any = 1.0, minimiser: Any = 0.0) -> None:
        self.scale, self.minimiser = per_coordinate(scale=scale, minimiser=minimiser)
        positive("scale", self.scale)

    def value(self, x: jax.Array) -> jax.Array:
        return jnp.sum(self.scale * jnp.abs(x - self.minimiser))

    def gradient(self, x: jax.Array) -> jax.Array:
        return jnp.multiply(self.scale, jnp.sign(x - self.minimiser))

    @property
    def lipschitz(self) -> float:
        return float(np.linalg.norm(self.scale))

    def gradient_sizes(self, start: np.ndarray) -> GradientSizes:
        return GradientSizes(self.scale, np.zeros(len(start)))
