"""Noise with the law of Laplace."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsgd.noise.noise import Scaled
from jaxsgd.streams import Stream


class Laplace(Scaled):
    """Independent coordinates with the density exp(-|x| / scale) / (2 scale): of variance 2 scale^2, excess kurtosis 3.

    Drawn by the inverse of its distribution function, from a uniform that is resolved near both ends: up to
    43 scales, beyond which an event has probability 2^-63.

    **Arguments**

    - `scale`: one number or one for each coordinate (d,).

    >>> Laplace(scale=0.5).cumulants(2, 1)
    array([0.5])
    """

    normal = False
    symmetric = True
    tail_index = np.inf

    def standard(self, stream: Stream, shape: tuple[int, ...]) -> Any:
        t = stream.centred_uniform(shape)
        return -jnp.sign(t) * jnp.log(2 * jnp.abs(t))

    def standard_cumulant(self, order: int) -> float:
        """2 (k - 1)! for even k: E exp(u Z) = 1 / (1 - u^2)."""
        return 0.0 if order % 2 else 2.0 * math.factorial(order - 1)

    def marginal(self, dimension: int) -> Any:
        from scipy import stats

        return self.frozen(stats.laplace, dimension)
