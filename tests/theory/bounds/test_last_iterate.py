"""The bounds of the last iterate: printed numbers, other recursions, cases in which they are attained."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from jaxsgd import chapter, oracles, problems, schedules
from jaxsgd.errors import InvalidInput
from jaxsgd.study import Study
from jaxsgd.theory import exact
from jaxsgd.theory.bounds import LastIterate, LastIterateAnySchedule

ABSOLUTE = problems.AbsoluteValue()


def of_absolute_value(eta, start=1.0):
    """R = |x| by gradient descent; eta holds the T - 1 learning rates that move x_{T-1}."""
    rates = schedules.table([*eta, 0.0])
    return Study(oracle=oracles.FullGradient(ABSOLUTE), schedule=rates, steps=len(eta) + 1, x0=[start])


# What a search over all 1-Lipschitz convex functions at distance 1 finds as the worst case.
WORST_CASES = {
    (0.5,): 0.75,
    (0.4, 0.4): 0.65,
    (0.5, 0.2): 0.5929363905,
    (0.2, 0.5): 0.7166115702,
    (0.1, 0.6, 0.2): 0.6154298974,
}


@pytest.mark.parametrize("eta", WORST_CASES)
def test_worst_cases(eta):
    assert abs(LastIterate().value(of_absolute_value(eta), 1.0) - WORST_CASES[eta]) < 6e-11


def forward(eta, S):
    """The weights w_0 .. w_{T-1} with eta_t = w_t rho_{t+1} / S, rho_t = w_t + ... + w_{T-1}, or None."""
    weights, rho = [], S
    for rate in eta:
        root = rho**2 - 4 * S * rate
        if root < 0:
            return None
        weights.append((rho - np.sqrt(root)) / 2)
        rho -= weights[-1]
    return np.array([*weights, rho])


@pytest.mark.parametrize("seed", range(6))
def test_coefficients_from_weights(seed):
    # (r^2 + sum w_t^2 G_t^2) / (2 S): weights found forward, from S, where the package goes backward.
    random = np.random.default_rng(seed)
    eta = random.uniform(0, 0.3, random.integers(1, 30))
    least = 1 / (2 * LastIterate(gradient_bound=1e9).coefficients(of_absolute_value(eta)).distance)
    assert forward(eta, least * (1 - 1e-6)) is None
    for S in (1.001 * least, 3 * least):
        c, a = LastIterate(gradient_bound=1 / S).coefficients(of_absolute_value(eta))
        assert abs(2 * S * c - 1) < 1e-8
        np.testing.assert_allclose(a, forward(eta, S) ** 2 / (2 * S), rtol=1e-5)
        assert abs(c + a.sum() - (1 / (2 * S) + S / 2 - eta.sum())) < 1e-8 * (S + 1 / S)


# The bound at the best base learning rate, for r = G = 1, T = 100 and 1000.
SHAPES = {
    "constant": (lambda t, T: 0 * t + 1.0, 0.1412277607, 0.0508403161),
    "inverse square root": (lambda t, T: (t + 1.0) ** -0.5, 0.1225841888, 0.0434407513),
    "linear": (lambda t, T: 1 - (t + 1) / T, 0.1, 0.0316227766),
    "cosine": (lambda t, T: (1 + np.cos(np.pi * (t + 1) / T)) / 2, 0.1030787212, 0.0325764830),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("index", [0, 1])
def test_best_rate_of_each_shape(shape, index):
    T = (100, 1000)[index]
    eta = SHAPES[shape][0](np.arange(T - 1), T)
    least = 1 / (2 * LastIterate(gradient_bound=1e9).coefficients(of_absolute_value(eta)).distance)
    base = 1 / np.sqrt(least * (least - 2 * eta.sum()))
    expected = SHAPES[shape][1 + index]
    assert abs(np.sqrt(1 - 2 * eta.sum() / least) - expected) < 6e-11
    assert abs(LastIterate().value(of_absolute_value(base * eta), 1.0) - expected) < 6e-11
    for factor in (0.8, 1.25):
        assert LastIterate().value(of_absolute_value(factor * base * eta), 1.0) > expected


def test_linear_decay_reaches_the_lower_bound():
    r, G, T = 3.0, 2.0, 40
    problem = problems.Function(lambda x: G * abs(x).sum(), minimiser=[0.0], convex=True, lipschitz=G)
    decay = schedules.shift(schedules.linear_decay(r / (G * T**0.5), T), 1)
    study = Study(oracle=oracles.FullGradient(problem), schedule=decay, steps=T, x0=[r])
    assert abs(LastIterate().value(study, G**2) - r * G / T**0.5) < 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_attained_while_the_absolute_value_is_not_crossed(seed):
    # R(x_{T-1}) = 1 - sum eta exactly. With any coefficient smaller by 5 %, the theorem would be false.
    eta = np.random.default_rng(seed).uniform(0.1, 1, 8)
    eta *= 0.25 / eta.sum()
    study = of_absolute_value(eta)
    gap = 1 - eta.sum()
    assert abs(LastIterate().value(study, 1.0) - gap) < 1e-12
    c, a = LastIterate().coefficients(study)
    assert 0.95 * c + a.sum() < gap - 1e-6
    for t in range(study.steps):
        assert c + a.sum() - 0.05 * a[t] < gap - 1e-9


def published(eta, r2, G2):
    """Omega_T with its three sums written out."""
    T = len(eta)
    omega = (r2 + sum(eta[t] ** 2 * G2[t] for t in range(T))) / (2 * sum(eta))
    for k in range(T - 1):
        tail = sum(eta[t] ** 2 * G2[t] for t in range(k, T))
        omega += eta[k] / (2 * sum(eta[k + 1 :])) * tail / sum(eta[k:])
    return omega


# d2l's example for 50 updates, E||g_t||^2 along the run: LastIterate with its best G, Omega, exact E R(x_49).
CHAPTER = {
    "constant": (2.0562854, 3.9442355, 0.0590278),
    "polynomial": (3.0246989, 6.0616833, 0.0227422),
    "exponential": (8.2702261, 18.9563835, 0.7128901),
}


@pytest.mark.parametrize("name", CHAPTER)
def test_numbers_of_the_chapter(name):
    study = chapter.study(name, steps=50)
    moments = exact(study)
    G2 = moments.gradient_norm_squared_mean.values[:50]
    best = minimize_scalar(
        lambda log_G: LastIterate(gradient_bound=np.exp(log_G)).value(study, G2),
        bounds=(-4, 4),
        method="bounded",
        options={"xatol": 1e-9},
    )
    of_last, omega, risk = CHAPTER[name]
    assert abs(best.fun - of_last) < 6e-8
    assert abs(LastIterateAnySchedule().value(study, G2) - omega) < 6e-8
    assert abs(published(study.learning_rates[:50], 29, G2) - omega) < 6e-8
    assert abs(moments.risk_mean[49] - risk) < 6e-8
    # Fixed in advance, G costs little.
    assert best.fun - 1e-12 < LastIterate().value(study, G2) < 1.12 * best.fun


@pytest.mark.parametrize("seed", range(6))
def test_coefficients_of_omega(seed):
    random = np.random.default_rng(seed)
    eta, G2 = random.uniform(0.01, 1, seed + 1), random.uniform(0, 5, seed + 1)
    study = chapter.study("constant", steps=seed + 1).replace(schedule=schedules.table(eta))
    assert abs(LastIterateAnySchedule().value(study, G2) / published(eta, 29, G2) - 1) < 1e-12


@pytest.mark.parametrize(("shape", "expected"), [("constant", 0.0914612), ("linear", 0.0633524)])
def test_best_omega(shape, expected):
    T = 1000
    study = of_absolute_value(SHAPES[shape][0](np.arange(T - 1), T))

    def of_best_base(log_final):
        # At base gamma it is c / gamma + gamma sum a: at the best one, 2 sqrt(c sum a).
        c, a = LastIterateAnySchedule(final_rate=np.exp(log_final)).coefficients(study)
        return 2 * np.sqrt(c * a.sum())

    assert abs(minimize_scalar(of_best_base, bounds=(-10, 10), method="bounded").fun - expected) < 6e-8


@pytest.mark.parametrize("seed", range(5))
def test_omega_is_never_smaller_coefficient_by_coefficient(seed):
    eta = np.random.default_rng(seed).exponential(size=12)
    c, a = LastIterateAnySchedule(final_rate=0.3).coefficients(of_absolute_value(eta))
    s = [0.3**0.5]
    for rate in reversed(eta):
        s.insert(0, s[0] + rate / s[0])
    assert 1 / (2 * s[0] ** 2) < c
    assert np.all(np.append(eta**2 / np.array(s[1:]) ** 2, 0.3) / 2 <= a * (1 + 1e-12))


def test_last_learning_rate_does_not_move_the_last_iterate():
    first, second = (chapter.study("constant", 3).replace(schedule=schedules.table([0.1, 0.2, x])) for x in (0.0, 9.0))
    for mine, other in zip(LastIterate().coefficients(first), LastIterate().coefficients(second), strict=True):
        np.testing.assert_array_equal(mine, other)
    # Omega would have a denominator of 0; it takes the last positive rate.
    third = first.replace(schedule=schedules.table([0.1, 0.2, 0.2]))
    for mine, other in zip(
        LastIterateAnySchedule().coefficients(first), LastIterateAnySchedule().coefficients(third), strict=True
    ):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("eta", [[], [0.0], [0.0, 0.0]])
@pytest.mark.parametrize("start", [2.0, 0.0])
def test_nothing_moves(eta, start):
    # The best that can be said of x_0 is r G; at the minimiser any positive number is right.
    value = LastIterate().value(of_absolute_value(eta, start), 1.0)
    assert abs(value - 2) < 1e-12 if start else 0 < value < np.inf


def test_bad_input():
    for argument in (0.0, -1.0, np.nan):
        with pytest.raises(InvalidInput, match="gradient_bound must be"):
            LastIterate(gradient_bound=argument)
        with pytest.raises(InvalidInput, match="final_rate must be"):
            LastIterateAnySchedule(final_rate=argument)
