"""p-values, limits and detectable departures against independent routes, and bad input."""

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest, t

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.inference import Measurement, Relation

STUDENT = t(399)  # for the 400 trajectories of `mean`
RELATIONS = list(Relation)


def mean(relation, estimate, **changes):
    options = {"value": 1.0, "standard_error": 0.1, "count": 400, "margin": 0.5} | changes
    return Measurement(relation, estimate=estimate, **options)


@pytest.mark.parametrize(
    ("relation", "estimate", "distance", "sides"),
    [
        ("==", 1.2, 2.0, 2),
        ("==", 0.7, 3.0, 2),
        ("<=", 1.2, 2.0, 1),
        ("<=", 0.7, -3.0, 1),
        (">=", 0.7, 3.0, 1),
        ("<", 0.7, 2.0, 1),  # against v - m = .5
        ("<", 0.2, -3.0, 1),
        (">", 1.2, 3.0, 1),  # against v + m = 1.5
        ("within", 1.8, 3.0, 2),  # against 1.5
        ("within", 0.4, 1.0, 2),  # against .5
    ],
)
def test_p_values(relation, estimate, distance, sides):
    assert math.isclose(mean(relation, estimate).p_value, sides * STUDENT.cdf(-distance), rel_tol=1e-9)
    exact = mean(relation, estimate, rounding=0.05)  # half a standard error
    assert math.isclose(exact.p_value, sides * STUDENT.cdf(-(distance - 0.5)), rel_tol=1e-9)


def test_p_is_1_at_the_value():
    assert mean("==", 1.0).p_value == mean("==", 1.04, rounding=0.05).p_value == mean("within", 1.3).p_value == 1.0
    assert mean("<=", 1.0).p_value == mean(">=", 1.0).p_value == 0.5


def test_z_is_signed_and_forgives_rounding():
    assert math.isclose(mean("<", 0.7).z, -3.0)
    assert math.isclose(mean("==", 1.3, rounding=0.1).z, 2.0)
    assert mean("==", 1.05, rounding=0.1).z == 0.0
    assert mean("==", 1.0, standard_error=0).z == 0.0
    assert mean("==", 1.1, standard_error=0).z == math.inf
    assert mean("==", 0.9, standard_error=0).z == -math.inf
    assert Measurement.proportion("==", 0.5, 5, 10, margin=0.1).z is None


def test_deterministic_estimates_compare_as_numbers():
    for relation, estimate, p in (
        ("==", 1, 1),
        ("==", 1.1, 0),
        ("<=", 1, 1),
        ("<=", 1.1, 0),
        ("<", 0.5, 1),
        ("<", 1, 0),
    ):
        assert mean(relation, estimate, standard_error=0.0).p_value == p
    assert mean("==", 1 + 1e-13, standard_error=0.0, rounding=1e-12).p_value == 1
    assert mean("==", 1.0, standard_error=0.0).limits(0.99) == (1.0, 1.0)
    assert mean("==", 1.0, standard_error=0.0, rounding=0.1).detectable(0.01) == 0.1


@pytest.mark.parametrize(
    ("estimate", "error", "count"), [(np.nan, 1, 9), (1, np.nan, 9), (np.inf, 1, 9), (1, np.inf, 9), (1, 1, 0)]
)
def test_without_information(estimate, error, count):
    for relation in RELATIONS:
        nothing = mean(relation, estimate, standard_error=error, count=count)
        assert not nothing.informative
        assert nothing.p_value == 1.0
        assert nothing.limits(0.9) == (-math.inf, math.inf)
        assert nothing.detectable(0.01) == math.inf
    empty = Measurement.proportion("<=", 0.5, successes=0, count=0, margin=0.1)
    assert (empty.informative, empty.p_value, empty.limits(0.9), empty.detectable(0.1)) == (False, 1, (0, 1), math.inf)


