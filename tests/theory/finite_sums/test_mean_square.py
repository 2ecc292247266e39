"""Stationary laws and limits of stability where noise grows with x."""

import itertools

import numpy as np
import pytest

from jaxsgd import methods, oracles, orders, problems, record, schedules
from jaxsgd.errors import InvalidInput, NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory import exact, stability_limit, stationary

ROWS = np.array([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8], [1.5, 0.2], [0.1, 0.9], [-0.4, -0.6]])
TARGETS = np.array([1.0, -0.5, 0.7, 2.0, 0.0, 0.3])
SQUARES = problems.LeastSquares(ROWS, TARGETS)
RIDGE = problems.LeastSquares(ROWS, TARGETS, 0.2)
SIX = [0.1, 0.3, 0.1, 0.2, 0.2, 0.1]


def sampled(problem=SQUARES, order=orders.WithReplacement(), b=1):  # noqa: B008
    return oracles.ExampleSampling(problem, order, b)


def batch_maps(oracle, l2):
    """(probability, H_J) of every batch, with its weights."""
    order, b = oracle.order, oracle.batch
    H = np.einsum("ia,ib->iab", ROWS, ROWS) + l2 * np.eye(2)
    p = order.made if isinstance(order, orders.ImportanceSampling) else np.full(6, 1 / 6)
    if isinstance(order, orders.WithReplacement) and order.distinct:
        every = list(itertools.combinations(range(6), b))
        return [(1 / len(every), H[list(batch)].mean(0)) for batch in every]
    every = itertools.product(range(6), repeat=b)
    return [(np.prod(p[list(J)]), np.mean([H[i] / (6 * p[i]) for i in J], axis=0)) for J in every]


ORACLES = {
    "one": sampled(),
    "two": sampled(b=2),
    "two different": sampled(order=orders.WithReplacement(distinct=True), b=2),
    "importance": sampled(order=orders.ImportanceSampling(SIX)),
    "importance, two": sampled(order=orders.ImportanceSampling(SIX), b=2),
    "ridge": sampled(RIDGE, b=2),
}


def test_growth_with_momentum_is_the_spectral_radius_over_all_examples():
    grown = []
    for eta in (0.2, 0.6, 1.0):
        study = Study(
            oracle=ORACLES["one"],
            schedule=schedules.constant(eta),
            steps=3,
            method=methods.HeavyBall(0.5),
            x0=[1.0, 1.0],
        )
        matrix = 0
        for p, H in batch_maps(study.oracle, 0.0):
            K = np.block([[np.eye(2) - eta * H, np.eye(2) / 2], [-eta * H, np.eye(2) / 2]])
            matrix = matrix + p * np.kron(K, K)
        radius, attributes = np.abs(np.linalg.eigvals(matrix)).max(), exact(study).attrs
        grown.append(radius > 1)
        assert ("mean_square_stable" in attributes) == grown[-1]
        assert not grown[-1] or f"by a factor of {radius:.4g} an update" in attributes["mean_square_reason"]
    assert set(grown) == {True, False}


@pytest.mark.parametrize("name", ORACLES)
def test_limit_is_where_the_spectral_radius_is_one(name):
    """Of E (I - eta H_J) (x) (I - eta H_J), over all batches."""
    oracle = ORACLES[name]
    maps = batch_maps(oracle, float(oracle.problem.l2))

    def radius(eta):
        steps = [(p, np.eye(2) - eta * H) for p, H in maps]
        return np.abs(np.linalg.eigvals(sum(p * np.kron(F, F) for p, F in steps))).max()

    limit = stability_limit(oracle)
    assert abs(radius(limit) - 1) < 1e-12
    assert radius(0.99 * limit) < 1 - 1e-3
    assert radius(1.01 * limit) > 1 + 1e-3
    assert limit < 2 / oracle.problem.smoothness


@pytest.mark.parametrize(("b", "limit"), [(1, 1.18979), (2, 1.69982), (3, 1.98232)])
def test_known_limits(b, limit):
    assert abs(stability_limit(sampled(b=b)) - limit) < 6e-6
    assert abs(stability_limit(oracles.FullGradient(SQUARES)) - 2.94013) < 6e-6


def test_limits_of_gaussian_features():
    """Many Gaussian features: E aa'Maa' = 2M + tr M I, so that the limit is near 2 / (d + 2)."""
    d, n = 14, 200_000
    rows = np.random.default_rng(0).normal(size=(n, d))
    assert abs(stability_limit(sampled(problems.LeastSquares(rows, np.zeros(n)))) * (d + 2) / 2 - 1) < 0.02


def test_limits_without_noise_in_the_hessian():
    common = problems.LeastSquares(np.ones((4, 1)), TARGETS[:4])
    for order in (orders.WithReplacement(), orders.RandomReshuffling(), orders.ShuffleOnce(), orders.Incremental()):
        assert stability_limit(sampled(common, order)) == pytest.approx(2.0, rel=1e-14)
    everything = sampled(order=orders.WithReplacement(distinct=True), b=6)
    assert stability_limit(everything) == pytest.approx(2 / SQUARES.smoothness, rel=1e-12)
    assert stability_limit(sampled(problems.LeastSquares(np.zeros((3, 2)), np.ones(3)))) == np.inf
    with pytest.raises(NoExactSolution, match=r"with orders\.ShuffleOnce and examples of different Hessians"):
        stability_limit(sampled(order=orders.ShuffleOnce()))
    with pytest.raises(NoExactSolution, match=r"of problems\.LeastSquares the limit depends on how examples are drawn"):
        stability_limit(SQUARES)


