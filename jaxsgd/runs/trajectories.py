"""Single trajectories: their paths, and what is observed along them."""

import numpy as np
import xarray as xr

from jaxsgd.engine.execution import Execution
from jaxsgd.engine.job import Job
from jaxsgd.engine.statistics import IteratePaths, KeptValues, Statistic
from jaxsgd.runs.tasks import make_task
from jaxsgd.study import Study


def sample_paths(study: Study, trajectories: int = 20, seed: int = 0) -> xr.Dataset:
    """x (trajectory, step, coordinate) at the recorded steps, of the trajectories that simulate runs."""
    paths = every_trajectory(study, IteratePaths(), 0, trajectories, seed)["x"]
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
    return every_trajectory(study, KeptValues(study.observed), first_trajectory, trajectories, seed)["value"]


def every_trajectory(study: Study, statistic: Statistic, first: int, count: int, seed: int) -> dict[str, np.ndarray]:
    """What one statistic that keeps single trajectories has kept of them."""
    task = make_task(study, (statistic,), {}, first, count, seed, None)
    run = Execution([Job(study, {}, task)], int(first))
    run.extend(int(first) + int(count))
    return run.ledgers[0].total()[statistic.name]
