"""Samples behind claims, on studies with known moments; all of them share a few compiled programs.

With N trajectories a mean is checked to 5 standard errors, and those are at most 1% of a standard deviation.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import jaxsgd as js
from jaxsgd import inference
from jaxsgd.engine.task import Task
from jaxsgd.errors import InvalidInput
from jaxsgd.record import at
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.verification import measure as module
from jaxsgd.verification.measure import measure
from jaxsgd.verification.sample import Sample
from jaxsgd.verification.subject import MOST, PILOT, POWER, Subject

CONSTANT, POLYNOMIAL = (js.chapter.study(name) for name in ("constant", "polynomial"))
SHORT = js.chapter.study("constant", steps=4).replace(averages={})
EXACT = js.theory.exact(SHORT)
LATE = SHORT.replace(averages={"late": js.averages.Suffix(0.5)})


def first(x):
    return x[0]


def negative(x):
    return x[0] < 0


def late(state):
    return state.averages["late"][0]


def claim(study, variable, relation="==", value=0.0, **options):
    return js.Claim("c", "s", study, variable, relation, value, **options)


def measured(*claims, resolution=0.01, alpha=0.01, trajectories=1024, seed=0):
    return measure(claims, resolution, alpha, trajectories, seed)


def assert_mean(measurement, value):
    assert abs(measurement.estimate - value) < 5 * measurement.standard_error


# samples


def test_samples_merge_as_if_taken_together():
    values = np.random.default_rng(0).normal(1e3, 1.0, 1001)
    parts = Sample.of(values[:1000]).merge(Sample.of(values[1000:]))  # one value has no variance of its own
    assert parts.mean == pytest.approx(values.mean(), rel=1e-14)
    assert parts.deviation == pytest.approx(values.std(ddof=1), rel=1e-10)


def test_what_does_not_vary_has_no_deviation():
    assert Sample.of(np.full(1000, 0.1)).deviation == 0.0


def test_a_value_that_is_not_finite_leaves_no_estimate():
    sample = Sample.of(np.array([1.0, np.nan, np.inf])).merge(Sample.of(np.ones(5)))
    assert (sample.count, sample.lost) == (8, 2)
    assert np.isnan(sample.mean)
    assert np.isnan(sample.deviation)


# single trajectories


def test_values_are_those_of_the_trajectories():
    study = SHORT.replace(record=at([1, 4]), observe=("risk", "distance_squared"))
    values = trajectory_values(study, 1500, 3)
    assert values.shape == (2, 2, 1500)
    x = js.sample_paths(study, 1500, seed=3).x.values
    np.testing.assert_allclose(values[:, 0], (x[..., 0] ** 2 + 2 * x[..., 1] ** 2).T, rtol=1e-5)
    np.testing.assert_allclose(values[:, 1], np.sum(x**2, -1).T, rtol=1e-5)
    np.testing.assert_array_equal(trajectory_values(study, 400, 3, first_trajectory=1100), values[..., 1100:])


def test_values_give_the_moments_of_simulate():
    study = SHORT.replace(record=at([4]), observe=("risk",))
    values = trajectory_values(study, 3000, 1)[0, 0].astype(float)
    moments = js.simulate(study, 3000, 1, statistics=(), progress=False).dataset.isel(step=0)
    assert values.mean() == pytest.approx(float(moments.risk_mean), rel=1e-6)
    assert values.var(ddof=1) == pytest.approx(float(moments.risk_variance), rel=1e-5)


def test_paired_variance_is_the_exact_one():
    """Common draws: Var(R - R') = 0.00195716 at step 50, where independent draws have 0.00400297."""
    N = 2**17
    risks = [
        trajectory_values(study.replace(record=at([50]), observe=("risk",), averages={}), N, 0)[0, 0].astype(float)
        for study in (CONSTANT, POLYNOMIAL)
    ]

    def assert_variance(values, exact):
        centred = (values - values.mean()) ** 2
        error = centred.std() / N**0.5
        assert error < 0.012 * exact
        assert abs(values.var(ddof=1) - exact) < 5 * error

    assert_variance(risks[0] - risks[1], 0.00195716)
    assert_variance(risks[0] - np.roll(risks[1], 1), 0.00400297)
    with pytest.raises(AssertionError):
        assert_variance(risks[0] - np.roll(risks[1], 1), 0.00195716)


# groups


def test_claims_on_one_study_share_its_trajectories(monkeypatch):
    runs, run = [], Task.run
    monkeypatch.setattr(Task, "run", lambda self, *span: runs.append(span) or run(self, *span))
    claims = [claim(SHORT, "risk"), claim(SHORT, first, step=2), claim(SHORT, first), claim(SHORT, negative)]
    found = measured(*claims)
    assert runs == [(0, 1024)]
    alone = SHORT.replace(observe=("risk", "first"), observables={"first": first})
    direct = js.simulate(alone, 1024, statistics=(), progress=False).dataset
    wanted = [direct.risk_mean[4], direct.first_mean[2], direct.first_mean[4]]
    assert [one.measurement.estimate for one in found[:3]] == pytest.approx([float(mean) for mean in wanted], rel=1e-5)


def test_order_is_that_of_the_claims_and_progress_is_told():
    told = []
    claims = [claim(SHORT, "risk"), claim(LATE, "risk"), claim(SHORT, "distance_squared")]
    found = measure(claims, 0.01, 0.01, 1024, 0, told.append)
    assert told == [2, 1]
    assert found[0].measurement.estimate == pytest.approx(found[1].measurement.estimate, rel=1e-5)
    assert found[2].measurement.estimate != found[0].measurement.estimate


def test_names_of_the_user_are_not_shadowed():
    own = SHORT.replace(observables={"variable 0": lambda x: 0 * x[0] + 7, "variable 1": negative}, observe=("risk",))
    seven, function, event, built_in = measured(
        claim(own, "variable 0"), claim(own, first), claim(own, "variable 1"), claim(own, "distance_squared")
    )
    assert seven.measurement.estimate == 7
    assert function.measurement.estimate == pytest.approx(float(EXACT.x_mean[4, 0]), abs=0.1)
    assert event.measurement.successes is not None
    assert built_in.measurement.estimate > 0


def test_differences_are_paired_whatever_the_order_of_the_variables():
    """The averages of the two studies stand in different orders, and their lengths differ."""
    kinds = {"uniform": js.averages.Uniform(), "eta": js.averages.StepSizeWeighted()}
    mine = CONSTANT.replace(averages=kinds)
    its = js.chapter.study("polynomial", steps=60).replace(averages=dict(reversed(kinds.items())))
    exact = [js.theory.exact(study).sel(step=50) for study in (mine, its)]
    names = ["risk", "risk_of_eta", "risk_of_uniform"]
    found = measured(*(claim(mine, name, against=its) for name in names), trajectories=2**15)
    for name, one in zip(names, found, strict=True):
        assert_mean(one.measurement, float(exact[0][f"{name}_mean"] - exact[1][f"{name}_mean"]))
    assert found[0].measurement.standard_error == pytest.approx((0.00195716 / 2**15) ** 0.5, rel=0.05)


def test_differences_do_not_depend_on_how_many_are_held(monkeypatch):
    claims = [claim(SHORT, "risk", against=SHORT.replace(schedule=js.schedules.constant(0.05)))]
    whole = measured(*claims, trajectories=2049)
    monkeypatch.setattr(module, "_VALUES_AT_ONCE", 1024)
    parts = measured(*claims, trajectories=2049)  # the last part is one trajectory
    assert parts[0].measurement.estimate == pytest.approx(whole[0].measurement.estimate, rel=1e-12)
    assert parts[0].measurement.standard_error == pytest.approx(whole[0].measurement.standard_error, rel=1e-9)


def test_pytrees():
    target = {"a": np.array([1.0, 2.0]), "b": np.array(0.5)}
    problem = js.problems.Function(
        lambda x: jnp.sum((x["a"] - target["a"]) ** 2) + (x["b"] - 0.5) ** 2, minimiser=target, convex=True
    )
    study = js.Study(
        oracle=js.oracles.AdditiveNoise(problem, js.noise.Gaussian(1.0)),
        schedule=js.schedules.constant(0.1),
        steps=3,
        x0={"a": np.zeros(2), "b": np.array(0.0)},
    )
    # e_T = 0.8^3 e_0 in the mean.
    found = measured(claim(study, lambda x: x["a"][1]), claim(study, lambda state: state.x["b"]), trajectories=2**14)
    assert_mean(found[0].measurement, 2 * (1 - 0.8**3))
    assert_mean(found[1].measurement, 0.5 * (1 - 0.8**3))


# probabilities and what is lost


def test_booleans_are_events():
    one = measured(claim(SHORT, negative, value=0.999), trajectories=2**14)[0].measurement
    mean, variance = float(EXACT.x_mean[4, 0]), float(EXACT.x_covariance[4, 0, 0])
    p = norm.cdf(-mean / variance**0.5)
    assert one.successes is not None
    assert one.margin == 0.01
    assert abs(one.successes - p * 2**14) < 5 * (p * (1 - p) * 2**14) ** 0.5 + 1


def test_an_average_without_a_value_is_lost():
    found = measured(claim(LATE, late, step=2), claim(LATE, lambda state: late(state) < 0, step=2), claim(LATE, late))
    assert [one.lost for one in found] == [1024, 1024, 0]


def test_diverged_trajectories_are_lost_and_no_event_is_false_for_them():
    wild = SHORT.replace(schedule=js.schedules.constant(1e30))
    for one in measured(claim(wild, "risk"), claim(wild, negative), claim(wild, first, against=wild)):
        assert one.lost == 1024
        assert not one.measurement.informative


# how many


UNIT = Sample(PILOT, 1.0, PILOT - 1.0, 0.0, -3.0, 5.0, 0)


def needed(one, **options):
    return Subject(one, "risk", False).needed(UNIT, **{"resolution": 0.01, "alpha": 0.01, "family": 1} | options)


def test_the_number_follows_from_the_resolution():
    one = claim(SHORT, "risk", value=1.0)
    fine = inference.needed(1.0, 0.01 - 1e-5, power=POWER)
    assert needed(one) == pytest.approx(1.1 * fine, abs=2)
    assert needed(one, resolution=0.1) == pytest.approx(1.1 * fine / 100, rel=0.01)
    assert needed(one, family=100) > 1.4 * needed(one)
    assert needed(one, resolution=1e-3) > MOST
    assert needed(claim(SHORT, "risk", margin=1e-12)) == MOST  # it cannot be counted


def test_large_error_probabilities_need_few():
    """Power 0.99 cannot be had of a true claim that is refuted with probability 0.3."""
    assert needed(claim(SHORT, "risk", value=1.0), alpha=0.3) < needed(claim(SHORT, "risk", value=1.0))
    event = Subject(claim(SHORT, negative, value=0.5), "variable 0", True)
    assert event.needed(UNIT, 0.01, 0.3, 1) < event.needed(UNIT, 0.01, 0.01, 1) < 10**5


def test_the_pilot_is_not_measured():
    one = claim(SHORT, "risk", value=float(EXACT.risk_mean[4]))
    found = measured(one, trajectories=None, resolution=0.2)[0].measurement
    alone = SHORT.replace(observe=("risk",), record=at([4]))
    direct = js.simulate(alone, found.count, first_trajectory=PILOT, statistics=(), progress=False).dataset
    assert found.count == PILOT
    assert found.estimate == pytest.approx(float(direct.risk_mean[-1]), rel=1e-6)


@pytest.mark.parametrize("relation", ["==", "<=", "within"])
def test_true_claims_are_consistent_and_claims_wrong_by_the_margin_refuted(compiled_for_a_long_run, relation):
    """100 seeds; at 98%, fewer than 90 of 100 have probability 1e-5. The number needed is hardly rounded up."""
    value, deviation = float(EXACT.risk_mean[4]), float(EXACT.risk_variance[4]) ** 0.5
    count = 1.1 * inference.needed(deviation, 0.01 * value, relation=relation, power=POWER)
    resolution = 0.01 * (count / (1.9 * PILOT)) ** 0.5
    pair = [claim(SHORT, "risk", relation, value), claim(SHORT, "risk", relation, value / (1 + resolution))]
    verdicts = np.array([
        [js.inference.judge([one.measurement])[0].verdict for one in measured(
            *pair, resolution=resolution, trajectories=None, seed=seed)] for seed in range(100)
    ])  # fmt: skip
    assert np.sum(verdicts[:, 0] == "CONSISTENT") >= 90
    assert np.sum(verdicts[:, 0] == "REFUTED") <= 8  # of 100 at 1%, more have probability 1e-6
    if relation != "within":  # that one is true up to the margin
        assert np.sum(verdicts[:, 1] == "REFUTED") >= 90
    assert np.sum(verdicts[:, 1] == "CONSISTENT") <= 8


# rounding and precision


def test_cancelling_terms_state_their_magnitude():
    """(x + 1000)^2 - x^2 - 2000 x - 10^6 is 0 but for rounding."""

    def nothing(x):
        return (x[0] + 1e3) ** 2 - x[0] ** 2 - 2e3 * x[0] - 1e6

    blind, told = measured(claim(SHORT, nothing), claim(SHORT, nothing, magnitude=1e6), trajectories=2**14)
    assert 0 < abs(told.measurement.estimate) < 0.1
    assert blind.measurement.margin < 1e-3
    assert told.measurement.rounding == pytest.approx(10.0)
    assert js.inference.judge([told.measurement])[0].verdict == "CONSISTENT"


def test_double_precision_rounds_less():
    one = claim(SHORT, "risk", value=float(EXACT.risk_mean[4]), margin=1e-7)
    with pytest.raises(InvalidInput, match=r"margin of claim 'c' must be at least .* jax.enable_x64"):
        measured(one)
    with jax.enable_x64(True):
        found = measured(one)[0].measurement
    assert found.rounding == pytest.approx(1e-12 * one.value)


# bad input, before anything is simulated


@pytest.mark.parametrize(
    ("one", "options", "message"),
    [
        (claim(SHORT, "risk"), {"resolution": 1e-6}, "resolution must be at least 2e-05, .* got 1e-06"),
        (claim(SHORT, "risk"), {"seed": -1}, "seed must be at least 0"),
        (claim(SHORT, "risk"), {"seed": 2**64}, "seed must be at least 0 and below 18446744073709551616"),
        (claim(SHORT, "risk"), {"trajectories": 2**33}, r"trajectory ids must stay below 2\^32"),
        (claim(SHORT, negative, value=1.5), {}, "no probability is == 1.5 with a margin of 0.01"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(monkeypatch, one, options, message):
    monkeypatch.setattr(Task, "run", lambda *_: pytest.fail("it ran"))
    with pytest.raises(InvalidInput, match=message):
        measured(claim(SHORT, "risk"), one, **options)
