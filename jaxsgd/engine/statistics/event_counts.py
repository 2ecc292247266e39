"""Probabilities of stated events, with exact limits."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.records import Records
from jaxsgd.engine.statistics.statistic import Seen, Statistic, Variable
from jaxsgd.engine.statistics.summation import Arrays, Sums, block_sum, over_tiles
from jaxsgd.errors import InvalidType
from jaxsgd.inference.intervals import proportion_interval
from jaxsgd.study import Study

CONFIDENCE = 0.95
"""That of the limits of probabilities."""

_LIMIT = f"limit of the exact interval (Clopper and Pearson) of confidence {CONFIDENCE:g}"


@dataclasses.dataclass(frozen=True)
class EventCounts(Statistic):
    """In how many trajectories each event has happened, and in how many it has happened or not; exact counts.

    In a trajectory whose x is not finite, or whatever else of its State the event reads, the event has neither
    happened nor not happened, whatever the function says of NaN: such a trajectory is undecided.
    """

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
        """`count` of those that happened, and `finite` of those that are decided, (events, blocks)."""
        decided = jnp.stack([seen.decided[name] & seen.valid for name in self.events])
        happened = decided & jnp.stack([seen.events[name] for name in self.events])
        return {"count": block_sum(happened.astype(seen.x.dtype)), "finite": block_sum(decided.astype(seen.x.dtype))}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """(records, events, blocks) to (records, events)."""
        return {key: over_tiles(tiles, key).sum(-1) for key in ("count", "finite")}

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`count` and `finite` (records, events)."""
        return {key: left[key] + right[key] for key in ("count", "finite")}

    def estimates(self, sums: Sums, records: Records, trajectories: int) -> dict[str, dict[str, Variable]]:
        """Of each event, for n trajectories of which it is decided in m and has happened in k:

        - `count`, `count_finite`: k and m.
        - `probability`: k / n, with the standard error `probability_sem`, sqrt(p (1 - p) / n). Both are NaN while
          m < n. The standard error is NaN, too, where k is 0 or n: p (1 - p) is then estimated by 0, and shows nothing.
        - `probability_lower`, `probability_upper`: exact limits at `CONFIDENCE`: the lower one of k of n, the upper
          one of k + n - m of n, so that they hold whatever the undecided trajectories would have done.
        - `probability_finite`: k / m, the share among the decided.
        """
        found = {}
        for name, count, finite in zip(
            self.events, sums[self.name]["count"].T, sums[self.name]["finite"].T, strict=True
        ):
            share = np.where(finite == trajectories, count / trajectories, np.nan)
            varies = (count > 0) & (count < trajectories)
            sem = np.where(varies, np.sqrt(share * (1 - share) / trajectories), np.nan)
            lower, _ = proportion_interval(count, trajectories, CONFIDENCE)
            _, upper = proportion_interval(count + trajectories - finite, trajectories, CONFIDENCE)
            among_finite = np.where(finite > 0, count / np.maximum(finite, 1), np.nan)
            found[name] = {
                "count": _counted(count, "trajectories in which the event has happened"),
                "probability": Variable(("step",), share, "1"),
                "probability_sem": Variable(
                    ("step",), sem, "1", "standard error; of 0 or all trajectories there is none"
                ),
                "probability_lower": Variable(("step",), lower, "1", f"lower {_LIMIT}"),
                "probability_upper": Variable(("step",), upper, "1", f"upper {_LIMIT}"),
                "probability_finite": Variable(
                    ("step",), among_finite, "1", "share of the trajectories that are finite"
                ),
                "count_finite": _counted(
                    finite, "trajectories that are finite, in which the event has happened or not"
                ),
            }
        return found


def _counted(count: np.ndarray, about: str) -> Variable:
    return Variable(("step",), count.astype(np.int64), "trajectories", about)
