"""Averaged iterates: the running form against the weighted sums that it stands for."""

import math
from fractions import Fraction

import numpy as np
import pytest

from jaxsgd import averages
from jaxsgd.errors import InvalidInput, InvalidType

STEPS = 60
RATES = 0.3 / np.sqrt(1 + np.arange(STEPS))

# name: the average, and the weight of x_t in the average at step s
FAMILY = {
    "StepSizeWeighted": (averages.StepSizeWeighted(), lambda t, s, rates: rates[t]),
    "Uniform": (averages.Uniform(), lambda t, s, rates: 1.0),
    "Suffix": (averages.Suffix(0.3), lambda t, s, rates: float(t >= 0.7 * len(rates) - 1e-9)),
    "Suffix of all": (averages.Suffix(1), lambda t, s, rates: 1.0),
    "Polynomial": (averages.Polynomial(3), lambda t, s, rates: (t + 1.0) ** 3),
    "Polynomial of 0": (averages.Polynomial(0), lambda t, s, rates: 1.0),
    "Polynomial of 0.5": (averages.Polynomial(0.5), lambda t, s, rates: math.sqrt(t + 1)),
    "Exponential": (averages.Exponential(0.9), lambda t, s, rates: 0.9 ** (s - 1 - t)),
    "Exponential of 0": (averages.Exponential(0.0), lambda t, s, rates: float(t == s - 1)),
}
SCHEDULES = {
    "decreasing": RATES,
    "starts at zero": np.maximum(np.arange(STEPS) - 4, 0) / STEPS,
    "ends at zero": np.maximum(1 - np.arange(STEPS) / 30, 0),
    "all zero": np.zeros(STEPS),
    "tiny": 1e-300 * RATES,
}


def running(average, rates, path):
    """The averages at steps 0 .. T, as they are kept while running."""
    mean = path[0]
    kept = [mean]
    for coefficient, x in zip(average.mixing(rates), path, strict=True):
        mean = mean + coefficient * (x - mean)
        kept.append(mean)
    return np.array(kept)


def brute_force(weight, rates, path):
    """sum w_t x_t / sum w_t over t = 0 .. s-1 at every step s; x_0 while the weights sum to 0."""
    rows = []
    for s in range(len(path) + 1):
        weights = np.array([weight(t, s, rates) for t in range(s)])
        rows.append(weights @ path[:s] / weights.sum() if weights.sum() > 0 else path[0])
    return np.array(rows)


@pytest.fixture(scope="module")
def path():
    return np.random.default_rng(0).standard_normal((STEPS, 3)).cumsum(axis=0)


@pytest.mark.parametrize("rates", SCHEDULES)
@pytest.mark.parametrize("name", FAMILY)
def test_running_average_is_the_weighted_average(name, rates, path):
    average, weight = FAMILY[name]
    computed = running(average, SCHEDULES[rates], path)
    expected = brute_force(weight, SCHEDULES[rates], path)
    np.testing.assert_allclose(computed, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FAMILY)
def test_weights_give_the_average_at_the_end(name, path):
    average, weight = FAMILY[name]
    weights = average.weights(RATES)
    assert weights.shape == (STEPS,)
    np.testing.assert_allclose(weights @ path / weights.sum(), brute_force(weight, RATES, path)[-1], rtol=1e-12)


@pytest.mark.parametrize("name", FAMILY)
def test_every_average_of_a_constant_path_is_that_constant(name):
    computed = running(FAMILY[name][0], RATES, np.full((STEPS, 1), 2.5))
    np.testing.assert_array_equal(computed, 2.5)


def test_control_an_average_that_includes_the_last_iterate_differs(path):
    """x_0 .. x_s in place of x_0 .. x_{s-1}: the mistake that the definition rules out."""
    shifted = np.cumsum(path, axis=0)[1:] / np.arange(2, STEPS + 1)[:, None]
    assert np.max(np.abs(running(averages.Uniform(), RATES, path)[1:-1] - shifted)) > 0.1


# suffix

