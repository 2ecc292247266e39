"""x^2 + 3 sin^2 x: not convex, and yet without any stationary point but the minimum."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.problems.separable import Separable


class PolyakLojasiewicz(Separable):
    """R(x) = sum_i x_i^2 + 3 sin^2 x_i, which satisfies ||grad R||^2 >= 2 mu (R - R*) without being convex.

    The only zero of f'(x) = 2 x + 3 sin 2x is 0: where sin 2x is not of the sign of x, |x| is above pi/2, and
    2 |x| > 3. The largest mu is 0.17553 (the least f'(x)^2 / (2 f(x)), at x = 2.2017), of which 0.1755 is stated; the
    paper has mu = 1/32. f'' = 2 + 6 cos 2x lies between -4 and 8.

    **Arguments**

    - `dimension`: d.

    Source: Karimi, Nutini and Schmidt (2016), arXiv 1608.04636, section 2.2.

    >>> PolyakLojasiewicz().polyak_lojasiewicz
    0.1755
    """

    minimum = 0.0
    convex = False
    smoothness = 8.0
    polyak_lojasiewicz = 0.1755

    def term(self, x: jax.Array) -> jax.Array:
        return x**2 + 3 * jnp.sin(x) ** 2

    @property
    def minimiser(self) -> np.ndarray:
        """The origin."""
        return np.zeros(self.dimension)

    def local_minima(self, low: float, high: float) -> np.ndarray:
        return np.zeros(int(low <= 0 <= high))

    def local_maxima(self, low: float, high: float) -> np.ndarray:
        return np.zeros(0)
