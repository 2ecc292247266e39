"""The bounds of smooth risks that need not be convex: where they are attained, by enumeration, and what they assume."""

import itertools

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import methods, noise, oracles, orders, problems, schedules, start
from jaxsgd.study import Study
from jaxsgd.theory.bounds import GhadimiLan, PolyakLojasiewicz
from jaxsgd.theory.bounds.gradient_variances import gradient_variances

BOTH = (GhadimiLan(), PolyakLojasiewicz())
WELL = oracles.AdditiveNoise(problems.PolyakLojasiewicz(), noise.Gaussian(1.0))
STUDY = Study(oracle=WELL, schedule=schedules.constant(0.05), steps=50, x0=[4.0])


@pytest.mark.parametrize("seed", range(4))
def test_attained_by_quadratics_of_one_curvature(seed):
    """R = L/2 ||x||^2, where both follow from equalities; moments by their recursion, written out here."""
    random = np.random.default_rng(seed)
    L, d, T = random.uniform(0.5, 4), int(random.integers(1, 4)), int(random.integers(1, 30))
    eta, scale, x0 = random.uniform(0, 2 / L, T), random.uniform(0.2, 2, T + 1), random.normal(size=d)
    std = random.uniform(0.2, 2, d)
    oracle = oracles.AdditiveNoise(problems.Quadratic(np.full(d, L)), noise.Gaussian(std=std), schedules.table(scale))
    study = Study(oracle=oracle, schedule=schedules.table(eta), steps=T, x0=x0)
    squares, s2 = [np.sum(x0**2)], np.sum(std**2) * scale**2
    for t in range(T):
        squares.append((1 - eta[t] * L) ** 2 * squares[-1] + eta[t] ** 2 * s2[t])
    risks = L / 2 * np.array(squares)
    of_value = js.theory.bounds(study)["polyak_lojasiewicz"]
    assert abs(of_value.values["a priori"].value - risks[-1]) < 1e-12 * max(risks)
    assert abs(of_value.gap - risks[-1]) < 1e-12 * max(risks)
    decrease = eta - L * eta**2 / 2
    mean = decrease @ (L**2 * np.array(squares[:-1])) / decrease.sum()
    of_gradients = js.theory.bounds(study)["ghadimi_lan"]
    assert abs(of_gradients.gap - mean) < 1e-10 * mean
    dropped = risks[-1] / decrease.sum()
    assert abs(of_gradients.values["a priori"].value - dropped - mean) < 1e-10 * (mean + dropped)


@pytest.mark.parametrize("seed", range(8))
def test_by_enumeration_of_coin_tosses(seed):
    """Risks that are not convex, noise +-b: every one of 2^10 paths, in NumPy."""
    random, T = np.random.default_rng(seed), 10
    b, x0 = random.choice([0.0, 0.5, 3.0]), random.uniform(-3, 3)
    if seed % 2:
        problem, bounds = problems.PolyakLojasiewicz(), BOTH
        risk, slope = lambda x: x**2 + 3 * np.sin(x) ** 2, lambda x: 2 * x + 3 * np.sin(2 * x)
    else:
        h, a, w = random.uniform(0.2, 2, 3)
        problem, bounds = problems.SeparableCosine(1, h, a, w), BOTH[:1]
        risk, slope = lambda x: h * x**2 / 2 + a * (1 - np.cos(w * x)), lambda x: h * x + a * w * np.sin(w * x)
    eta = random.uniform(0, 2 / problem.smoothness, T)
    study = Study(
        oracle=oracles.AdditiveNoise(problem, noise.Gaussian(b)), schedule=schedules.table(eta), steps=T, x0=[x0]
    )
    x, squares = np.full(2**T, x0), []
    for rate, toss in zip(eta, np.array(list(itertools.product((-1, 1), repeat=T))).T, strict=True):
        squares.append(np.mean(slope(x) ** 2))
        x = x - rate * (slope(x) + b * toss)
    for bound in bounds:
        exact = bound.weights(study) @ squares if bound is BOTH[0] else np.mean(risk(x))
        assert exact <= bound.value(study, 0.0) * (1 + 1e-12)


