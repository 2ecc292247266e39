"""Stopping at a stated precision keeps its coverage, and careless rules do not."""

import math

import numpy as np
import pytest
from frequencies import assert_frequency, fails
from scipy.stats import t

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.inference import Precision, mean_interval, proportion_interval, z_value
from jaxsgd.inference.sequential import EVENTS, PILOT

REPLICATIONS = 2000
"""Enough to tell a miss rate of .05 from one of .10; half of them from .12. See `assert_frequency`."""


def walk(rng, target, deviation):
    """Errors of the running mean of normal values at the checkpoints."""
    counts = np.array(target.checkpoints())
    steps = np.diff(counts, prepend=0)
    return counts, np.cumsum(rng.normal(size=len(counts)) * np.sqrt(steps)) * deviation / counts


def run(target, draws):
    """Look at the values until the target is reached or the limit ends the run."""
    for number, count in enumerate(target.checkpoints(), start=1):
        look = target.look(number, count, draws[:count].mean(), draws[:count].var(ddof=1))
        if look.reached:
            break
    return number, look


def events(rng, target, probability):
    """The same for events."""
    seen = before = 0
    for number, count in enumerate(target.checkpoints(), start=1):
        seen, before = seen + rng.binomial(count - before, probability), count
        look = target.look_at_events(number, count, int(seen))
        if look.reached:
            break
    return seen, look


# By hand


def test_checkpoints():
    assert Precision("risk", absolute=1).checkpoints()[:3] == [PILOT, 2 * PILOT, 4 * PILOT]
    assert Precision("risk", absolute=1, limit=20_000).checkpoints(3000) == [6000, 12_000, 20_000]
    assert Precision("risk", absolute=1, limit=2 * PILOT).checkpoints() == [PILOT, 2 * PILOT]
    assert Precision("risk", absolute=1, limit=5000).checkpoints(10_000) == [5000]


T = t(9999).isf(0.05 / 12)


def test_a_look_by_hand():
    # Look 2 has delta / 6 and t = 2.6387; SE is 3 / 100.
    target = Precision("risk", relative=0.02)
    look = target.look(2, count=10_000, mean=5.0, variance=9.0)
    assert look.reached
    np.testing.assert_allclose([look.lower, look.upper], [5 - T * 0.03, 5 + T * 0.03], rtol=1e-7)
    np.testing.assert_allclose([look.half_width, look.allowed], [T * 0.03, 0.1], rtol=1e-6)
    assert look.message == "risk is 5 -+ 0.0792 (1.58%) after 10000 trajectories; the target of 2% is reached"
    assert not target.look(2, count=10_000, mean=-3.0, variance=9.0).reached
    assert target.look(2, count=10_000, mean=-5.0, variance=9.0).reached


def test_the_looks_spend_the_error_and_no_more():
    target = Precision("risk", absolute=0.1, confidence=0.9)
    spent = [2 * t(99).sf(target.look(j, 100, 0.0, 100.0).half_width) for j in range(1, 60)]
    np.testing.assert_allclose(spent, [0.1 / (j * (j + 1)) for j in range(1, 60)], rtol=1e-6)
    assert sum(spent) < 0.1


def test_events_have_exact_intervals():
    target = Precision("R<.05", absolute=0.001)
    look = target.look_at_events(1, count=10_000, successes=0)
    assert (look.lower, look.upper) == tuple(map(float, proportion_interval(0, 10_000, 0.975)))
    assert look.reached
    assert look.half_width == look.upper  # the greater side
    assert not target.look_at_events(1, count=1000, successes=0).reached


def test_relative_precision_takes_events():
    target = Precision("R<.05", relative=0.5)
    few = target.look_at_events(1, count=10_000, successes=EVENTS - 1)
    assert few.half_width < few.allowed
    assert not few.reached
    assert few.message.endswith("the target of 50% is not reached: it needs 100 events, and 99 were seen")
    assert target.look_at_events(1, count=10_000, successes=EVENTS).reached


@pytest.mark.parametrize("target", [Precision("risk", relative=0.1), Precision("risk", absolute=0.1)])
def test_nothing_known_stops_nothing(target):
    for mean, variance, reason in (
        (3.0, 0.0, "nothing varies, which gives no interval"),
        (math.nan, math.nan, "trajectories diverge"),
        (math.inf, 1.0, "trajectories diverge"),
        (3.0, math.inf, "trajectories diverge"),
    ):
        look = target.look(1, 5000, mean, variance)
        assert not look.reached
        assert look.message.endswith(f"is not reached: {reason}")


def test_the_pilot_is_not_cut_short():
    target = Precision("risk", relative=0.5)
    early = target.look(1, PILOT - 1, 1.0, 1e-6)
    assert not early.reached
    assert early.message.endswith("is not reached: it needs 4096 trajectories")
    assert target.look(1, PILOT, 1.0, 1e-6).reached


def test_a_mean_of_zero_has_no_relative_precision():
    look = Precision("risk", relative=0.1).look(1, 5000, 0.0, 1.0)
    assert not look.reached
    assert look.message.endswith("the target of 10% is not reached: the estimate is 0")


def test_the_limit_ends_with_a_plain_message():
    target = Precision("risk", relative=0.001, limit=10_000)
    number, look = run(target, np.random.default_rng(0).exponential(size=10_000))
    assert (number, look.reached) == (3, False)
    assert look.lower < 1 < look.upper
    assert "after 10000 trajectories; the target of 0.1% takes some 8" in look.message
    assert look.message.endswith("; limit=10000 ends the run: raise it, or ask for less")
    stuck = target.look(3, 10_000, 1.0, 0.0).message
    assert stuck.endswith("is not reached: nothing varies, which gives no interval; limit=10000 ends the run: "
                          "raise it, or ask for less")  # fmt: skip


