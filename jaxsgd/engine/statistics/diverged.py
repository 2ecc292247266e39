"""How many trajectories have diverged."""

import dataclasses

import numpy as np

from jaxsgd.engine.statistics import statistic
from jaxsgd.engine.statistics.statistic import Arrays, Seen, Statistic


@dataclasses.dataclass(frozen=True)
class Diverged(Statistic):
    """Trajectories whose state or whose built-in observables are not finite."""

    records: int

    @property
    def name(self) -> str:
        return "diverged"

    def observe(self, seen: Seen) -> Arrays:
        if seen.alive is None:
            return {}
        return {"diverged": statistic.block_sum((seen.valid & ~seen.alive).astype(seen.x.dtype))}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        found = [np.asarray(tile["diverged"], float).sum(-1) for tile in tiles if "diverged" in tile]
        return {"diverged": np.sum([np.zeros(self.records), *found], axis=0)}

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        return {"diverged": left["diverged"] + right["diverged"]}
