"""jaxsgd itself, through its public interface."""

import numpy as np

from jaxsgd import bench


def three_observables(trajectories: int, every: int) -> np.ndarray:
    """Mean and variance of the three observables of the workload."""
    return _moments(bench.three_observables(every), trajectories)


def everything(trajectories: int, every: int) -> np.ndarray:
    """All that is recorded by default."""
    return _moments(bench.everything(every), trajectories)


def _moments(workload: bench.Workload, trajectories: int) -> np.ndarray:
    last = workload.run(trajectories).dataset.isel(step=-1)
    return np.array([[float(last[f"{name}_{kind}"]) for kind in ("mean", "variance")] for name in bench.THREE])