def test_hessians_that_cancel():
    """Half of the examples curve up and half down: no learning rate is stable, though R is constant."""
    problem = problems.FiniteSum(lambda x, h: h * x**2 / 2, [1.0, -1.0], start=0.0)
    assert stability_limit(sampled(problem)) == 0.0
    study = Study(oracle=sampled(problem), schedule=schedules.constant(0.1), steps=50, x0=1.0, record=record.at([50]))
    moments = exact(study)
    np.testing.assert_allclose(moments.x_covariance[0, 0, 0] + 1, 1.01**50, rtol=1e-12)
    assert moments.attrs["mean_square_stable"] is False


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_stationary_law_stays(name, share):
    """It is the limit of the recursion, which is tested by enumeration."""
    oracle = ORACLES[name]
    eta = share * stability_limit(oracle)
    law = stationary(oracle, eta)
    study = Study(oracle=oracle, schedule=schedules.constant(eta), steps=2000, x0=[1.0, 1.0], record=record.at([2000]))
    end = exact(study).isel(step=0)
    assert set(law.data_vars) == set(end.data_vars) - {"learning_rate"}
    for variable in law.data_vars:
        np.testing.assert_allclose(law[variable], end[variable], rtol=1e-9, atol=1e-12)


def test_many_coordinates_by_iteration():
    """45 coordinates, by conjugate gradients; two blocks that do not touch have the law of each."""
    rng = np.random.default_rng(1)
    small, y = rng.normal(size=(90, 3)), rng.normal(size=90)
    rows = np.zeros((90 * 15, 45))
    for block in range(15):
        rows[90 * block : 90 * (block + 1), 3 * block : 3 * (block + 1)] = small
    one, many = problems.LeastSquares(small, y), problems.LeastSquares(rows, np.tile(y, 15))
    # An example of one block is drawn once in 15 updates.
    lazy = problems.LeastSquares(np.vstack([small, np.zeros((90 * 14, 3))]), np.append(y, np.zeros(90 * 14)))
    law, expected = stationary(sampled(many), 0.1), stationary(sampled(lazy), 0.1)
    assert stability_limit(sampled(many)) == pytest.approx(stability_limit(sampled(one)), rel=1e-10)
    np.testing.assert_allclose(law.x_covariance[:3, :3], expected.x_covariance, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(law.distance_squared_mean, 15 * expected.distance_squared_mean, rtol=1e-8)


def test_no_stationary_law():
    limit = stability_limit(sampled())
    for eta in (limit, 1.5):
        with pytest.raises(
            InvalidInput, match=r"below 1\.18979, .* got .*; 2 / lambda_max = 2\.94013 is the limit for"
        ):
            stationary(sampled(), eta)
    with pytest.raises(NoExactSolution, match="depends on its place in the epoch"):
        stationary(sampled(order=orders.RandomReshuffling()), 0.1)
    walk = problems.FiniteSum(lambda x, a: x[0] ** 2 / 2 + a * x[1], [1.0, -1.0], start=np.zeros(2), convex=True)
    with pytest.raises(InvalidInput, match="a random walk there"):
        stationary(sampled(walk), 0.1)
    with pytest.raises(NoExactSolution, match="does not know its parameters"):
        stationary(sampled(problems.FiniteSum(lambda x, a: (x - a) ** 2, [1.0, 2.0])), 0.1)


def test_directions_without_curvature_stay():
    rows = np.outer([1.0, -0.5, 2.0], [0.6, 0.8])
    law = stationary(sampled(problems.LeastSquares(rows, TARGETS[:3])), 0.2)
    line = stationary(sampled(problems.LeastSquares(rows @ [[0.6], [0.8]], TARGETS[:3])), 0.2)
    np.testing.assert_allclose(law.risk_mean, line.risk_mean, rtol=1e-12)
    np.testing.assert_allclose(
        law.x_covariance, np.outer([0.6, 0.8], [0.6, 0.8]) * line.x_covariance.values, atol=1e-14
    )


@pytest.mark.parametrize(("rate", "stable"), [(1.18, True), (1.2, False), (3.0, False)])
def test_exact_says_where_second_moments_grow(rate, stable):
    """Between 1.19 and 2.94 the mean still settles."""
    study = Study(oracle=sampled(), schedule=schedules.constant(rate), steps=400, record=record.at([300, 400]))
    moments = exact(study)
    assert moments.attrs.get("mean_square_stable", True) is stable
    assert ("not below 1.18979" in moments.attrs.get("mean_square_reason", "")) is not stable
    growth = float(moments.distance_squared_mean[1] / moments.distance_squared_mean[0])
    assert growth < 1.1 if stable else growth > 1.5
    settled = np.abs(moments.x_mean[1] - SQUARES.minimiser).max() < 1e-6
    assert settled == (rate < 2.9)
