"""The probability that an update leads away from the minimiser, against integration by other means."""

import numpy as np
import pytest
from scipy import stats

import jaxsgd as js
from jaxsgd.theory.growth_of_distance import growth_probability


def test_one_dimension_in_closed_form():
    """From x_0 = 1 with h = 1: |1 - eta - eta xi| > 1 is xi < -1 or xi > (2 - eta) / eta."""
    study = js.Study(
        oracle=js.oracles.AdditiveNoise(js.problems.Quadratic([1.0]), js.noise.Gaussian(std=2.0)),
        schedule=js.schedules.constant(0.5),
        x0=[1.0],
        steps=3,
    )
    expected = stats.norm.cdf(-1 / 2) + stats.norm.sf(3 / 2)
    assert growth_probability(study, 0) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("rotated", [False, True])
def test_two_dimensions_by_sampling(rotated):
    """10^6 points of the exact joint law of (x_s, xi), drawn with NumPy: within five standard errors, 0.0025."""
    curvature, covariance = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([[1.0, 0.3], [0.3, 0.5]])
    if not rotated:
        curvature, covariance = np.diag([2.0, 4.0]), np.eye(2)
    study = js.chapter.study("polynomial").replace(
        oracle=js.oracles.AdditiveNoise(js.problems.Quadratic(curvature), js.noise.Gaussian(covariance=covariance))
    )
    rng, moments = np.random.default_rng(0), js.theory.exact(study)
    for step in (8, 30):
        mean, V = moments.x_mean.sel(step=step).values, moments.x_covariance.sel(step=step).values
        x = rng.multivariate_normal(mean, V, size=10**6)
        noise = rng.multivariate_normal([0, 0], covariance, size=10**6)
        after = x - study.learning_rates[step] * (x @ curvature + noise)
        share = np.mean((after**2).sum(1) > (x**2).sum(1))
        assert abs(growth_probability(study, step) - share) < 5 * np.sqrt(share * (1 - share) / 10**6)


def test_without_noise_it_is_certain():
    study = js.chapter.study("constant")
    descent = study.replace(oracle=js.oracles.FullGradient(study.oracle.problem))
    assert growth_probability(descent, 5) == 0
    away = descent.replace(schedule=js.schedules.constant(1.5), steps=5)
    assert growth_probability(away, 3) == 1


def test_far_from_the_minimiser_it_is_certain_too():
    """Half of a distance of 1e4 goes with noise of 0.001: the integrand would have 10^7 periods, and gave 0.78."""
    oracle = js.oracles.AdditiveNoise(js.problems.Quadratic([2.0, 4.0]), js.noise.Gaussian(std=0.01))
    study = js.Study(oracle=oracle, schedule=js.schedules.constant(0.1), x0=[1e4, 3e3], steps=3)
    assert growth_probability(study, 0) == 0
    assert growth_probability(study.replace(schedule=js.schedules.constant(1.1)), 0) == 1


@pytest.mark.parametrize("step", [50, -1])
def test_bad_step(step):
    with pytest.raises(js.errors.InvalidInput, match="step must be"):
        growth_probability(js.chapter.study("constant"), step)
