"""The rules of `judge` case by case, and its error rates by simulation."""

import math

import numpy as np
import pytest
from frequencies import assert_frequency, fails

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.inference import Measurement, Relation, Verdict, holm, judge

CONSISTENT, REFUTED, INCONCLUSIVE = Verdict.CONSISTENT, Verdict.REFUTED, Verdict.INCONCLUSIVE


def verdict(relation, estimate, standard_error, **changes):
    options = {"value": 0.0, "count": 1000, "margin": 1.0} | changes
    (judgement,) = judge([Measurement(relation, estimate=estimate, standard_error=standard_error, **options)])
    return judgement.verdict, judgement.confirmed


# At alpha = .01: z = 2.576 for two-sided limits, 2.326 for one-sided p; detectable = 3.86 SE ("==") or 3.61 SE.
@pytest.mark.parametrize(
    ("relation", "estimate", "error", "answer", "confirmed"),
    [
        ("==", 0.2, 0.1, CONSISTENT, False),
        ("==", -0.2, 0.1, CONSISTENT, False),
        ("==", 0.3, 0.1, REFUTED, False),  # real, if smaller than the margin
        ("==", 0.0, 0.3, INCONCLUSIVE, False),  # could not have detected the margin
        ("==", 0.6, 0.25, INCONCLUSIVE, False),  # could, but does not exclude a departure of 1
        ("<=", 0.1, 0.1, CONSISTENT, False),
        ("<=", -0.3, 0.1, CONSISTENT, True),
        ("<=", 0.3, 0.1, REFUTED, False),
        ("<=", 0.0, 0.3, INCONCLUSIVE, False),
        ("<=", -9.0, 3.0, CONSISTENT, True),  # too noisy for the margin, and yet far below the bound
        ("<=", -7.0, 3.0, INCONCLUSIVE, False),
        (">=", -0.1, 0.1, CONSISTENT, False),
        (">=", 0.3, 0.1, CONSISTENT, True),
        (">=", -0.3, 0.1, REFUTED, False),
        ("<", -1.0, 0.3, CONSISTENT, True),
        ("<", -0.2, 0.3, REFUTED, False),  # no difference of 1
        ("<", -0.5, 0.3, INCONCLUSIVE, False),
        ("<", -0.5, 0.1, CONSISTENT, True),  # less than the margin, but real: the statement as made is true
        ("<", 0.0, 0.1, REFUTED, False),
        (">", 0.5, 0.1, CONSISTENT, True),
        (">", 0.2, 0.3, REFUTED, False),
        ("within", 0.6, 0.1, CONSISTENT, True),
        ("within", -0.6, 0.1, CONSISTENT, True),
        ("within", 1.3, 0.1, REFUTED, False),
        ("within", 1.1, 0.1, INCONCLUSIVE, False),
        ("within", 0.0, 0.5, INCONCLUSIVE, False),
    ],
)
def test_rules(relation, estimate, error, answer, confirmed):
    assert verdict(relation, estimate, error) == (answer, confirmed)


@pytest.mark.parametrize(
    ("relation", "estimate", "answer"),
    [
        ("==", 0.0, CONSISTENT),
        ("==", 1e-13, CONSISTENT),
        ("==", 1e-11, REFUTED),
        ("<=", 1e-13, CONSISTENT),
        ("<=", 1e-11, REFUTED),
        (">=", -1e-13, CONSISTENT),
        ("<", 0.0, REFUTED),
        ("<", -1e-13, REFUTED),  # rounding is no difference
        ("<", -1e-11, CONSISTENT),
        (">", 1e-13, REFUTED),
        ("within", 1 + 1e-13, CONSISTENT),
        ("within", 1 + 1e-11, REFUTED),
    ],
)
def test_deterministic_statements_are_decided_by_rounding(relation, estimate, answer):
    assert verdict(relation, estimate, 0.0, rounding=1e-12) == (answer, answer is CONSISTENT)


def test_equality_is_no_strict_difference():
    for relation in ("<", ">"):
        assert verdict(relation, 0.0, 0.0) == (REFUTED, False)


@pytest.mark.parametrize("relation", list(Relation))
def test_without_information(relation):
    for estimate, error, count in ((np.nan, 1, 10), (0, np.nan, 10), (np.inf, 0, 10), (0, np.inf, 10), (0, 0, 0)):
        assert verdict(relation, estimate, error, count=count) == (INCONCLUSIVE, False)
    empty = Measurement.proportion(relation, 0.5, 0, 0, margin=0.5)
    assert judge([empty])[0].verdict is INCONCLUSIVE
    everything = Measurement.proportion("within", 0.5, 0, 0, margin=0.7)
    assert (judge([everything])[0].verdict, judge([everything])[0].confirmed) == (INCONCLUSIVE, False)


def test_judgement_carries_its_numbers():
    first = Measurement("==", 1.0, 1.01, 0.005, 1000, margin=0.1)
    second = Measurement.proportion("<=", 0.1, 5, 1000, margin=0.02)
    judgements = judge([first, second], alpha=0.04)
    for measured, judgement in zip((first, second), judgements, strict=True):
        assert (judgement.lower, judgement.upper) == measured.limits(0.98)
        assert judgement.detectable == measured.detectable(0.02)
    np.testing.assert_array_equal([one.p_adjusted for one in judgements], holm([first.p_value, second.p_value]))
    assert judge([]) == []


