"""What every peer computes: the chapter's quadratic, and whether a peer computed it.

SGD on R(x) = x1^2 + 2 x2^2 from (-5, -2) with N(0, I) gradient noise and eta_t = 0.1 (1 + 0.1 t)^-0.5
for 1000 steps; at every record (step 0, k, 2k, ...) mean and variance over trajectories of R(x_s),
|x_s|^2 and R(xbar_s), xbar_s the average of x_0 .. x_{s-1} with weights eta_t.
"""

import functools
import os
from typing import Any

import numpy as np

from jaxsgd import bench, theory

STEPS = bench.STEPS
LANES = 1024  # numbers of trajectories are multiples of it, as those who work in tiles need
CORES = os.cpu_count() or 1
START = (-5.0, -2.0)
LARGEST_KURTOSIS = 15.0  # of a quadratic form of a Gaussian vector: that of one squared normal


def learning_rate(t: Any) -> Any:
    """eta_t, of a number or of an array of any library."""
    return 0.1 * (1 + 0.1 * t) ** -0.5


def risk(x1: Any, x2: Any) -> Any:
    """R(x)."""
    return x1 * x1 + 2 * x2 * x2


@functools.cache
def exact() -> np.ndarray:
    """Mean and variance of each observable at the last record: (observables, 2)."""
    moments = theory.exact(bench.three_observables(STEPS).study).isel(step=-1)
    return np.array([[float(moments[f"{name}_{kind}"]) for kind in ("mean", "variance")] for name in bench.THREE])


class WrongResult(Exception):
    """A peer's estimate is not what it should be."""


def check(name: str, moments: np.ndarray, trajectories: int) -> None:
    """An error unless a peer's moments (observables, 2) lie within five standard errors of the exact ones.

    The variance has the standard error of the most long-tailed quadratic form. A peer that keeps no
    average has the first two observables only.
    """
    truth = exact()[: len(moments)]
    mean_error = np.sqrt(truth[:, 1] / trajectories)
    variance_error = truth[:, 1] * np.sqrt((LARGEST_KURTOSIS - 1) / trajectories)
    z = (moments - truth) / np.stack([mean_error, variance_error], -1)
    if moments.shape[1:] != (2,) or len(moments) < 2 or not np.all(np.abs(z) < 5):
        raise WrongResult(f"{name}: mean and variance at the last record {moments.tolist()}, exact {truth.tolist()}")
