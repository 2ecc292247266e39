"""What a result holds, and how sums become a labelled dataset."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import xarray as xr

from jaxsgd.engine import statistics as kinds
from jaxsgd.engine.statistics import EventCounts, Records, Statistic, Sums, Variable
from jaxsgd.engine.statistics.observable_moments import ObservableMoments
from jaxsgd.known_tails import KnownTails, known_tails
from jaxsgd.results.old_layouts import translated
from jaxsgd.results.rounding import Roundings
from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True)
class Layout:
    """The shape of a result: its records, and the statistics of them. Saved as JSON.

    - `tails`: what is known, before the run, against standard errors of observables.
    """

    records: Records
    statistics: tuple[Statistic, ...]
    tails: Mapping[str, KnownTails] = dataclasses.field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, study: Study, **arguments: Any) -> Self:
        """That of a result of ``simulate(study, ...)``; the arguments are those that ask for statistics, checked."""
        statistics = kinds.wanted(study, **arguments)
        return cls(Records.of(study), statistics, known_tails(study, study.observed))

    @property
    def steps(self) -> tuple[int, ...]:
        """The recorded steps."""
        return self.records.steps

    @property
    def observed(self) -> tuple[str, ...]:
        """The names of the observables."""
        return self.records.observed

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the events."""
        return next((each.events for each in self.statistics if isinstance(each, EventCounts)), ())

    @property
    def saved_statistics(self) -> dict[str, dict[str, Any]]:
        """What is saved of each statistic, by its name."""
        return {statistic.name: statistic.saved() for statistic in self.statistics}

    def to_json(self) -> str:
        tails = {"tails": {name: each.saved() for name, each in self.tails.items()}} if self.tails else {}
        return json.dumps(dataclasses.asdict(self.records) | {"statistics": self.saved_statistics} | tails)

    @classmethod
    def from_json(cls, text: str) -> Self:
        saved = json.loads(text)
        if "statistics" not in saved:
            saved = translated(saved)
        statistics = kinds.restored(saved.pop("statistics"))
        tails = {name: KnownTails.restored(each) for name, each in saved.pop("tails", {}).items()}
        return cls(Records.restored(saved), statistics, tails)

    def variables(self, sums: Sums, trajectories: int, rounding: Roundings | None = None) -> dict[str, Variable]:
        """Estimates of everything that was recorded, by name, and the size of rounding where it may matter."""
        variables = {
            "learning_rate": _learning_rate(np.array(self.records.learning_rate)),
            "example_gradients": Variable(("step",), np.array(self.records.example_gradients)),
        }
        made: dict[str, dict[str, Variable]] = {}
        for statistic in self.statistics:
            for name, estimates in statistic.estimates(sums, self.records, trajectories).items():
                made.setdefault(name, {}).update(estimates)
        for name, known in self.tails.items():
            of_it = made[name]["sem"]
            made[name]["sem"] = of_it._replace(values=np.where(known.withheld(trajectories), np.nan, of_it.values))
        for name, estimates in made.items():
            variables |= {f"{name}_{what}" if what else name: variable for what, variable in estimates.items()}
            if rounding and name in rounding and rounding[name].is_open:
                size = rounding[name].size(estimates["mean"].values, estimates["variance"].values)
                variables[f"{name}_rounding"] = Variable(("step",), size)
        return variables

    def moments(self, sums: Sums, trajectories: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Mean and variance of each observable, (records,) each."""
        statistic = next((each for each in self.statistics if each.name == "moments"), None)
        made = statistic.estimates(sums, self.records, trajectories) if statistic else {}
        return {name: (of_it["mean"].values, of_it["variance"].values) for name, of_it in made.items()}

    def labels(self) -> dict[str, Any]:
        """The coordinates of the dimensions."""
        labels: dict[str, Any] = {"step": np.array(self.steps, np.int64)}
        for statistic in self.statistics:
            labels |= statistic.labels(self.records)
        return labels

    def dataset(self, sums: Sums, trajectories: int, rounding: Roundings | None = None) -> xr.Dataset:
        """The same estimates, labelled."""
        variables = {name: labelled(each) for name, each in self.variables(sums, trajectories, rounding).items()}
        return xr.Dataset(variables, self.labels())


def _learning_rate(rates: np.ndarray) -> Variable:
    own = np.isnan(rates).all()
    return Variable(
        ("step",), rates, about="of the schedule; NaN where the method has a learning rate of its own" if own else ""
    )


def labelled(variable: Variable) -> xr.Variable:
    """A variable as it stands in a dataset."""
    attributes = {"units": variable.unit, "long_name": variable.about}
    return xr.Variable(variable.dimensions, variable.values, {key: text for key, text in attributes.items() if text})


def moments_of_cells(
    layouts: Sequence[Layout], statistics: Sequence[Statistic], sums: Sums, trajectories: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean and variance of each observable of cells that ran together, (cells, records) each.

    **Arguments**

    - `sums`: of all cells, which are those of one study with as many times the records.
    """
    statistic = next((each for each in statistics if isinstance(each, ObservableMoments)), None)
    if statistic is None:
        return {}
    made = statistic.of_each(sums, trajectories)
    by_cell = [made[what].values.reshape(len(layouts), len(layouts[0].steps), -1) for what in ("mean", "variance")]
    found = {}
    for column, name in enumerate(statistic.observables):
        defined = np.array(True)
        if any(name in layout.records.undefined for layout in layouts):
            defined = np.stack([layout.records.defined(name) for layout in layouts])
        mean, variance = (np.where(defined, values[..., column], np.nan) for values in by_cell)
        found[name] = mean, variance
    return found
