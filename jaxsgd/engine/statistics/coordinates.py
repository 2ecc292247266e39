"""Mean and covariance of the iterate."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics import statistic
from jaxsgd.engine.statistics.statistic import Arrays, Seen, Statistic


@dataclasses.dataclass(frozen=True)
class Coordinates(Statistic):
    """Count, mean (d,) and scatter matrix (d, d) of x over the trajectories whose x is finite.

    Without `covariance` the scatter matrix is left out: its cost grows as d^2.
    """

    dimension: int
    covariance: bool

    @property
    def name(self) -> str:
        return "coordinates"

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        return [(i, j) for i in range(self.dimension) for j in range(i + 1)] if self.covariance else []

    def observe(self, seen: Seen) -> Arrays:
        usable, count = seen.usable(*seen.x)
        mean, deviation = statistic.two_pass(seen.x, usable, count)
        kept = {"mean": mean}
        if self.covariance:
            kept["m2"] = jnp.stack([statistic.block_sum(deviation[i] * deviation[j]) for i, j in self._pairs])
        return kept if seen.alive is None else {"count": count, **kept}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        count = statistic.over_tiles(tiles, "count", default="counts")
        mean = statistic.over_tiles(tiles, "mean")  # (records, d, blocks)
        total = np.broadcast_to(count.sum(-1), mean.shape[:1])
        weight = np.broadcast_to(count, (mean.shape[0], mean.shape[-1]))[:, None]
        centre = (weight * mean).sum(-1) / np.maximum(total, 1)[:, None]
        sums = {"count": total, "mean": centre}
        if self.covariance:
            offset = mean - centre[..., None]
            within = statistic.over_tiles(tiles, "m2").sum(-1)
            sums["m2"] = self._matrix(within) + (weight[:, :, None] * offset[:, :, None] * offset[:, None]).sum(-1)
        return sums

    def _matrix(self, packed: np.ndarray) -> np.ndarray:
        full = np.empty((len(packed), self.dimension, self.dimension))
        for position, (i, j) in enumerate(self._pairs):
            full[:, i, j] = full[:, j, i] = packed[:, position]
        return full

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        count = left["count"] + right["count"]
        share = (right["count"] / np.maximum(count, 1))[:, None]
        delta = right["mean"] - left["mean"]
        sums = {"count": count, "mean": left["mean"] + share * delta}
        if self.covariance:
            outer = delta[:, :, None] * delta[:, None, :]
            sums["m2"] = left["m2"] + right["m2"] + (left["count"][:, None] * share)[..., None] * outer
        return sums
