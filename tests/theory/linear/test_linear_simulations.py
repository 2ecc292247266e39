"""Exact moments of linear methods against simulations of the same studies."""

import jax
import numpy as np
import pytest
from methods_of_ones_own import HeavyBall, Nesterov

from jaxsgd import averages, noise, oracles, problems, record, schedules, simulate
from jaxsgd.study import Study
from jaxsgd.theory import exact

pytestmark = pytest.mark.usefixtures("quick_compilation")

N, STEPS = 8192, 20


def study_of(method):
    return Study(
        oracle=oracles.AdditiveNoise(problems.Quadratic([2.0, 4.0]), noise.Gaussian()),
        schedule=schedules.constant(0.05),
        x0=[-5.0, -2.0],
        steps=STEPS,
        method=method,
        averages={"u": averages.Uniform()},
        record=record.at([5, 20]),
    )


def deviations(result, moments, name):
    """z of the means at the recorded steps, by the exact standard error."""
    error = np.sqrt(moments[f"{name}_variance"].values / N)
    return (result[f"{name}_mean"].values - moments[f"{name}_mean"].values) / error


def test_simulations_agree():
    """A mean that is off by 9% of the standard deviation of its observable is seen, at |z| > 5, with probability 0.999.

    The moments of another method of momentum are the negative control.
    """
    study = study_of(HeavyBall(0.7))
    with jax.enable_x64(True):  # else two more programs show what rounding does
        result = simulate(study, N, seed=11, progress=False).dataset
    moments = exact(study)
    names = [name for name in study.built_in if "gradient" not in name]
    for name in names:
        assert np.abs(deviations(result, moments, name)).max() < 5
    other = exact(study.replace(method=Nesterov(0.7)))
    assert np.abs(deviations(result, other, "risk")).min() > 5
