"""Gradients with additive noise, as in the code of the chapter."""

from typing import Any

import jax
import numpy as np

from jaxsgd.errors import InvalidType
from jaxsgd.noise import Noise
from jaxsgd.oracles.oracle import Oracle
from jaxsgd.problems import Problem
from jaxsgd.streams import Stream


class AdditiveNoise(Oracle):
    """g_t = grad R(x_t) + xi_t, with xi_t from `noise`, independent of everything before.

    **Arguments**

    - `problem`: whose gradient is taken.
    - `noise`: the law of xi_t, of mean zero.
    """

    problem: Problem
    noise: Noise
    unbiased = True

    def __check_init__(self) -> None:
        if not isinstance(self.problem, Problem):
            raise InvalidType(f"problem must be one of jaxsgd.problems, got {self.problem!r}")
        if not isinstance(self.noise, Noise):
            raise InvalidType(f"noise must be one of jaxsgd.noise, got {self.noise!r}")

    @property
    def normal(self) -> bool | None:
        return self.noise.normal

    @property
    def tail_index(self) -> float | None:
        return self.noise.tail_index

    def gradient_covariance(self, dimension: int) -> np.ndarray | None:
        return self.noise.covariance_matrix(dimension)

    def sample(self, stream: Stream, like: Any, t: Any, memory: Any) -> tuple[Any, Any]:
        return self.noise.sample(stream, like), memory

    def gradient(self, x: Any, sample: Any) -> Any:
        return jax.tree.map(lambda gradient, xi: gradient + xi, self.problem.gradient(x), sample)

    def risk(self, x: Any, sample: Any) -> jax.Array:
        return self.problem.value(x)

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        self.noise.check(shapes)
