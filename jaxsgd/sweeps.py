"""The entry point for many studies at once: sweep over cells, with shared draws."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxsgd import streams
from jaxsgd.engine import cells, driver
from jaxsgd.engine.cells import CellsTask
from jaxsgd.engine.driver import Work
from jaxsgd.engine.environment import environment
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import Inputs, Program, prepare
from jaxsgd.engine.statistics import Values
from jaxsgd.errors import InvalidInput, InvalidType, integer, nearest
from jaxsgd.layout import Layout
from jaxsgd.module import brief
from jaxsgd.simulation import DEFAULT_STATISTICS, make_layout
from jaxsgd.study import Study
from jaxsgd.sweep_result import Cell, SweepResult

Make = Callable[..., Study]
Axes = Mapping[str, Sequence[Any]]


def sweep(
    make_study: Make | Mapping[str, Make],
    axes: Axes | Mapping[str, Axes],
    trajectories: int,
    seed: int = 0,
    *,
    first_trajectory: int = 0,
    statistics: Sequence[str] = DEFAULT_STATISTICS,
    compare: Sequence[str] = ("risk",),
    compare_at: int | None = None,
    common_random_numbers: bool = True,
) -> SweepResult:
    """Run the same trajectories of every cell of a grid, and estimate.

    ``make_study(**cell)`` is called once for each cell with plain numbers. Studies of equal structure run
    together in one compiled program with their numbers stacked; those of another structure form groups of
    their own. By default all cells share their draws (common random numbers), which makes differences
    between cells much more certain than the cells themselves.

    **Arguments**

    - `make_study`: a function that makes a study; or several by name, families.
    - `axes`: the values of each argument, all combinations of which are the cells; of families, by name.
    - `trajectories`: of each cell.
    - `seed`, `first_trajectory`, `statistics`: as for [`jaxsgd.simulate`][].
    - `compare`: observables whose values are kept for every trajectory, for [`jaxsgd.compare`][].
    - `compare_at`: at which recorded step; default the last.
    - `common_random_numbers`: with False each cell has draws of its own.

    **Returns** a [`jaxsgd.SweepResult`][], whose dataset has the axes as dimensions; of families one
    dimension "cell" with the family and its arguments as coordinates.

    **Raises** `ValueError` or `TypeError` before anything is compiled.
    """
    return run_cells(
        list(_cells(make_study, axes)),
        integer("trajectories", trajectories, at_least=1),
        seed,
        first=integer("first_trajectory", first_trajectory, at_least=0),
        statistics=statistics,
        compare=compare,
        compare_at=compare_at,
        common_random_numbers=common_random_numbers,
    )


def run_cells(
    made: Sequence[Cell],
    trajectories: int,
    seed: int,
    *,
    first: int = 0,
    statistics: Sequence[str] = DEFAULT_STATISTICS,
    compare: Sequence[str] = ("risk",),
    compare_at: int | None = None,
    common_random_numbers: bool = True,
) -> SweepResult:
    """The same for cells that are made already."""
    layouts = [make_layout(cell.study, statistics, (), {}, ()) for cell in made]
    _check_alike(made, layouts)
    step = layouts[0].steps[-1] if compare_at is None else compare_at
    if step not in layouts[0].steps:
        raise InvalidInput(f"compare_at must be a recorded step, got {compare_at}; record it, or choose another")
    if isinstance(compare, str):
        raise InvalidType(f"compare must be a list of names, got the string {compare!r}")
    for name in compare:
        if name not in layouts[0].observed:
            raise InvalidInput(f"compare names {name!r}, which is not recorded; {nearest(name, layouts[0].observed)}")
    record = layouts[0].steps.index(step)
    kept = (*layouts[0].statistics, *([Values(tuple(compare), (record,))] if compare else []))
    groups: dict[Program, list[tuple[int, Inputs]]] = {}
    for position, cell in enumerate(made):
        program, inputs = prepare(cell.study, kept)
        streams.check_counters(first + trajectories, cell.study.steps + 1, program.words)
        groups.setdefault(program, []).append((position, inputs))
    sums: dict[int, Any] = {}
    most = cells.MOST if common_random_numbers else 1
    for program, members in groups.items():
        for launch in _launches(members, most):
            purpose = "gradient" if common_random_numbers else f"gradient of cell {launch[0][0]}"
            key = streams.make_key(seed, purpose)
            total = _run(program, [inputs for _, inputs in launch], made[launch[0][0]].study, key, first, trajectories)
            for index, (position, _) in enumerate(launch):
                sums[position] = cells.of_cell(total, index, len(launch))
    attributes = {
        "seed": int(seed),
        "trajectories": trajectories,
        "first_trajectory": first,
        "common_random_numbers": int(common_random_numbers),
        "compare": json.dumps(list(compare)),
        "compare_at": int(step),
        **environment(),
    }
    return SweepResult(tuple(made), layouts, [sums[i] for i in range(len(made))], attributes)


def _run(program: Program, inputs: Sequence[Inputs], study: Study, key: np.ndarray, first: int, count: int) -> Any:
    """The sums of one launch."""
    stacked, varied = cells.stack(inputs)
    plan = Plan.choose(study.dimension, study.steps, first + count, len(inputs))
    task = CellsTask(program, stacked, plan, key, varied, len(inputs))
    return driver.run(Work(task), first, count).total()


def _launches(members: Sequence[Any], most: int) -> Iterator[Sequence[Any]]:
    """As few parts of nearly equal size as possible, none above ``most``."""
    parts = -(-len(members) // most)
    size = -(-len(members) // parts)
    for start in range(0, len(members), size):
        yield members[start : start + size]


def _cells(make_study: Any, axes: Any) -> Iterator[Cell]:
    if not isinstance(make_study, Mapping):
        yield from _grid(make_study, axes, None)
        return
    if not isinstance(axes, Mapping) or set(axes) != set(make_study):
        raise InvalidInput(f"axes must have the families of make_study, {sorted(make_study)}, got {brief(axes)}")
    for family, make in make_study.items():
        yield from _grid(make, axes[family], family)


def _grid(make: Any, axes: Any, family: str | None) -> Iterator[Cell]:
    if not callable(make):
        raise InvalidType(f"make_study must be a function that returns a study, or a dict of them, got {brief(make)}")
    if not isinstance(axes, Mapping) or not axes:
        raise InvalidType(f'axes must be a dict with at least one axis, {{"name": [...]}}, got {brief(axes)}')
    for name, values in axes.items():
        if isinstance(values, str) or not np.iterable(values) or len(list(values)) == 0:
            raise InvalidInput(f"axis {name!r} must be a list with at least one value, got {brief(values)}")
    for combination in itertools.product(*axes.values()):
        point = {name: value.item() if isinstance(value, np.generic) else value
                 for name, value in zip(axes, combination, strict=True)}  # fmt: skip
        where = ", ".join(f"{name}={value!r}" for name, value in point.items())
        try:
            study = make(**point)
        except (InvalidInput, InvalidType) as error:
            raise type(error)(f"cell {where}: {error}") from error
        if not isinstance(study, Study):
            raise InvalidType(f"make_study must return a jaxsgd.Study, got {brief(study)} for {where}")
        yield Cell(family, point, study)


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
