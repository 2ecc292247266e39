"""Of which estimates the sample carries no standard error, and why."""

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from jaxsgd.engine.statistics import Statistic, Sums
from jaxsgd.engine.statistics.observable_moments import ObservableMoments
from jaxsgd.inference.tails import largest_share, why_not_carried
from jaxsgd.results.layout import Layout


def without_standard_error(
    layouts: Sequence[Layout], statistics: Iterable[Statistic], sums: Sums, trajectories: int
) -> list[str]:
    """The observables that have a mean and a variance at some record, but no standard error.

    The sums are those of studies with these layouts, the records of one after those of the other.
    """
    for statistic in statistics:
        if isinstance(statistic, ObservableMoments):
            made = statistic.of_each(sums, trajectories)
            withheld = np.isnan(made["sem"].values)
            for column, name in enumerate(statistic.observables):
                withheld[:, column] |= np.concatenate([_known(layout, name, trajectories) for layout in layouts])
            withheld &= np.isfinite(made["variance"].values)
            columns = np.flatnonzero(np.any(withheld, axis=0))
            return [statistic.observables[column] for column in columns]
    return []


def _known(layout: Layout, observable: str, trajectories: int) -> np.ndarray:
    """At which records it is known beforehand that no standard error goes with a mean, (records,)."""
    tails = layout.tails.get(observable)
    return np.zeros(len(layout.steps), bool) if tails is None else tails.withheld(trajectories)


def why_withheld(dataset: xr.Dataset, layout: Layout, observable: str, trajectories: int) -> str:
    """Why the last step of a dataset at which the standard error is withheld has none; empty if every step has one."""
    withheld = np.flatnonzero(_withheld(dataset, observable))
    if not len(withheld):
        return ""
    position = int(withheld[-1])
    step = int(np.ravel(dataset["step"])[position])
    if _known(layout, observable, trajectories)[layout.steps.index(step)]:
        return f"{layout.tails[observable].reason} (step {step})"
    seen = {what: _number(dataset, f"{observable}_{what}", position) for what in
            ("mean", "variance", "skewness", "min", "max")}  # fmt: skip
    share = float(largest_share(seen["mean"], seen["variance"] * (trajectories - 1), seen["min"], seen["max"]))
    reason = why_not_carried(trajectories, share, seen["skewness"])
    reason = reason or f"the values of {trajectories} trajectories are too skewed"  # as their blocks show
    return f"{reason} (step {step})"


def _withheld(dataset: xr.Dataset, observable: str) -> np.ndarray:
    variance, error = (dataset[f"{observable}_{what}"].values for what in ("variance", "sem"))
    return np.isfinite(variance) & np.isnan(error)


def _number(dataset: xr.Dataset, name: str, position: int) -> float:
    return float(np.ravel(dataset[name])[position]) if name in dataset else np.nan
