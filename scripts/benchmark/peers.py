"""The peers: ways to simulate the workload.

Each is a function (trajectories, every) -> moments in a file named after its tool: mean and variance
of each observable at the last record, (observables, 2). They are checked against theory, so that
nobody is fast by being wrong. A file that cannot be imported here raises ImportError and says why.
"""

import dataclasses
import importlib
import time
from collections.abc import Callable

import numpy as np
from workload import CORES, LANES, STEPS, check

JAXSGD, EVERYTHING, NAIVE, LIMIT = "jaxsgd", "jaxsgd, all by default", "JAX, vmap of scan", "C, by hand"


@dataclasses.dataclass(frozen=True)
class Peer:
    """A way to simulate the workload.

    - `run`: the function; a method `measure`, if it has one, gives (seconds, moments) by its own clock.
    - `trajectories`: a number of them that shows its throughput.
    - `note`: what a reader should know of it.
    """

    name: str
    run: Callable[[int, int], np.ndarray]
    trajectories: int
    note: str = ""

    def measure(self, trajectories: int, every: int) -> tuple[float, np.ndarray]:
        """Seconds and moments of one run."""
        if hasattr(self.run, "measure"):
            return self.run.measure(trajectories, every)
        start = time.perf_counter()
        moments = self.run(trajectories, every)
        return time.perf_counter() - start, moments

    def speed(self, trajectories: int, every: int) -> float:
        """Trajectory-steps per second of one run, whose result is checked."""
        seconds, moments = self.measure(trajectories, every)
        check(self.name, moments, trajectories)
        return trajectories * STEPS / seconds


_ONE_BY_ONE = "one after the other, no statistics"
_MANY, _SOME = 2**19 * CORES, 100 * LANES
_PEERS = (  # name, where it is, trajectories, note
    ("torch, the chapter's loop", "with_torch", "one_at_a_time", 192, _ONE_BY_ONE),
    ("pure Python", "with_numpy", "plain_python", 512, _ONE_BY_ONE),
    (NAIVE, "with_jax", "vmap_of_scan", 20 * LANES, "split keys"),
    ("JAX, scan of vmap", "with_jax", "scan_of_vmap", _SOME, "one key a step"),
    ("NumPy", "with_numpy", "over_trajectories", 10 * LANES, "one core"),
    ("torch", "with_torch", "over_trajectories", _SOME, ""),
    (EVERYTHING, "with_jaxsgd", "everything", _MANY, "five observables, extremes, mean and covariance of x"),
    (JAXSGD, "with_jaxsgd", "three_observables", _MANY, ""),
    ("Numba", "with_numba", "tiles", _MANY, "the algorithm of C"),
    (LIMIT, "with_c", "limit", _MANY, ""),
)


def available() -> tuple[list[Peer], list[str]]:
    """The peers that can run here, and a line for each that cannot."""
    peers, left_out = [], []
    for name, module, function, trajectories, note in _PEERS:
        try:
            run = getattr(importlib.import_module(module), function)
        except ImportError as error:
            left_out.append(f"{name} is left out: {error}")
        else:
            peers.append(Peer(name, run, trajectories, note or getattr(run, "note", "")))
    return peers, left_out
