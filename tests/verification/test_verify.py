"""From a claim of a user to a report; every kind of claim is shown to fail where it is wrong."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.engine import compiled, task
from jaxsgd.engine.task import Task
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.one_update import OneUpdate
from jaxsgd.verification import Finding, Section
from jaxsgd.verification.of_study import statements_of

STUDY = js.chapter.study("constant", steps=20)
SLOWER = STUDY.replace(schedule=js.schedules.constant(0.05))
EXACT = js.theory.exact(STUDY).isel(step=-1)
RISK, DISTANCE = (float(EXACT[f"{name}_mean"]) for name in ("risk", "distance_squared"))
BALANCE = next(one for one in statements_of(STUDY)[0] if one.name == "balance")
N = 2**15


def negative(x):
    return x[0] < 0


def claim(name="c", variable="risk", relation="==", value=RISK, study=STUDY, **options):
    return js.Claim(name, "a statement", study, variable, relation, value, **options)


def verdicts(*claims, trajectories=N, **options):
    return [str(finding.verdict) for finding in js.verify(claims, trajectories, **options).findings]


# a theorem of a user


def test_a_theorem_in_a_few_lines():
    """E||x_t - x*||^2 contracts by 1 - 2 eta mu + eta^2 L^2 at each step, but for the noise, eta^2 tr S."""
    q, noise = 1 - 2 * 0.1 * 2 + 0.1**2 * 4**2, 0.1**2 * 2
    theorem = js.Claim(
        name="contraction",
        statement=r"$\mathbb{E}\|x_T - x^*\|^2 \le q^T r^2 + \eta^2 \text{tr} S \sum_k q^k$",
        study=STUDY,
        variable=lambda x: jnp.sum(x**2),
        relation="<=",
        value=q**20 * 29 + noise * (1 - q**20) / (1 - q),
        reference="my thesis",
    )
    report = js.verify(theorem)
    assert report.verdict == "CONSISTENT"
    assert report["contraction"].findings[0].judgement.confirmed


def test_the_number_of_trajectories_is_chosen():
    report = js.verify(claim())
    (finding,) = report.findings
    assert finding.verdict == "CONSISTENT"
    assert finding.measurement.margin == pytest.approx(0.01 * RISK)
    assert finding.judgement.detectable < finding.measurement.margin
    assert report.facts["trajectory-steps"] == finding.measurement.count * 20


# negative controls


@pytest.mark.parametrize(
    ("variable", "relation", "value"),
    [
        ("risk", "==", RISK),
        ("risk", "<=", RISK),
        ("distance_squared", ">=", DISTANCE),
        ("risk", "within", RISK),
        (negative, "==", None),
    ],
)
def test_true_claims_are_consistent_and_wrong_ones_refuted(variable, relation, value):
    """Wrong by 2 margins (by 3 where claims hold up to the margin), in the direction that is claimed not to be."""
    if value is None:
        value = _negative()
    margin = 0.04 * value
    wrong = value + {"<=": -2, ">=": 2, "==": 2, "within": 3}[relation] * margin
    options = {"variable": variable, "relation": relation, "margin": margin}
    assert verdicts(claim("right", value=value, **options), claim("wrong", value=wrong, **options)) == [
        "CONSISTENT",
        "REFUTED",
    ]


def _negative():
    from scipy.stats import norm

    return float(norm.cdf(-EXACT.x_mean[0] / EXACT.x_covariance[0, 0] ** 0.5))


def test_differences():
    difference = RISK - float(js.theory.exact(SLOWER).risk_mean[-1])
    assert difference < -0.1
    options = {"against": SLOWER, "margin": 0.02 * abs(difference)}
    assert verdicts(
        claim("equal", value=difference, **options),
        claim("better", relation="<", value=0.0, **options),
        claim("worse", relation=">", value=0.0, **options),
        claim("half", value=difference / 2, **options),
    ) == ["CONSISTENT", "CONSISTENT", "REFUTED", "REFUTED"]


def test_too_few_trajectories_are_inconclusive():
    for seed in range(5):
        found = verdicts(
            claim("a"), claim("b", relation="<="), claim("c", negative, "<=", 0.9), trajectories=1000, seed=seed
        )
        assert found[:2] == ["INCONCLUSIVE"] * 2
        assert found[2] == "CONSISTENT"  # 0.9 is far above: confirmed


def one_rare(x):
    return jnp.where(x[0] > 0.9, 1.0, 0.0)  # 4.6 standard deviations above the mean: 2e-6


def test_a_sample_without_spread_says_nothing():
    """A variable that is not declared boolean, and is 0 in every trajectory that is seen."""
    for value, margin in ((2e-6, 1e-6), (0.0, 1e-7)):
        assert verdicts(claim("rare", one_rare, "==", value, margin=margin), trajectories=2000) == ["INCONCLUSIVE"]
    assert verdicts(claim("sized", one_rare, "==", 0.0, margin=1e-4, magnitude=1.0), trajectories=2000) == [
        "CONSISTENT"
    ]


def gradient_biased(original):
    return lambda self, x, drawn: original(self, x, drawn) + 0.3


def gradient_halved(original):
    return lambda self, x, drawn: 0.5 * original(self, x, drawn)


def test_the_balance_holds():
    assert verdicts(*BALANCE.claims, trajectories=None) == ["CONSISTENT"]


@pytest.mark.parametrize("wrong", [gradient_biased, gradient_halved])
def test_a_biased_engine_does_not_balance(monkeypatch, wrong):
    monkeypatch.setattr(task, "compiled", functools.lru_cache(compiled.compiled.__wrapped__))
    monkeypatch.setattr(OneUpdate, "gradient", wrong(OneUpdate.gradient))
    assert verdicts(*BALANCE.claims) == ["REFUTED"]


# what has no estimate


def test_divergence_is_said():
    report = js.verify([claim(study=STUDY.replace(schedule=js.schedules.constant(1e30))), claim("fine")], 1024)
    assert [finding.verdict for finding in report.findings] == ["INCONCLUSIVE", "INCONCLUSIVE"]
    assert "c: 1024 of 1024 trajectories have no finite value, so that there is no estimate INCONCLUSIVE" in repr(
        report
    )
    assert [finding.lost for finding in report.findings] == [1024, 0]


def test_a_chosen_number_does_not_run_on_where_nothing_is_finite():
    (finding,) = js.verify(claim(study=STUDY.replace(schedule=js.schedules.constant(1e30)))).findings
    assert finding.measurement.count == 2**14


def test_nothing_tested_is_not_consistent():
    statement = js.Statement(name="empty", place="p", sentence="s", tested="t", claims=())
    assert Section(statement, ()).verdict == "INCONCLUSIVE"
    assert js.verify([statement, claim()], N).verdict == "INCONCLUSIVE"


# double precision


def test_double_precision():
    for _ in range(2):
        assert set(js.verify(STUDY, N, resolution=0.04).verdicts.values()) == {"CONSISTENT"}
        with jax.enable_x64(True):  # of the same problem, in the process that verified it in single precision
            report = js.verify(STUDY, N, resolution=0.04)
        assert set(report.verdicts.values()) == {"CONSISTENT"}
        assert report.findings[0].measurement.rounding == pytest.approx(1e-12 * RISK)


# the report


def test_the_report():
    both = js.Statement(
        name="both", place="p", sentence="s", tested="t", claims=[claim("right"), claim("wrong", value=2 * RISK)]
    )
    progress = []
    report = js.verify([both, claim("alone")], N, resolution=0.05, title="Mine", progress=lambda *n: progress.append(n))
    assert progress == [(3, 3)]
    assert report.verdicts == {"both": "REFUTED", "alone": "CONSISTENT"}
    assert report.verdict == "REFUTED"
    assert report["alone"].findings[0].claim.name == "alone"
    assert report.summary == "1 CONSISTENT, 1 REFUTED"
    first, statement, *lines = repr(report).splitlines()
    assert first == "Mine: 1 CONSISTENT, 1 REFUTED"
    assert statement == "  both   REFUTED"
    assert lines[0].startswith("         right: 0.0")
    assert lines[0].endswith(" CONSISTENT")
    assert report.facts["claims"] == 3
    assert report.facts["trajectory-steps"] == N * 20
    with pytest.raises(
        InvalidInput, match="the report has no statement 'bth'; allowed: alone, both; did you mean 'both'"
    ):
        report["bth"]
    assert isinstance(report.findings[0], Finding)


def test_the_seed_decides():
    estimates = [js.verify(claim(), 1024, seed).findings[0].measurement.estimate for seed in (0, 0, 1)]
    assert estimates[0] == estimates[1] != estimates[2]


def test_holm_counts_all_claims():
    """Of 40 true claims, none is refuted, in 20 families: at 5% each, some would be."""
    claims = [claim(f"c{i}", step=1 + i % 20, value=_risk(1 + i % 20)) for i in range(40)]
    for seed in range(20):
        assert "REFUTED" not in verdicts(*claims, trajectories=2048, seed=seed)


def _risk(step):
    return float(js.theory.exact(STUDY).risk_mean.sel(step=step))


# bad input


@pytest.mark.parametrize(
    ("given", "options", "kind", "message"),
    [
        (3, {}, InvalidType, "verify takes claims, statements or a study, got 3"),
        ("risk", {}, InvalidType, "verify takes claims, statements or a study, got 'risk'"),
        ([claim(), 3], {}, InvalidType, "verify takes claims, statements or a study, got 3 in the list"),
        ([], {}, InvalidInput, "there is nothing to verify: no claim was given"),
        ([claim(), claim()], {}, InvalidInput, r"statements need different names, got \['c'\] more than once"),
        (claim(), {"trajectories": 999}, InvalidInput, "trajectories must be at least 1000, got 999"),
        (claim(), {"trajectories": 1e3}, InvalidType, "trajectories must be an integer"),
        (claim(), {"seed": -1}, InvalidInput, "seed must be at least 0"),
        (claim(), {"seed": 0.5}, InvalidType, "seed must be an integer"),
        (claim(), {"resolution": 0.0}, InvalidInput, "resolution must be greater than 0, got 0"),
        (claim(), {"resolution": 1e-7}, InvalidInput, "resolution must be at least 2e-05"),
        (claim(), {"alpha": 1.0}, InvalidInput, "alpha is a probability"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(monkeypatch, given, options, kind, message):
    monkeypatch.setattr(Task, "run", lambda *_: pytest.fail("it ran"))
    with pytest.raises(kind, match=message):
        js.verify(given, **options)


def test_a_coarse_resolution_needs_little():
    (finding,) = js.verify(claim(), resolution=0.9, alpha=0.5).findings
    assert finding.measurement.count == 2**14
    assert np.isfinite(finding.judgement.detectable)
