"""Of which estimates the sample carries no standard error, and why."""

from collections.abc import Iterable

import numpy as np
import xarray as xr

from jaxsgd.engine.statistics import Statistic, Sums
from jaxsgd.engine.statistics.observable_moments import ObservableMoments
from jaxsgd.inference.tails import largest_share, why_no_standard_error


def without_standard_error(statistics: Iterable[Statistic], sums: Sums, trajectories: int) -> list[str]:
    """The observables that have a mean and a variance at some record, but no standard error."""
    for statistic in statistics:
        if isinstance(statistic, ObservableMoments):
            made = statistic.of_each(sums, trajectories)
            withheld = np.isfinite(made["variance"].values) & np.isnan(made["sem"].values)
            columns = np.flatnonzero(np.any(withheld, axis=0))
            return [statistic.observables[column] for column in columns]
    return []


def why_withheld(dataset: xr.Dataset, observable: str, trajectories: int) -> str:
    """Why the last step of a dataset at which the standard error is withheld has none; empty if every step has one."""
    withheld = np.flatnonzero(_withheld(dataset, observable))
    if not len(withheld):
        return ""
    position = int(withheld[-1])
    seen = {what: _number(dataset, f"{observable}_{what}", position) for what in
            ("mean", "variance", "skewness", "min", "max")}  # fmt: skip
    share = float(largest_share(seen["mean"], seen["variance"] * (trajectories - 1), seen["min"], seen["max"]))
    reason = why_no_standard_error(trajectories, share, seen["skewness"])
    reason = reason or f"the values of {trajectories} trajectories are too skewed"  # as their blocks show
    return f"{reason} (step {int(np.ravel(dataset['step'])[position])})"


def _withheld(dataset: xr.Dataset, observable: str) -> np.ndarray:
    variance, error = (dataset[f"{observable}_{what}"].values for what in ("variance", "sem"))
    return np.isfinite(variance) & np.isnan(error)


def _number(dataset: xr.Dataset, name: str, position: int) -> float:
    return float(np.ravel(dataset[name])[position]) if name in dataset else np.nan
