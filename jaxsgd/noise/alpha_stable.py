"""Noise without a variance: symmetric stable laws."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, scalar
from jaxsgd.noise.noise import Scaled, Stable
from jaxsgd.noise.tails import LEAST_INDEX, too_heavy
from jaxsgd.streams import Stream


class AlphaStable(Scaled):
    """Independent coordinates of a symmetric stable law: E exp(i u xi_j) = exp(-|scale_j u|^alpha).

    Sums of independent ones have such a law again. alpha = 2 is normal with the standard deviation sqrt(2) scale,
    alpha = 1 Cauchy's law. For alpha < 2, P(|xi_j| > x) falls like x^-alpha: there is no variance, and for alpha <= 1
    no mean, where 0 is the median.

    Drawn by the formula of Chambers, Mallows and Stuck, with an angle that is held by its distance to the ends at
    +-pi/2 and an exponential that is resolved near 0: |xi_j| reaches about 2^(63 / alpha) scales, beyond which an event
    has probability 2^-63. Squares of draws beyond 1.8e19, such as a risk, are infinite in float32; with alpha = 0.5
    that is one draw of 5e9.

    **Arguments**

    - `alpha`: the exponent, from 0.5 to 2.
    - `scale`: one number or one for each coordinate (d,).

    Source: Chambers, Mallows and Stuck (1976), "A method for simulating stable random variables", JASA 71.

    >>> AlphaStable(alpha=1.5).covariance_matrix(2) is None, AlphaStable(alpha=2.0).covariance_matrix(1)
    (True, array([2.]))
    """

    alpha: np.ndarray
    symmetric = True

    def __init__(self, alpha: Any, scale: Any = 1.0) -> None:
        self.alpha = scalar("alpha", alpha, above=0.0)
        super().__init__(scale)
        if self.alpha > 2:
            raise InvalidInput(f"alpha must be at most 2, got {float(self.alpha):g}: there is no such stable law")
        if self.alpha < LEAST_INDEX:
            raise InvalidInput(too_heavy("alpha", self.alpha))

    @property
    def normal(self) -> bool:
        """Of stable laws only that of exponent 2 is normal."""
        return bool(self.alpha == 2)

    @property
    def tail_index(self) -> float:
        return np.inf if self.normal or not np.any(self.scale) else float(self.alpha)

    def standard(self, stream: Stream, shape: tuple[int, ...]) -> Any:
        """sin(a phi) cos(phi)^(-1/a) (cos((1 - a) phi) / W)^((1 - a) / a).

        With phi = +-(pi/2 - delta) and b = |1 - a| the cosines are sin(delta) and sin((1 - b) pi/2 + b delta), and
        sin(a phi) = sin(pi - a phi) = sin((2 - a) pi/2 + a delta): no digits are lost at the ends, nor for a near 1
        and 2.
        """
        a, t, W = self.alpha, stream.centred_uniform(shape), stream.exponential(shape)
        delta, b = math.pi * jnp.abs(t), abs(1 - a)
        angle = a * math.pi * (0.5 - jnp.abs(t))
        sine = jnp.sin(jnp.where(angle < math.pi / 2, angle, (2 - a) * math.pi / 2 + a * delta))
        logarithm = jnp.log(jnp.sin((1 - b) * math.pi / 2 + b * delta)) - jnp.log(W)
        return jnp.sign(t) * sine * jnp.exp(((1 - a) * logarithm - jnp.log(jnp.sin(delta))) / a)

    def standard_cumulant(self, order: int) -> float | None:
        return (2.0 if order == 2 else 0.0) if self.normal else None

    def stable_law(self, dimension: int) -> Stable:
        return Stable(float(self.alpha), self.scales(dimension))

    def marginal(self, dimension: int) -> Any:
        from scipy import stats

        if self.normal:
            return self.frozen(stats.norm, dimension, factor=math.sqrt(2))
        if self.alpha == 1:
            return self.frozen(stats.cauchy, dimension)
        return self.frozen(stats.levy_stable, dimension, float(self.alpha), 0.0)
