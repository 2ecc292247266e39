"""From the arguments of entry points to what workers are to run, checked."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

from jaxsgd import streams
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import prepare
from jaxsgd.engine.statistics import Statistic
from jaxsgd.engine.task import Task, random_key
from jaxsgd.errors import InvalidType, integer
from jaxsgd.results.layout import Layout
from jaxsgd.study import Study


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
    plan = plan or Plan.choose(study.width, study.steps, first + count, products=study.products)
    return Task(program, inputs, plan, random_key(program, seed))


def _check_study(study: Any) -> None:
    if not isinstance(study, Study):
        raise InvalidType(f"study must be a jaxsgd.Study, got {study!r}")
