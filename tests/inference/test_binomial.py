"""Binomial tails against rational arithmetic."""

import math
from fractions import Fraction

import pytest

from jaxsgd.inference.binomial import at_least, critical_count, probability_reaching


def tail(s, n, p):
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(s, n + 1))


@pytest.mark.parametrize("n", [1, 2, 7, 40])
@pytest.mark.parametrize("p", [Fraction(1, 1000), Fraction(3, 10), Fraction(1, 2), Fraction(19, 20)])
def test_tails(n, p):
    for s in range(n + 1):
        assert math.isclose(at_least(s, n, float(p)), tail(s, n, p), rel_tol=1e-12)
        assert math.isclose(at_least(n - s, n, 1 - float(p)), 1 - tail(s + 1, n, p), rel_tol=1e-11)


def test_tails_at_the_ends():
    assert at_least(0, 5, 0.3) == at_least(-2, 5, 0.3) == at_least(0, 0, 0.3) == 1.0
    assert at_least(6, 5, 0.3) == 0.0
    assert at_least(1, 5, -0.1) == at_least(1, 5, 0.0) == 0.0
    assert at_least(5, 5, math.inf) == at_least(5, 5, 1.0) == 1.0


@pytest.mark.parametrize("level", [0.3, 0.01, 1e-9])
@pytest.mark.parametrize("p", [0.0, 0.004, 0.5, 0.99, 1.0])
def test_critical_count_is_the_first_below_the_level(p, level):
    for n in (1, 10, 33):
        below = [s for s in range(n + 1) if tail(s, n, Fraction(p)) <= level]
        assert critical_count(n, p, level) == (below[0] if below else n + 1)


def test_probability_reaching_inverts_the_tail():
    for s, n in ((1, 1), (1, 500), (13, 20), (900, 100_000)):
        assert math.isclose(at_least(s, n, probability_reaching(s, n, 0.9)), 0.9, rel_tol=1e-12)
