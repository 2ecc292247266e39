"""Noise with power tails: Student's t."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, scalar
from jaxsgd.noise.noise import Scaled, cumulant_of_moments
from jaxsgd.noise.tails import LEAST_INDEX, too_heavy
from jaxsgd.streams import Stream


class StudentT(Scaled):
    """xi_j = scale T_j, with independent T_j of Student's law: P(|T_j| > x) falls like x^-df.

    E|xi|^k is finite for k < df alone: there is a variance, scale^2 df / (df - 2), for df > 2 and a fourth moment for
    df > 4, and no mean at all for df <= 1, where 0 is the median.

    Drawn by Bailey's polar form T = sqrt(df (U^(-2/df) - 1)) cos(2 pi V), with -log U a standard exponential that is
    resolved near both ends, so that |T| reaches about 2^(63 / df), beyond which an event has probability 2^-63. Squares
    of draws beyond 1.8e19, such as a risk, are infinite in float32.

    **Arguments**

    - `df`: degrees of freedom, at least 0.5.
    - `scale`: one number or one for each coordinate (d,).

    Source: Bailey (1994), "Polar generation of random variates with the t-distribution", Math. Comp. 62.

    >>> StudentT(df=3.0).covariance_matrix(1), StudentT(df=2.0).covariance_matrix(1)
    (array([3.]), None)
    """

    df: np.ndarray
    normal = False
    symmetric = True

    def __init__(self, df: Any, scale: Any = 1.0) -> None:
        self.df = scalar("df", df, above=0.0)
        super().__init__(scale)
        if self.df < LEAST_INDEX:
            raise InvalidInput(too_heavy("df", self.df))

    @property
    def tail_index(self) -> float:
        return float(self.df) if np.any(self.scale) else np.inf

    def standard(self, stream: Stream, shape: tuple[int, ...]) -> Any:
        radius = stream.exponential(shape) / self.df  # U^(-2/df) - 1 = exp(2 radius) (1 - exp(-2 radius))
        size = jnp.exp(radius) * jnp.sqrt(-self.df * jnp.expm1(-2 * radius))
        # The sine of an angle between -pi/2 and pi/2 has the law of cos(2 pi V), and keeps its digits near 0.
        return size * jnp.sin(math.pi * (stream.uniform(shape) - 0.5))

    def standard_cumulant(self, order: int) -> float | None:
        """Of the moments E T^k = df^(k/2) Gamma((k + 1) / 2) Gamma((df - k) / 2) / (sqrt(pi) Gamma(df / 2)), k even."""
        df = float(self.df)
        if order >= df:
            return None
        if order % 2:
            return 0.0
        return cumulant_of_moments([0.0 if k % 2 else _moment(df, k) for k in range(1, order + 1)])

    def marginal(self, dimension: int) -> Any:
        from scipy import stats

        return self.frozen(stats.t, dimension, float(self.df))


def _moment(df: float, order: int) -> float:
    """E T^k, k even: df^(k/2) times the product of (2 i - 1) / (df - 2 i), i = 1 .. k/2."""
    return math.prod(df * (2 * i - 1) / (df - 2 * i) for i in range(1, order // 2 + 1))
