"""Gradient descent: the oracle without randomness."""

from typing import Any

import jax
import numpy as np

from jaxsgd.errors import InvalidType
from jaxsgd.oracles.oracle import Oracle
from jaxsgd.problems import EmpiricalRisk, Problem
from jaxsgd.streams import Stream


class FullGradient(Oracle):
    """g_t = grad R(x_t): gradient descent. Every trajectory is the same.

    **Arguments**

    - `problem`: whose gradient is taken.
    """

    problem: Problem
    unbiased = True
    normal = True
    full_gradient = True
    tail_index = np.inf

    def __check_init__(self) -> None:
        if not isinstance(self.problem, Problem):
            raise InvalidType(f"problem must be one of jaxsgd.problems, got {self.problem!r}")

    def gradient_covariance(self, dimension: int) -> np.ndarray:
        return np.zeros(dimension)

    def sample(self, stream: Stream, like: Any, t: Any, memory: Any) -> tuple[None, Any]:
        return None, memory

    def gradient(self, x: Any, sample: Any) -> Any:
        return self.problem.gradient(x)

    def risk(self, x: Any, sample: Any) -> jax.Array:
        return self.problem.value(x)

    def drawn_loss(self, x: Any, sample: Any) -> jax.Array:
        return self.problem.value(x)

    @property
    def updates_per_epoch(self) -> int | None:
        return 1 if isinstance(self.problem, EmpiricalRisk) else None
