"""Mean and covariance of the iterate."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.records import Records
from jaxsgd.engine.statistics.statistic import Seen, Statistic, Variable
from jaxsgd.engine.statistics.summation import (
    Arrays,
    Sums,
    block_sum,
    fold_scatter,
    merge_moments,
    over_tiles,
    squares_in_range,
    variance,
)
from jaxsgd.study import Study

_SMALL = 8  # coordinates up to which the covariance is recorded without being asked for


@dataclasses.dataclass(frozen=True)
class IterateMoments(Statistic):
    """Count, mean (d,) and scatter matrix (d, d) of x over the trajectories whose x is finite.

    Without `covariance` the scatter matrix is left out: its cost grows as d^2.
    """

    dimension: int
    covariance: bool

    name = "coordinates"
    words = ("x", "x_covariance")
    dimensions = ("coordinate", "coordinate_2")

    @classmethod
    def asked(cls, study: Study, given: Any = ()) -> Self | None:
        if not set(cls.words) & set(given):
            return None
        return cls(study.dimension, "x_covariance" in given or study.dimension <= _SMALL)

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        """The coordinates of the entries of the lower triangle, in which the scatter matrix of a tile is packed."""
        return [(i, j) for i in range(self.dimension) for j in range(i + 1)] if self.covariance else []

    def observe(self, seen: Seen) -> Arrays:
        """`mean` (d, blocks), `m2` (pairs, blocks); of the careful program `count` (blocks,), `scale` (d, blocks)."""
        kept, deviation = seen.deviations(seen.x, *seen.usable(*seen.x))
        if self.covariance:
            kept["m2"] = jnp.stack([block_sum(deviation[i] * deviation[j]) for i, j in self._pairs])
        return kept

    def in_range(self, kept: Arrays, beside: Mapping[str, Any]) -> bool:
        diagonal = [position for position, (i, j) in enumerate(self._pairs) if i == j]
        return not self.covariance or squares_in_range(kept["mean"], kept["m2"][:, diagonal])

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """As observed, with records first, to `count` (records,), `mean` (records, d), `m2` (records, d, d)."""
        count, scale, mean = (over_tiles(tiles, key) for key in ("count", "scale", "mean"))
        count, scale = np.broadcast_to(count, mean[:, 0].shape), np.broadcast_to(scale, mean.shape)
        within = None
        if self.covariance:
            i, j = np.array(self._pairs).T
            within = self._matrix((over_tiles(tiles, "m2") * scale[:, i] * scale[:, j]).sum(-1))
        return fold_scatter(count, mean * scale, within)

    def _matrix(self, packed: np.ndarray) -> np.ndarray:
        """(records, pairs) to (records, d, d)."""
        full = np.empty((len(packed), self.dimension, self.dimension))
        for position, (i, j) in enumerate(self._pairs):
            full[:, i, j] = full[:, j, i] = packed[:, position]
        return full

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`count` (records,), `mean` (records, d), `m2` (records, d, d)."""
        return merge_moments(left, right)

    def estimates(self, sums: Sums, records: Records, trajectories: int) -> dict[str, dict[str, Variable]]:
        """Mean and covariance where x of every trajectory is finite; and what is known of the others."""
        own = sums[self.name]
        count = own["count"]
        whole, among_finite = count == trajectories, np.where(count[:, None] > 0, own["mean"], np.nan)
        found = {
            "mean": Variable(("step", "coordinate"), np.where(whole[:, None], among_finite, np.nan)),
            "mean_finite": Variable(("step", "coordinate"), among_finite),
            "count_finite": Variable(("step",), count.astype(np.int64), "trajectories"),
        }
        if self.covariance:
            spread = np.where(whole[:, None, None], variance(own["m2"], count[:, None, None]), np.nan)
            found["covariance"] = Variable(("step", "coordinate", "coordinate_2"), spread)
        return {"x": found}

    def labels(self, records: Records) -> dict[str, Any]:
        dimensions = self.dimensions if self.covariance else self.dimensions[:1]
        return {dimension: list(records.coordinates) for dimension in dimensions}
