"""The entry point: simulate a study."""

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from jaxsgd.engine.execution import execution
from jaxsgd.engine.job import Job
from jaxsgd.engine.plan import Plan
from jaxsgd.errors import NoStandardError, integer
from jaxsgd.inference.sequential import Precision
from jaxsgd.results.result import Result
from jaxsgd.results.sweep_result import SweepResult
from jaxsgd.runs import provenance, resolution
from jaxsgd.runs.progress import Progress
from jaxsgd.runs.target import held_to_precision, run_to, within
from jaxsgd.runs.tasks import check_run, make_layout, make_task
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
    ``jax.enable_x64(True)``. Studies that multiply matrices of x, as those of networks do, are left alone: training
    amplifies rounding like any other small change, and their means are those of training in float32.

    **Arguments**

    - `study`: what is run.
    - `trajectories`: how many, at least 1; with a `target`, at most so many.
    - `seed`: in [0, 2^64). Studies with the same seed share their draws.
    - `first_trajectory`: the first id.
    - `statistics`: of each observable, mean and variance (always), "extremes"; "shape" for skewness and kurtosis;
      "x" for mean and
      covariance of the iterate, the latter up to 8 coordinates ("x_covariance" for more); and the words of those
      that are registered besides (`jaxsgd.engine.statistics.register`).
    - `quantiles`: probabilities in (0, 1); of every observable, from bins of relative width 1/128.
    - `probabilities`: events by name, boolean functions of x or of a State. For an event `e`: `e_count`, in how many
      trajectories it has happened, of `e_count_finite` that are finite in all that it reads; `e_probability`, and
      `e_probability_lower` and `e_probability_upper`, exact limits (Clopper and Pearson) at confidence 0.95, which are
      the error bar where no trajectory or every one shows the event: `e_probability_sem` is NaN there. A trajectory
      that is not finite is no evidence for or against an event: while there are any, `e_probability` is NaN, the
      limits allow for either, and `e_probability_finite` is the share among the others.
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
    if target is not None and not {"extremes", "shape"} & set(statistics):
        statistics = (*statistics, "extremes")  # the target looks at the tails before it stops the run
    layout = make_layout(
        study,
        statistics=statistics,
        quantiles=quantiles,
        probabilities=probabilities,
        step_covariance=step_covariance,
    )
    events = dict(probabilities or {})
    if target is not None:
        target = within(target, trajectories, layout, events)
        trajectories = target.limit
    task = make_task(study, layout.statistics, events, first_trajectory, trajectories, seed, plan)
    about = {"study": repr(study), "study_fingerprint": json.dumps(provenance.studies([task])[0][0])}
    first, made = int(first_trajectory), about | provenance.attributes([task], seed)
    manifest = provenance.manifest(study, layout, first, [task], made)
    with (
        execution([Job(study, events, task)], first, executor, checkpoint, manifest) as run,
        Progress(study.steps, progress) as bar,
    ):
        if target is None:
            run.extend(first + integer("trajectories", trajectories, at_least=1), bar)
        else:
            look = run_to(target, study, seed, run, first, task.unit, layout, events, bar)
            made |= {"target": look.message, "target_reached": int(look.reached)}
    ran, rounding = run.ledgers[0], None
    if task.program.precision == "float32":
        seen = layout.moments(ran.total(), ran.count)
        rounding = resolution.examined(study, task.program, seen, ran.count, seed)
        resolution.warn(rounding, seen, layout.steps, ran.count)
    result = Result(layout, run.ledgers, made, study, rounding)
    warn_of_tails(result)
    return result if target is None else held_to_precision(result, target, run.ledgers, made)


def warn_of_tails(result: Result | SweepResult) -> None:
    """A warning where estimates have no standard error."""
    if result.heavy_tails:
        warnings.warn(f"no standard error of {result.heavy_tails}", NoStandardError, stacklevel=3)
