"""What a study, or a sweep, will cost, before it is run."""

import dataclasses
import sys
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxsgd.engine.kernel import Span
from jaxsgd.engine.task import Task
from jaxsgd.errors import integer
from jaxsgd.record import every
from jaxsgd.results.sweep_result import Cell
from jaxsgd.runs.arrangement import arrange
from jaxsgd.runs.simulation import DEFAULT_STATISTICS
from jaxsgd.runs.tasks import make_layout, make_task
from jaxsgd.study import Study

try:
    import resource
except ImportError:  # not on Windows
    resource = None

_PILOT_STEPS = 200


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of a run: trajectory-steps, bytes of memory, expected seconds after compilation.

    Memory is that of the tiles of all workers, and what compiling the program and running one tile added to the peak of
    this process: often some hundred MB, and none where its peak was higher before.
    """

    trajectory_steps: int
    memory: int
    seconds: float

    def __repr__(self) -> str:
        return (
            f"Cost(trajectory_steps={self.trajectory_steps:.3g}, memory={self.memory / 1e6:.0f} MB, "
            f"seconds={self.seconds:.2g})"
        )


def estimate(study: Study, trajectories: int) -> Cost:
    """The cost of ``simulate(study, trajectories)``.

    Time and memory come from a pilot: one tile of at most 200 steps, recorded as densely as the study.
    """
    integer("trajectories", trajectories, at_least=1)
    pilot = _pilot(study)
    layout = make_layout(pilot, statistics=DEFAULT_STATISTICS)
    plan = make_task(study, layout.statistics, {}, 0, trajectories, 0, None).plan
    task = make_task(pilot, layout.statistics, {}, 0, plan.tile, 0, plan)
    seconds, memory = _measure(task, study, pilot)
    return Cost(trajectories * study.steps, memory, seconds * _turns(task, trajectories))


def estimate_sweep(cells: Sequence[Cell], trajectories: int, **arguments: Any) -> Cost:
    """The cost of a sweep over these cells: one pilot for each structure; ``arguments`` are those of `arrange`."""
    integer("trajectories", trajectories, at_least=1)
    arranged = arrange(cells, 0, trajectories, 0, **arguments)
    measured: dict[object, tuple[float, int]] = {}
    seconds = 0.0
    for launch, job in zip(arranged.launches, arranged.jobs, strict=True):
        members = [cells[position] for position in launch]
        studies = [cell.study for cell in members if cell.study is not None]
        kind = job.task.program, studies[0].steps, len(launch)
        if kind not in measured:
            pilots = [
                dataclasses.replace(cell, study=_pilot(study)) for cell, study in zip(members, studies, strict=True)
            ]
            tried = arrange(pilots, 0, trajectories, 0, **{**arguments, "compare_at": None}).jobs[0]
            task = dataclasses.replace(tried.task, plan=job.task.plan)
            measured[kind] = _measure(task, studies[0], _pilot(studies[0]))
        seconds += measured[kind][0] * _turns(job.task, trajectories)
    kept = arranged.kept
    values = 0 if kept is None else len(cells) * len(kept.observables) * min(trajectories, kept.most or 0) * 8
    memory = max(memory for _, memory in measured.values()) + values
    steps = sum(cell.study.steps for cell in cells if cell.study is not None)
    return Cost(trajectories * steps, memory, seconds)


def _pilot(study: Study) -> Study:
    """The study with at most 200 steps, recorded as densely."""
    between = -(-study.steps // max(len(study.recorded_steps) - 1, 1))  # and no more records, which some limit
    return study.replace(steps=min(study.steps, _PILOT_STEPS), record=every(between))


def _turns(task: Task, trajectories: int) -> float:
    """How many tiles each worker runs."""
    return max(-(-trajectories // task.plan.tile) / task.plan.workers, 1.0)


def _measure(task: Task, study: Study, pilot: Study) -> tuple[float, int]:
    """The seconds of one tile of the study, and bytes of memory, from one tile of its pilot."""
    plan, before = task.plan, _peak()
    arguments = (task.inputs, task.key, Span(np.uint32(0), np.int32(0), np.int32(plan.tile)))
    compiled = task.tile(careful=False).jitted.lower(*arguments).compile()
    jax.block_until_ready(compiled(*arguments))
    start = time.perf_counter()
    jax.block_until_ready(compiled(*arguments))
    seconds = (time.perf_counter() - start) * study.steps / pilot.steps
    memory = compiled.memory_analysis()
    assert memory is not None  # every backend of this version of JAX has it
    kept = memory.output_size_in_bytes * len(study.recorded_steps) / len(pilot.recorded_steps)
    tiles = plan.workers * (memory.temp_size_in_bytes + kept * plan.chunk / plan.tile)
    return seconds, int(tiles) + _peak() - before


def _peak() -> int:
    """The most bytes that this process has held so far; 0 where the system does not tell."""
    if resource is None:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
