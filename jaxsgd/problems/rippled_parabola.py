"""x^2 (1 + sin x): infinitely many local minima, all of them global."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.problems.separable import Separable


class RippledParabola(Separable):
    """R(x) = sum_i x_i^2 (1 + sin x_i), the function of exercise 5 of the SGD chapter of *Dive into Deep Learning*.

    As 1 + sin x = 2 sin^2(x/2 + pi/4), f(x) = 2 (x sin(x/2 + pi/4))^2 >= 0. The minima of f are 0 and 2 pi k - pi/2 for
    all integers k; all have the value 0. Between neighbours lies one maximum, where tan(x/2 + pi/4) = -x/2 and
    f = 2 x^4 / (x^2 + 4). The curvature is 2 at 0 and x^2 at the other minima: the further out, the smaller the
    learning rate must be, 2 / x^2, at which a minimum is stable.

    **Arguments**

    - `dimension`: d.

    >>> RippledParabola().local_minima(-10, 10).round(4).tolist()
    [-7.854, -1.5708, 0.0, 4.7124]
    """

    minimum = 0.0
    convex = False

    def term(self, x: jax.Array) -> jax.Array:
        return x**2 * (1 + jnp.sin(x))

    @property
    def minimiser(self) -> np.ndarray:
        """0, one of the minimisers."""
        return np.zeros(self.dimension)

    def smoothness_between(self, low: float, high: float) -> float:
        """4 + 4 a + a^2, where a is the larger end: |f''| = |2 (1 + sin x) + 4 x cos x - x^2 sin x| is no larger."""
        a = max(abs(low), abs(high))
        return 4 + 4 * a + a**2

    def local_minima(self, low: float, high: float) -> np.ndarray:
        first, last = np.ceil((low + np.pi / 2) / (2 * np.pi)), np.floor((high + np.pi / 2) / (2 * np.pi))
        rippled = 2 * np.pi * np.arange(first, last + 1) - np.pi / 2
        return np.sort(np.concatenate([np.zeros(int(low <= 0 <= high)), rippled]))

    def local_maxima(self, low: float, high: float) -> np.ndarray:
        minima = self.local_minima(low - 2 * np.pi, high + 2 * np.pi)
        found = np.array([_maximum_between(*ends) for ends in itertools.pairwise(minima)])
        return found[(found >= low) & (found <= high)]


def _maximum_between(left: float, right: float) -> float:
    """The one root of x cos(x/2 + pi/4) + 2 sin(x/2 + pi/4), whose signs at two neighbouring minima differ."""
    from scipy.optimize import brentq

    def slope(x: float) -> float:
        return x * np.cos(x / 2 + np.pi / 4) + 2 * np.sin(x / 2 + np.pi / 4)

    gap = 1e-3 * (right - left)  # 0 is a minimum since x is, not the other factor
    return float(brentq(slope, left + gap, right - gap, xtol=1e-15))  # type: ignore[arg-type] - a number, not its report
