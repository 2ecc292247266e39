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
        value = jnp.stack([seen.values[name] for name in self.observables])
        usable, count = seen.usable(value)
        extra = {}
        if seen.alive is not None:
            value, scale = statistic.scaled(value, usable)
            extra = {"count": count, "scale": scale}
        mean, deviation = statistic.two_pass(value, usable, count)
        return {"mean": mean, "m2": statistic.block_sum(deviation * deviation), **extra}

    def in_range(self, kept: Arrays) -> bool:
        return statistic.squares_in_range(kept["mean"], kept["m2"])

    def fold(self, tiles: list[Arrays]) -> Arrays:
        count, scale, mean, m2 = (statistic.over_tiles(tiles, key) for key in ("count", "scale", "mean", "m2"))
        return statistic.fold_moments(*np.broadcast_arrays(count, mean * scale, m2 * scale**2))

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        return statistic.merge_moments(left, right)
