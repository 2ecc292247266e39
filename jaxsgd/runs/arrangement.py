"""How the cells of a sweep are run: what is recorded of each, which of them run together, and as which jobs."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxsgd import streams
from jaxsgd.engine import cells as engine_cells
from jaxsgd.engine.job import Job
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import Inputs, Program, prepare
from jaxsgd.engine.statistics import KeptValues
from jaxsgd.engine.task import Task, random_key
from jaxsgd.errors import InvalidInput, InvalidType, nearest
from jaxsgd.products import LARGE
from jaxsgd.results.layout import Layout
from jaxsgd.results.sweep_result import Cell
from jaxsgd.runs.simulation import DEFAULT_STATISTICS
from jaxsgd.runs.tasks import make_layout
from jaxsgd.study import Study

Make = Callable[..., Study]

MEMORY = 2**29
"""Bytes that the kept values of a sweep may take, by default."""

_BYTES = 64  # of a value: 8, of which some ranges of ids have as many, and copies of all
_LEAST = 1000  # values of each cell: then their variance is known to a few per cent


@dataclasses.dataclass(frozen=True)
class Arranged:
    """How the cells of a sweep are run.

    - `layouts`: what is recorded of each.
    - `kept`, `step`: the values kept of single trajectories, if there are any, and at which step.
    - `launches`: the positions of the cells that run together; `jobs`: what runs them.
    """

    layouts: Sequence[Layout]
    kept: KeptValues | None
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
    probabilities: Mapping[str, Callable[[Any], Any]] | None = None,
    compare: Sequence[str] = ("risk",),
    compare_at: int | None = None,
    memory: int = MEMORY,
    **asked: Any,
) -> Arranged:
    """What `sweep` is asked for, checked and cut in launches; ``asked`` are its other arguments that are statistics."""
    layouts = [
        make_layout(study_of(cell), statistics=statistics, probabilities=probabilities, **asked) for cell in made
    ]
    events = dict(probabilities or {})
    _check_alike(made, layouts)
    kept, step = _kept(layouts[0], len(made), compare, compare_at, memory)
    groups: dict[Any, list[tuple[int, Program, Inputs]]] = {}
    for position, cell in enumerate(made):
        study = study_of(cell)
        program, inputs = prepare(study, (*layouts[0].statistics, *([kept] if kept else [])), events)
        streams.check_counters(first + trajectories, study.steps + 1, program.words)
        shapes = tuple((np.shape(leaf), np.asarray(leaf).dtype) for leaf in jax.tree.leaves(inputs))
        groups.setdefault((program, jax.tree.structure(inputs), shapes), []).append((position, program, inputs))
    launches, jobs = [], []
    for members in groups.values():
        program, inputs = members[0][1], {position: numbers for position, _, numbers in members}
        varied = engine_cells.varying(list(inputs.values()))
        study = study_of(made[members[0][0]])
        # Draws are shared to spare them; beside products of matrices they cost nothing.
        alone = not common_random_numbers or study.products >= LARGE
        most = 1 if alone else engine_cells.most(study.dimension + study.carried)
        for launch in engine_cells.launches(list(inputs), most):
            of = "" if common_random_numbers else f" of cell {launch[0]}"
            stacked = engine_cells.stack([inputs[position] for position in launch], varied)
            plan = Plan.choose(study.width, study.steps, first + trajectories, len(launch), study.products)
            task = Task(program, stacked, plan, random_key(program, seed, of), varied)
            launches.append(launch)
            jobs.append(Job(study_of(made[launch[0]]), events, task))
    return Arranged(layouts, kept, step, launches, jobs)


def chunk_of(made: Sequence[Cell], **arguments: Any) -> int:
    """The trajectories at whose multiples this sweep can be cut to merge bitwise; ``arguments`` are of `arrange`."""
    return max(job.task.plan.chunk for job in arrange(made, 0, 1, 0, **arguments).jobs)


def _kept(
    layout: Layout, cells: int, compare: Any, compare_at: int | None, memory: int
) -> tuple[KeptValues | None, int]:
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
    return KeptValues(tuple(compare), (layout.steps.index(step),), most), step


def study_of(cell: Cell) -> Study:
    if cell.study is None:
        raise InvalidInput("a sweep that was read from a file has no studies to run: make it again by sweep")
    return cell.study


def _check_alike(made: Sequence[Cell], layouts: Sequence[Layout]) -> None:
    """An error unless all cells record the same: then one dataset holds them."""
    first = layouts[0]
    for cell, layout in zip(made, layouts, strict=True):
        for what in ("steps", "observed", "coordinates"):
            if getattr(layout.records, what) != getattr(first.records, what):
                raise InvalidInput(
                    f"all cells must have the same {what.replace('steps', 'recorded steps')}; cell {cell.label} "
                    "differs from the first one: sweep them apart"
                )