TENTHS = [Fraction(i, 10) for i in range(1, 11)]


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10, 30, 50, 100, 999, 1000, 12345, 10**6, 10**8])
def test_suffix_starts_at_the_rounded_up_step(steps):
    """k = ceil((1 - fraction) T) in exact arithmetic, also where the product in binary lies just beside an integer."""
    for fraction in (*TENTHS, *(Fraction(i, 100) for i in (1, 7, 29, 55, 57, 99)), Fraction(1, 3), Fraction(2, 7)):
        first = math.ceil((1 - fraction) * steps)
        suffix = averages.Suffix(float(fraction))
        if first >= steps:
            with pytest.raises(InvalidInput, match=f"of {steps} iterates averages nothing"):
                suffix.first(steps)
        else:
            assert suffix.first(steps) == first, (fraction, steps)


def test_suffix_does_not_round_what_is_not_an_integer():
    assert averages.Suffix(0.5).first(101) == 51
    assert averages.Suffix(0.4999999).first(100) == 51
    assert averages.Suffix(0.5000001).first(100) == 50


def test_suffix_has_no_value_before_it_starts():
    steps = np.array([0, 1, 6, 7, 8, 9, 10])
    np.testing.assert_array_equal(averages.Suffix(0.3).undefined(steps, 10), [0, 1, 1, 1, 0, 0, 0])
    assert not averages.Suffix(1.0).undefined(steps, 10).any()
    assert not averages.Uniform().undefined(steps, 10).any()
    np.testing.assert_array_equal(np.flatnonzero(averages.Suffix(0.3).mixing(RATES[:10])), [7, 8, 9])


# long runs


@pytest.mark.parametrize(
    ("average", "last"),
    [
        (averages.StepSizeWeighted(), None),
        (averages.Uniform(), 1e-6),
        (averages.Suffix(0.5), 2e-6),
        (averages.Polynomial(8), 9e-6),
        (averages.Exponential(0.999), 1e-3),
        (averages.Exponential(0.5), 0.5),
    ],
)
def test_a_million_steps_neither_overflow_nor_underflow(average, last):
    mixing = average.mixing(0.1 / np.sqrt(1 + np.arange(10**6)))
    assert np.all((mixing >= 0) & (mixing <= 1))
    assert mixing[-1] == pytest.approx(last if last else 0.5e-6, rel=1e-3)
    if not isinstance(average, averages.Suffix):
        assert mixing[0] == 1
        assert np.all(mixing > 0)


def test_a_schedule_that_underflows_stops_the_average():
    mixing = averages.StepSizeWeighted().mixing(np.exp(-10.0 * np.arange(1000)))
    assert mixing[0] == 1
    assert mixing[-1] == 0
    assert np.all(np.isfinite(mixing))


# errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: averages.Suffix(0), "fraction must be greater than 0, got 0"),
        (lambda: averages.Suffix(1.5), r"fraction must be in \(0, 1\], got 1.5"),
        (lambda: averages.Suffix(np.nan), "fraction must be finite, got nan"),
        (lambda: averages.Suffix([0.5]), r"fraction must be one number, got an array of shape \(1,\)"),
        (lambda: averages.Suffix(0.01).first(50), r"Suffix\(0.01\) of 50 iterates averages nothing.*at least 1/50"),
        (lambda: averages.Polynomial(-1), "power must be at least 0, got -1"),
        (lambda: averages.Polynomial("2"), "power must be a number"),
        (lambda: averages.Exponential(1.0), r"decay must be in \[0, 1\), got 1; for 1 use Uniform\(\)"),
        (lambda: averages.Exponential(-0.1), "decay must be at least 0, got -0.1"),
        (lambda: averages.Exponential(np.inf), "decay must be finite, got inf"),
    ],
)
def test_bad_arguments_say_what_is_wrong(make, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        make()


@pytest.mark.parametrize("name", FAMILY)
def test_repr_and_replace(name):
    average = FAMILY[name][0]
    assert repr(average).startswith(name.split()[0] + "(")
    np.testing.assert_array_equal(average.replace().mixing(RATES), average.mixing(RATES))


def test_replace_validates_again():
    assert averages.Suffix(0.5).replace(fraction=0.25).first(100) == 75
    with pytest.raises(InvalidInput, match="fraction must be in"):
        averages.Suffix(0.5).replace(fraction=2)
