"""Statistics: one file for each, with all that is known of it, and one registration.

- `statistic`: the interface. `records`: what is recorded of a study, whatever the statistics.
- `summation`: how trajectories become sums of blocks, of chunks, and of ranges of ids.
- `registry`: the statistics that can be asked for.

`IteratePaths` and `KeptValues` keep single trajectories; they are asked for by entry points of their own.
"""

from jaxsgd.engine.statistics.event_counts import EventCounts
from jaxsgd.engine.statistics.iterate_paths import IteratePaths
from jaxsgd.engine.statistics.kept_values import KeptValues
from jaxsgd.engine.statistics.records import Records
from jaxsgd.engine.statistics.registry import dimensions, register, restored, wanted
from jaxsgd.engine.statistics.statistic import OfObservables, Seen, Statistic, Variable
from jaxsgd.engine.statistics.summation import BLOCK, Arrays, Sums

__all__ = [
    "BLOCK",
    "Arrays",
    "EventCounts",
    "IteratePaths",
    "KeptValues",
    "OfObservables",
    "Records",
    "Seen",
    "Statistic",
    "Sums",
    "Variable",
    "dimensions",
    "register",
    "restored",
    "wanted",
]
