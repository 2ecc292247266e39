"""Which samples carry a standard error: rates on known laws, and limits by hand."""

import functools
import itertools
import math

import numpy as np
import pytest
from frequencies import assert_frequency, fails
from scipy.stats import binom

from jaxsgd.errors import InvalidInput
from jaxsgd.inference import Measurement, Verdict, judge, mean_interval
from jaxsgd.inference.intervals import student_quantile
from jaxsgd.inference.skewed import skewed_quantile, skewed_tail
from jaxsgd.inference.tails import (
    carries_standard_error,
    largest_share,
    needed_for_skewness,
    probability_unseen,
    takes_to_see,
    unseen_event_explains,
    why_no_test,
    why_not_carried,
)

LIGHT = {
    "normal": lambda rng, size: rng.normal(size=size),
    "exponential": lambda rng, size: rng.exponential(size=size),
}
HEAVY = {
    "Pareto, index 0.9": lambda rng, size: rng.pareto(0.9, size),
    "Pareto, index 1.5": lambda rng, size: rng.pareto(1.5, size),
    "one spike": lambda rng, size: rng.normal(size=size) + 1e4 * (np.arange(size[1]) == 3),
}


def shape(values):
    """Share and skewness of each row."""
    mean, centred = values.mean(1), values - values.mean(1, keepdims=True)
    squares = centred * centred
    m2 = squares.sum(1)
    share = largest_share(mean, m2, values.min(1), values.max(1))
    return share, (squares * centred).mean(1) / (m2 / values.shape[1]) ** 1.5


@pytest.mark.parametrize("count", [20, 100, 1000, 10_000])
def test_light_tails_keep_their_standard_error(count):
    rng = np.random.default_rng(count)
    for draw in LIGHT.values():
        share, _ = shape(draw(rng, (2000, count)))
        assert_frequency(np.sum(~carries_standard_error(count, share, np.nan)), 2000, at_most=0.01)


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_tails_lose_it(name):
    share, skewness = shape(HEAVY[name](np.random.default_rng(1), (400, 10_000)))
    lost = ~carries_standard_error(10_000, share, skewness)
    assert_frequency(lost.sum(), 400, at_least=0.95)
    assert fails(assert_frequency, np.sum(~carries_standard_error(10_000, 0 * share, np.nan)), 400, at_least=0.95)


def test_the_largest_share_by_hand():
    values = np.array([[0.0, 0.0, 0.0, 4.0], [-4.0, 0.0, 0.0, 0.0]])
    share, _ = shape(values)
    np.testing.assert_allclose(share, 0.75)
    assert np.isnan(largest_share(1.0, 0.0, 1.0, 1.0))
    assert largest_share(0.0, 1.0, -math.inf, math.inf) == 1
    assert "makes up 75% of the variance" in why_not_carried(1000, 0.75, 0.0)
    assert "a skewness of 10 takes 2.5e+03 trajectories" in why_not_carried(1000, 0.01, 10.0)
    assert why_not_carried(1000, math.nan, math.nan) == ""


@functools.cache
def exponential_means(count, runs):
    """t of the means of exponential variables, and the skewness of each sample."""
    values = np.random.default_rng(7).exponential(size=(runs, count))
    mean, centred = values.mean(1), values - values.mean(1, keepdims=True)
    squares = centred * centred
    m2 = squares.mean(1)
    return (mean - 1) / np.sqrt(m2 / (count - 1)), (squares * centred).mean(1) / m2**1.5


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001])
def test_limits_of_skewed_means_are_safe_on_both_sides(alpha):
    """N = 300 exponential variables: each side misses at most alpha / 2; Student's lower side misses more often."""
    count, runs = 300, 40_000
    t, g = exponential_means(count, runs)
    below = sum(-x > skewed_quantile(alpha / 2, count, skew) for x, skew in zip(t, g, strict=True) if x < -1.5)
    above = np.sum(t > student_quantile(alpha / 2, count))
    assert_frequency(below, runs, at_most=alpha / 2)
    assert_frequency(above, runs, at_most=alpha / 2)
    if alpha < 0.05:
        assert fails(assert_frequency, np.sum(-t > student_quantile(alpha / 2, count)), runs, at_most=alpha / 2)


def test_the_bound_of_a_skewed_tail():
    x = np.linspace(0.1, 12, 200)
    bound = [skewed_tail(each, 1000, 3.0) for each in x]
    assert all(a >= b for a, b in itertools.pairwise(bound))  # it falls, and stays where it says no more
    assert bound[-1] == skewed_tail(1e3, 1000, 3.0) > 0
    quantile = skewed_quantile(0.001, 1000, 3.0)
    assert skewed_tail(quantile, 1000, 3.0) == pytest.approx(0.001)
    assert skewed_quantile(0.001, 1000, -3.0) == pytest.approx(student_quantile(0.001, 1000))
    assert skewed_quantile(1e-9, 1000, 6.0) == math.inf
    assert needed_for_skewness(2.0, 1e-4) > needed_for_skewness(2.0, 1e-2) > needed_for_skewness(1.0, 1e-2)


