"""The entry points: simulate a study, or sample some of its trajectories."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
import xarray as xr

from jaxsgd import streams
from jaxsgd.engine.execution import Execution, execution
from jaxsgd.engine.job import Job
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import prepare
from jaxsgd.engine.statistics import IteratePaths, KeptValues, Statistic
from jaxsgd.engine.task import Task
from jaxsgd.errors import InvalidInput, InvalidType, TargetMissed, integer, nearest
from jaxsgd.inference.sequential import PILOT, Look, Precision
from jaxsgd.results.layout import Layout
from jaxsgd.results.result import Result
from jaxsgd.runs import provenance, resolution
from jaxsgd.runs.progress import Progress
from jaxsgd.study import Study

DEFAULT_STATISTICS = ("mean", "variance", "extremes", "x")


def simulate(
    study: Study,
    trajectories: int | None = None,
    seed: int = 0,
    *,
    first_trajectory: int = 0,
    statistics: Sequence[str] = DEFAULT_STATISTICS,
    quantiles: Sequence[float] = (),
    probabilities: Mapping[str, Callable[[Any], Any]] | None = None,
    step_covariance: Sequence[str] = (),
    progress: bool | str = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    target: Precision | None = None,
    executor: Executor | None = None,
    plan: Plan | None = None,
) -> Result:
    """Run trajectories first_trajectory .. first_trajectory + trajectories - 1 and estimate.

    A trajectory is a function of (study, seed, id) alone; the result does not depend on the number of
    workers or on the order in which they finish.

    A run in float32, the default, finds out whether that resolves what it states: where bounds
    do not show that rounding is small beside the standard error `o_sem`, `o_rounding` says about how far it moves the
    mean. Where that is not small, a [`jaxsgd.errors.Unresolved`][] warning names the observable, and the way out,
    ``jax.enable_x64(True)``.

    **Arguments**

    - `study`: what is run.
    - `trajectories`: how many, at least 1; with a `target`, at most so many.
    - `seed`: in [0, 2^64). Studies with the same seed share their draws.
    - `first_trajectory`: the first id.
    - `statistics`: of each observable, mean and variance (always), "extremes"; "x" for mean and
      covariance of the iterate, the latter up to 8 coordinates ("x_covariance" for more); and the words of those
      that are registered besides (`jaxsgd.engine.statistics.register`).
    - `quantiles`: probabilities in (0, 1); of every observable, from bins of relative width 1/128.
    - `probabilities`: events by name, boolean functions of x or of a State; exact counts.
    - `step_covariance`: names of observables; their covariance between records, at most 64 of them.
    - `progress`: "auto" shows a bar for long runs on a terminal; True and False force it.
    - `checkpoint`: a folder that keeps what is finished. Called again, also with more trajectories,
      simulate runs what is missing; the result is bitwise that of one uninterrupted run. A folder of
      another run, and one that another run is using, are refused.
    - `target`: a [`jaxsgd.Precision`][], at which the run stops. Its confidence interval is valid although
      the run is looked at repeatedly. A target that is not reached is said so, by a warning and in the result.
    - `executor`: any ``concurrent.futures.Executor``; default one thread for each core. Processes
      must be spawned, not forked, and import the study's functions from modules; Dask's
      ``Client.get_executor()`` sends functions by value. All workers must be alike in processor and
      versions, and the result is bitwise the same for any number of them.
    - `plan`: how the work is cut; default [`jaxsgd.Plan`][]`.choose(...)`.

    **Returns** a [`jaxsgd.Result`][].

    **Raises** `ValueError` or `TypeError` before anything is compiled; `ValueError` when a checkpoint
    cannot be written, with which nothing that it holds is lost.
    """
    check_run(executor, checkpoint)
    layout = make_layout(
        study,
        statistics=statistics,
        quantiles=quantiles,
        probabilities=probabilities,
        step_covariance=step_covariance,
    )
    events = dict(probabilities or {})
    if target is not None:
        target = _within(target, trajectories, layout, events)
        trajectories = target.limit
    task = make_task(study, layout.statistics, events, first_trajectory, trajectories, seed, plan)
    first, made = int(first_trajectory), {"study": repr(study)} | provenance.attributes([task], seed)
    manifest = provenance.manifest(study, layout, first, [task], made)
    with (
        execution([Job(study, events, task)], first, executor, checkpoint, manifest) as run,
        Progress(study.steps, progress) as bar,
    ):
        if target is None:
            run.extend(first + integer("trajectories", trajectories, at_least=1), bar)
        else:
            look = _reach(target, run, first, task.unit, layout, events, bar)
            made |= {"target": look.message, "target_reached": int(look.reached)}
    ran, rounding = run.ledgers[0], None
    if task.program.precision == "float32":
        seen = layout.moments(ran.total(), ran.count)
        rounding = resolution.examined(study, task.program, seen, ran.count, seed)
        resolution.warn(rounding, seen, layout.steps, ran.count)
    return Result(layout, run.ledgers, made, study, rounding)


def sample_paths(study: Study, trajectories: int = 20, seed: int = 0) -> xr.Dataset:
    """x (trajectory, step, coordinate) at the recorded steps, of the trajectories that simulate runs."""
    paths = _every_trajectory(study, IteratePaths(), 0, trajectories, seed)["x"]
    return xr.Dataset(
        {
            "x": (("trajectory", "step", "coordinate"), np.transpose(paths, (2, 0, 1))),
            "learning_rate": ("step", study.learning_rates[study.recorded_steps]),
        },
        {"trajectory": np.arange(trajectories), "step": study.recorded_steps, "coordinate": list(study.coordinates)},
        {"study": repr(study), "seed": seed},
    )


def trajectory_values(study: Study, trajectories: int, seed: int = 0, *, first_trajectory: int = 0) -> np.ndarray:
    """What is observed of each trajectory at each record: (records, observables, trajectories).

    Of two studies with one seed, the same trajectory has the same draws: differences are paired.
    """
    return _every_trajectory(study, KeptValues(study.observed), first_trajectory, trajectories, seed)["value"]


def _every_trajectory(study: Study, statistic: Statistic, first: int, count: int, seed: int) -> dict[str, np.ndarray]:
    """What one statistic that keeps single trajectories has kept of them."""
    task = make_task(study, (statistic,), {}, first, count, seed, None)
    run = Execution([Job(study, {}, task)], int(first))
    run.extend(int(first) + int(count))
    return run.ledgers[0].total()[statistic.name]


def _within(target: Any, trajectories: int | None, layout: Layout, events: Mapping[str, Any]) -> Precision:
    """The target, with no more trajectories than these; checked."""
    if not isinstance(target, Precision):
        raise InvalidType(f"target must be a jaxsgd.Precision, got {target!r}")
    name, names = target.observable, (*layout.observed, *events)
    if name not in names:
        raise InvalidInput(f"target names {name!r}, which is not recorded; {nearest(name, names)}")
    if target.step is not None and target.step not in layout.steps:
        raise InvalidInput(f"target names step {target.step}, which is not recorded; record it, or choose another")
    step = layout.steps[-1] if target.step is None else target.step
    if step in layout.records.undefined.get(name, ()):
        raise InvalidInput(f"target names {name!r}, which has no value at step {step}; choose a later step")
    if trajectories is None:
        return target
    most = integer("trajectories, with a target,", trajectories, at_least=PILOT)
    return dataclasses.replace(target, limit=min(target.limit, most))


def _reach(
    target: Precision,
    run: Execution,
    first: int,
    unit: int,
    layout: Layout,
    events: Mapping[str, Any],
    bar: Progress,
) -> Look:
    """Run up to each of the target's checkpoints in turn, until a look at what was run reaches it."""
    record = len(layout.steps) - 1 if target.step is None else layout.steps.index(target.step)
    for number, count in enumerate(target.checkpoints(unit), 1):
        run.extend(first + count, bar)
        estimates = layout.variables(run.ledgers[0].total(), count)
        wanted = ("count",) if target.observable in events else ("mean", "variance")
        seen = [estimates[f"{target.observable}_{what}"].values[record] for what in wanted]
        if target.observable in events:
            look = target.look_at_events(number, count, int(seen[0]))
        else:
            look = target.look(number, count, *seen)
        if look.reached:
            return look
        if look.hopeless:
            break
    warnings.warn(look.message, TargetMissed, stacklevel=3)
    return look


