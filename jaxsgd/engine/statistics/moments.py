"""Mean and variance of observables."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics import statistic
from jaxsgd.engine.statistics.statistic import Arrays, Seen, Statistic


@dataclasses.dataclass(frozen=True)
class Moments(Statistic):
    """Count, mean and M2 (sum of squared deviations) of each observable, two-pass within a block.

    The careful program counts finite values only, and divides each block by its largest value first,
    so that values whose squares overflow still have a variance.
    """

    observables: tuple[str, ...]

    @property
    def name(self) -> str:
        return "moments"

    def observe(self, seen: Seen) -> Arrays:
        kept = [self._one(name, seen) for name in self.observables]
        return {key: jnp.stack([one[key] for one in kept]) for key in kept[0]}

    @staticmethod
    def _one(name: str, seen: Seen) -> Arrays:
        value = seen.values[name]
        usable, count = seen.usable(value)
        extra = {}
        if seen.alive is not None:
            largest = jnp.max(jnp.where(usable, jnp.abs(value), 0), axis=-1)
            scale = jnp.where(largest > 0, largest, 1)
            value = value / scale[..., None]
            extra = {"count": count, "scale": scale}
        mean, deviation = statistic.two_pass(value, usable, count)
        return {"mean": mean, "m2": statistic.block_sum(deviation * deviation), **extra}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        tiles = [{"scale": np.ones(len(tile["counts"])), **tile} for tile in tiles]
        count, scale = statistic.over_tiles(tiles, "count", default="counts"), statistic.over_tiles(tiles, "scale")
        mean, m2 = statistic.over_tiles(tiles, "mean"), statistic.over_tiles(tiles, "m2")
        return statistic.fold_moments(*np.broadcast_arrays(count, mean * scale, m2 * scale**2))

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        return statistic.merge_moments(left, right)
