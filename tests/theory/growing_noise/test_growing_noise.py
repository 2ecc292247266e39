"""Noise that grows with the gradient: second moments, limits and stationary laws.

What is tested works in the eigenbasis of the Hessian; the recursions here take x as it is.
"""

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import averages, methods, noise, oracles, problems, record, schedules, start, theory
from jaxsgd.errors import InvalidInput, NoExactSolution

X_STAR, STD = np.array([1.0, 2.0]), np.array([0.5, 1.2])
CURVATURES = {"diagonal": np.array([2.0, 1.0]), "matrix": np.array([[2.0, 0.7], [0.7, 1.0]])}
ADDED = {"nothing": None, "correlated": noise.Gaussian(covariance=[[1.0, 0.3], [0.3, 0.5]])}
both = pytest.mark.parametrize("curvature", CURVATURES)
each = pytest.mark.parametrize("added", ADDED)


def oracle_of(curvature, added, std=STD):
    problem = problems.Quadratic(CURVATURES[curvature], X_STAR)
    return oracles.AdditiveNoise(problem, noise.Multiplicative(std, ADDED[added]))


def given(curvature, added):
    A, C = CURVATURES[curvature], np.zeros((2, 2)) if added == "nothing" else np.array([[1.0, 0.3], [0.3, 0.5]])
    return (np.diag(A) if A.ndim == 1 else A), C


def spread(A, C, M):
    """E Cov(g | x), of M = E (x - x*)(x - x*)'."""
    return np.diag(STD**2 * np.diag(A @ M @ A)) + C


def study_of(curvature, added, **changes):
    schedule = schedules.polynomial(0.3, 0.1, 0.5)
    about = {"schedule": schedule, "steps": 20, "x0": [2.0, -0.5], "record": record.at([0, 1, 2, 20])} | changes
    return js.Study(**({"oracle": oracle_of(curvature, added)} | about))


@both
@each
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_second_moments_are_those_of_a_recursion(curvature, added, momentum):
    """z = (x - x*, v, average): v+ = momentum v - eta g, x+ = x + v+."""
    method = methods.HeavyBall(momentum) if momentum else methods.Sgd()
    law = start.Normal(mean=[2.0, -0.5], std=[0.6, 0.4])
    study = study_of(curvature, added, method=method, x0=law, averages={"u": averages.Uniform()})
    found, (A, C) = theory.exact(study), given(curvature, added)
    one, zero, e = np.eye(2), np.zeros((2, 2)), np.array([1.0, -2.5])
    M0 = np.outer(e, e) + np.diag([0.36, 0.16])
    Z = np.block([[M0, zero, M0], [zero, zero, zero], [M0, zero, M0]])
    for t in range(21):
        M, average, eta = Z[:2, :2], Z[4:, 4:], study.learning_rates[t]
        if t in study.recorded_steps:
            at, norm = found.sel(step=t), np.trace(A @ M @ A + spread(A, C, M))
            expected = [np.trace(A @ M) / 2, np.trace(M), norm, np.trace(average)]
            names = ["risk", "distance_squared", "gradient_norm_squared", "distance_squared_of_u"]
            np.testing.assert_allclose([at[f"{name}_mean"] for name in names], expected, rtol=1e-12)
        c = 1 / (t + 1)
        K = np.block(
            [
                [one - eta * A, momentum * one, zero],
                [-eta * A, momentum * one, zero],
                [c * one, zero, (1 - c) * one],
            ]
        )
        N = np.vstack([-eta * one, -eta * one, zero])
        Z = K @ Z @ K.T + N @ spread(A, C, M) @ N.T


@both
def test_beyond_the_limit_second_moments_grow_and_below_they_settle(curvature):
    A, C = given(curvature, "correlated")
    oracle = oracle_of(curvature, "correlated")
    limit = theory.stability_limit(oracle)

    def step(eta, M, C):
        K = np.eye(2) - eta * A
        return K @ M @ K.T + eta**2 * spread(A, C, M)

    unit = np.eye(4).reshape(4, 2, 2)
    matrix = np.array([step(limit, X, np.zeros((2, 2))).ravel() for X in unit]).T
    assert np.abs(np.linalg.eigvals(matrix)).max() == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(InvalidInput, match=r"learning_rate must be below .*, from which on the second moment"):
        theory.stationary(oracle, 1.001 * limit)
    M = np.zeros((2, 2))
    for _ in range(500):
        M = step(0.5 * limit, M, C)
    found = theory.stationary(oracle, 0.5 * limit)
    np.testing.assert_allclose(found.x_covariance, M, rtol=1e-10)
    np.testing.assert_allclose(found.risk_mean, np.trace(A @ M) / 2, rtol=1e-12)
    np.testing.assert_allclose(found.gradient_norm_squared_mean, np.trace(A @ M @ A + spread(A, C, M)), rtol=1e-12)
    above = study_of(curvature, "correlated", schedule=schedules.constant(1.1 * limit))
    moments = theory.exact(above)
    assert not moments.mean_square_stable
    assert "standard error that does not show it" in moments.mean_square_reason
    assert "mean_square_stable" not in theory.exact(study_of(curvature, "correlated")).attrs


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_growth_with_momentum_is_the_spectral_radius_of_the_map(curvature, momentum):
    """Of Z = E zz' with z = (x - x*, v), as a Kronecker product; exact says so where it is above 1, and only there."""
    A, _ = given(curvature, "nothing")

    def radius(eta):
        K = np.block([[np.eye(2) - eta * A, momentum * np.eye(2)], [-eta * A, momentum * np.eye(2)]])
        matrix = np.kron(K, K)
        for j in range(2):
            into = np.outer(np.tile(np.eye(2)[j], 2), np.append(A[j], [0, 0]))  # -eta s_j (A e)_j z_j
            matrix += (eta * STD[j]) ** 2 * np.kron(into, into)
        return np.abs(np.linalg.eigvals(matrix)).max()

    flagged = {}
    for eta in (0.3, 0.6, 0.9, 1.2):
        study = study_of(curvature, "correlated", schedule=schedules.constant(eta), method=methods.HeavyBall(momentum))
        attributes = theory.exact(study).attrs
        flagged[eta] = "mean_square_stable" in attributes
        assert flagged[eta] == (radius(eta) > 1)
        if flagged[eta]:
            assert f"by a factor of {radius(eta):.4g} an update" in attributes["mean_square_reason"]
    assert set(flagged.values()) == {True, False}


