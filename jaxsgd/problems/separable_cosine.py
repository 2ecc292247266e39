"""A parabola with a cosine on it: finitely many local minima of different depth."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import scalar
from jaxsgd.problems.separable import Separable


class SeparableCosine(Separable):
    """R(x) = sum_i h x_i^2 / 2 + a (1 - cos(w x_i)), with its one global minimum, of value 0, at the origin.

    Its derivative h x + a w sin(w x) has zeros only for |x| <= a w / h: there are finitely many local minima, near the
    multiples of 2 pi / w, the higher the further out. With h = 2, a = 10 and w = 2 pi it is Rastrigin's function.

    **Arguments**

    - `dimension`: d.
    - `curvature`, `amplitude`, `frequency`: h, a and w, positive.

    Source: Rastrigin (1974), Systems of Extremal Control; Muehlenbein, Schomisch and Born (1991), Parallel Computing
    17, for more than two coordinates.

    >>> SeparableCosine(dimension=2, curvature=2.0, amplitude=10.0, frequency=2 * np.pi).local_minima(-1.5, 1.5).round(
    ...     5
    ... )
    array([-0.99496,  0.     ,  0.99496])
    """

    curvature: Any
    amplitude: Any
    frequency: Any
    minimum = 0.0

    def __init__(
        self, dimension: int = 1, curvature: float = 1.0, amplitude: float = 1.0, frequency: float = 2 * np.pi
    ) -> None:
        super().__init__(dimension)
        self.curvature, self.amplitude, self.frequency = (
            scalar(name, value, above=0.0)
            for name, value in (("curvature", curvature), ("amplitude", amplitude), ("frequency", frequency))
        )

    def term(self, x: jax.Array) -> jax.Array:
        return self.curvature * x**2 / 2 + self.amplitude * (1 - jnp.cos(self.frequency * x))

    @property
    def minimiser(self) -> np.ndarray:
        """The origin."""
        return np.zeros(self.dimension)

    @property
    def convex(self) -> bool:
        """Whether f'' = h + a w^2 cos(w x) is nowhere negative."""
        return bool(self.curvature >= self.amplitude * self.frequency**2)

    @property
    def smoothness(self) -> float:
        """h + a w^2, the curvature at the origin."""
        return float(self.curvature + self.amplitude * self.frequency**2)

    def local_minima(self, low: float, high: float) -> np.ndarray:
        return self._stationary(low, high, sign=1)

    def local_maxima(self, low: float, high: float) -> np.ndarray:
        return self._stationary(low, high, sign=-1)

    def _stationary(self, low: float, high: float, sign: int) -> np.ndarray:
        """Zeros of f' where f'' has a sign: f' is monotone between neighbouring zeros of f''."""
        from scipy.optimize import brentq

        h, a, w = float(self.curvature), float(self.amplitude), float(self.frequency)

        def slope(x: float) -> float:
            return h * x + a * w * np.sin(w * x)

        reach = min(a * w / h, max(abs(low), abs(high))) + 2 * np.pi / w
        turns = np.arange(np.ceil(reach * w / (2 * np.pi)) + 1)
        flat = np.arccos(max(-h / (a * w**2), -1.0))  # f'' = 0 at w x = +-flat + 2 pi k
        ends = np.unique(np.concatenate([(s * flat + 2 * np.pi * k * turns) / w for s in (-1, 1) for k in (-1, 1)]))
        cells = [cell for cell in itertools.pairwise(ends) if slope(cell[0]) * slope(cell[1]) < 0]
        roots = np.array([brentq(slope, *cell, xtol=1e-15) for cell in cells])
        wanted = sign * (h + a * w**2 * np.cos(w * roots)) > 0
        return roots[wanted & (roots >= low) & (roots <= high)]
