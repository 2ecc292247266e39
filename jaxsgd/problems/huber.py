"""The Huber function: the absolute value with its kink rounded off."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.problems.problem import CentredConvex, GradientSizes
from jaxsgd.problems.separable import per_coordinate, positive


class Huber(CentredConvex):
    """R(x) = sum_i scale_i h(x_i - x*_i), h(u) = u^2 / (2 delta) if |u| <= delta, otherwise |u| - delta / 2.

    It has minimum 0 at x*, and delta -> 0 gives [`jaxsgd.problems.AbsoluteValue`][]. It is Lipschitz with
    ||scale||, smooth with max_i scale_i / delta_i, and, because of its straight parts, not strongly convex.
    Times delta, h is the loss of statistics, with slope at most delta and curvature at most 1.

    **Arguments**

    - `delta`: where the quadratic part ends, positive; one number or (d,).
    - `scale`: the slope of the straight parts, positive; one number or (d,).
    - `minimiser`: x*, one number or (d,). If all three are numbers, d = 1.

    Source: Huber (1964), Ann. Math. Stat. 35(1).

    >>> Huber(delta=0.5, scale=3.0).smoothness
    6.0
    """

    delta: np.ndarray
    scale: np.ndarray
    minimiser: np.ndarray
    strong_convexity = 0.0

    def __init__(self, delta: Any = 1.0, scale: Any = 1.0, minimiser: Any = 0.0) -> None:
        self.delta, self.scale, self.minimiser = per_coordinate(delta=delta, scale=scale, minimiser=minimiser)
        positive("delta", self.delta)
        positive("scale", self.scale)

    def value(self, x: jax.Array) -> jax.Array:
        u = jnp.abs(x - self.minimiser)
        inside = jnp.minimum(u, self.delta)
        return jnp.sum(self.scale * (inside**2 / (2 * self.delta) + (u - inside)))

    def gradient(self, x: jax.Array) -> jax.Array:
        return jnp.multiply(self.scale, jnp.clip((x - self.minimiser) / self.delta, -1, 1))

    @property
    def smoothness(self) -> float:
        return float((self.scale / self.delta).max())

    @property
    def lipschitz(self) -> float:
        return float(np.linalg.norm(self.scale))

    def gradient_sizes(self, start: np.ndarray) -> GradientSizes:
        return GradientSizes(self.scale, np.zeros(len(start)))

    @property
    def kinks(self) -> np.ndarray:
        return np.concatenate([self.minimiser - self.delta, self.minimiser + self.delta])
