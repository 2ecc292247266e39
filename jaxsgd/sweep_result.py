"""What sweep returns: the estimates of every cell, labelled."""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from jaxsgd.engine.ledger import Sums
from jaxsgd.errors import InvalidInput, nearest
from jaxsgd.layout import Layout
from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """One point of a sweep: its family (None where there is one only), its arguments, its study."""

    family: str | None
    point: Mapping[str, Any]
    study: Study

    @property
    def label(self) -> str:
        """In one line, such as "cosine, initial=0.1"."""
        arguments = [f"{name}={_short(value)}" for name, value in self.point.items()]
        return ", ".join([self.family, *arguments] if self.family else arguments)


class SweepResult:
    """What sweep returns.

    - `dataset`: an ``xarray.Dataset`` with the axes of the sweep and "step" as dimensions; of families
      with one dimension "cell", on which the family and its arguments are coordinates.
    - `cells`: the cells in order; each has its `study`.
    - `layout`: what was recorded of each.
    """

    def __init__(
        self, cells: tuple[Cell, ...], layouts: Sequence[Layout], sums: Sequence[Sums], attributes: Mapping[str, Any]
    ) -> None:
        self.cells, self.layout = cells, layouts[0]
        self._layouts, self._sums, self._attributes = layouts, sums, dict(attributes)

    @property
    def trajectories(self) -> int:
        """Of each cell."""
        return int(self._attributes["trajectories"])

    @property
    def seed(self) -> int:
        return int(self._attributes["seed"])

    @property
    def first_trajectory(self) -> int:
        return int(self._attributes["first_trajectory"])

    @property
    def compared_step(self) -> int:
        """The step at which single values were kept."""
        return int(self._attributes["compare_at"])

    @property
    def shares_draws(self) -> bool:
        """Whether all cells have the same draws."""
        return bool(self._attributes["common_random_numbers"])

    @functools.cached_property
    def dataset(self) -> xr.Dataset:
        """The estimates."""
        made = [layout.dataset(sums, self.trajectories) for layout, sums in zip(self._layouts, self._sums, strict=True)]
        axes = self._axes()
        variables = {}
        for name, variable in made[0].data_vars.items():
            values = np.stack([one[name].values for one in made])
            shape = tuple(len(values) for values in axes.values()) if axes else values.shape[:1]
            dimensions = tuple(axes) if axes else ("cell",)
            variables[name] = ((*dimensions, *variable.dims), values.reshape(*shape, *values.shape[1:]))
        coordinates = {**made[0].coords, **(axes or self._cell_coordinates())}
        return xr.Dataset(variables, coordinates, self._attributes)

    def _axes(self) -> dict[str, list[Any]]:
        """The axes of a sweep of one family."""
        if self.cells[0].family is not None:
            return {}
        names = list(self.cells[0].point)
        return {name: list(dict.fromkeys(cell.point[name] for cell in self.cells)) for name in names}

    def _cell_coordinates(self) -> dict[str, Any]:
        names = dict.fromkeys(name for cell in self.cells for name in cell.point)
        columns = {name: [cell.point.get(name, np.nan) for cell in self.cells] for name in names}
        return {"family": ("cell", [cell.family for cell in self.cells]),
                **{name: ("cell", column) for name, column in columns.items()}}  # fmt: skip

    def values(self, observable: str) -> np.ndarray:
        """The observable of each trajectory at the compared step: (cells, trajectories)."""
        kept = json.loads(self._attributes["compare"])
        if observable not in kept:
            raise InvalidInput(
                f"the sweep kept no values of {observable!r}; run it with compare=[{observable!r}]"
                + (f"; {nearest(observable, kept)}" if kept else "")
            )
        position = kept.index(observable)
        return np.stack([sums["values"]["value"][0, position] for sums in self._sums])

    @property
    def diverged(self) -> list[str]:
        """The cells of which some trajectory was not finite at the last recorded step."""
        return [
            cell.label for cell, sums in zip(self.cells, self._sums, strict=True) if sums["diverged"]["diverged"][-1]
        ]

    def __repr__(self) -> str:
        lines = [f"SweepResult: {len(self.cells)} cells of {self.trajectories:,} trajectories, seed {self.seed}"]
        names = [f"{self.layout.observed[0]}_mean", f"{self.layout.observed[0]}_sem"] if self.layout.observed else []
        if names:
            mean, sem = (self.dataset[name].isel(step=-1).values.ravel() for name in names)
            order = np.argsort(mean)[:8]
            lines.append(f"  least {self.layout.observed[0]} at step {self.layout.steps[-1]}:")
            lines += [f"    {mean[i]:.6g} +- {sem[i]:.2g}  {self.cells[i].label}" for i in order]
        if self.diverged:
            lines.append(f"  {len(self.diverged)} cells diverged, the first: {self.diverged[0]}")
        return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