def test_published_forms_with_one_rate_are_no_smaller():
    problem, eta, T = WELL.problem, 0.05, 50
    mu, L = problem.polyak_lojasiewicz, 8.0
    gap = 16 + 3 * np.sin(4.0) ** 2
    karimi = (1 - mu * eta) ** T * gap + L * eta / (2 * mu)
    assert abs(karimi - 12.54) < 0.005
    assert 0.0156 < BOTH[1].value(STUDY, 0.0) < karimi
    report = js.theory.bounds(STUDY)
    assert abs(report["polyak_lojasiewicz"].gap - 0.0156) < 5e-5
    assert abs(BOTH[0].value(STUDY, 0.0) - (gap + L * eta**2 * T / 2) / (T * (eta - L * eta**2 / 2))) < 1e-12
    assert BOTH[0].value(STUDY, 0.0) < 2 * gap / (eta * T) + L * eta
    assert "<= 9.10913 (a priori)" in repr(report["ghadimi_lan"])


NUMBERS = np.array([1.0, 2.0, 6.0, 3.0])
MEAN = problems.LeastSquares(np.ones((4, 1)), NUMBERS)
VARIANCE = NUMBERS.var()


@pytest.mark.parametrize(
    ("oracle", "variance"),
    [
        (oracles.ExampleSampling(MEAN), VARIANCE),
        (oracles.ExampleSampling(MEAN, batch=3), VARIANCE / 3),
        (oracles.ExampleSampling(MEAN, orders.WithReplacement(distinct=True), 3), VARIANCE / 9),
        (oracles.FullGradient(MEAN), 0.0),
        (oracles.AdditiveNoise(MEAN, noise.Gaussian(2.0), schedules.constant(0.5)), 1.0),
    ],
)
def test_variances_that_are_the_same_everywhere(oracle, variance):
    study = Study(oracle=oracle, schedule=schedules.constant(0.5), steps=8, x0=[0.0])
    np.testing.assert_allclose(gradient_variances(study), np.full(8, variance), atol=1e-14)
    # R = R* + (x - 3)^2 / 2 has one curvature: the bound of the value is attained.
    excess = 4.5
    for _ in range(8):
        excess = 0.25 * excess + 0.125 * variance
    assert abs(PolyakLojasiewicz().value(study, 0.0) - excess) < 1e-12


STEEP = problems.LeastSquares([[1.0], [2.0]], [1.0, 0.0])
REFUSED = {
    "the losses of examples differ in curvature": STUDY.replace(oracle=oracles.ExampleSampling(STEEP), x0=[0.0]),
    "not recognised as quadratic": STUDY.replace(
        oracle=oracles.ExampleSampling(problems.LogisticRegression([[1.0], [-2.0]], [0, 1], l2=0.1)), x0=[0.0]
    ),
    "are not drawn again": STUDY.replace(oracle=oracles.ExampleSampling(MEAN, orders.RandomReshuffling()), x0=[0.0]),
    "does not state that it is plain SGD": STUDY.replace(method=methods.Projected(methods.Ball(9.0))),
    "x_0 is one point": STUDY.replace(x0=start.Normal([0.0], 1.0)),
    "smoothness that holds everywhere": STUDY.replace(
        oracle=oracles.AdditiveNoise(problems.DoubleWell(), noise.Gaussian(1.0))
    ),
    "eta_t <= 2 / L: the largest eta_t is 0.3, and 2 / L = 0.25": STUDY.replace(schedule=schedules.constant(0.3)),
    "R* is known": STUDY.replace(
        oracle=oracles.FullGradient(problems.Function(lambda x: (x**2).sum(), smoothness=2.0))
    ),
    "a covariance of g_t that is the same at every x": STUDY.replace(
        oracle=oracles.AdditiveNoise(WELL.problem, noise.Multiplicative(0.5))
    ),
    "E||g_t - grad R(x_t)||^2": STUDY.replace(oracle=oracles.AdditiveNoise(WELL.problem, noise.StudentT(2.0))),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_refused_and_why(reason):
    for bound in BOTH:
        assert any(reason in each for each in bound.reasons(REFUSED[reason])), bound.reasons(REFUSED[reason])


def test_what_one_of_them_assumes():
    cosine = STUDY.replace(oracle=oracles.AdditiveNoise(problems.SeparableCosine(), noise.Gaussian(1.0)), steps=3)
    cosine = cosine.replace(schedule=schedules.constant(0.01))
    assert not BOTH[0].reasons(cosine)
    assert "the problem states neither such a mu nor strong convexity" in BOTH[1].reasons(cosine)[0]
    for rate in (0.0, 2 / 8):
        (reason,) = BOTH[0].reasons(STUDY.replace(schedule=schedules.constant(rate)))
        assert reason == "some eta_t lies between 0 and 2 / L: W = 0"
