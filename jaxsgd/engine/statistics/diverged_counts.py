"""How many trajectories have diverged."""

import dataclasses
from typing import Any, Self

import numpy as np

from jaxsgd.engine.statistics.records import Records
from jaxsgd.engine.statistics.statistic import Seen, Statistic, Variable
from jaxsgd.engine.statistics.summation import Arrays, Sums, block_sum
from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True)
class DivergedCounts(Statistic):
    """Trajectories whose state or whose built-in observables are not finite; counted in every run."""

    name = "diverged"

    @classmethod
    def asked(cls, study: Study, given: Any = ()) -> Self:
        return cls()

    def observe(self, seen: Seen) -> Arrays:
        """`diverged` (blocks,); nothing in the quick program, which is not used where there are any."""
        if seen.alive is None:
            return {}
        return {"diverged": block_sum((seen.valid & ~seen.alive).astype(seen.x.dtype))}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """`diverged` (records, blocks) of the careful tiles to `diverged` (records,)."""
        found = [np.asarray(tile["diverged"], float).sum(-1) for tile in tiles if "diverged" in tile]
        return {"diverged": np.sum([np.zeros(tiles[0]["records"]), *found], axis=0)}

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`diverged` (records,)."""
        return {"diverged": left["diverged"] + right["diverged"]}

    def estimates(self, sums: Sums, records: Records, trajectories: int) -> dict[str, dict[str, Variable]]:
        count = sums[self.name]["diverged"].astype(np.int64)
        return {"diverged": {"": Variable(("step",), count, "trajectories")}}
