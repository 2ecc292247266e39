"""At the proposed size a true statement comes out CONSISTENT with the stated probability, and not below it."""

import math

import numpy as np
import pytest
from frequencies import assert_frequency, fails
from scipy.stats import binom

from jaxsgd.errors import InvalidInput
from jaxsgd.inference import Measurement, Relation, Verdict, judge, needed, needed_for_proportion

HARDEST_TRUTH = {"<": -1, ">": 1}
"""Where the power is promised, in margins from the value."""


def consistent(rng, relation, n, replications, sd=3.0, margin=0.5):
    """How often one true statement comes out CONSISTENT, with mean and standard deviation of n normal values."""
    truth = margin * HARDEST_TRUTH.get(relation, 0)
    estimates = truth + sd / math.sqrt(n) * rng.normal(size=replications)
    errors = sd / math.sqrt(n) * np.sqrt(rng.chisquare(n - 1, size=replications) / (n - 1))
    verdicts = [
        judge([Measurement(relation, 0.0, estimate, error, n, margin)])[0].verdict
        for estimate, error in zip(estimates, errors, strict=True)
    ]
    return sum(verdict is Verdict.CONSISTENT for verdict in verdicts)


@pytest.mark.parametrize("relation", list(Relation))
def test_power_for_a_mean(relation):
    # 3000 replications tell .9 from .85; the estimated standard error costs less than .005.
    rng = np.random.default_rng(8)
    n = needed(3.0, 0.5, relation=relation)
    assert_frequency(consistent(rng, relation, n, 3000), 3000, at_least=0.895, at_most=0.91)
    # The control: with 0.8 n the power is at most some .81, which 1500 replications tell from .895.
    assert fails(assert_frequency, consistent(rng, relation, int(0.8 * n), 1500), 1500, at_least=0.895)


def test_detectable_alone_is_not_enough_for_equality():
    """At the size where the margin is just detectable, a true "==" often stays undecided."""
    n = math.ceil(((2.5758 + 1.2816) * 3 / 0.5) ** 2) + 20
    assert n < needed(3.0, 0.5)
    assert fails(assert_frequency, consistent(np.random.default_rng(9), "==", n, 3000), 3000, at_least=0.88)


def test_values():
    assert needed(1, 0.1) == math.ceil(((2.575829 + 1.644854) / 0.1) ** 2)
    assert needed(1, 0.1, relation="<=", power=0.8) == math.ceil(((2.575829 + 0.841621) / 0.1) ** 2)
    assert needed(1, 0.1, tests=10) == needed(1, 0.1, alpha=0.001)
    assert needed(0, 0.1) == needed(1e-3, 5) == 2


def test_power_for_a_family():
    """Ten true statements, each at the size for ten: each is CONSISTENT with the stated probability."""
    rng = np.random.default_rng(10)
    n, found = needed(1.0, 0.1, tests=10), 0
    for _ in range(300):
        estimates = rng.normal(size=10) / math.sqrt(n)
        judgements = judge([Measurement("==", 0, one, 1 / math.sqrt(n), n, 0.1) for one in estimates])
        found += sum(one.verdict is Verdict.CONSISTENT for one in judgements)
    assert_frequency(found, 3000, at_least=0.9, at_most=0.91)


CASES = [(0.0, 0.01), (0.03, 0.02), (0.3, 0.08), (0.5, 0.1), (0.99, 0.01), (1.0, 0.02)]


def possible(relation, value, margin):
    return not (relation == "<" and value < margin) and not (relation == ">" and value + margin > 1)


@pytest.mark.parametrize("relation", list(Relation))
@pytest.mark.parametrize(("value", "margin"), CASES)
def test_power_for_a_probability(relation, value, margin):
    """By enumerating all outcomes; with one trial less the power is missed."""
    if not possible(relation, value, margin):
        with pytest.raises(InvalidInput, match="no probability is"):
            needed_for_proportion(value, margin, relation=relation, power=0.8)
        return

    def chance(n):
        truth = value + margin * HARDEST_TRUTH.get(relation, 0)
        pmf = binom.pmf(np.arange(n + 1), n, truth)
        likely = np.flatnonzero(pmf > 1e-9)
        measured = [Measurement.proportion(relation, value, int(s), n, margin) for s in likely]
        verdicts = [judge([one])[0].verdict for one in measured]
        return pmf[likely][[verdict is Verdict.CONSISTENT for verdict in verdicts]].sum()

    n = needed_for_proportion(value, margin, relation=relation, power=0.8)
    assert chance(n) >= 0.8 - 1e-6
    if n > 1:
        assert chance(n - 1) < 0.8


def test_probabilities_known_by_hand():
    assert needed_for_proportion(0.0, 0.001) == math.ceil(math.log(0.005) / math.log(0.999))
    assert needed_for_proportion(1.0, 0.001) == needed_for_proportion(0.0, 0.001)
    assert needed_for_proportion(0.0, 0.001, tests=10) == math.ceil(math.log(0.0005) / math.log(0.999))
    assert needed_for_proportion(1.5, 0.1, relation="<=") == 1  # true of every probability
    for relation in Relation:
        many = needed_for_proportion(0.5, 0.003, relation=relation)
        assert math.isclose(many, needed(0.5, 0.003, relation=relation), rel_tol=0.01)


@pytest.mark.parametrize(
    "size", [lambda **changes: needed(1.0, **changes), lambda **changes: needed_for_proportion(0.5, **changes)]
)
def test_bad_arguments(size):
    for margin in (0, -1, np.nan):
        with pytest.raises(InvalidInput, match="margin must be"):
            size(margin=margin)
    for relation in ("==", "<=", ">="):
        message = f"power must be at most 1 - alpha / tests = 0.95 for {relation}, got 0.96"
        with pytest.raises(InvalidInput, match=message):
            size(margin=0.1, relation=relation, alpha=0.05, power=0.96)
    assert size(margin=0.1, relation="<", alpha=0.05, power=0.96) > size(margin=0.1, relation="<", alpha=0.05)
    for name in ("alpha", "power"):
        with pytest.raises(InvalidInput, match=f"{name} is a probability"):
            size(margin=0.1, **{name: 1.0})
    with pytest.raises(InvalidInput, match="tests must be at least 1"):
        size(margin=0.1, tests=0)
    with pytest.raises(InvalidInput, match="is not a relation"):
        size(margin=0.1, relation="~")
    with pytest.raises(InvalidInput, match=r"a margin of 1e-07 needs more than 1e\+12 trajectories"):
        size(margin=1e-7)


def test_bad_deviations_and_values():
    with pytest.raises(InvalidInput, match="standard_deviation must be at least 0"):
        needed(-1.0, 0.1)
    with pytest.raises(InvalidInput, match="standard_deviation must be finite"):
        needed(np.nan, 0.1)
    with pytest.raises(InvalidInput, match="value must be finite"):
        needed_for_proportion(np.nan, 0.1)


def test_families_of_proportions_take_few():
    """At the power with which claims are planned, true ones among true ones: some times what one takes alone."""
    alone = needed_for_proportion(0.5, 0.01, power=0.99)
    for tests in (5, 30):
        assert alone < needed_for_proportion(0.5, 0.01, power=1 - 0.01 / tests, tests=tests) < 4 * alone
