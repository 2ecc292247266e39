"""The entry point for many studies at once: sweep over cells, with shared draws."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np

from jaxsgd.engine.execution import execution
from jaxsgd.engine.ledger import Entry
from jaxsgd.errors import integer
from jaxsgd.results.rounding import Roundings
from jaxsgd.results.sweep_result import Cell, SweepResult
from jaxsgd.runs import provenance, resolution
from jaxsgd.runs.arrangement import MEMORY, Arranged, arrange, study_of
from jaxsgd.runs.axes import Axes, Make, make_cells
from jaxsgd.runs.progress import Progress
from jaxsgd.runs.simulation import DEFAULT_STATISTICS, warn_of_tails
from jaxsgd.runs.tasks import check_run


def sweep(
    make_study: Make | Mapping[str, Make],
    axes: Axes | Mapping[str, Axes],
    trajectories: int,
    seed: int = 0,
    *,
    first_trajectory: int = 0,
    statistics: Sequence[str] = DEFAULT_STATISTICS,
    quantiles: Sequence[float] = (),
    probabilities: Mapping[str, Callable[[Any], Any]] | None = None,
    step_covariance: Sequence[str] = (),
    compare: Sequence[str] = ("risk",),
    compare_at: int | None = None,
    common_random_numbers: bool = True,
    progress: bool | str = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    memory: int = MEMORY,
) -> SweepResult:
    """Run the same trajectories of every cell of a grid, and estimate.

    ``make_study(**cell)`` is called once for each cell with plain values. Studies of equal structure run
    together in one compiled program with their numbers stacked, up to 64 at once; those of another
    structure form groups of their own. By default all cells share their draws (common random numbers),
    which makes differences between cells much more certain than the cells themselves.

    **Arguments**

    - `make_study`: a function that makes a study; or several by name, families.
    - `axes`: the values of each argument, numbers or strings, all combinations of which are the cells; of
      families, by name.
    - `trajectories`: of each cell.
    - `seed`, `first_trajectory`, `statistics`, `quantiles`, `probabilities`, `step_covariance`, `progress`,
      `checkpoint`, `executor`: as for [`jaxsgd.simulate`][].
    - `compare`: observables whose values are kept for every trajectory, for [`jaxsgd.compare`][].
    - `compare_at`: at which recorded step; default the last.
    - `common_random_numbers`: with False each cell has draws of its own.
    - `memory`: bytes that the kept values may take, about. Where they would take more, the means of groups of
      trajectories are kept, at least 500: differences between cells keep valid standard errors.

    **Returns** a [`jaxsgd.SweepResult`][], whose dataset has the axes as dimensions; of families one
    dimension "cell" with the family and its arguments as coordinates.

    **Raises** `ValueError` or `TypeError` before anything is compiled.
    """
    return run_cells(
        make_cells(make_study, axes),
        integer("trajectories", trajectories, at_least=1),
        seed,
        first=integer("first_trajectory", first_trajectory, at_least=0),
        statistics=statistics,
        quantiles=quantiles,
        probabilities=probabilities,
        step_covariance=step_covariance,
        compare=compare,
        compare_at=compare_at,
        common_random_numbers=common_random_numbers,
        progress=progress,
        checkpoint=checkpoint,
        executor=executor,
        memory=integer("memory", memory, at_least=0),
    )


def run_cells(
    made: Sequence[Cell],
    trajectories: int,
    seed: int,
    *,
    first: int = 0,
    common_random_numbers: bool = True,
    progress: bool | str = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    **recorded: Any,
) -> SweepResult:
    """The same for cells that are made already; ``recorded`` are arguments of `arrange`."""
    check_run(executor, checkpoint)
    arranged = arrange(made, first, trajectories, seed, common_random_numbers, **recorded)
    jobs, layout = arranged.jobs, arranged.layouts[0]
    tasks = [job.task for job in jobs]
    about = provenance.attributes(tasks, seed) | {
        "common_random_numbers": int(common_random_numbers),
        "compare": repr(arranged.kept),
        "compare_at": arranged.step,
        "study_fingerprints": json.dumps(_of_cells(arranged, provenance.studies(tasks), len(made))),
    }
    study = study_of(made[0])
    manifest = provenance.manifest(study, layout, first, tasks, about) | {
        "cells": [cell.label for cell in made],
        "kept values": repr(arranged.kept),
        "common random numbers": common_random_numbers,
    }
    with (
        execution(jobs, first, executor, checkpoint, manifest) as run,
        _Progress(study.steps, progress, arranged, made) as bar,
    ):
        run.extend(first + trajectories, bar)
    result = SweepResult(made, arranged.layouts, arranged.launches, arranged.kept, run.ledgers, about)
    if tasks[0].program.precision == "float32":
        result.rounding = _examined(result, arranged, seed)
    warn_of_tails(result)
    return result


def _of_cells(arranged: Arranged, found: Sequence[Sequence[Any]], count: int) -> list[Any]:
    """What was found of the members of each launch, by cell."""
    by_cell = {
        position: each
        for members, prints in zip(arranged.launches, found, strict=True)
        for position, each in zip(members, prints, strict=True)
    }
    return [by_cell[position] for position in range(count)]


def _examined(result: SweepResult, arranged: Arranged, seed: int) -> list[Roundings]:
    """What rounding may have done to each cell, and one warning about those in which it is not small."""
    known: dict[int, Roundings] = {}
    moments: dict[int, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for launch, (members, job) in enumerate(zip(arranged.launches, arranged.jobs, strict=True)):
        studies, seen = [study_of(result.cells[position]) for position in members], result.moments(launch)
        of_cells = resolution.known_of_cells(studies, job.task.program, seen, result.trajectories)
        for index, (position, of_it) in enumerate(zip(members, of_cells, strict=True)):
            known[position] = of_it
            if any(each.is_open for each in of_it.values()):
                moments[position] = {name: (mean[index], variance[index]) for name, (mean, variance) in seen.items()}
    left, open_ = _CELLS_TWICE, []
    for position in sorted(moments):
        seen = moments[position]
        if left > 0:
            study = study_of(result.cells[position])
            known[position] = resolution.in_both_precisions(study, known[position], seen, result.trajectories, seed)
            left -= resolution.ran_twins(known[position])
        if resolution.unsettled(known[position], seen, result.trajectories):
            open_.append(position)
    shown = {name for position in moments for name, each in known[position].items() if each.is_open}
    found = [_shown(known[position], shown) for position in range(len(result.cells))]
    if open_:
        where = f"{len(open_)} of {len(found)} cells, the first {result.cells[open_[0]].label}: "
        seen = moments[open_[0]]
        resolution.warn(found[open_[0]], seen, result.layout.steps, result.trajectories, where, level=5)
    return found


def _shown(found: Roundings, names: set[str]) -> Roundings:
    """Those of one cell, shown where those of another are: a dataset has them of all cells or of none."""
    return {name: dataclasses.replace(each, is_open=True) if name in names else each for name, each in found.items()}


_CELLS_TWICE = 16


class _Progress(Progress):
    """Progress, with the best of the cells that have begun."""

    def __init__(self, steps: int, show: bool | str, arranged: Arranged, made: Sequence[Cell]) -> None:
        super().__init__(steps, show, [len(launch) for launch in arranged.launches])
        self._arranged, self._made = arranged, made
        self._sums: dict[int, tuple[int, np.ndarray]] = {}

    def hear(self, job: int, entries: list[Entry]) -> None:
        if self._arranged.kept:
            count, total = self._sums.get(job, (0, np.zeros(self._cells[job])))
            layout = self._arranged.layouts[0]
            record = layout.steps.index(self._arranged.step)
            column = layout.observed.index(self._arranged.kept.observables[0])
            for (start, stop), sums in entries:
                means = sums["moments"]["mean"].reshape(self._cells[job], len(layout.steps), -1)[:, record, column]
                count, total = count + stop - start, total + (stop - start) * means
            self._sums[job] = count, total
        super().hear(job, entries)

    def note(self) -> str:
        if not self._sums:
            return ""
        means = {
            position: mean
            for job, (count, total) in self._sums.items()
            for position, mean in zip(self._arranged.launches[job], total / count, strict=True)
        }
        best = min(means, key=lambda position: np.nan_to_num(means[position], nan=np.inf))
        return f"best: {self._made[best].label}"
