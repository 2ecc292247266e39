"""Gradients with additive noise, as in the code of the chapter."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import schedules
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.noise import Noise
from jaxsgd.oracles.oracle import CovarianceOverTime, GrowingCovariance, NoiseOverTime, Oracle
from jaxsgd.problems import Problem
from jaxsgd.streams import Stream


class AdditiveNoise(Oracle):
    """g_t = grad R(x_t) + s_t xi_t, with xi_t from `noise`, independent of everything before.

    Of `noise.Multiplicative`, which is not added but multiplied, both factor and sum are scaled by s_t.

    **Arguments**

    - `problem`: whose gradient is taken.
    - `noise`: the law of xi_t, of mean zero.
    - `scale`: s_t, any function of t, such as those of [`jaxsgd.schedules`][]; 1 where it is left out. With batches of
      B_t examples it is B_t^(-1/2).
    """

    problem: Problem
    noise: Noise
    scale: Callable[[Any], Any] | None = None

    def __check_init__(self) -> None:
        if not isinstance(self.problem, Problem):
            raise InvalidType(f"problem must be one of jaxsgd.problems, got {self.problem!r}")
        if not isinstance(self.noise, Noise):
            raise InvalidType(f"noise must be one of jaxsgd.noise, got {self.noise!r}")
        if not (self.scale is None or callable(self.scale)):
            raise InvalidType(f"scale must be a function of t, such as schedules.constant(2.0), got {self.scale!r}")

    @property
    def unbiased(self) -> bool:
        """Unless the noise has no mean."""
        return (self.noise.tail_index or np.inf) > 1

    @property
    def normal(self) -> bool | None:
        return self.noise.normal

    @property
    def independent(self) -> bool | None:
        return self.noise.independent

    @property
    def tail_index(self) -> float | None:
        return self.noise.tail_index

    def gradient_covariance(self, dimension: int) -> np.ndarray | None:
        return self.noise.covariance_matrix(dimension) if self.scale is None else None

    def gradient_covariances(self, dimension: int, updates: int) -> CovarianceOverTime | None:
        if self.scale is None:
            return super().gradient_covariances(dimension, updates)
        covariance = self.noise.covariance_matrix(dimension)
        return None if covariance is None else CovarianceOverTime(covariance, self._scales(updates) ** 2)

    def noise_over_time(self, updates: int) -> NoiseOverTime:
        return NoiseOverTime(self.noise, np.ones(updates) if self.scale is None else self._scales(updates))

    def growing_covariance(self, dimension: int) -> GrowingCovariance | None:
        relative, at_rest = self.noise.relative_variance(dimension), self.noise.covariance_at_rest(dimension)
        if self.scale is not None or relative is None or at_rest is None:
            return None
        return GrowingCovariance(relative, at_rest)

    def gradient_cumulants(self, order: int, dimension: int, updates: int) -> np.ndarray | None:
        of_noise = self.noise.cumulants(order, dimension)
        if of_noise is None:
            return None
        scales = np.ones(updates) if self.scale is None else self._scales(updates)
        return scales[:, None] ** order * of_noise

    def adds_noise(self, updates: int) -> np.ndarray:
        return super().adds_noise(updates) if self.scale is None else self._scales(updates) != 0

    def _scales(self, updates: int) -> np.ndarray:
        """s_0 .. s_{updates - 1}."""
        assert self.scale is not None
        return schedules.learning_rates(self.scale, updates)

    def sample(self, stream: Stream, like: Any, t: Any, memory: Any) -> tuple[Any, Any]:
        xi = self.noise.sample(stream, like)
        if self.scale is None:
            return xi, memory
        s = jnp.asarray(self.scale(t), float)
        return jax.tree.map(lambda leaf: s * leaf, xi), memory

    def gradient(self, x: Any, sample: Any) -> Any:
        return self.noise.perturbed(self.problem.gradient(x), sample)

    def risk(self, x: Any, sample: Any) -> jax.Array:
        return self.problem.value(x)

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        self.noise.check(shapes)

    def check_updates(self, updates: int) -> None:
        if self.scale is None:
            return
        scales = self._scales(updates)
        bad = np.flatnonzero(~np.isfinite(scales))
        if len(bad):
            raise InvalidInput(f"the scale of the noise must be finite, got {scales[bad[0]]:g} at t = {bad[0]}")
