"""Bounds of the squared distance where examples are sampled, against the mean over every order that can be drawn."""

import itertools

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import averages, oracles, orders, problems, schedules
from jaxsgd.errors import InvalidInput
from jaxsgd.study import Study
from jaxsgd.theory.bounds import PermutationsConvex, PermutationsStronglyConvex, SamplingWithReplacement

WR, WR_DISTINCT = orders.WithReplacement(), orders.WithReplacement(distinct=True)
RR, SO = orders.RandomReshuffling(), orders.ShuffleOnce()
MEAN5 = problems.LeastSquares(np.ones((5, 1)), [-2.0, -0.5, 0.3, 1.2, 3.0])
SIX = problems.LeastSquares(
    [[1, 0.5], [0.3, -1.2], [-0.7, 0.8], [1.5, 0.2], [0.1, 0.9], [-0.4, -0.6]], [1.0, -0.5, 0.7, 2.0, 0.0, 0.3]
)


def study_of(problem, order, rates, steps, x0, batch=1, **changes):
    rates = schedules.constant(rates) if np.ndim(rates) == 0 else schedules.table(rates)
    oracle = oracles.ExampleSampling(problem, order, batch)
    return Study(oracle=oracle, schedule=rates, steps=steps, x0=x0, **changes)


def batches_of(order, n, b, steps):
    """Every equally likely sequence of batches (sequences, steps, b)."""
    m = n // b
    if isinstance(order, orders.WithReplacement):
        one = list(itertools.permutations(range(n), b) if order.distinct else itertools.product(range(n), repeat=b))
        return np.array(list(itertools.product(one, repeat=steps)))
    epochs, one = steps // m, list(itertools.permutations(range(n)))
    fresh = isinstance(order, orders.RandomReshuffling)
    chosen = itertools.product(one, repeat=epochs) if fresh else ((deck,) * epochs for deck in one)
    return np.array(list(chosen)).reshape(-1, steps, b)


def distance_by_enumeration(study):
    """E||x_T - x*||^2, from the definition of SGD on least squares or logistic regression."""
    problem, oracle = study.oracle.problem, study.oracle
    A, l2 = problem.features, float(problem.l2)
    batches = batches_of(oracle.order, problem.examples, oracle.batch, study.steps)
    x = np.tile(study.x0, (len(batches), 1))
    for t in range(study.steps):
        rows = A[batches[:, t]]
        z = np.einsum("sbd,sd->sb", rows, x)
        if isinstance(problem, problems.LeastSquares):
            slopes = z - problem.targets[batches[:, t]]
        else:
            y = problem.labels[batches[:, t]]
            slopes = -y / (1 + np.exp(y * z))
        x = x - study.learning_rates[t] * (np.mean(slopes[..., None] * rows, axis=1) + l2 * x)
    return np.mean(np.sum((x - problem.minimiser) ** 2, axis=1))


def problem_of(seed, n, d):
    random = np.random.default_rng(seed)
    A, l2 = random.normal(size=(n, d)), [0.0, 0.1, 1.0][seed % 3]
    if seed % 2:
        labels = np.sign(random.normal(size=n))
        labels[:2] = 1, -1
        return problems.LogisticRegression(2 * A, labels, l2=l2 or 0.3)
    return problems.LeastSquares(A, random.normal(size=n), l2=l2)


def ratio(bound, study):
    assert not bound.reasons(study)
    return distance_by_enumeration(study) / bound.value(study, 0.0)


@pytest.mark.parametrize(
    ("order", "n", "b", "T"), [(WR, 3, 1, 6), (WR, 3, 2, 3), (WR_DISTINCT, 4, 2, 3), (WR, 2, 1, 9)]
)
def test_no_distance_exceeds_the_bound_with_replacement(order, n, b, T):
    largest = 0.0
    for seed in range(30):
        problem, random = problem_of(seed, n, 1 + seed % 2), np.random.default_rng(seed)
        start = problem.minimiser + random.choice([0.0, 1.0]) * random.normal(size=problem.features.shape[1])
        rates = random.uniform(0, 1, T) * random.choice([0.1, 1.0]) / problem.example_smoothness
        largest = max(largest, ratio(SamplingWithReplacement(), study_of(problem, order, rates, T, start, b)))
    assert 0.8 < largest <= 1 + 1e-12


