"""Exact moments of the diffusions that SGD approaches: published numbers, other routes, what is refused."""

import numpy as np
import pytest
from scipy.integrate import quad_vec
from scipy.linalg import expm

import jaxsgd as js
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.theory import diffusion

UNIT = js.oracles.AdditiveNoise(js.problems.Quadratic([1.0]), js.noise.Gaussian(1.0))


def up_to_one(updates, **changes):
    given = {"oracle": UNIT, "schedule": js.schedules.constant(1 / updates), "steps": updates, "x0": [1.0]}
    return js.Study(**(given | changes))


def error(updates, order):
    """E R of the diffusion minus that of SGD, whose second moment is a recursion."""
    second = 1.0
    for _ in range(updates):
        second = (1 - 1 / updates) ** 2 * second + 1 / updates**2
    return float(diffusion(up_to_one(updates), order).risk_mean[-1]) - second / 2


def test_reference_numbers_and_orders():
    assert abs(error(10, 1) - 0.005379528) < 5e-10
    assert abs(error(10, 2) + 0.001782622) < 5e-10
    for order in (1, 2):  # halving the step halves the first error and quarters the second, more and more exactly
        exponents = [np.log2(error(N, order) / error(2 * N, order)) for N in (10, 80, 640)]
        assert abs(exponents[-1] - order) < 0.005
        assert abs(exponents[-1] - order) < abs(exponents[1] - order) < abs(exponents[0] - order)
    assert error(10, 1) > 3 * abs(error(10, 2))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("full", [True, False])
def test_moments_in_several_coordinates(order, full):
    """E X = exp(-B s) x_0 and Cov X = eta int exp(-B u) C exp(-B u)' du, by matrix exponentials and quadrature."""
    random = np.random.default_rng(3)
    root, other = random.normal(size=(2, 3, 3))
    A, C = root @ root.T / 3, other @ other.T
    if not full:
        A, C = np.diag(np.diag(A)), np.diag(np.diag(C))
    given = (A, C) if full else (np.diag(A), C)
    eta, x0, x_star = 0.1, random.normal(size=3), random.normal(size=3)
    oracle = js.oracles.AdditiveNoise(js.problems.Quadratic(given[0], x_star), js.noise.Gaussian(covariance=C))
    study = js.Study(
        oracle=oracle, schedule=js.schedules.constant(eta), steps=12, x0=x0, record=js.record.at([0, 5, 12])
    )
    found = diffusion(study, order)
    B = A if order == 1 else A + eta / 2 * A @ A
    np.testing.assert_allclose(found.time, [0.0, 0.5, 1.2], rtol=1e-14)
    for i, s in enumerate((0.0, 0.5, 1.2)):
        mean = x_star + expm(-B * s) @ (x0 - x_star)
        V = eta * quad_vec(lambda u: expm(-B * u) @ C @ expm(-B * u).T, 0, s, epsabs=1e-12)[0]
        np.testing.assert_allclose(found.x_mean[i], mean, atol=1e-10)
        np.testing.assert_allclose(found.x_covariance[i], V, atol=1e-9)
        e = mean - x_star
        assert abs(float(found.risk_mean[i]) - (e @ A @ e + np.trace(A @ V)) / 2) < 1e-9
        spread = np.trace(A @ V @ A @ V) / 2 + e @ A @ V @ A @ e
        assert abs(float(found.risk_variance[i]) - spread) < 1e-9


def test_flat_directions_diffuse_and_starts_have_a_spread():
    flat = js.oracles.AdditiveNoise(js.problems.Quadratic([0.0, 1.0]), js.noise.Gaussian(2.0))
    study = up_to_one(10, oracle=flat, x0=js.start.Normal([1.0, 1.0], 0.5))
    V = diffusion(study, 2).x_covariance[-1].values
    assert abs(V[0, 0] - (0.25 + 0.1 * 4)) < 1e-12
    b = 1.05
    assert abs(V[1, 1] - (0.25 * np.exp(-2 * b) + 0.4 * (1 - np.exp(-2 * b)) / (2 * b))) < 1e-12


REFUSED = {
    "one constant positive learning rate": up_to_one(10, schedule=js.schedules.inverse_time(0.1, 0.1)),
    "does not state that it is plain SGD": up_to_one(10, method=js.methods.HeavyBall(0.5)),
    "a quadratic with additive noise": up_to_one(
        10, oracle=js.oracles.AdditiveNoise(js.problems.DoubleWell(), js.noise.Gaussian(1.0))
    ),
    "its tail index is 1.5, and variances need one above 2": up_to_one(
        10, oracle=js.oracles.AdditiveNoise(UNIT.problem, js.noise.StudentT(1.5))
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_refused(reason):
    with pytest.raises(NoExactSolution, match=reason):
        diffusion(REFUSED[reason])


def test_bad_input():
    with pytest.raises(InvalidInput, match="order must be 1 or 2, got 3"):
        diffusion(up_to_one(10), 3)
    with pytest.raises(InvalidType, match=r"needs a jaxsgd\.Study"):
        diffusion(UNIT)  # type: ignore[arg-type]