def test_a_constant_scale_is_that_of_both_parts():
    problem, scaled = problems.Quadratic([2.0, 1.0]), noise.Multiplicative(2 * STD, noise.Gaussian(1.0))
    given = oracles.AdditiveNoise(problem, noise.Multiplicative(STD, noise.Gaussian(0.5)), schedules.constant(2.0))
    study = study_of("diagonal", "nothing", oracle=oracles.AdditiveNoise(problem, scaled))
    expected = theory.exact(study)
    for name, values in theory.exact(study.replace(oracle=given)).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-13)


def test_ten_coordinates_with_momentum_grow_as_the_worst_of_them():
    """The map of their second moments is not made as a matrix."""
    problem = problems.Quadratic(np.linspace(1, 2, 10))
    oracle = oracles.AdditiveNoise(problem, noise.Multiplicative(3.0, noise.Gaussian()))
    study = js.Study(oracle=oracle, schedule=schedules.constant(0.4), steps=3, method=methods.HeavyBall(0.5))
    K = np.array([[1 - 0.8, 0.5], [-0.8, 0.5]])
    into = 0.4 * 3.0 * 2.0 * np.array([[1.0, 0.0], [1.0, 0.0]])
    radius = np.abs(np.linalg.eigvals(np.kron(K, K) + np.kron(into, into))).max()
    assert f"by a factor of {radius:.4g} an update" in theory.exact(study).mean_square_reason


@pytest.mark.parametrize(
    "function", [theory.stability_limit, lambda *given: theory.stationary(given[0], 0.1, given[1])]
)
def test_limits_with_momentum_are_refused_for_the_right_reason(function):
    sampled = oracles.ExampleSampling(problems.LeastSquares([[1.0], [2.0]], [0.0, 1.0]))
    for oracle in (oracle_of("diagonal", "nothing"), sampled):
        with pytest.raises(
            NoExactSolution, match=r"depends on x, .* known for plain SGD only, not for methods.HeavyBall"
        ):
            function(oracle, methods.HeavyBall(0.5))


def test_the_condition_in_one_coordinate():
    """(1 - eta h)^2 + (eta h s)^2 < 1, so that the limit is 2 / (h (1 + s^2)); 2 / h without noise."""
    for s in (0.0, 0.5, 3.0):
        oracle = oracles.AdditiveNoise(problems.Quadratic([4.0]), noise.Multiplicative(s))
        assert theory.stability_limit(oracle) == pytest.approx(2 / (4 * (1 + s**2)), rel=1e-15)


def test_many_steps_are_compiled_and_end_in_the_stationary_law():
    study = study_of("matrix", "correlated", schedule=schedules.constant(0.3), steps=2500, record=record.at([2500]))
    found, settled = theory.exact(study).isel(step=0), theory.stationary(study.oracle, 0.3)
    for name in ("risk_mean", "distance_squared_mean", "gradient_norm_squared_mean", "x_covariance"):
        np.testing.assert_allclose(found[name], settled[name], rtol=1e-10)


def test_directions_without_curvature():
    """Noise that is multiplied vanishes there; along them noise that is added is a random walk."""
    flat = problems.Quadratic([2.0, 0.0])
    settled = theory.stationary(oracles.AdditiveNoise(flat, noise.Multiplicative(0.5, noise.Gaussian([1.0, 0.0]))), 0.1)
    np.testing.assert_allclose(np.diag(settled.x_covariance), [0.01 / (1 - 0.8**2 - 0.01), 0.0], rtol=1e-13)
    with pytest.raises(InvalidInput, match="a random walk"):
        theory.stationary(oracles.AdditiveNoise(flat, noise.Multiplicative(0.5, noise.Gaussian(1.0))), 0.1)
    mixed = problems.Quadratic([[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(InvalidInput, match="there is no one stationary law"):
        theory.stationary(oracles.AdditiveNoise(mixed, noise.Multiplicative(0.5)), 0.1)
    assert theory.stability_limit(oracles.AdditiveNoise(mixed, noise.Multiplicative(0.5))) > 0
    with pytest.raises(NoExactSolution, match="is known up to 20 coordinates, not 21"):
        theory.stability_limit(oracles.AdditiveNoise(problems.Quadratic(np.eye(21) + 1), noise.Multiplicative(0.5)))
