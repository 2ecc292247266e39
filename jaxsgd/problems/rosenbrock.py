"""Rosenbrock's curved valley."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import integer
from jaxsgd.problems.problem import Problem


class Rosenbrock(Problem):
    """R(x) = sum_{i < d} 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2, with the minimum 0 at (1, .., 1).

    A narrow curved valley leads to it: the curvature across is some thousand times that along. With 2 and 3 coordinates
    there is no other local minimum; from 4 to 7 there is one more, near (-1, 1, .., 1).

    **Arguments**

    - `dimension`: d, at least 2.

    Source: Rosenbrock (1960), The Computer Journal 3; Shang and Qiu (2006), Evolutionary Computation 14(1), for the
    other minimum.

    >>> round(float(Rosenbrock(2).value(np.array([-1.2, 1.0]))), 3)
    24.2
    """

    dimension: int = eqx.field(static=True)
    minimum = 0.0
    convex = False

    def __init__(self, dimension: int = 2) -> None:
        self.dimension = integer("dimension", dimension, at_least=2)

    def value(self, x: jax.Array) -> jax.Array:
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    @property
    def start(self) -> np.ndarray:
        """The usual start: -1.2 and 1 by turns."""
        return np.where(np.arange(self.dimension) % 2, 1.0, -1.2)

    @property
    def minimiser(self) -> np.ndarray:
        """1 in every coordinate."""
        return np.ones(self.dimension)

    def smoothness_between(self, low: float, high: float) -> float:
        """1200 a^2 + 1200 a + 202 where all |x_i| <= a: no row of the Hessian has a larger sum of absolute values.

        The diagonal is 1200 x_i^2 - 400 x_{i+1} + 202 at most, the two entries beside it -400 x_i.
        """
        a = max(abs(low), abs(high))
        return 1200 * a**2 + 1200 * a + 202
