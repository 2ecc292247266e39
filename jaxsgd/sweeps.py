"""The entry point for many studies at once: sweep over cells, with shared draws."""

import collections
import dataclasses
import inspect
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import jax
import numpy as np

from jaxsgd import provenance, streams
from jaxsgd.engine import cells as engine_cells
from jaxsgd.engine.cells import CellsTask
from jaxsgd.engine.execution import execution
from jaxsgd.engine.job import Job
from jaxsgd.engine.ledger import Entry
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import Inputs, Program, prepare
from jaxsgd.engine.statistics import Values
from jaxsgd.errors import InvalidInput, InvalidType, integer, nearest
from jaxsgd.layout import Layout
from jaxsgd.module import brief
from jaxsgd.progress import Progress
from jaxsgd.simulation import DEFAULT_STATISTICS, check_run, make_layout
from jaxsgd.study import Study
from jaxsgd.sweep_result import Cell, SweepResult

Make = Callable[..., Study]
Axes = Mapping[str, Sequence[Any]]

MEMORY = 2**29
"""Bytes that the kept values of a sweep may take, by default."""

_RESERVED = ("cell", "family", "step", "step_2", "coordinate", "coordinate_2", "quantile")  # dimensions of datasets
_BYTES = 64  # of a value: 8, of which some ranges of ids have as many, and copies of all
_LEAST = 1000  # values of each cell: then their variance is known to a few per cent


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
    - `seed`, `first_trajectory`, `statistics`, `quantiles`, `probabilities`, `progress`, `checkpoint`,
      `executor`: as for [`jaxsgd.simulate`][].
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
    }
    study = _study_of(made[0])
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
    return SweepResult(made, arranged.layouts, arranged.launches, arranged.kept, run.ledgers, about)


@dataclasses.dataclass(frozen=True)
class Arranged:
    """How the cells of a sweep are run.

    - `layouts`: what is recorded of each.
    - `kept`, `step`: the values kept of single trajectories, if there are any, and at which step.
    - `launches`: the positions of the cells that run together; `jobs`: what runs them.
    """

    layouts: Sequence[Layout]
    kept: Values | None
    step: int
    launches: Sequence[Sequence[int]]
    jobs: Sequence[Job]


def arrange(
    made: Sequence[Cell],
    first: int,
    trajectories: int,
    seed: int,
    common_random_numbers: bool = True,
    *,
    statistics: Sequence[str] = DEFAULT_STATISTICS,
    quantiles: Sequence[float] = (),
    probabilities: Mapping[str, Callable[[Any], Any]] | None = None,
    compare: Sequence[str] = ("risk",),
    compare_at: int | None = None,
    memory: int = MEMORY,
) -> Arranged:
    """What `sweep` is asked for, checked and cut in launches."""
    if not isinstance(probabilities, Mapping | None):
        raise InvalidType(f'probabilities must be a dict, {{"name": function}}, got {probabilities!r}')
    events = dict(probabilities or {})
    layouts = [make_layout(_study_of(cell), statistics, quantiles, events, ()) for cell in made]
    _check_alike(made, layouts)
    kept, step = _kept(layouts[0], len(made), compare, compare_at, memory)
    groups: dict[Any, list[tuple[int, Program, Inputs]]] = {}
    for position, cell in enumerate(made):
        study = _study_of(cell)
        program, inputs = prepare(study, (*layouts[0].statistics, *([kept] if kept else [])), events)
        streams.check_counters(first + trajectories, study.steps + 1, program.words)
        shapes = tuple((np.shape(leaf), np.asarray(leaf).dtype) for leaf in jax.tree.leaves(inputs))
        groups.setdefault((program, jax.tree.structure(inputs), shapes), []).append((position, program, inputs))
    launches, jobs = [], []
    for members in groups.values():
        program, inputs = members[0][1], {position: numbers for position, _, numbers in members}
        varied = engine_cells.varying(list(inputs.values()))
        study = _study_of(made[members[0][0]])
        most = engine_cells.most(study.dimension) if common_random_numbers else 1
        for launch in engine_cells.launches(list(inputs), most):
            purpose = "gradient" if common_random_numbers else f"gradient of cell {launch[0]}"
            stacked = engine_cells.stack([inputs[position] for position in launch], varied)
            plan = Plan.choose(study.width, study.steps, first + trajectories, len(launch))
            task = CellsTask(program, stacked, plan, streams.make_key(seed, purpose), varied, len(launch))
            launches.append(launch)
            jobs.append(Job(_study_of(made[launch[0]]), events, task))
    return Arranged(layouts, kept, step, launches, jobs)


def chunk_of(made: Sequence[Cell], **arguments: Any) -> int:
    """The trajectories at whose multiples this sweep can be cut to merge bitwise; ``arguments`` are of `arrange`."""
    return max(job.task.plan.chunk for job in arrange(made, 0, 1, 0, **arguments).jobs)


