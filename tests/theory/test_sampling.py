"""Probabilities of sampling against rational arithmetic and 60 decimal digits."""

import decimal
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.theory import AT_LEAST_ONCE_LIMIT, EXACTLY_ONCE_LIMIT, at_least_once, exactly_once


def test_numbers_of_the_chapter():
    np.testing.assert_allclose(at_least_once([10, 100]), [0.6513215599, 0.6339676587], atol=6e-11)
    np.testing.assert_allclose(exactly_once([10, 100]), [0.387420489, 0.3697296376], atol=6e-11)


@pytest.mark.parametrize(("n", "draws"), [(1, 1), (1, 3), (2, 3), (3, 3), (3, 0), (4, 5)])
def test_counting_all_sequences(n, draws):
    counts = [sequence.count(0) for sequence in itertools.product(range(n), repeat=draws)]
    np.testing.assert_allclose(at_least_once(n, draws), np.mean(np.array(counts) >= 1), rtol=1e-15)
    np.testing.assert_allclose(exactly_once(n, draws), np.mean(np.array(counts) == 1), rtol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 50, 128])
@pytest.mark.parametrize("draws", [1, 2, 10, 200])
def test_rational_arithmetic(n, draws):
    others = 1 - Fraction(1, n)
    np.testing.assert_allclose(at_least_once(n, draws), float(1 - others**draws), rtol=4e-15)
    np.testing.assert_allclose(exactly_once(n, draws), float(Fraction(draws, n) * others ** (draws - 1)), rtol=4e-14)


@pytest.mark.parametrize("n", [10**3, 10**6, 10**9, 10**15])
@pytest.mark.parametrize("share", [Fraction(1, 1000), Fraction(1), Fraction(5)])
def test_many_digits(n, share):
    m = int(share * n)
    with decimal.localcontext() as context:
        context.prec = 60
        others = 1 - decimal.Decimal(1) / n
        once_or_more = 1 - others**m
        once = decimal.Decimal(m) / n * others ** (m - 1)
    np.testing.assert_allclose(at_least_once(n, m), float(once_or_more), rtol=2e-15)
    np.testing.assert_allclose(exactly_once(n, m), float(once), rtol=2e-15)


def test_limits():
    assert math.isclose(AT_LEAST_ONCE_LIMIT, 1 - 1 / math.e, rel_tol=1e-15)
    assert math.isclose(EXACTLY_ONCE_LIMIT, 1 / math.e, rel_tol=1e-15)
    n = np.array([1e3, 1e4, 1e5])
    np.testing.assert_allclose((at_least_once(n) - AT_LEAST_ONCE_LIMIT) * 2 * math.e * n, 1 + 5 / (12 * n), rtol=1e-6)
    np.testing.assert_allclose((exactly_once(n) - EXACTLY_ONCE_LIMIT) * 2 * math.e * n, 1 + 7 / (12 * n), rtol=1e-6)
    assert at_least_once(1e300) == AT_LEAST_ONCE_LIMIT
    assert exactly_once(10**300) == EXACTLY_ONCE_LIMIT


def test_one_example_is_certain():
    assert at_least_once(1) == exactly_once(1) == 1.0
    np.testing.assert_array_equal(exactly_once(1, [0, 1, 2]), [0.0, 1.0, 0.0])
    np.testing.assert_array_equal(at_least_once(1, [0, 1, 2]), [0.0, 1.0, 1.0])


def test_arrays():
    n, draws = np.array([[1], [5]]), np.array([0, 3, 8])
    assert at_least_once(n, draws).shape == exactly_once(n, draws).shape == (2, 3)
    assert at_least_once(n, draws)[1, 2] == at_least_once(5, 8)
    assert isinstance(at_least_once(5), float)
    assert isinstance(exactly_once(5), float)


@pytest.mark.parametrize("function", [at_least_once, exactly_once])
def test_bad_arguments(function):
    for n in (0, -3, 2.5, np.nan, np.inf, [4, 0]):
        with pytest.raises(InvalidInput, match="n must be"):
            function(n)
    for draws in (-1, 0.5, np.nan):
        with pytest.raises(InvalidInput, match="draws must be"):
            function(10, draws)
    with pytest.raises(InvalidType, match="n must be"):
        function("many")
