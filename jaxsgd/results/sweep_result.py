"""What sweep returns: the estimates of every cell, labelled."""

import dataclasses
import functools
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import xarray as xr

from jaxsgd.engine.ledger import Ledger
from jaxsgd.engine.statistics import KeptValues, Statistic, Sums, Variable
from jaxsgd.errors import InvalidInput, integer, nearest
from jaxsgd.results import rounding as roundings
from jaxsgd.results import storage
from jaxsgd.results.estimates import Estimates
from jaxsgd.results.layout import Layout, labelled, moments_of_cells
from jaxsgd.results.result import Result
from jaxsgd.results.rounding import Roundings
from jaxsgd.results.storage import Saved
from jaxsgd.results.tails import without_standard_error
from jaxsgd.study import Study

_NOT_SHOWN = ("asked", "study_fingerprints")  # attributes that are for other functions to read


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """One point of a sweep: its family (None where there is one only), its arguments, its study.

    The study is None in a result that was read from a file; `about` is its repr. Labels show numbers to so
    many `digits` that no two cells have the same.
    """

    family: str | None
    point: Mapping[str, Any]
    study: Study | None
    digits: int = 6
    about: str = ""

    @property
    def label(self) -> str:
        """In one line, such as "cosine, initial=0.1"."""
        arguments = [
            f"{name}={value:.{self.digits}g}" if isinstance(value, float) else f"{name}={value!r}"
            for name, value in self.point.items()
        ]
        return ", ".join([self.family, *arguments] if self.family else arguments)