def make_cells(make_study: Make | Mapping[str, Make], axes: Axes | Mapping[str, Axes]) -> list[Cell]:
    """The cells of a sweep, in order; their studies are made and checked."""
    if not isinstance(make_study, Mapping):
        return list(_grid(make_study, axes, None))
    if not isinstance(axes, Mapping) or set(axes) != set(make_study):
        raise InvalidInput(f"axes must have the families of make_study, {sorted(make_study)}, got {brief(axes)}")
    if not make_study:
        raise InvalidInput("make_study must have at least one family")
    return [cell for family, make in make_study.items() for cell in _grid(make, axes[family], family)]


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


def _kept(layout: Layout, cells: int, compare: Any, compare_at: int | None, memory: int) -> tuple[Values | None, int]:
    """The values to keep of single trajectories, and the step at which they are kept."""
    step = layout.steps[-1] if compare_at is None else compare_at
    if step not in layout.steps:
        raise InvalidInput(f"compare_at must be a recorded step, got {compare_at}; record it, or choose another")
    if isinstance(compare, str) or not isinstance(compare, Sequence):
        raise InvalidType(f"compare must be a list of names, got {compare!r}")
    for name in compare:
        if name not in layout.observed:
            raise InvalidInput(f"compare names {name!r}, which is not recorded; {nearest(name, layout.observed)}")
    if not compare:
        return None, step
    most = max(memory // (_BYTES * cells * len(compare)), _LEAST)
    return Values(tuple(compare), (layout.steps.index(step),), most), step


def _study_of(cell: Cell) -> Study:
    if cell.study is None:
        raise InvalidInput("a sweep that was read from a file has no studies to run: make it again by sweep")
    return cell.study


def _grid(make: Any, axes: Any, family: str | None) -> Iterator[Cell]:
    if not callable(make):
        raise InvalidType(f"make_study must be a function that returns a study, or a dict of them, got {brief(make)}")
    if not isinstance(axes, Mapping) or not axes:
        raise InvalidType(f'axes must be a dict with at least one axis, {{"name": [...]}}, got {brief(axes)}')
    plain = {name: _plain(name, values) for name, values in axes.items()}
    try:
        inspect.signature(make).bind(**dict.fromkeys(plain))
    except TypeError as error:
        raise InvalidType(f"make_study does not take the axes {', '.join(plain)} as its arguments: {error}") from error
    digits = max(_digits(values) for values in plain.values())
    for combination in itertools.product(*plain.values()):
        point = dict(zip(plain, combination, strict=True))
        where = ", ".join(f"{name}={value!r}" for name, value in point.items())
        try:
            study = make(**point)
        except (InvalidInput, InvalidType) as error:
            raise type(error)(f"cell {where}: {error}") from error
        if not isinstance(study, Study):
            raise InvalidType(f"make_study must return a jaxsgd.Study, got {brief(study)} for {where}")
        yield Cell(family, point, study, digits, repr(study))


def _plain(name: str, values: Any) -> list[Any]:
    """The values of an axis as plain numbers, booleans or strings, no two of them equal."""
    if not isinstance(name, str) or name in _RESERVED or "/" in name:
        raise InvalidInput(f"an axis cannot be called {name!r}: {', '.join(_RESERVED)} and names with / are taken")
    if isinstance(values, str) or not np.iterable(values):
        raise InvalidInput(f"axis {name!r} must be a list with at least one value, got {brief(values)}")
    plain = [value.item() if hasattr(value, "item") and np.ndim(value) == 0 else value for value in values]
    if not plain:
        raise InvalidInput(f"axis {name!r} must be a list with at least one value, got {brief(values)}")
    for value in plain:
        if not isinstance(value, int | float | str) or value != value:
            raise InvalidType(
                f"axis {name!r} must have numbers or strings as values, got {brief(value)}; "
                "name the object by a string and look it up in make_study"
            )
    if len({isinstance(value, str) for value in plain}) > 1:
        raise InvalidType(f"axis {name!r} must have numbers or strings as values, not both, got {brief(values)}")
    value, times = collections.Counter(plain).most_common(1)[0]
    if times > 1:
        raise InvalidInput(f"axis {name!r} must not have a value twice, got {value!r} {times} times")
    return plain


def _digits(values: Sequence[Any]) -> int:
    """Significant digits, 6 at least, with which no two numbers look the same."""
    floats = [value for value in values if isinstance(value, float)]
    return next(digits for digits in range(6, 18) if len({f"{value:.{digits}g}" for value in floats}) == len(floats))


def _check_alike(made: Sequence[Cell], layouts: Sequence[Layout]) -> None:
    """An error unless all cells record the same: then one dataset holds them."""
    first = layouts[0]
    for cell, layout in zip(made, layouts, strict=True):
        for what in ("steps", "observed", "coordinates"):
            if getattr(layout, what) != getattr(first, what):
                raise InvalidInput(
                    f"all cells must have the same {what.replace('steps', 'recorded steps')}; cell {cell.label} "
                    "differs from the first one: sweep them apart"
                )
