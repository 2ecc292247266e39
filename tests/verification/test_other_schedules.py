"""Rates that go up and down: the mathematics of the chapter's statements by plain recursions, and their data."""

import itertools
import pathlib

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.verification.chapter import other_schedules, schedule_families
from jaxsgd.verification.chapter.schedule_families import (
    GRIDS,
    PROBLEMS,
    T,
    at_end,
    base,
    differences,
    families,
    first_rates,
    iris,
    tuned,
)

RESULTS = pathlib.Path(__file__).parents[2] / "scripts" / "schedules" / "results"


def second_moment(rates, h=1.0, start=4.0, noise=1.0):
    """E x_T^2 in one coordinate, by the recursion of one update."""
    v = start
    for rate in rates:
        v = (1 - rate * h) ** 2 * v + rate**2 * noise
    return v


@pytest.mark.parametrize("h", [1.0, 3.0])
def test_of_all_orders_of_some_rates_the_falling_one_is_best_and_the_rising_one_worst(h):
    rates = (0.05, 0.2, 0.3, 0.5, 0.9)  # h = 3: some above 2 / h
    moments = {order: second_moment(order, h) for order in itertools.permutations(rates)}
    assert min(moments, key=moments.__getitem__) == rates[::-1]
    assert max(moments, key=moments.__getitem__) == rates


def test_exchanging_neighbours_changes_what_the_proof_says():
    a, b, h, s = 0.3, 0.1, 2.0, 1.5
    difference = second_moment((a, b), h, noise=s) - second_moment((b, a), h, noise=s)
    assert difference == pytest.approx(2 * a * b * h * (b - a) * s, rel=1e-12)


def test_the_best_rates_in_one_coordinate_fall_as_one_over_t():
    h, s, v0 = 2.0, 1.5, 25.0
    c, v, rates = 1 + s / (h**2 * v0), v0, []
    for _ in range(30):
        candidates = np.linspace(0, 1 / h, 20_001)  # each update as good as it can be
        moments = (1 - candidates * h) ** 2 * v + candidates**2 * s
        rates.append(candidates[moments.argmin()])
        v = moments.min()
    np.testing.assert_allclose(rates, 1 / (h * (c + np.arange(30))), atol=5e-5)
    assert v == pytest.approx(v0 / (1 + 30 * h**2 * v0 / s), rel=1e-6)


@pytest.mark.parametrize(("u", "w"), [(0.3, 0.1), (0.1, 0.3), (2.4, 0.8), (0.9, 0.9)])
def test_the_stationary_variance_of_a_pair_of_rates(u, w):
    m, d = (u + w) / 2, (u - w) / 2
    q, v = 1 - m, second_moment([u, w] * 500)
    assert v == pytest.approx((w**2 + (1 - w) ** 2 * u**2) / (1 - (1 - u) ** 2 * (1 - w) ** 2), rel=1e-9)
    both = (v + second_moment([u], start=v)) / 2
    numerator, denominator = m**2 * (1 + q**2) + d**2 * (2 + 2 * q * m + d**2), 1 - q**4 + d**2 * (2 * q**2 - d**2)
    assert both == pytest.approx(numerator / denominator, rel=1e-9)


def test_alternating_raises_the_mean_variance_exactly_where_the_proof_says():
    raised = []
    for m, d in itertools.product(np.linspace(0.05, 1.95, 39), np.linspace(0.05, 1.2, 24)):
        q = 1 - m
        if abs(q**2 - d**2) < 0.95:
            after = [second_moment([m + d, m - d] * 400 + extra) for extra in ([], [m + d])]
            says = (1 + q) * (2 + 2 * q * m + d**2) > m * (2 * q**2 - d**2)
            assert (np.mean(after) > m / (2 - m)) == says
            assert says or m > 1
            raised.append(says)
    assert 0 < np.mean(raised) < 1


def test_iris_is_what_fisher_printed():
    X, y = iris().features, iris().labels
    assert X.shape == (100, 4)
    assert y.sum() == 0
    path = pathlib.Path(schedule_families.__file__).with_name("iris.csv")
    raw, virginica = js.data.read(path)
    # The means of 50 Iris versicolor and of 50 Iris virginica that Fisher (1936) gives.
    np.testing.assert_allclose(raw[virginica == 0].mean(0), [5.936, 2.770, 4.260, 1.326], atol=5e-4)
    np.testing.assert_allclose(raw[virginica == 1].mean(0), [6.588, 2.974, 5.552, 2.026], atol=5e-4)


def test_reduction_on_plateaus_has_the_draws_of_the_other_families():
    """Its losses are those whose gradients the others draw: with patience for ever it is the constant rate."""
    for problem in PROBLEMS[:2]:
        makers = families(base(problem, 20))
        patient = makers["on plateau"](0.1, patience=10.0, factor=0.5, decay=0.5)
        one, other = (js.sample_paths(study, 50).x.values for study in (patient, makers["constant"](0.1)))
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_tuned_numbers_are_those_of_the_study_and_lie_on_its_grids():
    made = pathlib.Path(schedule_families.__file__).with_name("tuned_schedules.toml")
    assert made.read_text() == (RESULTS / "tuned_schedules.toml").read_text()
    for problem in PROBLEMS:
        low, *_, high = first_rates(problem, T, 9)
        assert list(tuned(problem)) == list(GRIDS)
        assert low < float(tuned(problem)["constant"].schedule.value) < high
        assert all(each.low < each.mean < each.high for each in differences(problem).values())
        assert all(study.steps == T for study in tuned(problem).values())


def test_nothing_is_claimed_of_a_decay_at_an_end_of_its_grid(monkeypatch):
    """With warm-up all are there: a rate of 500, a power of 8, a rate of 0.5. Were they inside, all were claimed."""
    decay = "warm-up, polynomial"
    assert all(at_end(problem, decay) for problem in PROBLEMS)
    assert [at_end(problem, "polynomial") for problem in PROBLEMS] == [False, False, True]
    assert not at_end("iris", "cosine")
    claimed = other_schedules._is_claimed
    assert not any(claimed(decay, problem, differences(problem)[decay]) for problem in PROBLEMS)
    assert claimed("restarts", "iris", differences("iris")["restarts"])
    monkeypatch.setattr(other_schedules, "at_end", lambda *_: False)
    assert all(claimed(decay, problem, differences(problem)[decay]) for problem in PROBLEMS)
