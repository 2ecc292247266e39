"""What is tested of a study of the user: which statements apply, what they test, and that they can fail."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import stated_facts
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.inference import Verdict
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.theory.bounds import (
    EVERY,
    Bound,
    Coefficients,
    LastIterate,
    LastIterateAnySchedule,
    WeightedAverage,
    assumption,
)
from jaxsgd.verification.of_bounds import claims_of, prior_claim
from jaxsgd.verification.of_study import statements_of

CONSTANT = js.chapter.study("constant")
QUADRATIC = js.oracles.AdditiveNoise(js.problems.Quadratic([1.0, 2.0]), js.noise.Gaussian(0.5))
STRONG = js.Study(oracle=QUADRATIC, schedule=js.schedules.lacoste_julien(1.0), steps=20, x0=[3.0, -1.0])
INVERSE = STRONG.replace(schedule=js.schedules.strongly_convex(1.0))
BALL = STRONG.replace(schedule=js.schedules.constant(0.1), method=js.methods.Projected(js.methods.Ball(5.0)))
N = 2**15


def judged(claims, trajectories=N):
    """Findings on claims of one study."""
    return js.verify(claims, trajectories).findings


# bounds


@pytest.mark.parametrize("study", [CONSTANT, STRONG, INVERSE], ids=["constant", "lacoste_julien", "strongly_convex"])
def test_claims_measure_the_difference_of_both_sides(study):
    """E Z is the exact gap less the bound with exact second moments."""
    report = js.theory.bounds(study)
    claims, extended = [], study
    for one in report.applicable:
        claims.append(claims_of(one.bound, extended))
        extended = claims[-1].study
    assert len(claims) >= 3
    claims = [renamed(claim, claim.name, extended) for claim in claims]
    for one, finding in zip(report.applicable, judged(claims), strict=True):
        known = "along the run" if "along the run" in one.values else "a priori"
        exact = one.gap - one.values[known].value
        error = finding.measurement.standard_error
        assert error < 0.01 * abs(exact)
        assert abs(finding.measurement.estimate - exact) < 5 * error + 1e-5 * abs(exact)
        assert finding.verdict == "CONSISTENT"
        assert finding.judgement.confirmed


def renamed(claim, name, study):
    return dataclasses.replace(claim, name=name, study=study)


def test_both_sides_are_of_one_trajectory():
    """Z = R(xbar) - (r^2 + sum eta_t^2 ||g_t||^2) / (2 sum eta_t), trajectory by trajectory."""
    claim = claims_of(WeightedAverage(), CONSTANT)
    seen = {"z": claim.variable, "squares": lambda state: state.path_sums["squares"]}
    squares = {"squares": lambda update: update.learning_rate**2 * jnp.sum(update.gradient**2)}
    study = claim.study.replace(
        observe=["risk_of_eta"],
        observables=seen,
        path_sums={**claim.study.path_sums, **squares},
        record=js.record.at([50]),
    )
    risk, z, total = trajectory_values(study, 100)[0]
    np.testing.assert_allclose(z, risk - (29 + total) / (2 * 50 * 0.1), rtol=1e-5)


def test_a_kept_average_is_not_kept_twice():
    assert list(claims_of(WeightedAverage(), CONSTANT).study.averages) == ["eta"]
    assert len(claims_of(WeightedAverage(), STRONG).study.averages) == 1


def test_names_do_not_clash():
    name = "weighted_average: gradients"
    study = STRONG.replace(
        path_sums={name: lambda update: 1.0 * update.t},
        averages={"xbar of weighted_average": js.averages.Uniform()},
        observables={"risk_of_xbar of weighted_average'": lambda state: state.path_sums[name]},
    )
    extended = claims_of(WeightedAverage(), study).study
    assert list(extended.path_sums) == [name, name + "'"]
    assert list(extended.averages) == ["xbar of weighted_average", "xbar of weighted_average''"]
    assert extended.averages["xbar of weighted_average''"] == js.averages.StepSizeWeighted()


class Halved(Bound):
    """Half of a bound, which is wrong where the bound is attained."""

    statement = reference = title = "halved"

    def __init__(self, whole):
        self.whole, self.name = whole, whole.name
        self.assumptions, self.point = whole.assumptions, whole.point

    def coefficients(self, study):
        c, a = self.whole.coefficients(study)
        return Coefficients(c / 2, a / 2)


Halved.__abstractmethods__ = frozenset()  # they are those of the whole
ABSOLUTE = js.Study(
    oracle=js.oracles.AdditiveNoise(
        js.problems.Function(lambda x: jnp.sum(jnp.abs(x)), minimiser=[0.0], lipschitz=1.0, convex=True),
        js.noise.Gaussian(0.1),
    ),
    schedule=js.schedules.constant(1.0),
    steps=1,
    x0=[1.0],
)


class MyTheorem(Bound):
    """What a user writes: E R(x_{T-1}) - R* <= L/2 (1 - mu/L)^{2 (T-1)} r^2 for gradient descent, eta = 1/L."""

    name = "gradient_descent"
    title = "gradient descent, eta = 1/L"
    statement = r"R(x_{T-1}) - R^* \le \frac{L}{2} (1 - \mu/L)^{2(T-1)} r^2"
    reference = "me"

    def assumptions(self, study):
        return (assumption.convex(study), *assumption.sgd(study))

    def point(self, study):
        return None

    def coefficients(self, study):
        mu, L = study.oracle.problem.strong_convexity, study.oracle.problem.smoothness
        return Coefficients(L / 2 * (1 - mu / L) ** (2 * study.steps - 2), np.zeros(study.steps))


def test_bounds_that_are_attained_are_consistent_and_half_of_them_refuted():
    """R = |x|, x_0 = 1, T = 1, eta = 1: R(x_0) = 1, and every bound is 1.005, of which 0.005 is the noise."""
    bounds = [WeightedAverage(), LastIterate(gradient_bound=1.0), LastIterateAnySchedule()]
    study, claims = ABSOLUTE, []
    for bound in [*bounds, *map(Halved, bounds)]:
        claims.append(claims_of(bound, study))
        study = claims[-1].study
    verdicts = [finding.verdict for finding in judged([renamed(c, str(i), study) for i, c in enumerate(claims)])]
    assert verdicts == ["CONSISTENT"] * 3 + ["REFUTED"] * 3
    assert bounds[0].value(ABSOLUTE, 1.01) == pytest.approx(1.005)
    assert prior_claim(LastIterate(), ABSOLUTE).value == pytest.approx(1.01**0.5)


def test_a_theorem_of_the_user():
    study = STRONG.replace(
        oracle=js.oracles.FullGradient(QUADRATIC.problem), schedule=js.schedules.constant(0.5), steps=8
    )
    assert judged([claims_of(MyTheorem(), study)], 1024)[0].verdict == "CONSISTENT"
    slower = study.replace(schedule=js.schedules.constant(0.25))
    assert judged([claims_of(MyTheorem(), slower)], 1024)[0].verdict == "REFUTED"


@pytest.mark.parametrize("bound", [WeightedAverage(), LastIterate()], ids=lambda bound: bound.name)
def test_bounds_known_before_the_run(bound):
    claim = prior_claim(bound, BALL)
    value = js.theory.bounds(BALL, among=[bound])[bound.name].values["a priori"].value
    assert claim.value == pytest.approx(value, rel=1e-12)
    (finding,) = judged([claim])
    plain = js.simulate(claim.study, N, progress=False).dataset
    average = next(iter(claim.study.averages), None)
    expected = plain.risk_mean[-2] if average is None else plain[f"risk_of_{average}_mean"][-1]
    assert finding.measurement.estimate == pytest.approx(float(expected), rel=1e-5)
    assert finding.verdict == "CONSISTENT"


@pytest.mark.parametrize(
    ("make", "study", "message"),
    [
        (claims_of, STRONG.replace(method=js.methods.Projected(js.methods.Ball(1.0, 9.0))), "x\\* not in it"),
        (prior_claim, STRONG, r"no L\^2 >= E\|\|g_t\|\|\^2 is known before the run; there is one with additive noise"),
    ],
)
def test_bounds_say_why_they_make_no_claim(make, study, message):
    with pytest.raises(InvalidInput, match=message):
        make(WeightedAverage(), study)


# studies


def test_one_study_serves_all_statements():
    statements, others = statements_of(CONSTANT.replace(observables={"first": lambda x: x[0]}, observe=("first",)))
    studies = {id(claim.study) for statement in statements for claim in statement.claims}
    assert len(studies) == 1
    assert {statement.place for statement in statements} == {"Your study"}
    assert {*(s.name for s in statements), *others} == {
        "exact_moments", "exact_law", "balance", "convexity", *(bound.name for bound in EVERY)
    }  # fmt: skip


def test_a_study_of_the_chapter_is_consistent():
    report = js.verify(CONSTANT, resolution=0.03)
    assert set(report.verdicts.values()) == {"CONSISTENT"}
    balance = report["balance"].findings[0].measurement
    assert balance.standard_error * balance.count**0.5 == pytest.approx(1.76367, rel=0.03)  # its exact deviation
    assert [finding.claim.name for finding in report["exact_moments"].findings] == list(CONSTANT.built_in)


def test_projected_studies_have_bounds_but_no_moments():
    report = js.verify(BALL, N)
    assert "methods.Projected does not state that it is plain SGD" in report.not_tested["exact_moments"]
    assert report.not_tested["balance"].startswith("the balance is one of plain SGD, and methods.Projected does not")
    assert [f.claim.name for f in report["last_iterate"].findings] == ["last_iterate", "last_iterate, a priori"]
    assert report.verdict == "CONSISTENT"


def test_a_random_loss_without_a_problem_says_what_is_missing():
    study = js.Study(
        oracle=js.oracles.RandomLoss(lambda xi, x: jnp.sum((x - xi) ** 2), lambda stream: stream.normal((2,))),
        schedule=js.schedules.constant(0.1),
        steps=5,
        x0=[1.0, 1.0],
    )
    statements, others = statements_of(study)
    assert not statements
    assert others["balance"] == "R is not known in closed form: give oracles.RandomLoss its problem"
    with pytest.raises(InvalidInput, match="there is nothing to verify: no claim was given; exact_moments: "):
        js.verify(study)


def test_a_random_loss_of_a_pytree():
    def loss(xi, x):
        return 0.5 * jnp.sum((x["w"] - xi) ** 2) + jnp.cosh(x["b"])

    problem = js.problems.Function(
        lambda x: 0.5 * jnp.sum(x["w"] ** 2) + 1.0 + jnp.cosh(x["b"]),  # E xi = 0, Var xi = 1
        minimiser={"w": np.zeros(2), "b": np.array(0.0)},
        convex=True,
    )
    study = js.Study(
        oracle=js.oracles.RandomLoss(loss, lambda stream: stream.normal((2,)), problem),
        schedule=js.schedules.inverse_sqrt(0.3),
        steps=10,
        x0={"w": np.ones(2), "b": np.array(1.0)},
    )
    report = js.verify(study, resolution=0.02)
    assert problem.minimum == 2.0
    assert report.verdicts == dict.fromkeys(
        ("balance", "convexity", "weighted_average", "last_iterate", "last_iterate_any_schedule"), "CONSISTENT"
    )


def test_a_risk_that_is_not_convex_is_found_out(monkeypatch):
    """By the check of what is stated, and by the verdicts without it."""
    problem = js.problems.Function(lambda x: jnp.sum(jnp.abs(x) ** 0.5), minimiser=[0.0], convex=True)
    given = {"schedule": js.schedules.constant(0.01), "steps": 5, "x0": [1.0]}
    oracle = js.oracles.AdditiveNoise(problem, js.noise.Gaussian(0.1))
    with pytest.raises(InvalidInput, match="the problem states convex=True, but between"):
        js.Study(oracle=oracle, **given)
    monkeypatch.setattr(stated_facts, "check", lambda *_: None)
    study = js.Study(oracle=oracle, **given)
    report = js.verify(study, 1024)
    assert report["convexity"].verdict == "REFUTED"  # <x, R'(x)> = R(x) / 2
    unknown = js.oracles.AdditiveNoise(problem.replace(convex=None), js.noise.Gaussian(0.1))
    _, others = statements_of(study.replace(oracle=unknown))
    assert others["convexity"] == "the problem states convex=None and minimum=0.0"


def test_gradient_descent_balances_to_rounding():
    """Nothing varies but rounding, which must not count."""
    study = STRONG.replace(oracle=js.oracles.FullGradient(QUADRATIC.problem))
    report = js.verify(study)
    assert set(report.verdicts.values()) == {"CONSISTENT"}


SQUARES = js.problems.LeastSquares([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8], [1.5, 0.2]], [1.0, -0.5, 0.7, 2.0], l2=0.1)


def sampled(order, rate=0.2):
    return js.Study(
        oracle=js.oracles.ExampleSampling(SQUARES, order), schedule=js.schedules.constant(rate), steps=20, x0=[2.0, 1.0]
    )


def test_reshuffling_refutes_the_balance_that_replacement_keeps():
    """Its gradients are biased, given the past: a negative control of the balance, and no bound applies to it."""
    drawn = js.verify(sampled(js.orders.WithReplacement()), trajectories=2**18)
    assert drawn.verdicts["balance"] is Verdict.CONSISTENT
    assert drawn.verdicts["exact_moments"] is not Verdict.REFUTED
    assert drawn.verdicts["weighted_average"] is drawn.verdicts["sampling_with_replacement"] is Verdict.CONSISTENT
    reshuffled = js.verify(sampled(js.orders.RandomReshuffling()), trajectories=2**18)
    assert reshuffled.verdicts["balance"] is Verdict.REFUTED
    assert reshuffled.verdicts["exact_moments"] is not Verdict.REFUTED
    assert reshuffled.verdicts["permutations_strongly_convex"] is Verdict.CONSISTENT
    assert "RandomReshuffling: given the past" in reshuffled.not_tested["weighted_average"]


def test_moments_that_do_not_settle_are_not_tested():
    """Above the limit of mean squares, 1.0 here and below 2 / lambda_max, the normal approximation is not relied on."""
    limit = js.theory.stability_limit(sampled(js.orders.WithReplacement()).oracle)
    assert limit < 2 / SQUARES.smoothness
    _, others = statements_of(sampled(js.orders.WithReplacement(), 1.05 * limit))
    assert f"{limit:.4g}"[:4] in others["exact_moments"]
    statements, _ = statements_of(sampled(js.orders.WithReplacement(), 0.95 * limit))
    assert "exact_moments" in [statement.name for statement in statements]


def test_only_studies_have_statements():
    with pytest.raises(InvalidType, match=r"study must be a jaxsgd\.Study, got 3"):
        statements_of(3)


def heavy_tailed(noise):
    oracle = js.oracles.AdditiveNoise(js.problems.Quadratic([2.0, 1.0]), noise)
    return js.Study(oracle=oracle, schedule=js.schedules.constant(0.1), steps=20, x0=[1.0, 0.0])


def test_without_a_variance_quantiles_are_tested_and_no_mean_is():
    """The law of Cauchy noise: five quantiles of each coordinate; of Student's t no law is known."""
    report = js.verify(heavy_tailed(js.noise.AlphaStable(1.0)), resolution=0.03)
    assert report.verdicts == {"exact_law": "CONSISTENT"}
    assert len(report["exact_law"].findings) == 10
    assert set(report.not_tested) == {"exact_moments", "balance", "convexity", *(bound.name for bound in EVERY)}
    for reason in report.not_tested.values():
        assert "is infinite, by the tail index of the noise" in reason
    _, others = statements_of(heavy_tailed(js.noise.StudentT(1.5)))
    assert others["exact_law"].endswith("does not state that its coordinates are symmetric stable")
    statements, others = statements_of(heavy_tailed(js.noise.StudentT(3.0)))
    assert statements[0].name == "exact_moments"  # means are known, and withheld when it comes to their variances


def test_a_normal_law_is_tested_by_its_moments():
    _, others = statements_of(STRONG)
    assert others["exact_law"].startswith("the law is normal")
