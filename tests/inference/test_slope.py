"""Fitted exponents against normal equations, polyfit and simulation."""

import math

import numpy as np
import pytest
from frequencies import assert_frequency, fails
from scipy.stats import chi2

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.inference import fit_slope

T = np.array([10.0, 20, 50, 100, 400])
TRUTH = 3 * T**-0.7


def test_weighted_fit_is_that_of_polyfit():
    rng = np.random.default_rng(11)
    errors = TRUTH * [0.01, 0.02, 0.01, 0.03, 0.01]
    estimate = TRUTH + errors * rng.normal(size=5)
    relative = errors / estimate
    y = np.log(estimate) + relative**2 / 2
    (slope, c), cov = np.polyfit(np.log(T), y, 1, w=1 / relative, cov="unscaled")
    fit = fit_slope(T, estimate, errors)
    np.testing.assert_allclose([fit.slope, fit.standard_error], [slope, math.sqrt(cov[0, 0])], rtol=1e-12)
    statistic = np.sum(((y - c - slope * np.log(T)) / relative) ** 2)
    assert math.isclose(fit.chi_squared, statistic, rel_tol=1e-9)
    assert fit.degrees_of_freedom == 3
    assert math.isclose(fit.p_value, chi2.sf(statistic, 3), rel_tol=1e-9)
    same = fit_slope(T, estimate, covariance=np.diag(errors**2))
    assert same == fit


def test_generalised_fit_is_that_of_the_normal_equations():
    rng = np.random.default_rng(12)
    B = rng.normal(size=(5, 5))
    C = 1e-4 * np.outer(TRUTH, TRUTH) * (B @ B.T + np.eye(5))
    estimate = rng.multivariate_normal(TRUTH, C)
    V = C / np.outer(estimate, estimate)
    X = np.stack([np.ones(5), np.log(T)], axis=1)
    y, W = np.log(estimate) + np.diag(V) / 2, np.linalg.inv(V)
    cov = np.linalg.inv(X.T @ W @ X)
    beta = cov @ X.T @ W @ y
    r = y - X @ beta
    fit = fit_slope(T, estimate, covariance=C)
    got = [fit.slope, fit.standard_error, fit.chi_squared]
    np.testing.assert_allclose(got, [beta[1], math.sqrt(cov[1, 1]), r @ W @ r], rtol=1e-9)


def test_exact_power_law():
    fit = fit_slope(T, TRUTH, 1e-6 * TRUTH)
    assert math.isclose(fit.slope, -0.7, rel_tol=1e-10)
    assert fit.p_value > 0.999
    rescaled = fit_slope(1e6 * T, 1e-9 * TRUTH, 1e-15 * TRUTH)
    assert math.isclose(rescaled.slope, fit.slope, rel_tol=1e-9)
    assert math.isclose(rescaled.standard_error, fit.standard_error, rel_tol=1e-9)


def test_two_points():
    fit = fit_slope([1, 10], [1, 0.1], [1e-3, 1e-4])
    assert math.isclose(fit.slope, -1, rel_tol=1e-12)
    assert math.isclose(fit.standard_error, math.sqrt(2e-6) / math.log(10), rel_tol=1e-12)
    assert fit.degrees_of_freedom == 0
    assert math.isnan(fit.p_value)
    lower, upper = fit.interval(0.95)
    assert math.isclose(upper - lower, 2 * 1.959964 * fit.standard_error, rel_tol=1e-6)


def correlated(rng, replications):
    """Estimates from the same trajectories: neighbouring steps share most of their noise."""
    C = np.outer(TRUTH, TRUTH) * 4e-4 * 0.9 ** abs(np.subtract.outer(np.arange(5), np.arange(5)))
    return rng.multivariate_normal(TRUTH, C, size=replications), C


def test_interval_covers_and_fit_is_accepted():
    # 2000 fits tell .05 from .10.
    estimates, C = correlated(np.random.default_rng(13), 2000)
    fits = [fit_slope(T, estimate, covariance=C) for estimate in estimates]
    missed = sum(not low <= -0.7 <= high for low, high in (fit.interval(0.95) for fit in fits))
    assert_frequency(missed, 2000, at_least=0.045, at_most=0.055)
    assert_frequency(sum(fit.p_value <= 0.05 for fit in fits), 2000, at_least=0.045, at_most=0.055)


def test_ignored_correlation_is_wrong():
    # Negative control: common noise cancels in a slope, which the fit for independent estimates cannot know.
    estimates, C = correlated(np.random.default_rng(14), 500)
    fits = [fit_slope(T, estimate, np.sqrt(np.diag(C))) for estimate in estimates]
    missed = sum(not low <= -0.7 <= high for low, high in (fit.interval(0.95) for fit in fits))
    assert fails(assert_frequency, missed, 500, at_least=0.045)


def test_lack_of_fit_is_seen():
    errors = 0.01 * TRUTH
    assert fit_slope(T, TRUTH * (1 + np.log(T)), errors).p_value < 1e-6
    assert fit_slope(T, TRUTH + 0.1, errors).p_value < 1e-6


def test_bias_of_the_logarithm_is_removed():
    # Relative error .2 at the last point only, uniform: E log is .02 too low there, which would steepen the slope.
    estimates = 1 + 0.2 * math.sqrt(3) * (np.arange(0.5, 400) / 200 - 1)
    slopes = [fit_slope([1.0, math.e], [1.0, one], [1e-9, 0.2]).slope for one in estimates]
    plain = np.mean(np.log(estimates))
    assert plain < -0.02
    assert abs(np.mean(slopes)) < 0.15 * abs(plain)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [1, 1], None), "give either standard_error"),
        (([1, 2], [1, 1], [1, 1], np.eye(2)), "give either standard_error"),
        (([0, 2], [1, 1], [1, 1]), "t must be positive"),
        (([1, 2], [1, -1], [1, 1]), "estimate must be positive"),
        (([1, 2], [1, np.nan], [1, 1]), r"estimate must be finite, got nan at index \[1\]"),
        (([1, 2], [1, 1], [1, 0]), "standard_error must be positive"),
        (([1, 2], [1, 1], [1, 1, 1]), "standard_error must have the length 2"),
        (([1, 2, 3], [1, 1], [1, 1]), "t and estimate must have one length, got 3 and 2"),
        (([2, 2], [1, 1], [1, 1]), "at least two different values"),
        (([3], [1], [1]), "at least two different values"),
        (([], [], []), "empty"),
        ((2.0, 1.0, 1.0), "one dimension"),
        (([1, 2], [1, 1], None, np.eye(3)), r"covariance must have shape \(2, 2\)"),
        (([1, 2], [1, 1], None, [[1, 0.5], [0, 1]]), "covariance must be symmetric"),
        (([1, 2], [1, 1], None, [[1, 2], [2, 1]]), "no negative eigenvalue"),
        (([1, 2], [1, 1], None, [[1, 1], [1, 1]]), "covariance must not be singular"),
        (([1, 2], [1, 1], None, [[1, 0], [0, 0]]), "covariance must not be singular"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        fit_slope(*arguments)


def test_bad_types():
    with pytest.raises(InvalidType, match="estimate must be a number"):
        fit_slope([1, 2], ["a", "b"], [1, 1])
