"""Observables of every trajectory, for comparisons path by path."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.statistic import Arrays, Seen, Statistic


@dataclasses.dataclass(frozen=True)
class Values(Statistic):
    """Every value of some observables at some records, all by default: (records, observables, trajectories).

    With a `group`, a power of two up to a block, the means over so many consecutive ids, in float64: their
    differences between cells have the same expectations, and variances smaller by that factor, in less memory.
    Groups begin at multiples of their size; one that a range of ids cuts is the mean of what is in it.
    """

    observables: tuple[str, ...]
    records: tuple[int, ...] | None = None
    group: int = 1

    keeps_lanes = True

    @property
    def name(self) -> str:
        return "values"

    def observe(self, seen: Seen) -> Arrays:
        return {"value": jnp.stack([seen.values[name] for name in self.observables])}

    def finish(self, kept: Arrays, seen: Seen) -> Arrays:
        return kept if self.records is None else {"value": kept["value"][jnp.array(self.records)]}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        kept = []
        for tile in tiles:
            value, valid = np.asarray(tile["value"]), np.ravel(tile["valid"])
            value = value.reshape(*value.shape[:2], -1)
            kept.append(value[..., valid] if self.group == 1 else _means(value, valid, self.group))
        return {"value": np.concatenate(kept, -1)}

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        return {"value": np.concatenate([left["value"], right["value"]], -1)}

    def sizes(self, start: int, stop: int) -> np.ndarray:
        """How many trajectories each kept value of the ids start .. stop - 1 is the mean of."""
        inner = np.arange(start - start % self.group + self.group, stop, self.group)
        return np.diff(np.array([start, *inner, stop]))


def _means(value: np.ndarray, valid: np.ndarray, group: int) -> np.ndarray:
    """The means of the valid lanes of each group that has any."""
    valid = valid.reshape(-1, group)
    count = valid.sum(-1)
    total = np.where(valid, value.reshape(*value.shape[:-1], -1, group), 0).sum(-1, dtype=float)
    return total[..., count > 0] / count[count > 0]