@pytest.mark.parametrize(("order", "n", "b", "epochs"), [(RR, 4, 1, 2), (SO, 4, 1, 3), (RR, 4, 2, 2), (SO, 5, 1, 1)])
def test_no_distance_exceeds_the_bounds_of_permutations(order, n, b, epochs):
    largest = np.zeros(2)
    bounds = PermutationsStronglyConvex(), PermutationsConvex()
    for seed in range(30):
        problem, random = problem_of(seed, n, 1 + seed % 2), np.random.default_rng(seed)
        start = problem.minimiser + random.choice([0.0, 1.0]) * random.normal(size=problem.features.shape[1])
        size = random.uniform(0.2, 1, epochs) / problem.example_smoothness
        for i, limit in enumerate((1.0, (np.sqrt(5) - 1) / 2 / (n // b))):
            rates = np.repeat(limit * size, n // b)
            study = study_of(problem, order, rates, len(rates), start, b)
            largest[i] = max(largest[i], ratio(bounds[i], study))
    assert np.all(largest <= 1 + 1e-12)
    # The cases come close, so that a bound that was a little too small would be found out.
    assert np.all(largest > [0.5, 0.3])


@pytest.mark.parametrize(
    ("bound", "order", "share"),
    [(SamplingWithReplacement(), WR, 2.5), (PermutationsStronglyConvex(), RR, 2.5), (PermutationsConvex(), RR, 3.0)],
)
def test_larger_learning_rates_break_the_bound(bound, order, share):
    """A negative control: above its limit the theorem is false, and is refused."""
    violated = 0
    for seed in range(30):
        problem = problem_of(2 * seed, 4, 2)
        _, axes = np.linalg.eigh(problem.features.T @ problem.features)
        rate = share / problem.example_smoothness
        study = study_of(problem, order, rate, 4, problem.minimiser + 2 * axes[:, -1])
        (reason,) = bound.reasons(study)
        assert reason.startswith("eta_t <= ")
        claimed = bound.coefficients(study).distance * 4 + bound.constant(study)
        violated += distance_by_enumeration(study) > claimed
    assert violated > 0


def test_numbers_of_the_literature():
    """The forms with one learning rate and known constants; ours are sharper where the theorem lets them be."""
    study = study_of(MEAN5, RR, 0.1, 50, [2.0])
    noise, r2 = np.var(MEAN5.targets), (2 - MEAN5.targets.mean()) ** 2
    shuffling = 0.1 / 2 * noise * max(i * (5 - i) / 4 for i in range(5))  # sigma_shuffle^2, exact where h is common
    assert abs((0.9**50 * r2 + 2 * 0.1 * shuffling) / 0.0551337 - 1) < 2e-6
    published = 0.9**50 * r2 + 0.1**2 * 1 * 5 * noise / 2
    (one,) = [one for one in js.theory.bounds(study).applicable if one.bound.name == "permutations_strongly_convex"]
    value, error = one.values["a priori"]
    assert abs(one.gap / 0.0040408560 - 1) < 1e-8
    assert 0.5 * published < value < 0.0551337 < published
    assert error == 0
    assert (
        js.theory.bounds(study.replace(oracle=oracles.ExampleSampling(MEAN5, SO)))[one.bound.name].values == one.values
    )
    with_replacement = study_of(SIX, WR, 0.2, 200, [0.0, 0.0])
    one = js.theory.bounds(with_replacement)["sampling_with_replacement"]
    assert abs(one.values["a priori"].value / 0.290882 - 1) < 2e-6
    assert abs(one.gap / 0.0850657 - 1) < 1e-6
    mu, L, sigma = SIX.strong_convexity, SIX.example_smoothness, SIX.gradient_noise
    limit = 0.2 * sigma / (mu * (1 - 0.2 * L))
    assert abs(SamplingWithReplacement().value(with_replacement.replace(steps=10**4), 0.0) / limit - 1) < 1e-12


def test_noise_of_one_epoch():
    """b = 1: 1/3 eta^3 L_max n (n + 1) sigma_*^2, added in each epoch."""
    study = study_of(SIX, RR, 0.01, 6, SIX.minimiser)
    expected = 0.01**3 * SIX.example_smoothness * 6 * 7 / 3 * SIX.gradient_noise
    assert abs(PermutationsConvex().value(study, 0.0) / expected - 1) < 1e-12


def test_whole_batches_have_no_noise():
    for bound, order in ((SamplingWithReplacement(), WR_DISTINCT), (PermutationsConvex(), RR)):
        study = study_of(SIX, order, 0.2, 50, [0.0, 0.0], batch=6)
        assert bound.constant(study) == 0
        assert bound.value(study, 0.0) < 0.01 * np.sum(SIX.minimiser**2)


ADDITIVE = oracles.AdditiveNoise(problems.Quadratic([1.0]), js.noise.Gaussian(1.0))


def test_what_the_theorems_assume():
    study = study_of(SIX, RR, 0.04, 12, [0.0, 0.0])
    for bound in (PermutationsConvex(), PermutationsStronglyConvex()):
        assert all(one.holds for one in bound.assumptions(study))
        for changes, reason in (
            ({"steps": 13}, "T = 13 is not a multiple of 6"),
            ({"oracle": oracles.ExampleSampling(SIX, RR, 5)}, "b = 5 does not divide n = 6"),
            ({"schedule": schedules.inverse_time(0.04, 1.0)}, "eta_t changes within epoch 0"),
            ({"schedule": schedules.constant(1.0)}, "the largest eta_t is 1, and "),
            (
                {"method": js.methods.Projected(js.methods.Ball(9.0))},
                "methods.Projected does not state that",
            ),
            ({"oracle": oracles.ExampleSampling(SIX, WR)}, "the order is orders.WithReplacement"),
            ({"oracle": oracles.ExampleSampling(SIX, orders.Incremental())}, "the order is orders.Incremental"),
            ({"oracle": ADDITIVE, "x0": [1.0]}, "the oracle is oracles.AdditiveNoise"),
        ):
            (found,) = bound.reasons(study.replace(**changes))
            assert reason in found
            with pytest.raises(InvalidInput, match="does not apply"):
                bound.value(study.replace(**changes), 0.0)
        assert bound.quantity == "distance_squared"
        assert bound.point(study) is None
    drawn = study_of(SIX, WR, 0.04, 12, [0.0, 0.0], averages={"u": averages.Uniform()})
    assert not SamplingWithReplacement().reasons(drawn)
    assert not SamplingWithReplacement().reasons(drawn.replace(method=js.methods.Projected(js.methods.Ball(9.0))))
    (reason,) = SamplingWithReplacement().reasons(drawn.replace(method=js.methods.Projected(js.methods.Ball(0.1))))
    assert "x* not in it" in reason
    (reason,) = SamplingWithReplacement().reasons(study)
    assert "the order is orders.RandomReshuffling" in reason


def test_constants_that_are_not_stated():
    def loss(x, a):
        return (x - a) ** 2 / 2

    unknown = problems.FiniteSum(loss, [1.0, 2.0, 6.0], start=0.0)
    reasons = PermutationsConvex().reasons(study_of(unknown, RR, 0.05, 6, 0.0))
    assert [text.split(": ")[1] for text in reasons[:3]] == [
        "the problem does not state example_strong_convexity",
        "the problem does not state example_smoothness",
        "the problem does not state its minimiser",
    ]
    stated = problems.FiniteSum(loss, [1.0, 2.0, 6.0], start=0.0, example_strong_convexity=1.0, example_smoothness=1.0)
    assert stated.convex
    same = problems.LeastSquares(np.ones((3, 1)), [1.0, 2.0, 6.0])
    for bound, order in (
        (PermutationsConvex(), RR),
        (PermutationsStronglyConvex(), SO),
        (SamplingWithReplacement(), WR),
    ):
        value = bound.value(study_of(stated, order, 0.05, 6, 0.0), 0.0)
        assert value == pytest.approx(bound.value(study_of(same, order, 0.05, 6, [0.0]), 0.0), rel=1e-9)
    with pytest.raises(InvalidInput, match="contradicts example_strong_convexity"):
        problems.FiniteSum(loss, [1.0], convex=False, example_strong_convexity=0.0)
