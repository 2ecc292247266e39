"""Finite sums where numbers are too large for float64, or cancel."""

from fractions import Fraction

import numpy as np
import pytest

from jaxsgd import averages, oracles, orders, problems, record, schedules
from jaxsgd.study import Study
from jaxsgd.theory import exact

ROWS = np.array([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8], [1.5, 0.2]])
TARGETS = np.array([1.0, -0.5, 0.7, 2.0])
SQUARES = problems.LeastSquares(ROWS, TARGETS)


def sampled(problem, order):
    return oracles.ExampleSampling(problem, order)


@pytest.mark.parametrize("order", [orders.WithReplacement(), orders.RandomReshuffling(), orders.ShuffleOnce()])
@pytest.mark.parametrize("problem", [SQUARES, problems.LeastSquares(np.ones((4, 1)), TARGETS)])
def test_overflow_is_infinite(order, problem):
    if isinstance(order, orders.ShuffleOnce) and problem is SQUARES:
        order = orders.Incremental()
    kept = {"u": averages.Uniform(), "suffix": averages.Suffix(0.1)}
    study = Study(
        oracle=sampled(problem, order),
        schedule=schedules.constant(30.0),
        steps=1000,
        averages=kept,
        record=record.every(100),
    )
    moments = exact(study)
    for name in study.built_in:
        assert moments[f"{name}_mean"][-1] == np.inf
        assert np.isfinite(moments[f"{name}_mean"][0])
    assert np.isnan(moments.risk_of_suffix_mean[5])


def second_moment(order, curvatures, gradients, rates, start):
    """E ebar^2 of the uniform average after the last step, for two examples in one dimension, in rational numbers."""

    def step(Z, t, i):
        """F Z F' for (e, ebar, 1)."""
        eta, c = rates[t], Fraction(1, t + 1)
        F = [[1 - eta * curvatures[i], 0, -eta * gradients[i]], [c, 1 - c, 0], [0, 0, 1]]
        half = [[sum(F[a][k] * Z[k][b] for k in range(3)) for b in range(3)] for a in range(3)]
        return [[sum(half[a][k] * F[b][k] for k in range(3)) for b in range(3)] for a in range(3)]

    def mean(one, other):
        return [[(a + b) / 2 for a, b in zip(*rows, strict=True)] for rows in zip(one, other, strict=True)]

    z = [start, start, Fraction(1)]
    Z = [[a * b for b in z] for a in z]
    if isinstance(order, orders.WithReplacement):
        for t in range(len(rates)):
            Z = mean(step(Z, t, 0), step(Z, t, 1))
        return Z[1][1]
    if isinstance(order, orders.RandomReshuffling):
        for t in range(0, len(rates), 2):
            Z = mean(step(step(Z, t, 0), t + 1, 1), step(step(Z, t, 1), t + 1, 0))
        return Z[1][1]
    paths = []
    for first in (0, 1):
        paths.append(Z)
        for t in range(len(rates)):
            paths[-1] = step(paths[-1], t, (first + t) % 2)
    return (mean(*paths) if isinstance(order, orders.ShuffleOnce) else paths[0])[1][1]


@pytest.mark.parametrize(
    "order", [orders.WithReplacement(), orders.RandomReshuffling(), orders.ShuffleOnce(), orders.Incremental()]
)
@pytest.mark.parametrize("second", [2.0, 2 + 2.0**-30])
def test_averages_of_which_rounding_leaves_nothing_are_not_known(order, second):
    """What is given has six digits at least; where iterates grow much before they return, nothing is given.

    With a second feature that differs in the tenth digit other routes are taken than with equal ones.
    """
    steps, features, known = 50, [2.0, second], []
    # The minimiser is 0 exactly: a_1 y_1 + a_2 y_2 = 0.
    targets = [second, -2.0]
    problem = problems.LeastSquares(np.array(features)[:, None], targets)
    curvatures = [Fraction(a) ** 2 for a in features]
    gradients = [-Fraction(a) * Fraction(y) for a, y in zip(features, targets, strict=True)]
    for initial in (0.4, 0.8, 1.0, 1.1, 1.2, 1.3):
        study = Study(
            oracle=sampled(problem, order),
            schedule=schedules.linear_decay(initial, steps),
            steps=steps,
            x0=[3.0],
            averages={"u": averages.Uniform()},
            record=record.at([steps]),
        )
        found = float(exact(study).distance_squared_of_u_mean[0])
        rates = [Fraction(rate) for rate in study.learning_rates[:steps].tolist()]
        expected = float(second_moment(order, curvatures, gradients, rates, Fraction(3)))
        known.append(not np.isnan(found))
        if known[-1]:
            np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert known[0]
    assert not all(known)