@pytest.mark.parametrize("n", [10, 137])
@pytest.mark.parametrize("value", [0.0, 0.02, 0.5, 1.0])
def test_binomial_p_values(n, value):
    for s in range(n + 1):
        above, below = (binomtest(s, n, value, alternative=side).pvalue for side in ("greater", "less"))
        measured = {
            relation: Measurement.proportion(relation, value, s, n, margin=0.01) for relation in ("==", "<=", ">=")
        }
        np.testing.assert_allclose(measured["<="].p_value, above, rtol=1e-9)
        np.testing.assert_allclose(measured[">="].p_value, below, rtol=1e-9)
        np.testing.assert_allclose(measured["=="].p_value, min(1, 2 * min(above, below)), rtol=1e-9)


def test_binomial_margins():
    s, n = 30, 200
    below = Measurement.proportion("<", 0.2, s, n, margin=0.1, rounding=0.01)
    assert math.isclose(below.p_value, binom.sf(s - 1, n, 0.2 - 0.1 + 0.01), rel_tol=1e-9)
    within = Measurement.proportion("within", 0.05, s, n, margin=0.04)
    assert math.isclose(within.p_value, 2 * binom.sf(s - 1, n, 0.09), rel_tol=1e-9)
    assert Measurement.proportion("<=", 1.2, n, n, margin=0.1).p_value == 1.0  # a bound above 1 is no news


def test_no_variation_is_not_certainty():
    """1000 trials without an event do not refute a probability of 1/1000."""
    silent = Measurement.proportion("==", 0.001, 0, 1000, margin=1e-4)
    assert math.isclose(silent.p_value, 2 * 0.999**1000, rel_tol=1e-9)
    assert math.isclose(silent.limits(0.99)[1], 1 - 0.005 ** (1 / 1000), rel_tol=1e-9)
    plug_in = Measurement("==", 0.001, 0.0, 0.0, 1000, margin=1e-4)
    assert plug_in.p_value == 0.0  # negative control


@pytest.mark.parametrize("alpha", [0.2, 0.01])
def test_two_sided_p_and_limits_agree(alpha):
    for s in range(41):
        measured = Measurement.proportion("==", 0.3, s, 40, margin=0.01)
        lower, upper = measured.limits(1 - alpha)
        assert (measured.p_value <= alpha) == (not lower < 0.3 < upper)
    for estimate in np.linspace(0.5, 1.5, 40):
        lower, upper = mean("==", estimate).limits(1 - alpha)
        assert (mean("==", estimate).p_value <= alpha) == (not lower < 1 < upper)


ENDS = {"==": (1, -1), "<=": (1,), ">=": (-1,), "<": (1,), ">": (-1,), "within": (1, -1)}
"""The directions in which E Z can depart from a statement."""


def departed(relation, value, margin, departure, direction):
    shift = {"<": -margin, ">": margin, "within": direction * margin}.get(relation, 0)
    return value + shift + direction * departure


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("power", [0.5, 0.9])
def test_detectable_departure_of_a_mean_has_its_power(relation, power):
    alpha, rounding = 0.03, 0.02
    departure = mean(relation, 0.0, rounding=rounding).detectable(alpha, power)
    rng = np.random.default_rng(4)
    for direction in ENDS[relation]:
        truth = departed(relation, 1.0, 0.5, departure, direction)
        estimates = truth + 0.1 * rng.normal(size=1000)
        share = np.mean([mean(relation, one, rounding=rounding).p_value <= alpha for one in estimates])
        assert abs(share - power) < 5 * math.sqrt(power * (1 - power) / 1000)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize(("value", "margin", "n"), [(0.3, 0.1, 150), (0.02, 0.015, 700), (0.96, 0.02, 90)])
