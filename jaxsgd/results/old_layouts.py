"""What older files hold otherwise.

- Format 2: layouts, where every statistic was a field of one flat record.
- Formats 2 and 3: events, of which it was not counted in how many trajectories they are decided.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxsgd.engine.ledger import Entry

_RECORDS = ("steps", "observed", "coordinates", "learning_rate", "example_gradients", "undefined")


def translated(old: Mapping[str, Any]) -> dict[str, Any]:
    """The same as it is saved now."""
    observed = {"observables": old["observed"]}
    statistics = {
        "diverged": {},
        "moments": observed if old["observed"] else None,
        "extremes": observed if old["observed"] and old["extremes"] else None,
        "coordinates": {"dimension": len(old["coordinates"]), "covariance": old["x_covariance"]} if old["x"] else None,
        "histogram": observed | {"quantiles": old["quantiles"]} if old["quantiles"] else None,
        "events": {"events": old["events"]} if old["events"] else None,
        "step_covariance": {"observables": old["step_covariance"]} if old["step_covariance"] else None,
    }
    kept = {name: fields for name, fields in statistics.items() if fields is not None}
    return {name: old[name] for name in _RECORDS} | {"statistics": kept}


def with_decided_events(entries: Sequence[Entry]) -> list[Entry]:
    """Sums with `finite`, in how many trajectories each event is decided, where they have none.

    Where nothing diverged that is all of them. A trajectory that had diverged counted as the function took it, mostly
    as if the event had not happened. Which it was is not known: of D diverged ones, any number may be among the k
    that were counted, so that k - D is the least that happened in finite trajectories. Then 2 D count as undecided,
    with which the limits hold for every number from k - D to k + D.
    """
    made = []
    for (start, stop), sums in entries:
        events = sums.get("events")
        if events is not None and "finite" not in events:
            count, diverged = events["count"], sums["diverged"]["diverged"][:, None]
            least = np.maximum(count - diverged, 0)
            finite = np.maximum(stop - start - 2 * diverged, least)
            sums = {**sums, "events": {"count": least, "finite": finite}}
        made.append(((start, stop), sums))
    return made
