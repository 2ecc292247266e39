"""The peers that are written with Python and NumPy."""

import random

import numpy as np
from workload import START, STEPS, learning_rate, risk


def plain_python(trajectories: int, every: int) -> np.ndarray:
    """One trajectory after the other; moments of the last point only."""
    normal = random.Random(0).gauss
    ends = []
    for _ in range(trajectories):
        x1, x2 = START
        for t in range(STEPS):
            eta = learning_rate(t)
            x1 -= eta * (2 * x1 + normal())
            x2 -= eta * (4 * x2 + normal())
        ends.append((risk(x1, x2), x1 * x1 + x2 * x2))
    return np.stack([np.mean(ends, 0), np.var(ends, 0, ddof=1)], -1)


def over_trajectories(trajectories: int, every: int) -> np.ndarray:
    """One float32 array for each coordinate."""
    generator = np.random.default_rng(0)
    x1, x2 = (np.full(trajectories, start, np.float32) for start in START)
    a1, a2 = x1.copy(), x2.copy()
    z = np.empty((2, trajectories), np.float32)
    records, weight = [], 0.0

    def record() -> None:
        observed = (risk(x1, x2), x1 * x1 + x2 * x2, risk(a1, a2))
        records.append([(values.mean(), values.var(ddof=1)) for values in observed])

    for t in range(STEPS):
        if t % every == 0:
            record()
        eta = learning_rate(t)
        weight += eta
        a1 += eta / weight * (x1 - a1)
        a2 += eta / weight * (x2 - a2)
        generator.standard_normal(dtype=np.float32, out=z)
        x1 -= eta * (2 * x1 + z[0])
        x2 -= eta * (4 * x2 + z[1])
    record()
    return np.array(records[-1])
