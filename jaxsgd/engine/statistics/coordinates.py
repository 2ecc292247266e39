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
        x, extra = seen.x, {}
        if seen.alive is not None:
            x, scale = statistic.scaled(x, usable)
            extra = {"count": count, "scale": scale}
        mean, deviation = statistic.two_pass(x, usable, count)
        kept = {"mean": mean}
        if self.covariance:
            kept["m2"] = jnp.stack([statistic.block_sum(deviation[i] * deviation[j]) for i, j in self._pairs])
        return kept | extra

    def in_range(self, kept: Arrays) -> bool:
        diagonal = [position for position, (i, j) in enumerate(self._pairs) if i == j]
        return not self.covariance or statistic.squares_in_range(kept["mean"], kept["m2"][:, diagonal])

    def fold(self, tiles: list[Arrays]) -> Arrays:
        count, scale, mean = (statistic.over_tiles(tiles, key) for key in ("count", "scale", "mean"))
        weight, scale = np.broadcast_to(count, mean[:, 0].shape)[:, None], np.broadcast_to(scale, mean.shape)
        mean, total = mean * scale, weight.sum((1, 2))
        centre = (weight * mean).sum(-1) / np.maximum(total, 1)[:, None]
        sums = {"count": total, "mean": centre}
        if self.covariance:
            offset = mean - centre[..., None]
            i, j = np.array(self._pairs).T
            within = (statistic.over_tiles(tiles, "m2") * scale[:, i] * scale[:, j]).sum(-1)
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