def test_a_skewed_measurement_is_cautious_on_one_side():
    given = {"value": 0.0, "standard_error": 1.0, "count": 1000, "margin": 0.1}
    for skewness, endangered in ((3.0, -3.5), (-3.0, 3.5)):
        far, safe = (Measurement("==", **given, estimate=sign * endangered, skewness=skewness) for sign in (1, -1))
        plain = Measurement("==", **given, estimate=endangered)
        assert far.p_value > 2 * plain.p_value
        assert safe.p_value == pytest.approx(plain.p_value)
        assert far.limits(0.99)[endangered < 0] > plain.limits(0.99)[endangered < 0] or endangered > 0
        assert far.detectable(0.01) > plain.detectable(0.01)
    # A bound that holds by hundreds of standard errors is confirmed whatever the skewness.
    held = Measurement("<=", **{**given, "value": 300.0}, estimate=0.0, skewness=3.0)
    assert judge([held])[0].verdict is Verdict.CONSISTENT


def test_a_test_takes_no_gross_share():
    assert why_no_test(1000, 0.01, 2.0) == ""
    assert "makes up" in why_no_test(1000, 0.2, 0.0)
    assert why_not_carried(1000, 0.2, 0.0) == ""  # of many records one may have this by chance
    assert "makes up" in why_not_carried(1000, 0.9, 0.0)


def test_what_leaves_no_trace():
    p = probability_unseen(500, 0.01)
    assert binom(500, p).pmf(0) == pytest.approx(0.01)
    refuted = Measurement("==", value=1.0, estimate=0.5, standard_error=0.01, count=500, margin=0.1)
    reach = 0.5 + 0.5 / p  # at which such an event moves the mean to the value
    assert unseen_event_explains(refuted, 0.0, 1.001 * reach, 0.01)
    assert unseen_event_explains(refuted, 0.0, 0.999 * reach, 0.01) == ""
    assert unseen_event_explains(refuted, -1e9, 0.6, 0.01) == ""  # of the other side
    assert takes_to_see(refuted, 0.0, reach, 0.01) == pytest.approx(500, rel=0.01)
    above = Measurement("<=", value=0.0, estimate=0.5, standard_error=0.01, count=500, margin=0.1)
    assert unseen_event_explains(above, -1e9, 0.6, 0.01)
    assert takes_to_see(above, 0.5 - reach, 0.6, 0.01) > 400


def test_what_is_withheld_decides_nothing():
    given = {"value": 0.0, "estimate": 5.0, "standard_error": 0.1, "count": 1000, "margin": 0.1}
    for relation in ("==", "<=", "<"):
        (plain,), (held,) = (judge([Measurement(relation, **given, withheld=why)]) for why in ("", "tails"))
        assert plain.verdict is Verdict.REFUTED
        assert (held.verdict, held.p_adjusted, held.decides) == (Verdict.INCONCLUSIVE, 1.0, "")
        assert math.isinf(held.upper)
    measured = Measurement("==", **given, withheld="tails", takes=1e6)
    assert (measured.z, measured.p_value) == (None, 1.0)
    assert judge([measured])[0].decides == "at least some 1,000,000 trajectories"


@pytest.mark.parametrize(("relation", "estimate"), [("==", 0.02), ("<=", 0.05), ("within", 0.09), (">", 0.05)])
def test_what_would_decide_does(relation, estimate):
    """At the number that it says, the same estimate with the smaller error is decided; well below, it is not."""
    given = {"value": 0.0, "estimate": estimate, "margin": 0.1}
    first = Measurement(relation, **given, standard_error=0.1, count=1000)
    (judged,) = judge([first])
    assert judged.verdict is Verdict.INCONCLUSIVE
    said = int(judged.decides.split()[1].replace(",", ""))
    for factor, decided in ((1.2, True), (0.8, False)):
        count = round(factor * said)
        later = Measurement(relation, **given, standard_error=0.1 * math.sqrt(1000 / count), count=count)
        assert (judge([later])[0].verdict is not Verdict.INCONCLUSIVE) is decided


def test_what_nothing_decides():
    at_the_edge = Measurement("within", 0.0, estimate=0.1, standard_error=0.01, count=100, margin=0.1)
    assert judge([at_the_edge])[0].decides == "no number of trajectories that can be run"
    lost = Measurement("==", 0.0, estimate=math.nan, standard_error=math.nan, count=100, margin=0.1)
    assert "the estimate is not finite" in judge([lost])[0].decides


def test_small_samples_of_normal_values_are_covered():
    """N = 8: Student's interval covers .95; the normal one, of which .909 is known, does not."""
    values = np.random.default_rng(5).normal(size=(20_000, 8))
    mean, error = values.mean(1), values.std(1, ddof=1) / math.sqrt(8)
    for count, covers in ((8, True), (None, False)):
        lower, upper = mean_interval(mean, error, 0.95, count)
        missed = np.sum((lower > 0) | (upper < 0))
        assert fails(assert_frequency, missed, 20_000, at_least=0.049, at_most=0.051) is not covers
    with pytest.raises(InvalidInput, match="count must be at least 2"):
        mean_interval(0.0, 1.0, 0.95, 1)
