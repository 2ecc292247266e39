"""The trajectories themselves."""

import dataclasses

import numpy as np

from jaxsgd.engine.statistics.statistic import Seen, Statistic
from jaxsgd.engine.statistics.summation import Arrays, lanes_over_tiles


@dataclasses.dataclass(frozen=True)
class IteratePaths(Statistic):
    """Every x at every record, (records, d, trajectories): for a few trajectories only."""

    name = "paths"
    keeps_lanes = True

    def observe(self, seen: Seen) -> Arrays:
        """`x` (d, blocks, BLOCK)."""
        return {"x": seen.x}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """`x` (records, d, blocks, BLOCK) to `x` (records, d, trajectories)."""
        return {"x": lanes_over_tiles(tiles, "x").astype(float)}

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`x` (records, d, trajectories)."""
        return {"x": np.concatenate([left["x"], right["x"]], -1)}
