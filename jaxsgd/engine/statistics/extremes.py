"""Smallest and largest value of observables."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics import statistic
from jaxsgd.engine.statistics.statistic import Arrays, Seen, Statistic


@dataclasses.dataclass(frozen=True)
class Extremes(Statistic):
    """Minimum and maximum of each observable; a value that is not finite counts as +inf."""

    observables: tuple[str, ...]

    @property
    def name(self) -> str:
        return "extremes"

    def observe(self, seen: Seen) -> Arrays:
        value = jnp.stack([seen.values[name] for name in self.observables])
        if seen.alive is not None:
            value = jnp.where(jnp.isfinite(value), value, jnp.inf)

        def extreme(join: Callable[[jax.Array, jax.Array], jax.Array], reduce: Any, outside: float) -> jax.Array:
            return reduce(statistic.fold_quarters(jnp.where(seen.valid, value, outside), join), axis=-1)

        return {"min": extreme(jnp.minimum, jnp.min, jnp.inf), "max": extreme(jnp.maximum, jnp.max, -jnp.inf)}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        return {
            "min": np.min([np.min(tile["min"], -1) for tile in tiles], 0).astype(float),
            "max": np.max([np.max(tile["max"], -1) for tile in tiles], 0).astype(float),
        }

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        return {"min": np.minimum(left["min"], right["min"]), "max": np.maximum(left["max"], right["max"])}
