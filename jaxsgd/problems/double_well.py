"""(x^2 - 1)^2 / 4: two minima of one depth, and a barrier between them."""

import jax
import numpy as np

from jaxsgd.problems.separable import Separable


class DoubleWell(Separable):
    """R(x) = sum_i (x_i^2 - 1)^2 / 4, with minima at -1 and 1 of value 0 and curvature 2, and a barrier of 1/4 at 0.

    It is the standard example of escape over a barrier: the mean time grows like exp(2 barrier / temperature), where
    small constant learning rates eta and noise of variance s^2 make the temperature eta s^2.

    **Arguments**

    - `dimension`: d.

    Source: Kramers (1940), Physica 7, for the escape from a well.

    >>> DoubleWell().smoothness_between(-2, 2)
    11.0
    """

    minimum = 0.0
    convex = False

    def term(self, x: jax.Array) -> jax.Array:
        return (x**2 - 1) ** 2 / 4

    @property
    def minimiser(self) -> np.ndarray:
        """1 in every coordinate, one of the minimisers."""
        return np.ones(self.dimension)

    def smoothness_between(self, low: float, high: float) -> float:
        """The largest |f''| = |3 x^2 - 1|, which is at an end or at 0."""
        ends = max(abs(3 * low**2 - 1), abs(3 * high**2 - 1))
        return float(max(ends, 1.0) if low <= 0 <= high else ends)

    def local_minima(self, low: float, high: float) -> np.ndarray:
        return np.array([x for x in (-1.0, 1.0) if low <= x <= high])

    def local_maxima(self, low: float, high: float) -> np.ndarray:
        return np.zeros(int(low <= 0 <= high))
