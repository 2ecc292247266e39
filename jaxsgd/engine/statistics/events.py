"""Probabilities of stated events."""

import dataclasses

import jax.numpy as jnp

from jaxsgd.engine.statistics import statistic
from jaxsgd.engine.statistics.statistic import Arrays, Seen, Statistic


@dataclasses.dataclass(frozen=True)
class Events(Statistic):
    """In how many trajectories each event is true; exact counts."""

    events: tuple[str, ...]

    @property
    def name(self) -> str:
        return "events"

    def observe(self, seen: Seen) -> Arrays:
        happened = jnp.stack([seen.events[name] & seen.valid for name in self.events])
        return {"count": statistic.block_sum(happened.astype(seen.x.dtype))}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        return {"count": statistic.over_tiles(tiles, "count").sum(-1)}

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        return {"count": left["count"] + right["count"]}
