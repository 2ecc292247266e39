"""Confidence intervals against rational arithmetic, enumeration and simulation."""

import math
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from frequencies import assert_frequency, fails
from scipy.stats import binom

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.inference import mean_interval, proportion_interval, z_value


def test_quantiles():
    for tests, quantile in ((1, 2.576), (10, 3.291), (50, 3.719), (100, 3.891), (1000, 4.417)):
        assert round(z_value(0.01, tests), 3) == quantile
    assert math.isclose(z_value(0.05), NormalDist().inv_cdf(0.975), rel_tol=1e-12)


def test_simultaneous_intervals_cover_together():
    # Five correlated means: all intervals hold in at least 95% of 4000 replications, single ones do not.
    rng = np.random.default_rng(0)
    z = 0.5 * rng.normal(size=(4000, 1)) + math.sqrt(0.75) * rng.normal(size=(4000, 5))
    assert_frequency((abs(z) > z_value(0.05, 5)).any(axis=1).sum(), 4000, at_most=0.05)
    assert fails(assert_frequency, (abs(z) > z_value(0.05)).any(axis=1).sum(), 4000, at_most=0.05)


def test_mean_interval():
    lower, upper = mean_interval([1.0, -2.0], [0.1, np.nan], 0.9)
    half_width = 0.1 * NormalDist().inv_cdf(0.95)
    np.testing.assert_allclose([lower[0], upper[0]], [1 - half_width, 1 + half_width], rtol=1e-13)
    assert np.isnan([lower[1], upper[1]]).all()
    assert mean_interval(3.0, 0.0, 0.99) == (3.0, 3.0)
    assert np.isnan(mean_interval(np.inf, np.inf, 0.99)[0])


def test_mean_interval_covers_a_skewed_mean():
    # Exponential, 2000 values a sample: coverage .99 to within .001, and 4000 samples tell .99 from .975.
    rng = np.random.default_rng(1)
    sample = rng.exponential(size=(4000, 2000))
    lower, upper = mean_interval(sample.mean(axis=1), sample.std(axis=1, ddof=1) / math.sqrt(2000), 0.99)
    assert_frequency(((lower > 1) | (upper < 1)).sum(), 4000, at_least=0.009, at_most=0.011)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_proportion_interval_solves_the_tail_equations(confidence):
    def tail(s, n, p):
        return float(sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(s, n + 1)))

    n = 12
    lower, upper = proportion_interval(np.arange(n + 1), n, confidence)
    for s in range(n + 1):
        if s > 0:
            assert math.isclose(tail(s, n, Fraction(lower[s])), (1 - confidence) / 2, rel_tol=1e-10)
        if s < n:
            assert math.isclose(1 - tail(s + 1, n, Fraction(upper[s])), (1 - confidence) / 2, rel_tol=1e-10)
    np.testing.assert_allclose(lower, 1 - upper[::-1], rtol=1e-12)


def test_proportion_interval_at_the_ends():
    lower, upper = proportion_interval([0, 50, 0], [50, 50, 0], 0.98)
    np.testing.assert_allclose(lower, [0, 0.01 ** (1 / 50), 0], rtol=1e-12)
    np.testing.assert_allclose(upper, [1 - 0.01 ** (1 / 50), 1, 1], rtol=1e-12)
    np.testing.assert_allclose(proportion_interval(0, 10**9, 0.98)[1], -math.log(0.01) / 1e9, rtol=1e-8)


def coverage(interval, n, p):
    s = np.arange(n + 1)
    lower, upper = interval(s, n)
    return binom.pmf(s, n, p)[(lower <= p) & (p <= upper)].sum()


@pytest.mark.parametrize("n", [1, 5, 100, 1000])
def test_exact_interval_covers_every_probability(n):
    for p in (0.0, 1e-4, 0.003, 0.01, 0.3, 0.5, 0.77, 0.999, 1.0):
        assert coverage(lambda s, n: proportion_interval(s, n, 0.95), n, p) >= 0.95 - 1e-12


def test_normal_interval_misses_rare_events():
    # Negative control: without an event the plug-in standard error is 0 and so is the width.
    def plug_in(s, n):
        return mean_interval(s / n, np.sqrt(s / n * (1 - s / n) / n), 0.95)

    assert coverage(plug_in, 100, 0.003) < 0.3
    assert coverage(plug_in, 100, 0.5) > 0.94


@pytest.mark.parametrize("bad", [0, 1, -0.5, 99, np.nan])
def test_bad_probabilities(bad):
    for call in (lambda: z_value(bad), lambda: mean_interval(0, 1, bad), lambda: proportion_interval(1, 2, bad)):
        with pytest.raises(InvalidInput, match=r"(alpha|confidence) (is a probability|must be finite)"):
            call()


def test_bad_arguments():
    with pytest.raises(InvalidInput, match="standard_error must be at least 0, got -1"):
        mean_interval([0, 0], [1, -1], 0.9)
    with pytest.raises(InvalidType, match="mean must be a number"):
        mean_interval("high", 1, 0.9)
    with pytest.raises(InvalidInput, match="successes must not exceed trials, got 6 of 5"):
        proportion_interval([0, 6], 5, 0.9)
    for counts in ((-1, 5), (0.5, 5), (np.nan, 5), (0, -1)):
        with pytest.raises(InvalidInput, match=r"(successes|trials) must be"):
            proportion_interval(*counts, 0.9)
    with pytest.raises(InvalidInput, match="tests must be at least 1"):
        z_value(0.01, 0)
    with pytest.raises(InvalidType, match="tests must be an integer"):
        z_value(0.01, 1.5)  # pyright: ignore[reportArgumentType]
