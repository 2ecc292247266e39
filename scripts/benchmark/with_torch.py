"""The peers that are written with torch."""

import numpy as np
import torch
from workload import START, STEPS, learning_rate, risk


def one_at_a_time(trajectories: int, every: int) -> np.ndarray:
    """The chapter's own loop, one trajectory after the other; moments of the last point only."""

    def f_grad(x1: float, x2: float) -> tuple[float, float]:
        return 2 * x1, 4 * x2

    def sgd(x1: float, x2: float, s1: float, s2: float, t: int) -> tuple[float, float, float, float]:
        g1, g2 = f_grad(x1, x2)
        g1 += torch.normal(0.0, 1, (1,)).item()
        g2 += torch.normal(0.0, 1, (1,)).item()
        eta_t = learning_rate(t)
        return x1 - eta_t * g1, x2 - eta_t * g2, 0, 0

    torch.manual_seed(0)
    ends = []
    for _ in range(trajectories):
        x1, x2, s1, s2 = *START, 0.0, 0.0
        for t in range(STEPS):
            x1, x2, s1, s2 = sgd(x1, x2, s1, s2, t)
        ends.append((risk(x1, x2), x1 * x1 + x2 * x2))
    return np.stack([np.mean(ends, 0), np.var(ends, 0, ddof=1)], -1)


@torch.inference_mode()
def over_trajectories(trajectories: int, every: int) -> np.ndarray:
    """One float32 array for each coordinate."""
    torch.manual_seed(0)
    x1, x2 = (torch.full((trajectories,), start) for start in START)
    a1, a2 = x1.clone(), x2.clone()
    z = torch.empty(2, trajectories)
    records, weight = [], 0.0

    def record() -> None:
        observed = (risk(x1, x2), x1 * x1 + x2 * x2, risk(a1, a2))
        records.append([torch.stack(torch.var_mean(values)[::-1]) for values in observed])

    for t in range(STEPS):
        if t % every == 0:
            record()
        eta = learning_rate(t)
        weight += eta
        a1.lerp_(x1, eta / weight)
        a2.lerp_(x2, eta / weight)
        z.normal_()
        x1.mul_(1 - 2 * eta).sub_(z[0], alpha=eta)
        x2.mul_(1 - 4 * eta).sub_(z[1], alpha=eta)
    record()
    return torch.stack(records[-1]).numpy()
