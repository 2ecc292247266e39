"""Exact moments on finite sums: known numbers, and one way to find them against another."""

import math

import numpy as np
import pytest

from jaxsgd import averages, oracles, orders, problems, record, schedules
from jaxsgd.study import Study
from jaxsgd.theory import exact
from jaxsgd.theory.finite_sums import fresh_batches as with_replacement

ROWS = np.array([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8], [1.5, 0.2], [0.1, 0.9], [-0.4, -0.6]])
TARGETS = np.array([1.0, -0.5, 0.7, 2.0, 0.0, 0.3])
MEAN5 = problems.LeastSquares(np.ones((5, 1)), [-2.0, -0.5, 0.3, 1.2, 3.0])


def line_loss(x, example):
    return example["h"] * x**2 / 2 - example["b"] * x


HETERO6 = problems.FiniteSum(
    line_loss,
    {"h": [0.5, 1.0, 2.0, 0.2, 1.5, 0.8], "b": [1.0, -0.5, 0.7, 0.3, -1.0, 0.4]},
    start=0.0,
    convex=True,
)
SQUARES = problems.LeastSquares(ROWS, TARGETS)
ORDERS = [orders.WithReplacement(), orders.RandomReshuffling(), orders.ShuffleOnce(), orders.Incremental()]


def end(problem, order, rate, steps, x0, b=1):
    study = Study(
        oracle=oracles.ExampleSampling(problem, order, b),
        schedule=schedules.constant(rate) if np.isscalar(rate) else rate,
        steps=steps,
        x0=x0,
        record=record.at([steps]),
    )
    return exact(study).isel(step=0)


@pytest.mark.parametrize(
    ("order", "value"),
    list(zip(ORDERS, [0.1472219832, 0.0040408560, 0.0153398949, 0.0641043903], strict=True)),
)
def test_mean_of_five_numbers(order, value):
    assert abs(end(MEAN5, order, 0.1, 50, [2.0]).distance_squared_mean - value) < 6e-11


@pytest.mark.parametrize(
    ("order", "value", "digits"),
    list(zip(ORDERS, [0.0276341, 0.00115142, 0.00357252, 0.00208815], [6e-8, 6e-9, 6e-9, 6e-9], strict=True)),
)
def test_different_curvatures(order, value, digits):
    moments = end(HETERO6, order, 0.1, 3000, 2.0)
    assert abs(moments.distance_squared_mean - value) < digits
    mean = {"WithReplacement": 0.15, "RandomReshuffling": 0.1427477, "ShuffleOnce": 0.1427477}
    if type(order).__name__ in mean:
        assert abs(moments.x_mean[0] - mean[type(order).__name__]) < 6e-8


@pytest.mark.parametrize(
    ("b", "distinct", "gap"),
    [(1, False, 0.0322600828), (2, False, 0.0155796128), (2, True, 0.0124910951), (3, True, 0.0065380836)],
)
def test_batches_of_least_squares(b, distinct, gap):
    moments = end(SQUARES, orders.WithReplacement(distinct), 0.2, 20, [0.0, 0.0], b)
    assert abs(moments.risk_mean - 0.1980916142 - gap) < 1.5e-10


def test_importance_sampling_of_least_squares():
    L = np.sum(ROWS**2, 1)
    for p, gap in ((np.ones(6) / 6, 0.0269439), (L / L.sum(), 0.0284714), ((L / L.sum() + 1 / 6) / 2, 0.0253258)):
        moments = end(SQUARES, orders.ImportanceSampling(p), 0.2, 200, [0.0, 0.0])
        assert abs(moments.risk_mean - 0.1980916142 - gap) < 6e-8


def tilted_loss(x, sign):
    return x[0] ** 2 / 2 + 200 * x[1] ** 2 / 2 - sign * x[1] / 2


@pytest.mark.parametrize(
    ("order", "value"),
    [(orders.WithReplacement(), 3.25610e-5), (orders.RandomReshuffling(), 3.13738e-5)],
)
def test_ill_conditioned_sum_of_500(order, value):
    """The example of Safran and Shamir (2021), arXiv 2106.06880, after 40 epochs."""
    n, epochs = 500, 40
    problem = problems.FiniteSum(tilted_loss, np.repeat([1.0, -1.0], n // 2), start=np.zeros(2), strong_convexity=1.0)
    moments = end(problem, order, np.log(n * epochs) / (n * epochs), n * epochs, [-0.5, -0.0025])
    assert abs(moments.risk_mean - value) < 6e-11


@pytest.mark.parametrize("order", ORDERS)
def test_running_mean(order):
    moments = end(MEAN5, order, schedules.inverse_time(1.0, 1.0), 50, [2.0])
    variance = np.var([-2.0, -0.5, 0.3, 1.2, 3.0]) / 50 if isinstance(order, orders.WithReplacement) else 0.0
    np.testing.assert_allclose(moments.distance_squared_mean, variance, rtol=1e-12, atol=1e-15)


def test_small_learning_rates_keep_their_digits():
    """eta^3 n^2 s^2 / 24 to leading order, a share 1e-11 of the variance of one gradient."""
    gradients, eta, n = np.arange(10.0), 1e-5, 10
    problem = problems.LeastSquares(np.ones((n, 1)), gradients)
    study = Study(
        oracle=oracles.ExampleSampling(problem, orders.RandomReshuffling()),
        schedule=schedules.constant(eta),
        steps=n,
        x0=[4.5],
        record=record.at([n]),
    )
    k = 1 - eta
    c = [eta * k ** (n - 1 - t) for t in range(n)]
    mean = math.fsum(c) / n
    expected = n / (n - 1) * np.var(gradients) * math.fsum((each - mean) ** 2 for each in c)
    np.testing.assert_allclose(exact(study).distance_squared_mean[0], expected, rtol=1e-9)


@pytest.mark.parametrize("b", [1, 5])
def test_maps_of_epochs_that_come_back(b):
    """A constant learning rate for many epochs takes the map of an epoch; slightly different ones do not."""
    problem, T = problems.LeastSquares(ROWS, TARGETS), (6 if b == 1 else 2) * 8 + 1
    tables = 0.1 * np.ones(T), 0.1 * (1 + 1e-14 * np.arange(T))
    oracle = oracles.ExampleSampling(problem, orders.RandomReshuffling(), b)
    every, none = (
        exact(Study(oracle=oracle, schedule=schedules.table(table), steps=T, record=record.every(1)))
        for table in tables
    )
    for name in every.data_vars:
        np.testing.assert_allclose(every[name], none[name], rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_table_and_sum_over_examples(ridge, monkeypatch):
    """O(d^4) and O(n d^2) a step."""
    rng = np.random.default_rng(0)
    problem = problems.LeastSquares(rng.normal(size=(400, 3)), rng.normal(size=400), ridge)
    oracle = oracles.ExampleSampling(problem, orders.ImportanceSampling(np.arange(1, 401) / 80200), 3)
    study = Study(oracle=oracle, schedule=schedules.constant(0.1), steps=9, averages={"u": averages.Uniform()})
    by_table = exact(study)
    monkeypatch.setattr(with_replacement, "LARGEST_TABLE", 0)
    monkeypatch.setattr(with_replacement, "_table", None)
    by_sum = exact(study)
    for name in by_table.data_vars:
        np.testing.assert_allclose(by_table[name], by_sum[name], rtol=1e-12, atol=1e-13)
    assert any(np.any(by_table[name] != by_sum[name]) for name in ("risk_mean", "gradient_norm_squared_mean"))