def test_detectable_departure_of_a_probability_has_its_power(relation, value, margin, n):
    alpha, power, rounding = 0.05, 0.8, 1e-3
    family = [Measurement.proportion(relation, value, s, n, margin, rounding) for s in range(n + 1)]
    refuted = np.array([one.p_value <= alpha for one in family])
    departure = family[0].detectable(alpha, power)
    assert all(one.detectable(alpha, power) == departure for one in family[:: n // 4])

    def chance(departure, direction):
        return binom.pmf(np.arange(n + 1), n, departed(relation, value, margin, departure, direction))[refuted].sum()

    possible = [d for d in ENDS[relation] if 0 <= departed(relation, value, margin, departure, d) <= 1]
    chances = [chance(departure, direction) for direction in possible]
    assert min(chances) > power - 1e-9
    assert min(chance(departure - 1e-6, direction) for direction in possible) < power


def test_detectable_probability_without_events():
    assert math.isclose(Measurement.proportion("<=", 0.0, 0, 1000, 0.1).detectable(0.01), 1 - 0.1 ** (1 / 1000))
    # 5 trials cannot refute "at most 1/2" at .01 whatever they show: all of [0, 1] is undetected.
    assert Measurement.proportion("<=", 0.5, 2, 5, 0.1).detectable(0.01) == 0.5
    assert Measurement.proportion("<=", 1.5, 2, 5, 0.1).detectable(0.01) == 0.0


def test_relations():
    assert mean("<=", 1.0).relation is Relation.AT_MOST
    assert mean(Relation.WITHIN, 1.0).relation is Relation.WITHIN
    assert [relation.sides for relation in RELATIONS] == [2, 1, 1, 1, 1, 2]
    assert [relation for relation in RELATIONS if relation.strict] == ["<", ">"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"value": np.nan}, InvalidInput, "value must be finite, got nan"),
        ({"value": np.inf}, InvalidInput, "value must be finite, got inf"),
        ({"value": None}, InvalidType, "value must be a number"),
        ({"estimate": [1.0, 2.0]}, InvalidInput, r"estimate must be one number, got an array of shape \(2,\)"),
        ({"estimate": "1"}, InvalidType, "estimate must be a number"),
        ({"standard_error": -0.1}, InvalidInput, "standard_error must be at least 0, got -0.1"),
        ({"count": -1}, InvalidInput, "count must be at least 0"),
        ({"count": 10.0}, InvalidType, "count must be an integer"),
        ({"margin": 0.0}, InvalidInput, "margin must be greater than 0"),
        ({"rounding": -1e-9}, InvalidInput, "rounding must be at least 0"),
        ({"rounding": 0.5}, InvalidInput, "rounding must be below the margin 0.5, got 0.5"),
        ({"successes": 401}, InvalidInput, "successes must be at least 0 and below 401"),
        ({"successes": 3}, InvalidInput, r"estimate must be successes / count = 0.0075, got 1; Measurement.proportion"),
    ],
)
def test_bad_arguments(changes, error, message):
    with pytest.raises(error, match=message):
        mean("==", **({"estimate": 1.0} | changes))


def test_bad_relations():
    for relation in ("=", "=<", "!=", None, 1):
        with pytest.raises(InvalidInput, match=r"is not a relation; allowed: ==, <=, >=, <, >, within"):
            mean(relation, 1.0)


def test_statements_that_no_probability_can_meet():
    for relation, value, margin in (
        ("==", -0.1, 0.2),
        ("==", 1.1, 0.2),
        ("<", 0.01, 0.02),
        (">", 0.99, 0.02),
        ("within", 2, 0.5),
    ):
        with pytest.raises(InvalidInput, match=f"no probability is {relation}"):
            Measurement.proportion(relation, value, 1, 10, margin)
    with pytest.raises(InvalidInput, match="successes must be"):
        Measurement.proportion("==", 0.5, 11, 10, 0.1)
    with pytest.raises(InvalidType, match="successes must be an integer"):
        Measurement.proportion("==", 0.5, 2.5, 10, 0.1)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("bad", [0.0, 1.0, np.nan])
def test_bad_levels(bad):
    for call in (lambda m: m.limits(bad), lambda m: m.detectable(bad), lambda m: m.detectable(0.01, bad)):
        with pytest.raises(InvalidInput, match=r"(confidence|alpha|power) (is a probability|must be finite)"):
            call(mean("==", 1.0))
