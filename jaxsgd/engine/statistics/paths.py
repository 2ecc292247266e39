"""The trajectories themselves."""

import dataclasses

import numpy as np

from jaxsgd.engine.statistics.statistic import Arrays, Seen, Statistic


@dataclasses.dataclass(frozen=True)
class Paths(Statistic):
    """Every x at every record, (records, d, trajectories): for a few trajectories only."""

    keeps_lanes = True

    @property
    def name(self) -> str:
        return "paths"

    def observe(self, seen: Seen) -> Arrays:
        return {"x": seen.x}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        kept = []
        for tile in tiles:
            x = np.asarray(tile["x"])
            kept.append(x.reshape(*x.shape[:2], -1)[..., np.ravel(tile["valid"])].astype(float))
        return {"x": np.concatenate(kept, -1)}

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        return {"x": np.concatenate([left["x"], right["x"]], -1)}
