"""The stationary law against the matrix equation, printed numbers and long runs."""

import numpy as np
import pytest

from jaxsgd import chapter, noise, oracles, problems, record, schedules
from jaxsgd.errors import InvalidInput, NoExactSolution
from jaxsgd.theory import exact, stability_limit, stationary

A = np.array([[3.0, 1.0], [1.0, 2.0]])
S = np.array([[1.0, 0.3], [0.3, 0.5]])
CHAPTER = chapter.study("constant").oracle


def additive(curvature, covariance, minimiser=0.0):
    problem = problems.Quadratic(curvature, minimiser=minimiser)
    return oracles.AdditiveNoise(problem, noise.Gaussian(covariance=covariance))


def test_numbers_of_the_chapter():
    law = stationary(CHAPTER, 0.1)
    assert abs(law.risk_mean - 0.0590277778) < 6e-11
    np.testing.assert_allclose(law.x_covariance, np.diag([1 / 36, 1 / 64]), rtol=1e-14)
    np.testing.assert_allclose(stationary(CHAPTER, 0.4).risk_mean, 2 / 3, rtol=1e-14)
    np.testing.assert_allclose(stationary(CHAPTER, 0.4).distance_squared_mean, 1 / 6 + 1 / 4, rtol=1e-14)


def test_matrix_equation():
    law = stationary(additive(A, S, minimiser=[1.0, -2.0]), 0.1)
    assert abs(law.risk_mean - 0.0444262295) < 6e-11
    V, K = law.x_covariance.values, np.eye(2) - 0.1 * A
    np.testing.assert_allclose(A @ V + V @ A - 0.1 * A @ V @ A, 0.1 * S, atol=1e-15)
    kronecker = np.linalg.solve(np.eye(4) - np.kron(K, K), 0.01 * S.ravel()).reshape(2, 2)
    np.testing.assert_allclose(V, kronecker, rtol=1e-12)
    np.testing.assert_allclose(law.risk_variance, np.trace(A @ V @ A @ V) / 2, rtol=1e-12)
    np.testing.assert_array_equal(law.x_mean, [1.0, -2.0])
    # The equation of continuous time, without eta A V A, has another solution.
    assert np.abs(A @ V + V @ A - 0.1 * S).max() > 0.005


@pytest.mark.parametrize("oracle", [CHAPTER, additive(A, S), additive([2.0, 4.0], S)])
@pytest.mark.parametrize("learning_rate", [0.05, 0.4])
def test_limit_of_a_long_run(oracle, learning_rate):
    study = chapter.study("constant").replace(oracle=oracle, schedule=schedules.constant(learning_rate), averages={})
    end = exact(study.replace(steps=1000, record=record.at([1000]))).isel(step=0)
    law = stationary(oracle, learning_rate)
    for name in law.data_vars:
        np.testing.assert_allclose(law[name], end[name], rtol=1e-10, atol=1e-12)


def test_without_noise_the_law_is_the_minimiser():
    law = stationary(oracles.FullGradient(problems.Quadratic([2.0, 0.0], minimiser=3.0)), 0.5)
    np.testing.assert_array_equal(law.x_mean, [3.0, 3.0])
    np.testing.assert_array_equal(law.x_covariance, np.zeros((2, 2)))


def test_stability_limit():
    assert stability_limit(problems.Quadratic([2.0, 4.0])) == 0.5
    np.testing.assert_allclose(stability_limit(problems.Quadratic(A)), 4 / (5 + 5**0.5), rtol=1e-14)
    assert stability_limit(problems.Quadratic([0.0])) == np.inf
    with pytest.raises(NoExactSolution, match=r"problems\.Function does not state a constant Hessian"):
        stability_limit(problems.Function(lambda x: x**2))


def test_growth_above_the_limit():
    study = chapter.study("constant").replace(
        schedule=schedules.constant(0.55), steps=400, record=record.at([399, 400])
    )
    before, after = exact(study).risk_mean.values
    np.testing.assert_allclose(after / before, (1 - 0.55 * 4) ** 2, rtol=1e-12)


@pytest.mark.parametrize("learning_rate", [0.5, 1.0])
def test_no_law_from_the_limit_on(learning_rate):
    with pytest.raises(InvalidInput, match=r"below 2 / lambda_max = 0\.5"):
        stationary(CHAPTER, learning_rate)
    assert np.isfinite(stationary(CHAPTER, 0.4999).risk_mean)


@pytest.mark.parametrize("learning_rate", [0.0, -0.1, np.nan, np.inf])
def test_bad_learning_rates(learning_rate):
    with pytest.raises(InvalidInput, match="learning_rate"):
        stationary(CHAPTER, learning_rate)


@pytest.mark.parametrize(
    ("curvature", "covariance"),
    [
        ([1.0, 0.0], S),
        ([1.0, -1e-14], S),
        ([0.0, 0.0], S),
        (np.ones((2, 2)), S),
        (np.ones((2, 2)), np.diag([1.0, 0.0])),
    ],
)
def test_noise_along_a_flat_direction_has_no_law(curvature, covariance):
    with pytest.raises(InvalidInput, match="zero eigenvalue"):
        stationary(additive(curvature, covariance), 0.1)


def test_flat_directions_without_noise_stay_at_rest():
    # With S = A = BB' the law lives on the range of B: V = eta (2 I - eta A)^-1 there.
    B = np.vander(np.linspace(-1.0, 1.2, 8), 3) / 2
    curvature = B @ B.T
    law = stationary(additive(curvature, curvature), 0.1)
    onto_range = B @ np.linalg.inv(B.T @ B) @ B.T
    expected = onto_range @ np.linalg.inv(2 * np.eye(8) - 0.1 * curvature) * 0.1
    np.testing.assert_allclose(law.x_covariance, expected, atol=1e-14)


def test_other_oracles_have_no_law():
    problem = problems.Function(lambda x: (x**2).sum(), minimiser=[0.0])
    with pytest.raises(NoExactSolution, match=r"problems\.Function does not state them"):
        stationary(oracles.AdditiveNoise(problem, noise.Gaussian()), 0.1)