class SweepResult(Estimates):
    """What sweep returns.

    - `dataset`: an ``xarray.Dataset`` with the axes of the sweep and "step" as dimensions; of families
      with one dimension "cell", on which the family and its arguments are coordinates.
    - `cells`: the cells in order; each has its `study`.
    - `layout`: what was recorded of each.
    - `trajectories`, `seed`: how many of each cell, under which seed.
    - `rounding`: of each cell, as that of a [`jaxsgd.Result`][].
    """

    kind = "sweep"

    def __init__(
        self,
        cells: Sequence[Cell],
        layouts: Sequence[Layout],
        launches: Sequence[Sequence[int]],
        kept: KeptValues | None,
        ledgers: Sequence[Ledger],
        attributes: Mapping[str, Any],
        rounding: Sequence[Roundings] | None = None,
    ) -> None:
        own = {"sweep": f"{len(cells)} cells, {cells[0].label} to {cells[-1].label}", "asked": layouts[0].to_json()}
        super().__init__(ledgers, {**attributes, **own})
        self.cells, self.layout = tuple(cells), layouts[0]
        self._layouts, self._launches, self._kept = layouts, launches, kept
        self.rounding = rounding
        self._place = {}  # of each cell: its launch, and its index there; the last launch may have some twice
        for launch, members in enumerate(launches):
            for index, position in enumerate(members):
                self._place.setdefault(position, (launch, index))

    @classmethod
    def restored(cls, saved: Saved) -> Self:
        """The result that a file holds."""
        held = json.loads(saved.attributes["cells"])
        layouts = [Layout.from_json(text) for text in held["layouts"]]
        kept = KeptValues(tuple(held["compare"]), (held["record"],), held["most"]) if held["compare"] else None
        kinds = (*layouts[0].statistics, *([kept] if kept else []))
        ledgers = saved.ledgers([kinds] * len(held["launches"]))
        attributes = {key: value for key, value in saved.attributes.items() if key not in ("cells", "rounding")}
        text = saved.attributes.get("rounding", "")
        rounding = [roundings.from_json(each) for each in json.loads(text)] if text else None
        cells = [Cell(family, point, None, digits, about) for family, point, digits, about in held["cells"]]
        return cls(cells, layouts, held["launches"], kept, ledgers, attributes, rounding)

    def save(self, path: str | os.PathLike[str]) -> None:
        held = {
            "cells": [(cell.family, dict(cell.point), cell.digits, cell.about) for cell in self.cells],
            "layouts": [layout.to_json() for layout in self._layouts],
            "launches": self._launches,
            "compare": self.compared,
            "record": self.layout.steps.index(self.compared_step),
            "most": self._kept.most if self._kept else None,
        }
        own = {"cells": json.dumps(held)}
        if self.rounding:
            own["rounding"] = json.dumps([roundings.to_json(each) for each in self.rounding])
        root = self.dataset.assign_attrs(self._attributes | own)
        storage.write(path, root, self._ledgers)

    save.__doc__ = Estimates.save.__doc__

    def with_sums(self, ledgers: Sequence[Ledger], attributes: Mapping[str, Any]) -> Self:
        return type(self)(self.cells, self._layouts, self._launches, self._kept, ledgers, attributes, self.rounding)

    def merged(self, others: Sequence[Estimates]) -> Self:
        made = super().merged(others)
        for other in others:
            assert isinstance(other, SweepResult)  # as of one kind they merge
            if made.rounding and other.rounding:
                pairs = zip(made.rounding, other.rounding, strict=True)
                made.rounding = [roundings.joined(mine, its) or {} for mine, its in pairs]
        return made

    merged.__doc__ = Estimates.merged.__doc__

    @property
    def compared(self) -> tuple[str, ...]:
        """The observables of which values were kept."""
        return self._kept.observables if self._kept else ()

    @property
    def compared_step(self) -> int:
        """The step at which values were kept."""
        return int(self._attributes["compare_at"])

    @property
    def shares_draws(self) -> bool:
        """Whether all cells have the same draws."""
        return bool(self._attributes["common_random_numbers"])

    @functools.cached_property
    def dataset(self) -> xr.Dataset:
        """The estimates."""
        made: dict[str, list[Variable]] = {}
        rounding = self.rounding or [None] * len(self.cells)
        for layout, sums, own in zip(self._layouts, self._of_cells(), rounding, strict=True):
            for name, variable in layout.variables(sums, self.trajectories, own).items():
                made.setdefault(name, []).append(variable)
        axes = self._axes()
        dimensions, shape = (tuple(axes), tuple(map(len, axes.values()))) if axes else (("cell",), (len(self.cells),))
        coordinates = {**self.layout.labels(), **(axes or self._cell_coordinates())}
        variables = {}
        for name, cells in made.items():
            first = cells[0]
            values = np.stack([variable.values for variable in cells]).reshape(*shape, *first.values.shape)
            whole = Variable((*dimensions, *first.dimensions), values, first.unit, first.about)
            variables[f"{name}_at_step" if name in coordinates else name] = labelled(whole)
        attributes = {key: value for key, value in self._attributes.items() if key not in _NOT_SHOWN}
        return xr.Dataset(variables, coordinates, attributes)

    def values(self, observable: str) -> np.ndarray:
        """The observable of each trajectory at the compared step: (cells, trajectories).

        Of sweeps too large for that, the means of groups of consecutive trajectories, of `group_sizes`.
        """
        self.check_kept(observable)
        position = self.compared.index(observable)
        ends = self.group_sizes.cumsum()
        found = []
        for cell, sums in enumerate(self._of_cells()):
            values, sizes = sums["values"]["value"][0, position], self._sizes_of_groups[self._place[cell][0]]
            found.append(values if len(values) == len(ends) else _means_of_groups(values, sizes, ends))
        return np.stack(found)

    def check_kept(self, observable: str) -> None:
        """An error unless values of the observable were kept."""
        if observable not in self.compared:
            raise InvalidInput(
                f"the sweep kept no values of {observable!r}; run it with compare=[{observable!r}]"
                + (f"; {nearest(observable, self.compared)}" if self.compared else "")
            )

    @property
    def group_sizes(self) -> np.ndarray:
        """How many trajectories each of the `values` is the mean of.

        Launches condense chunks of their own length: groups end where those of all launches end.
        """
        ends = functools.reduce(np.intersect1d, [sizes.cumsum() for sizes in self._sizes_of_groups])
        return np.diff(ends, prepend=0)

    @functools.cached_property
    def _sizes_of_groups(self) -> list[np.ndarray]:
        """Of each launch, how many trajectories each of its kept values is the mean of."""
        found = []
        for ledger in self._ledgers:
            counts = [sums["values"]["value"].shape[-1] if self._kept else 1 for _, sums in ledger]
            spans = [stop - start for (start, stop), _ in ledger]
            found.append(np.repeat([span // count for span, count in zip(spans, counts, strict=True)], counts))
        return found

    def result(self, cell: Cell | int) -> Result:
        """The estimates of one cell, or of the i-th, as of a study alone."""
        if isinstance(cell, Cell):
            position = next((i for i, each in enumerate(self.cells) if each is cell), None)
            if position is None:
                raise InvalidInput(f"{cell.label} is no cell of this sweep: take one of result.cells")
        else:
            position = integer("cell", cell, at_least=0, below=len(self.cells))
        layout, (launch, index) = self._layouts[position], self._place[position]
        whole, count = self._ledgers[launch], len(self._launches[launch])
        ledger = Ledger(layout.statistics, whole.chunk)
        for (start, stop), sums in whole:
            ledger.add(start, stop, _of_cell(layout.statistics, sums, index, count))
        found = self.cells[position]
        own = {"study": found.about, "fingerprint": f"{self._attributes['fingerprint']}, cell {position}"}
        attributes = dict(self._attributes)
        if "study_fingerprints" in attributes:
            own["study_fingerprint"] = json.dumps(json.loads(attributes.pop("study_fingerprints"))[position])
        rounding = self.rounding[position] if self.rounding else None
        return Result(layout, [ledger], attributes | own, found.study, rounding)

    def moments(self, launch: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Mean and variance of each observable of the cells of one launch, (cells, records) each."""
        members, ledger = self._launches[launch], self._ledgers[launch]
        layouts = [self._layouts[position] for position in members]
        return moments_of_cells(layouts, ledger.statistics, self._totals[launch], self.trajectories)

    @property
    def diverged(self) -> list[str]:
        """The cells of which some trajectory was not finite at the last recorded step."""
        found = zip(self.cells, self._of_cells(), strict=True)
        return [cell.label for cell, sums in found if sums["diverged"]["diverged"][-1]]

    @property
    def heavy_tails(self) -> str:
        """Of which observables some cell has a mean without a standard error, in words; empty if all have one."""
        launches = zip(self._ledgers, self._totals, strict=True)  # whose sums are those of one study with many records
        found = {
            name
            for ledger, total in launches
            for name in without_standard_error(ledger.statistics, total, self.trajectories)
        }
        named = [name for name in self.layout.observed if name in found]
        return f"{', '.join(named)} of some cells: their tails are too heavy for so many trajectories" if named else ""

    @functools.cached_property
    def _totals(self) -> list[Sums]:
        return [ledger.total() for ledger in self._ledgers]

    def _of_cells(self) -> list[Sums]:
        """The sums of each cell."""
        places = [self._place[position] for position in range(len(self.cells))]
        return [
            _of_cell(self._ledgers[launch].statistics, self._totals[launch], index, len(self._launches[launch]))
            for launch, index in places
        ]

    def _axes(self) -> dict[str, list[Any]]:
        """The axes, where the cells are a grid, and not families or a choice of cells."""
        names = list(self.cells[0].point)
        axes = {name: list(dict.fromkeys(cell.point.get(name) for cell in self.cells)) for name in names}
        grid = itertools.product(*axes.values())
        points = [tuple(cell.point.values()) for cell in self.cells]
        return axes if self.cells[0].family is None and points == list(grid) else {}

    def _cell_coordinates(self) -> dict[str, Any]:
        names = dict.fromkeys(name for cell in self.cells for name in cell.point)
        columns = {name: [cell.point.get(name) for cell in self.cells] for name in names}
        if self.cells[0].family is not None:
            columns = {"family": [cell.family for cell in self.cells], **columns}
        return {name: ("cell", _filled(column)) for name, column in columns.items()}

    def __repr__(self) -> str:
        lines = [f"SweepResult: {len(self.cells)} cells of {self.trajectories:,} trajectories, seed {self.seed}"]
        names = [f"{self.layout.observed[0]}_mean", f"{self.layout.observed[0]}_sem"] if self.layout.observed else []
        if names:
            mean, sem = (self.dataset[name].isel(step=-1).values.ravel() for name in names)
            order = np.argsort(mean)[:8]
            lines.append(f"  least {self.layout.observed[0]} at step {self.layout.steps[-1]}:")
            lines += [f"    {mean[i]:.6g} +- {sem[i]:.2g}  {self.cells[i].label}" for i in order]
        diverged = self.diverged
        if diverged:
            lines.append(f"  {len(diverged)} cells diverged, the first: {diverged[0]}")
        return "\n".join(lines)


def _of_cell(statistics: Sequence[Statistic], sums: Sums, cell: int, cells: int) -> Sums:
    """The sums of some statistics of one cell of several."""
    return {each.name: each.of_cell(sums[each.name], cell, cells) for each in statistics}


def _means_of_groups(values: np.ndarray, sizes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """From means of groups of some sizes to those of larger ones, which end where some of them do."""
    starts = np.searchsorted(sizes.cumsum(), np.append(0, ends[:-1]), side="right")
    return np.add.reduceat(values * sizes, starts) / np.diff(ends, prepend=0)


def _filled(column: list[Any]) -> list[Any]:
    """The arguments of cells, of which some families have none: then NaN, or an empty string."""
    empty = "" if any(isinstance(value, str) for value in column) else np.nan
    return [empty if value is None else value for value in column]
