"""A run of all cells of a sweep."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jaxsgd as js
from jaxsgd.cli import run_figures, sweep_summary
from jaxsgd.cli.running.study_file_run import Run
from jaxsgd.cli.shard import Shard
from jaxsgd.results.sweep_result import Cell
from jaxsgd.runs import arrangement, axes, cost

_SHOWN = 6  # values of an axis
_ELSEWHERE = ("trajectories", "seed", "first_trajectory")  # arguments on which neither depends


@dataclasses.dataclass(frozen=True)
class RunOfSweep(Run):
    """The call of ``sweep``, and the comparison of its cells."""

    def cut(self, shard: Shard) -> Mapping[str, Any]:
        return shard.ids(self.arguments["trajectories"], arrangement.chunk_of(self._cells, **self._recorded), "sweep")

    def call(self, **options: Any) -> js.SweepResult:
        return js.sweep(self.file.make, self._axes, **self.arguments, **options)

    def write(self, result: js.SweepResult) -> dict[str, Any]:
        compared, reasons = sweep_summary.compare(result)
        table = sweep_summary.write(result, compared, self.folder)
        drawn = run_figures.of_sweep(result, compared, self.folder)
        found = sweep_summary.summarise(result, self._axes, compared)
        return found | {"no_comparison": reasons, "files": [*table, *drawn]}

    def show(self, found: Mapping[str, Any], result: js.SweepResult) -> None:
        sweep_summary.show(found)

    def outline(self) -> Sequence[str]:
        steps = sorted({cell.study.steps for cell in self._cells if cell.study})
        number = " to ".join(f"{each:,}" for each in dict.fromkeys((steps[0], steps[-1])))
        trajectories, seed = self.arguments["trajectories"], self.arguments["seed"]
        width = max(map(len, self._axes))
        return [
            f"{len(self._cells):,} cells of {trajectories:,} trajectories of {number} steps, seed {seed}",
            *(f"{name:<{width}}  {_values(values)}" for name, values in self._axes.items()),
        ]

    def cost(self) -> cost.Cost:
        return cost.estimate_sweep(self._cells, self.arguments["trajectories"], **self._recorded)

    @property
    def _recorded(self) -> Mapping[str, Any]:
        """Arguments on which the cost, and how the work is cut, depend."""
        return {name: value for name, value in self.arguments.items() if name not in _ELSEWHERE}

    @property
    def _axes(self) -> Mapping[str, Sequence[Any]]:
        assert self.file.axes is not None
        return self.file.axes

    @functools.cached_property
    def _cells(self) -> Sequence[Cell]:
        return axes.make_cells(self.file.make, self._axes)


def _values(values: Sequence[Any]) -> str:
    """The values of an axis, shortened, and how many they are."""
    texts = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in values]
    shown = texts if len(texts) <= _SHOWN else [*texts[: _SHOWN - 2], "...", texts[-1]]
    return f"{', '.join(shown)} ({len(values)})" if len(values) > 1 else shown[0]
