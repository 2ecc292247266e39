"""Stationary laws, spectral radii and stability limits of linear methods, against closed forms and long runs."""

import numpy as np
import pytest
from methods_of_ones_own import Delayed, Diagonal, HeavyBall, Lookahead, Nesterov, ScheduleFree, TorchNesterov

from jaxsgd import methods, noise, oracles, problems, record, schedules
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory import exact, spectral_radius, stability_limit, stationary

ONE = oracles.AdditiveNoise(problems.Quadratic([2.0]), noise.Gaussian())
ROTATED = oracles.AdditiveNoise(
    problems.Quadratic([[3.0, 1.0], [1.0, 2.0]], [1.0, -1.0]), noise.Gaussian(covariance=[[1.0, 0.3], [0.3, 0.5]])
)
TWO = problems.Quadratic([2.0, 4.0])


def test_stationary_variances():
    """That of a heavy ball is eta (1 + b) / (h (1 - b) (2 (1 + b) - eta h)), Nesterov's another one."""
    eta, b, h = 0.05, 0.9, 2.0
    expected = eta * (1 + b) / (h * (1 - b) * (2 * (1 + b) - eta * h))
    assert abs(expected - 0.1283783784) < 6e-11
    np.testing.assert_allclose(stationary(ONE, eta, HeavyBall(b)).x_covariance, [[expected]], rtol=1e-12)
    assert abs(float(stationary(ONE, eta, Nesterov(b)).x_covariance[0, 0]) - 0.0676584928) < 6e-11
    np.testing.assert_allclose(
        stationary(ONE, eta, HeavyBall(0.0)).x_covariance, stationary(ONE, eta).x_covariance, rtol=1e-13
    )


@pytest.mark.parametrize("method", [HeavyBall(0.5), Delayed(1), Diagonal(np.array([1.0, 2.0]))])
def test_limit_of_a_long_run(method):
    law = stationary(ROTATED, 0.1, method)
    study = Study(
        oracle=ROTATED,
        method=method,
        schedule=schedules.constant(0.1),
        steps=1000,
        x0=[2.0, 2.0],
        record=record.at([1000]),
    )
    end = exact(study).isel(step=0)
    for name in law.data_vars:
        np.testing.assert_allclose(law[name], end[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("method", "limit"),
    [
        (HeavyBall(0.9), 2 * 1.9 / 4),
        (TorchNesterov(0.9), 2 * 1.9 / (1 + 2 * 0.9) / 4),
        (Delayed(1), 1.0 / 4),
        (Delayed(2), 0.6180339887498949 / 4),
        (Delayed(3), 2 * np.sin(np.pi / 14) / 4),
        (Diagonal(np.array([4.0, 1.0])), 2 * 1.5 / 8),
    ],
)
def test_stability_limits(method, limit):
    np.testing.assert_allclose(stability_limit(TWO, method), limit, rtol=1e-12)
    assert spectral_radius(TWO, 0.99 * limit, method) < 1 < spectral_radius(TWO, 1.01 * limit, method)


def test_spectral_radii():
    """With enough momentum all directions contract by sqrt(b); that of plain SGD is the largest |1 - eta h|."""
    np.testing.assert_allclose(spectral_radius(TWO, 0.1, HeavyBall(0.9)), 0.9**0.5, rtol=1e-13)
    np.testing.assert_allclose(spectral_radius(TWO, 0.45), 0.8, rtol=1e-13)
    np.testing.assert_allclose(spectral_radius(ROTATED, 0.1), 1 - 0.1 * (5 - 5**0.5) / 2, rtol=1e-13)


def test_bad_input():
    with pytest.raises(InvalidInput, match=r"below 0\.25, got 0\.3, with which x_t would not settle"):
        stationary(oracles.AdditiveNoise(TWO, noise.Gaussian()), 0.3, Delayed(1))
    for method in (ScheduleFree(), Lookahead()):
        with pytest.raises(NoExactSolution, match=f"the update of methods.{type(method).__name__} changes with t"):
            stationary(ONE, 0.1, method)
    with pytest.raises(InvalidType, match="method must be one of"):
        stationary(ONE, 0.1, HeavyBall)
    with pytest.raises(NoExactSolution, match="states that it is not linear"):
        stability_limit(TWO, methods.Projected(methods.Ball(1.0)))
    sampled = oracles.ExampleSampling(problems.LeastSquares([[1.0], [2.0]], [0.0, 1.0]))
    with pytest.raises(NoExactSolution, match=r"the noise of oracles\.ExampleSampling depends on x"):
        stability_limit(sampled, HeavyBall(0.5))


def test_flat_directions():
    """Along one without noise a heavy ball stays, at x*; of D A with A = (1, 1)(1, 1)' the limit is 2 / tr(D A)."""
    eta, b, h = 0.1, 0.5, 2.0
    variance = eta * (1 + b) / (h * (1 - b) * (2 * (1 + b) - eta * h))
    for law in (noise.Gaussian(std=[0.0, 1.0]), noise.Gaussian(covariance=[[0.0, 0.0], [0.0, 1.0]])):
        found = stationary(oracles.AdditiveNoise(problems.Quadratic([0.0, h], [3.0, 1.0]), law), eta, HeavyBall(b))
        np.testing.assert_allclose(found.x_covariance, np.diag([0.0, variance]), rtol=1e-12)
        np.testing.assert_allclose(found.x_mean, [3.0, 1.0], rtol=1e-12)
    flat, method = problems.Quadratic([[1.0, 1.0], [1.0, 1.0]]), methods.Preconditioned([1.0, 0.5])
    np.testing.assert_allclose(stability_limit(flat, method), 4 / 3, rtol=1e-12)
    np.testing.assert_allclose(spectral_radius(flat, 0.1, method), 1 - 0.15, rtol=1e-12)
    with pytest.raises(NoExactSolution, match="the curvature has a zero eigenvalue"):
        stationary(oracles.FullGradient(flat), 0.1, method)


@pytest.mark.parametrize("method", [methods.Sgd(), HeavyBall(0.9)])
def test_limits_do_not_depend_on_the_size_of_noise(method):
    scaled = oracles.AdditiveNoise(TWO, noise.Gaussian(), scale=schedules.inverse_time(1.0, 0.1))
    assert stability_limit(scaled, method) == stability_limit(TWO, method)
    assert spectral_radius(scaled, 0.1, method) == spectral_radius(TWO, 0.1, method)
