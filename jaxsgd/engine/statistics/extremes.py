"""Smallest and largest value of observables."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.statistic import Arrays, Seen, Statistic


@dataclasses.dataclass(frozen=True)
class Extremes(Statistic):
    """Minimum and maximum of each observable; a value that is not finite counts as +inf."""

    observables: tuple[str, ...]

    @property
    def name(self) -> str:
        return "extremes"

    def observe(self, seen: Seen) -> Arrays:
        def extreme(reduce, name: str, outside: float):
            value = seen.values[name]
            if seen.alive is not None:
                value = jnp.where(jnp.isfinite(value), value, jnp.inf)
            return reduce(jnp.where(seen.valid, value, outside), axis=-1)

        return {
            "min": jnp.stack([extreme(jnp.min, name, jnp.inf) for name in self.observables]),
            "max": jnp.stack([extreme(jnp.max, name, -jnp.inf) for name in self.observables]),
        }

    def fold(self, tiles: list[Arrays]) -> Arrays:
        return {
            "min": np.min([np.min(tile["min"], -1) for tile in tiles], 0).astype(float),
            "max": np.max([np.max(tile["max"], -1) for tile in tiles], 0).astype(float),
        }

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        return {"min": np.minimum(left["min"], right["min"]), "max": np.maximum(left["max"], right["max"])}
