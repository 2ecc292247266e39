"""Probabilities of stated events."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.records import Records
from jaxsgd.engine.statistics.statistic import Seen, Statistic, Variable
from jaxsgd.engine.statistics.summation import Arrays, Sums, block_sum, over_tiles
from jaxsgd.errors import InvalidType
from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True)
class EventCounts(Statistic):
    """In how many trajectories each event is true; exact counts."""

    events: tuple[str, ...]

    name = "events"
    argument = "probabilities"

    @classmethod
    def asked(cls, study: Study, given: Any = None) -> Self | None:
        if not isinstance(given, Mapping | None):
            raise InvalidType(f'probabilities must be a dict, {{"name": function}}, got {given!r}')
        for name, function in (given or {}).items():
            if not callable(function):
                raise InvalidType(f"probabilities[{name!r}] must be a function of x or of a State, got {function!r}")
        return cls(tuple(given)) if given else None

    def observe(self, seen: Seen) -> Arrays:
        """`count` (events, blocks)."""
        happened = jnp.stack([seen.events[name] & seen.valid for name in self.events])
        return {"count": block_sum(happened.astype(seen.x.dtype))}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """`count` (records, events, blocks) to `count` (records, events)."""
        return {"count": over_tiles(tiles, "count").sum(-1)}

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`count` (records, events)."""
        return {"count": left["count"] + right["count"]}

    def estimates(self, sums: Sums, records: Records, trajectories: int) -> dict[str, dict[str, Variable]]:
        """The share p of trajectories, with the standard error sqrt(p (1 - p) / n)."""
        found = {}
        for name, count in zip(self.events, sums[self.name]["count"].T, strict=True):
            share = count / trajectories
            found[name] = {
                "count": Variable(("step",), count.astype(np.int64), "trajectories"),
                "probability": Variable(("step",), share, "1"),
                "probability_sem": Variable(("step",), np.sqrt(share * (1 - share) / trajectories), "1"),
            }
        return found
