"""Paired differences against NumPy's covariance, and what pairing is worth."""

import math

import numpy as np
import pytest
from frequencies import assert_frequency

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.inference import Measurement, Verdict, judge, paired_difference


def sample(rng, n, correlation, gap):
    common, own = rng.normal(size=(2, n))
    first = gap + common
    return first, correlation * common + math.sqrt(1 - correlation**2) * own


def test_moments():
    first, second = sample(np.random.default_rng(16), 500, 0.8, 0.3)
    result = paired_difference(first, 2 * second)
    C = np.cov(first, 2 * second)
    variance = C[0, 0] + C[1, 1] - 2 * C[0, 1]
    assert result.count == 500
    assert math.isclose(result.mean, first.mean() - 2 * second.mean(), rel_tol=1e-11)
    assert math.isclose(result.standard_error, math.sqrt(variance / 500), rel_tol=1e-12)
    assert math.isclose(result.correlation, C[0, 1] / math.sqrt(C[0, 0] * C[1, 1]), rel_tol=1e-12)
    assert math.isclose(result.variance_ratio, (C[0, 0] + C[1, 1]) / variance, rel_tol=1e-12)


@pytest.mark.parametrize(("correlation", "ratio"), [(0.9, 10.0), (0.0, 1.0), (-0.5, 2 / 3)])
def test_variance_ratio(correlation, ratio):
    result = paired_difference(*sample(np.random.default_rng(17), 40_000, correlation, 0.0))
    assert math.isclose(result.correlation, correlation, abs_tol=0.02)
    assert math.isclose(result.variance_ratio, ratio, rel_tol=0.05)


def test_one_sided_test_has_its_size_and_the_power_of_pairing():
    # A true bound that is attained: 2000 replications tell .05 from .10.
    rng = np.random.default_rng(18)

    def refuted(gap, correlation):
        result = paired_difference(*sample(rng, 300, correlation, gap))
        test = Measurement("<=", 0.0, result.mean, result.standard_error, result.count, margin=0.1)
        return judge([test], alpha=0.05)[0].verdict is Verdict.REFUTED

    assert_frequency(sum(refuted(0.0, 0.95) for _ in range(2000)), 2000, at_least=0.045, at_most=0.055)
    assert sum(refuted(0.08, 0.95) for _ in range(100)) > 90  # 4.4 SE
    assert sum(refuted(0.08, 0.0) for _ in range(100)) < 50  # 1 SE: independent samples do not see it


def test_constant_values_have_variance_zero_exactly():
    same = paired_difference(np.full(1000, 0.1), np.zeros(1000))
    assert (same.mean, same.standard_error) == (0.1, 0.0)
    assert math.isnan(same.correlation)
    assert math.isnan(same.variance_ratio)
    shifted = paired_difference([1.0, 2.0, 4.0], [0.0, 1.0, 3.0])
    assert (shifted.mean, shifted.standard_error, shifted.variance_ratio) == (1.0, 0.0, math.inf)
    assert math.isclose(shifted.correlation, 1.0)


def test_float32_is_widened_first():
    first = np.float32(1e4) + np.arange(1000, dtype=np.float32)
    result = paired_difference(first, first - np.float32(0.5))
    assert (result.mean, result.standard_error) == (0.5, 0.0)


def test_diverged_trajectories_are_not_left_out():
    for bad in (np.nan, np.inf):
        result = paired_difference([1.0, bad, 2.0], [0.0, 0.0, 0.0])
        assert result.count == 3
        assert np.isnan([result.mean, result.standard_error, result.correlation, result.variance_ratio]).all()
    assert paired_difference([1e200, -1e200], [0.0, 0.0]).standard_error == math.inf


@pytest.mark.parametrize(("first", "second"), [([1.0], [2.0]), ([1, 2], [1, 2, 3]), (1.0, 2.0), (np.eye(2), np.eye(2))])
def test_bad_shapes(first, second):
    with pytest.raises(InvalidInput, match="first and second must be one-dimensional"):
        paired_difference(first, second)


def test_bad_types():
    with pytest.raises(InvalidType, match="second must be a number or an array"):
        paired_difference([1, 2], ["a", "b"])
