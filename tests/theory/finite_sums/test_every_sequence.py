"""Exact moments on finite sums against every sequence of examples, run one by one."""

import itertools
import math

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsgd import averages, methods, oracles, orders, problems, record, schedules, stated_facts
from jaxsgd.errors import NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory import exact
from jaxsgd.theory.finite_sums import cost_limit

ROWS = np.array([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8], [1.5, 0.2], [0.1, 0.9], [-0.4, -0.6]])
TARGETS = np.array([1.0, -0.5, 0.7, 2.0, 0.0, 0.3])
TEST = np.array([[0.4, -0.3], [1.1, 2.0], [-0.5, 0.6]]), np.array([0.2, 1.0, -2.0])
START = np.array([1.0, -2.0])
SHIFT = np.array([0.3, 0.1])
RATES = np.array([0.3, 0.1, 0.7, 0.2, 0.5, 0.4, 0.15, 0.6, 0.25])
AVERAGES = {
    "eta": (averages.StepSizeWeighted(), lambda s, T: RATES[:s]),
    "suffix": (averages.Suffix(0.5), lambda s, T: (np.arange(s) >= math.ceil(T / 2)).astype(float)),
    "exponential": (averages.Exponential(0.7), lambda s, T: 0.7 ** np.arange(s - 1.0, -1.0, -1.0)),
}


class Quadratics:
    """f_i(x) = x'H_i x / 2 - v_i'x + k_i in plain NumPy."""

    tested = False  # whether the problem has the test data

    def __init__(self, hessians, vectors, constants):
        self.H, self.v, self.k = np.array(hessians), np.array(vectors), np.array(constants)
        self.n = len(self.H)
        self.minimiser = np.linalg.pinv(self.H.mean(0)) @ self.v.mean(0)

    def gradient(self, i, x):
        return self.H[i] @ x - self.v[i]

    def risk(self, x):
        return np.mean([x @ self.H[i] @ x / 2 - self.v[i] @ x + self.k[i] for i in range(self.n)])

    @classmethod
    def of_squares(cls, A, y, l2):
        d = A.shape[1]
        return cls([np.outer(a, a) + l2 * np.eye(d) for a in A], A * y[:, None], y**2 / 2)


def least_squares(n, l2=0.1):
    plain = Quadratics.of_squares(ROWS[:n], TARGETS[:n], l2)
    plain.tested = True
    return problems.LeastSquares(ROWS[:n], TARGETS[:n], l2, TEST), plain


def held_out_risk(x):
    return np.mean((TEST[0] @ x - TEST[1]) ** 2) / 2


def tree_loss(x, example):
    return 0.7 * x["w"][0] ** 2 + 0.3 * x["w"][0] * x["b"] + x["b"] ** 2 - example @ jnp.append(x["w"], x["b"]) + 2.0


def common(n):
    """All Hessians equal, in a pytree whose leaves jax.flatten_util puts in the order b, w."""
    vectors = ROWS[:n] + SHIFT
    problem = problems.FiniteSum(tree_loss, vectors, start={"w": np.zeros(1), "b": 0.0}, convex=True)
    plain = Quadratics([[[2.0, 0.3], [0.3, 1.4]]] * n, vectors[:, ::-1], [2.0] * n)
    return problem, plain