def check_run(executor: Any, checkpoint: Any) -> None:
    """An error if these are not what they should be."""
    if not isinstance(executor, Executor | None):
        raise InvalidType(f"executor must be a concurrent.futures.Executor, got {executor!r}")
    if not isinstance(checkpoint, str | os.PathLike | None):
        raise InvalidType(f"checkpoint must be the path of a folder, got {checkpoint!r}")


def make_layout(study: Study, **arguments: Any) -> Layout:
    """What the arguments of simulate that are statistics ask for, checked."""
    _check_study(study)
    return Layout.of(study, **arguments)


def make_task(
    study: Study,
    statistics: tuple[Statistic, ...],
    events: Mapping[str, Callable[[Any], Any]],
    first: int,
    count: int | None,
    seed: int,
    plan: Plan | None,
) -> Task:
    """What workers are to run, checked."""
    _check_study(study)
    count = integer("trajectories", count, at_least=1)
    first = integer("first_trajectory", first, at_least=0)
    if not (plan is None or isinstance(plan, Plan)):
        raise InvalidType(f"plan must be a jaxsgd.Plan, got {plan!r}")
    program, inputs = prepare(study, statistics, events)
    streams.check_counters(first + count, study.steps + 1, program.words)
    plan = plan or Plan.choose(study.width, study.steps, first + count)
    return Task(program, inputs, plan, streams.make_key(seed, "gradient"))


def _check_study(study: Any) -> None:
    if not isinstance(study, Study):
        raise InvalidType(f"study must be a jaxsgd.Study, got {study!r}")