# Coverage


def test_all_looks_cover_together_and_ordinary_ones_do_not():
    """A random walk of 16 looks, whatever decides when to stop; |z| > 1.96 somewhere is a frequent false alarm."""
    rng, target = np.random.default_rng(1), Precision("risk", absolute=0.1, limit=PILOT * 2**15)
    outside = naive = 0
    for _ in range(REPLICATIONS):
        counts, errors = walk(rng, target, 3.0)
        looks = [target.look(j, int(n), e, 9.0) for j, (n, e) in enumerate(zip(counts, errors, strict=True), start=1)]
        outside += any(not look.lower <= 0 <= look.upper for look in looks)
        naive += np.any(abs(errors) > 1.959964 * 3 / np.sqrt(counts))
    assert_frequency(outside, REPLICATIONS, at_most=0.05)
    assert_frequency(naive, REPLICATIONS, at_least=0.25)


@pytest.mark.parametrize("relative", [0.1, 0.035, 0.012])
def test_coverage_at_the_stop_for_a_skewed_observable(relative):
    # Exponential values: the runs stop at the first look, at the first or second, or go on to the limit. The error
    # relative to the estimate at a stop is at most what was asked for.
    rng, target = np.random.default_rng(2), Precision("risk", relative=relative, limit=4 * PILOT)
    missed = wrong = 0
    for _ in range(REPLICATIONS // 2):
        look = run(target, rng.exponential(size=target.limit))[1]
        missed += not look.lower <= 1 <= look.upper
        estimate = (look.lower + look.upper) / 2
        wrong += look.reached and abs(estimate - 1) > relative * estimate
    assert_frequency(missed, REPLICATIONS // 2, at_most=0.05)
    assert_frequency(wrong, REPLICATIONS // 2, at_most=0.05)


@pytest.mark.parametrize("probability", [0.003, 0.05, 0.6])
@pytest.mark.parametrize("precision", [{"relative": 0.05}, {"absolute": 0.002}])
def test_coverage_at_the_stop_for_events(probability, precision):
    rng, target = np.random.default_rng(3), Precision("R<.05", **precision, limit=10_000_000)
    missed = 0
    for _ in range(REPLICATIONS // 2):
        seen, look = events(rng, target, probability)
        assert look.reached
        assert target.relative is None or seen >= EVENTS
        missed += not look.lower <= probability <= look.upper
    assert_frequency(missed, REPLICATIONS // 2, at_most=0.05)


def test_a_careless_rule_fails_for_rare_events():
    """Negative control: plug-in variance, z = 1.96 and a pilot of 100 stop at "zero events, zero width".

    With p = .003 a share of .997^100 = .740 of the runs stop there; coverage is some 25%.
    """
    rng, covered, at_pilot = np.random.default_rng(4), 0, 0
    for _ in range(REPLICATIONS):
        count, seen = 100, rng.binomial(100, 0.003)
        while True:
            p = seen / count
            lower, upper = mean_interval(p, math.sqrt(p * (1 - p) / count), 0.95)
            if upper - p <= 0.05 * p:
                break
            seen, count = seen + rng.binomial(count, 0.003), 2 * count
        covered += lower <= 0.003 <= upper
        at_pilot += count == 100
    assert_frequency(at_pilot, REPLICATIONS, at_least=0.735, at_most=0.745)
    assert_frequency(covered, REPLICATIONS, at_most=0.26)
    assert fails(assert_frequency, REPLICATIONS - covered, REPLICATIONS, at_most=0.05)


def test_the_price_of_looking():
    # Against one look at a fixed sample: 14% at the first, 60% at the fifth.
    target = Precision("risk", absolute=1)
    widths = [target.look(j, 10**6, 0.0, 10.0**6).half_width / z_value(0.05) for j in (1, 5)]
    np.testing.assert_allclose(widths, [1.144, 1.604], atol=1e-3)


# Errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either relative or absolute, got relative=None and absolute=None"),
        ({"relative": 0.1, "absolute": 0.1}, "give either relative or absolute"),
        ({"relative": 0}, "relative is a fraction"),
        ({"relative": 1.0}, "relative is a fraction and must lie strictly between 0 and 1, got 1"),
        ({"relative": math.nan}, "relative must be finite"),
        ({"absolute": 0.0}, "absolute must be greater than 0"),
        ({"absolute": math.inf}, "absolute must be finite"),
        ({"relative": 0.1, "confidence": 95}, "confidence is a probability"),
        ({"relative": 0.1, "limit": 1000}, "limit must be at least 4096, got 1000"),
    ],
)
def test_bad_targets(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        Precision("risk", **arguments)


def test_bad_types():
    with pytest.raises(InvalidType, match="observable must be the name of one, got "):
        Precision(0.01, relative=0.01)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidType, match="limit must be an integer"):
        Precision("risk", relative=0.01, limit=1e6)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidType, match="relative must be a number"):
        Precision("risk", relative="1%")  # pyright: ignore[reportArgumentType]


def test_bad_looks():
    target = Precision("risk", relative=0.1)
    with pytest.raises(InvalidInput, match="number must be at least 1"):
        target.look(0, 100, 1.0, 1.0)
    with pytest.raises(InvalidInput, match="count must be at least 1"):
        target.look(1, 0, 1.0, 1.0)
    with pytest.raises(InvalidInput, match="variance must be at least 0, got -1"):
        target.look(1, 100, 1.0, -1.0)
    with pytest.raises(InvalidInput, match="successes must be at least 0 and below 101, got 101"):
        target.look_at_events(1, 100, 101)
    with pytest.raises(InvalidInput, match="unit must be at least 1"):
        target.checkpoints(0)
