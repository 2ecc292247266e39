"""Layouts as files of format 2 hold them, where every statistic was a field of one flat record."""

from collections.abc import Mapping
from typing import Any

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
