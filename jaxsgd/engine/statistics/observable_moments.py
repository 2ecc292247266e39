"""Mean and variance of observables."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from jaxsgd.engine.statistics.extremes import Extremes
from jaxsgd.engine.statistics.statistic import OfObservables, Seen, Variable
from jaxsgd.engine.statistics.summation import (
    Arrays,
    Sums,
    block_sum,
    fold_moments,
    merge_moments,
    over_tiles,
    squares_in_range,
    variance,
)
from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True)
class ObservableMoments(OfObservables):
    """Count, mean and M2 (sum of squared deviations) of each observable, two-pass within a block; in every run.

    The careful program counts finite values only, and none that is 0 because it has underflowed: then there is no
    mean, as there is none where trajectories diverge.
    """

    observables: tuple[str, ...]

    name = "moments"
    words = ("mean", "variance")

    @classmethod
    def asked(cls, study: Study, given: Any = ()) -> Self | None:
        return cls(study.observed) if study.observed else None

    def observe(self, seen: Seen) -> Arrays:
        """`mean` and `m2`, and of the careful program `count` and `scale`, (observables, blocks)."""
        value = seen.known(self.observables)
        kept, deviation = seen.deviations(value, *seen.usable(value))
        return kept | {"m2": block_sum(deviation * deviation)}

    def in_range(self, kept: Arrays, beside: Mapping[str, Any]) -> bool:
        if not squares_in_range(kept["mean"], kept["m2"]):
            return False
        # Of values around 0 the mean may be flushed to 0 with all squares: the extremes tell them from zeros.
        extremes = beside.get(Extremes.name)
        flushed = (kept["m2"] == 0) & (kept["mean"] == 0)
        return extremes is None or not np.any(flushed & (extremes["min"] < extremes["max"]))

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """(records, observables, blocks) to `count`, `mean` and `m2` (records, observables)."""
        count, scale, mean, m2 = (over_tiles(tiles, key) for key in ("count", "scale", "mean", "m2"))
        return fold_moments(*np.broadcast_arrays(count, mean * scale, m2 * scale**2))

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`count`, `mean` and `m2` (records, observables)."""
        return merge_moments(left, right)

    def of_each(self, sums: Sums, trajectories: int) -> dict[str, Variable]:
        """Mean, variance and standard error where every trajectory counts; and what is known of the others."""
        count, mean, m2 = (sums[self.name][key] for key in ("count", "mean", "m2"))
        whole, among_finite = count == trajectories, np.where(count > 0, mean, np.nan)
        spread = np.where(whole, variance(m2, count), np.nan)
        return {
            "mean": Variable(("step",), np.where(whole, among_finite, np.nan)),
            "variance": Variable(("step",), spread),
            "sem": Variable(("step",), np.sqrt(spread / trajectories)),
            "mean_finite": Variable(("step",), among_finite),
            "count_finite": Variable(("step",), count.astype(np.int64), "trajectories"),
        }