def test_too_few_samples_are_inconclusive():
    """A perfect estimate of a true statement is no evidence until a departure would have shown."""
    for count, answer in ((20, INCONCLUSIVE), (1000, INCONCLUSIVE), (2000, CONSISTENT)):
        assert verdict("==", 0.0, 1 / math.sqrt(count), margin=0.1, count=count)[0] is answer
    for count, answer in ((10, INCONCLUSIVE), (500, INCONCLUSIVE), (600, CONSISTENT)):
        silent = Measurement.proportion("==", 0.0, 0, count, margin=0.01)
        assert judge([silent])[0].verdict is answer
    plug_in = Measurement("==", 0.0, 0.0, 0.0, 10, margin=0.01)
    assert judge([plug_in])[0].verdict is CONSISTENT  # negative control: what a standard error of 0 would claim


def test_more_statements_need_more_evidence():
    one = Measurement("==", 0.0, 0.29, 0.1, 1000, margin=0.7)
    quiet = Measurement("==", 0.0, 0.0, 0.1, 1000, margin=0.7)
    assert judge([one])[0].verdict is REFUTED
    assert judge([one] + [quiet] * 9)[0].verdict is CONSISTENT
    assert judge([one] + [quiet] * 9999)[0].verdict is INCONCLUSIVE


def family(rng, departure, n=400):
    """One measurement of each relation, of correlated variables, each at the edge of the truth plus a departure."""
    edges = [("==", 0), ("<=", 0), (">=", 0), ("<", -1), (">", 1), ("within", 1)]
    common = rng.normal()
    measurements = []
    for relation, edge in edges:
        sign = -1 if relation in (">=", ">") else 1
        # What a sample mean and standard deviation of n normal variables of variance n / 25 are: SE = .2.
        estimate = edge + sign * departure + 0.2 * (0.6 * common + 0.8 * rng.normal())
        error = 0.2 * math.sqrt(rng.chisquare(n - 1) / (n - 1))
        measurements.append(Measurement(relation, 0.0, estimate, error, n, margin=1.0))
    return measurements


@pytest.fixture(scope="module")
def true_families():
    rng = np.random.default_rng(5)
    return [family(rng, departure=0.0) for _ in range(3000)]


@pytest.fixture(scope="module")
def judged_families(true_families):
    return [judge(each, alpha=0.05) for each in true_families]


def test_true_statements_are_rarely_refuted(true_families, judged_families):
    # 3000 families tell .05 from .09.
    def refuted(judgements):
        return any(one.verdict is REFUTED for one in judgements)

    assert_frequency(sum(map(refuted, judged_families)), 3000, at_most=0.05)
    # Negative control: six tests, each at .05, seen in some .15 of the families, which 1000 tell from .05.
    single = sum(any(refuted(judge([one], alpha=0.05)) for one in each) for each in true_families[:1000])
    assert fails(assert_frequency, single, 1000, at_most=0.05)


def test_limits_cover_together(judged_families):
    truth = (0, 0, 0, -1, 1, 1)
    missed = 0
    for judgements in judged_families:
        missed += any(not one.lower <= true <= one.upper for one, true in zip(judgements, truth, strict=True))
    assert_frequency(missed, 3000, at_most=0.05)
    assert fails(assert_frequency, missed, 3000, at_most=0.005)


def test_departures_that_matter_are_rarely_called_consistent():
    # "==" and "<=" depart by the margin; "<", ">" have no difference; "within" is at the end of its range.
    rng = np.random.default_rng(6)
    wrong = refuted = 0
    for _ in range(3000):
        measurements = family(rng, departure=1.0)
        measurements[-1] = Measurement("within", 1.0, measurements[-1].estimate, 0.2, 400, margin=1.0)
        judgements = judge(measurements, alpha=0.05)
        wrong += any(one.verdict is CONSISTENT for one in judgements)
        refuted += judgements[0].verdict is REFUTED
    assert_frequency(wrong, 3000, at_most=0.05)
    assert refuted > 2900  # and this is no want of power: 1 = 5 SE


def test_rare_events():
    """Exact tests of a true probability .002 from 500 trials: few false alarms, unlike with plug-in errors."""
    rng = np.random.default_rng(7)
    successes = rng.binomial(500, 0.002, size=4000)
    judged = {}
    for s in set(successes.tolist()):
        exact = Measurement.proportion("==", 0.002, s, 500, margin=0.001)
        plug_in = Measurement("==", 0.002, exact.estimate, exact.standard_error, 500, margin=0.001)
        judged[s] = [judge([one], alpha=0.05)[0].verdict is REFUTED for one in (exact, plug_in)]
    exact, plug_in = np.sum([judged[s] for s in successes.tolist()], axis=0)
    assert_frequency(exact, 4000, at_most=0.05)
    assert fails(assert_frequency, plug_in, 4000, at_most=0.05)


def test_bad_arguments():
    with pytest.raises(InvalidType, match="measurements must hold Measurements"):
        judge([0.3])  # pyright: ignore[reportArgumentType]
    for alpha in (0, 1, np.nan):
        with pytest.raises(InvalidInput, match="alpha"):
            judge([], alpha)
