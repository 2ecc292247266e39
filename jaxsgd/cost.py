"""What a study will cost, before it is run."""

import dataclasses
import time

import jax
import numpy as np

from jaxsgd.engine.kernel import Span
from jaxsgd.errors import integer
from jaxsgd.record import every
from jaxsgd.simulation import DEFAULT_STATISTICS, make_layout, make_task
from jaxsgd.study import Study

_PILOT_STEPS = 200


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of a study: trajectory-steps, bytes of working memory, expected seconds after compilation."""

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
    steps, records = min(study.steps, _PILOT_STEPS), len(study.recorded_steps)
    pilot = study.replace(steps=steps, record=every(max(1, round(study.steps / records))))
    layout = make_layout(pilot, DEFAULT_STATISTICS, (), {}, ())
    plan = make_task(study, layout.statistics, {}, 0, trajectories, 0, None).plan
    task = make_task(pilot, layout.statistics, {}, 0, plan.tile, 0, plan)
    arguments = (task.inputs, task.key, Span(np.uint32(0), np.int32(0), np.int32(plan.tile)))
    compiled = task.tile(careful=False).jitted.lower(*arguments).compile()
    jax.block_until_ready(compiled(*arguments))
    start = time.perf_counter()
    jax.block_until_ready(compiled(*arguments))
    pace = (time.perf_counter() - start) / steps
    memory = compiled.memory_analysis()
    assert memory is not None  # every backend of this version of JAX has it
    kept = memory.output_size_in_bytes * records / len(pilot.recorded_steps)
    tiles = -(-trajectories // plan.tile)
    return Cost(
        trajectory_steps=trajectories * study.steps,
        memory=int(plan.workers * (memory.temp_size_in_bytes + kept * plan.chunk / plan.tile)),
        seconds=pace * study.steps * max(tiles / plan.workers, 1.0),
    )