def batches(order, n, b, updates):
    """(probability, [(indices, weights) of each update]) of everything that can be drawn."""
    if isinstance(order, orders.Permutation):
        epoch = order.updates_per_epoch(n, b)
        every = list(itertools.permutations(range(n)))
        if isinstance(order, orders.RandomReshuffling):
            choices = itertools.product(every, repeat=-(-updates // epoch))
        elif isinstance(order, orders.ShuffleOnce):
            choices = ([permutation] * updates for permutation in every)
        else:
            choices = [[range(n)] * updates]
        for choice in choices:
            drawn = [choice[t // epoch][t % epoch * b : (t % epoch + 1) * b] for t in range(updates)]
            yield None, [(batch, np.ones(n)) for batch in drawn]
        return
    p = order.made if isinstance(order, orders.ImportanceSampling) else np.full(n, 1 / n)
    distinct = isinstance(order, orders.WithReplacement) and order.distinct
    one = list(itertools.combinations(range(n), b) if distinct else itertools.product(range(n), repeat=b))
    for choice in itertools.product(one, repeat=updates):
        probability = len(one) ** -updates if distinct else math.prod(p[i] for batch in choice for i in batch)
        yield probability, [(batch, 1 / (n * p)) for batch in choice]


def brute_force(plain, order, b, T):
    """The same numbers as `exact`, at every step, by running everything that can be drawn."""
    total, found = 0.0, {}

    def add(name, s, weight, value):
        found.setdefault(name, [0.0] * (T + 1))
        found[name][s] = found[name][s] + weight * value

    for probability, sequence in batches(order, plain.n, b, T + 1):
        weight = 1.0 if probability is None else probability
        total += weight
        x, path = START, []
        for s, (batch, weights) in enumerate(sequence):
            gradient = np.mean([weights[i] * plain.gradient(i, x) for i in batch], axis=0)
            add("gradient_norm_squared_mean", s, weight, gradient @ gradient)
            points = {"": x}
            for name, (_, weights_at) in AVERAGES.items():
                w = weights_at(s, T)
                if s > 0:
                    points[f"_of_{name}"] = w @ np.array(path) / w.sum() if w.sum() else np.full(2, np.nan)
                else:
                    points[f"_of_{name}"] = x
            for of, point in points.items():
                add(f"risk{of}_mean", s, weight, plain.risk(point))
                add(f"distance_squared{of}_mean", s, weight, np.sum((point - plain.minimiser) ** 2))
            if plain.tested:
                add("held_out_mean", s, weight, held_out_risk(x))
            add("x_mean", s, weight, x)
            add("x_second", s, weight, np.outer(x, x))
            path.append(x)
            x = x - RATES[s] * gradient
    found = {name: np.array(values) / total for name, values in found.items()}
    mean = found["x_mean"]
    found["x_covariance"] = found.pop("x_second") - mean[:, :, None] * mean[:, None, :]
    return found


def study_of(problem, order, b, T, **changes):
    x0 = START if isinstance(problem, problems.LeastSquares) else {"w": START[1:], "b": START[0]}
    arguments = {
        "schedule": schedules.table(RATES[:T]),
        "averages": {name: average for name, (average, _) in AVERAGES.items()},
        "record": record.every(1),
        "x0": x0,
    }
    if getattr(problem, "test", None) is not None:
        arguments["observables"] = {"held_out": problem.test_risk, "other": lambda x: x[0]}
    return Study(oracle=oracles.ExampleSampling(problem, order, b), steps=T, **(arguments | changes))


SQUARES = problems.LeastSquares(ROWS, TARGETS)
ORDERS = [orders.WithReplacement(), orders.RandomReshuffling(), orders.ShuffleOnce(), orders.Incremental()]
P3 = [0.5, 0.2, 0.3]
CASES = {
    "drawn": (least_squares, 3, orders.WithReplacement(), 1, 5),
    "drawn, batch": (least_squares, 3, orders.WithReplacement(), 2, 2),
    "drawn, one Hessian": (common, 3, orders.WithReplacement(), 1, 5),
    "distinct": (least_squares, 4, orders.WithReplacement(distinct=True), 2, 3),
    "distinct, all": (least_squares, 4, orders.WithReplacement(distinct=True), 4, 4),
    "importance": (least_squares, 3, orders.ImportanceSampling(P3), 1, 5),
    "importance, batch": (least_squares, 3, orders.ImportanceSampling(P3), 2, 2),
    "importance, one Hessian": (common, 3, orders.ImportanceSampling(P3), 1, 5),
    "reshuffled": (least_squares, 3, orders.RandomReshuffling(), 1, 8),
    "reshuffled, batch": (least_squares, 3, orders.RandomReshuffling(), 2, 5),
    "reshuffled, larger batch": (least_squares, 5, orders.RandomReshuffling(), 2, 2),
    "reshuffled, left out": (least_squares, 3, orders.RandomReshuffling(drop_last=True), 2, 3),
    "reshuffled, one Hessian": (common, 3, orders.RandomReshuffling(), 1, 8),
    "reshuffled, one Hessian, batch": (common, 4, orders.RandomReshuffling(), 3, 3),
    "reshuffled, one Hessian, larger batch": (common, 5, orders.RandomReshuffling(), 2, 2),
    "reshuffled, one Hessian, left out": (common, 3, orders.RandomReshuffling(drop_last=True), 2, 3),
    "shuffled once": (least_squares, 4, orders.ShuffleOnce(), 1, 8),
    "shuffled once, batch": (least_squares, 5, orders.ShuffleOnce(), 2, 7),
    "shuffled once, left out": (least_squares, 5, orders.ShuffleOnce(drop_last=True), 2, 7),
    "shuffled once, one Hessian": (common, 4, orders.ShuffleOnce(), 1, 8),
    "shuffled once, one Hessian, batch": (common, 5, orders.ShuffleOnce(), 2, 7),
    "shuffled once, one Hessian, left out": (common, 5, orders.ShuffleOnce(drop_last=True), 2, 7),
    "incremental": (least_squares, 5, orders.Incremental(), 2, 8),
    "incremental, left out": (least_squares, 5, orders.Incremental(drop_last=True), 2, 8),
    "incremental, one Hessian": (common, 4, orders.Incremental(), 1, 8),
    "one example": (common, 1, orders.RandomReshuffling(), 1, 3),
}


@pytest.mark.parametrize("case", CASES)
def test_against_every_sequence(case):
    make, n, order, b, T = CASES[case]
    problem, plain = make(n)
    moments, expected = exact(study_of(problem, order, b, T)), brute_force(plain, order, b, T)
    assert set(moments.data_vars) == {*expected, "learning_rate"}
    for name, values in expected.items():
        np.testing.assert_allclose(moments[name], values, rtol=1e-11, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("make", [least_squares, common])
def test_orders_differ(make):
    """What the comparison above would see: values of different orders are far apart, at every late step."""
    problem, _ = make(5)
    every = [
        orders.WithReplacement(),
        orders.RandomReshuffling(),
        orders.ShuffleOnce(),
        orders.Incremental(),
        orders.ImportanceSampling([0.4, 0.1, 0.1, 0.2, 0.2]),
    ]
    found = [exact(study_of(problem, order, 1, 8)) for order in every]
    for name in ("risk_mean", "gradient_norm_squared_mean", "risk_of_eta_mean"):
        for one, other in itertools.combinations(found, 2):
            assert abs(one[name][-1] / other[name][-1] - 1) > 1e-4


def plane_loss(x, example):
    a, y = example
    return (a @ x - y) ** 2 / 2 + 0.05 * x @ x


def test_finite_sum_is_least_squares():
    problem = problems.FiniteSum(plane_loss, (ROWS, TARGETS), start=np.zeros(2), convex=True)
    for order, b in ((orders.WithReplacement(), 2), (orders.RandomReshuffling(), 1), (orders.Incremental(), 4)):
        one = exact(study_of(problem, order, b, 8, x0=START))
        other = exact(study_of(problems.LeastSquares(ROWS, TARGETS, 0.1), order, b, 8))
        for name in other.data_vars:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-12)


def test_minimiser_that_is_not_stated():
    given = problems.FiniteSum(plane_loss, (ROWS, TARGETS), start=np.zeros(2))
    moments = exact(study_of(given, orders.WithReplacement(), 1, 8, x0=START))
    expected = exact(study_of(problems.LeastSquares(ROWS, TARGETS, 0.1), orders.WithReplacement(), 1, 8))
    assert not [name for name in moments.data_vars if "distance" in name]
    for name in moments.data_vars:
        np.testing.assert_allclose(moments[name], expected[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("order", [orders.WithReplacement(), orders.RandomReshuffling(), orders.ShuffleOnce()])
@pytest.mark.parametrize("make", ["squares", "one Hessian"])
def test_distances_are_those_to_the_point_that_is_stated(order, make, monkeypatch):
    """Also where it is none at which the gradient vanishes, which the check of what is stated refuses."""
    monkeypatch.setattr(stated_facts, "check", lambda *_: None)
    if make == "squares":
        plain = Quadratics.of_squares(ROWS[:3], TARGETS[:3], 0.1)
        problem = problems.FiniteSum(plane_loss, (ROWS[:3], TARGETS[:3]), minimiser=np.array([0.5, 1.0]))
        x0, plain.minimiser = START, np.array([0.5, 1.0])
    else:
        _, plain = common(3)
        problem = problems.FiniteSum(tree_loss, ROWS[:3] + SHIFT, minimiser={"b": 0.5, "w": np.ones(1)})
        x0, plain.minimiser = {"w": START[1:], "b": START[0]}, np.array([0.5, 1.0])
    moments, expected = exact(study_of(problem, order, 1, 4, x0=x0)), brute_force(plain, order, 1, 4)
    for name, values in expected.items():
        np.testing.assert_allclose(moments[name], values, rtol=1e-11, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("order", [*ORDERS, orders.ImportanceSampling(P3)])
def test_many_minimisers(order):
    """Three examples in two dimensions whose features are multiples of each other; x* has least norm."""
    A = np.outer([1.0, -0.5, 2.0], [0.6, 0.8])
    plain = Quadratics.of_squares(A, TARGETS[:3], 0.0)
    moments = exact(study_of(problems.LeastSquares(A, TARGETS[:3]), order, 1, 4))
    for name, values in brute_force(plain, order, 1, 4).items():
        np.testing.assert_allclose(moments[name], values, rtol=1e-11, atol=1e-12, err_msg=name)


def test_gradient_descent():
    for problem in (SQUARES, problems.FiniteSum(plane_loss, (ROWS, TARGETS), start=np.zeros(2), convex=True)):
        l2 = 0.0 if problem is SQUARES else 0.1
        plain = Quadratics.of_squares(ROWS, TARGETS, l2)
        study = study_of(problem, orders.WithReplacement(), 1, 8, x0=START)
        moments = exact(study.replace(oracle=oracles.FullGradient(problem)))
        x = START
        for s in range(9):
            gradient = plain.H.mean(0) @ x - plain.v.mean(0)
            np.testing.assert_allclose(moments.risk_mean[s], plain.risk(x), rtol=1e-12)
            np.testing.assert_allclose(moments.x_mean[s], x, rtol=1e-12)
            np.testing.assert_allclose(moments.gradient_norm_squared_mean[s], gradient @ gradient, rtol=1e-11)
            x = x - RATES[s] * gradient
        np.testing.assert_array_equal(moments.x_covariance, 0.0)


def test_studies_without_exact_moments():
    logistic = problems.LogisticRegression(ROWS, TARGETS > 0.2, 0.1)
    kinked = problems.FiniteSum(lambda x, a: jnp.abs(x - a), [1.0, 2.0], start=0.0, minimiser=1.5)
    many = problems.LeastSquares(np.tile(ROWS, (3, 1)), np.tile(TARGETS, 3))
    cases = {
        "and products alone; not those": study_of(logistic, orders.WithReplacement(), 1, 3, x0=START),
        "the loss is not recognised as quadratic": study_of(kinked, orders.WithReplacement(), 1, 3, x0=0.0),
        "at most 16, got 18": study_of(many, orders.RandomReshuffling(), 1, 3),
        r"at most 50000 of them, and there are 10\^15\.8": study_of(many, orders.ShuffleOnce(), 1, 3),
        "methods.Projected does not state that it is plain SGD": study_of(
            SQUARES, orders.WithReplacement(), 1, 3, method=methods.Projected(methods.Ball(10.0))
        ),
    }
    for reason, case in cases.items():
        with pytest.raises(NoExactSolution, match=reason):
            exact(case)


@pytest.mark.parametrize("order", [orders.WithReplacement(), orders.RandomReshuffling(), orders.Incremental()])
@pytest.mark.parametrize("make", [least_squares, common])
def test_studies_that_would_take_minutes(order, make, monkeypatch):
    study = study_of(make(5)[0], order, 1, 8)
    monkeypatch.setattr(cost_limit, "MOST", 100.0)
    with pytest.raises(NoExactSolution, match="would take about"):
        exact(study)
