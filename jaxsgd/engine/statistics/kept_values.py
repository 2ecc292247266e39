"""Observables of every trajectory, for comparisons path by path."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.statistic import Seen, Statistic
from jaxsgd.engine.statistics.summation import Arrays, lanes_over_tiles


@dataclasses.dataclass(frozen=True)
class KeptValues(Statistic):
    """Every value of some observables at some records, all by default: (records, observables, trajectories).

    With `most`, a range of whole chunks that has more values keeps the means of pairs of them, of pairs of these,
    and so on, in float64. They are independent and of one size; differences between cells have the same
    expectations, and variances smaller by that size. It is the same for every range of a size, however it was made.
    """

    observables: tuple[str, ...]
    records: tuple[int, ...] | None = None
    most: int | None = None

    name = "values"
    keeps_lanes = True

    def observe(self, seen: Seen) -> Arrays:
        """`value` (observables, blocks, BLOCK)."""
        return {"value": seen.stacked(self.observables)}

    def finish(self, kept: Arrays, seen: Seen) -> Arrays:
        """`value` (all records, observables, blocks, BLOCK) to that of some records."""
        return kept if self.records is None else {"value": kept["value"][jnp.array(self.records)]}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """`value` (records, observables, blocks, BLOCK) to `value` (records, observables, trajectories)."""
        return {"value": lanes_over_tiles(tiles, "value")}

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`value` (records, observables, trajectories or groups of them)."""
        return {"value": np.concatenate([left["value"], right["value"]], -1)}

    def condense(self, sums: Arrays) -> Arrays:
        value = sums["value"]
        while self.most is not None and value.shape[-1] > self.most:
            value = np.mean(value.reshape(*value.shape[:-1], -1, 2), -1, dtype=float)
        return {"value": value}
