"""True theory that a sample, a precision or a missing moment does not carry is not refuted; what it carries is."""

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.errors import NoStandardError
from jaxsgd.inference import Verdict

QUADRATIC = js.problems.Quadratic(curvature=[1.0])
MANY = 1000


def sampled(features, targets, rate, steps):
    problem = js.problems.LeastSquares(features, targets)
    return js.Study(
        oracle=js.oracles.ExampleSampling(problem), schedule=js.schedules.constant(rate), steps=steps, epochs=None
    )


def spread_out(limit):
    """49 examples a = 1 and one a = 7, at a part of the limit of mean-square stability."""
    features = np.append(np.ones(49), 7.0)[:, None]
    rate = limit * 2 * np.mean(features**2) / np.mean(features**4)
    return sampled(features, np.linspace(-1, 1, 50), rate, 200)


@pytest.mark.parametrize("limit", [0.95, 0.8])
def test_means_that_no_sample_shows_are_not_refuted(limit):
    """E|1 - eta a^2|^4 is 1.8 and 1.2: fourth moments grow, and theory knows it before anything is run."""
    report = js.verify(spread_out(limit), seed=1)
    assert set(report.verdicts.values()) == {Verdict.INCONCLUSIVE}
    for finding in report.findings:
        assert "has no standard error that a sample could show" in finding.why
        assert finding.measurement.z is None
        assert finding.measurement.count <= 2**14  # no more would help
    assert "no test: E q^2 / (E q)^2 =" in repr(report)


def test_far_below_the_limit_verdicts_are_given():
    """The control: at a fifth of the limit, the same claims, and one that is wrong by a tenth."""
    study = spread_out(0.2)
    value = float(js.theory.exact(study).distance_squared_mean[-1])
    right, wrong = (
        js.Claim(name, "s", study, "distance_squared", "==", factor * value, margin=0.05 * value)
        for name, factor in (("right", 1.0), ("wrong", 1.1))
    )
    report = js.verify([right, wrong], 40_000)
    assert report.verdicts == {"right": Verdict.CONSISTENT, "wrong": Verdict.REFUTED}


def test_an_example_that_few_trajectories_draw_may_explain():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(20_000, 8)), rng.normal(size=20_000)
    for outlier, verdict in ((3000.0, Verdict.INCONCLUSIVE), (0.0, Verdict.REFUTED)):
        targets[7] = outlier
        study = sampled(features, targets, 0.02, 5)
        exact = float(js.theory.exact(study).distance_squared_mean[-1])
        value = exact if outlier else 1.3 * exact  # the control is wrong
        (finding,) = js.verify(js.Claim("c", "s", study, "distance_squared", "==", value), MANY).findings
        assert finding.verdict is verdict
        assert ("may explain it" in finding.why) == bool(outlier)


def noisy(minimiser, std, rate, steps, **changes):
    problem = js.problems.Quadratic(curvature=[1.0], minimiser=[minimiser])
    given = {"x0": [minimiser], **changes}
    return js.Study(
        oracle=js.oracles.AdditiveNoise(problem, js.noise.Gaussian(std=std)),
        schedule=js.schedules.constant(rate),
        steps=steps,
        **given,
    )


def test_updates_below_the_spacing_of_floats_refute_nothing():
    far, other = (noisy(1e4, 0.01, rate, 100) for rate in (0.01, 0.02))
    report = js.verify(far, 4096)
    assert set(report.verdicts.values()) == {Verdict.INCONCLUSIVE}
    assert all("float32 does not resolve the mean" in finding.why for finding in report.findings)
    between = [float(js.theory.exact(study).risk_mean[-1]) for study in (far, other)]
    paired = js.Claim("paired", "s", far, "risk", "==", between[0] - between[1], against=other)
    (finding,) = js.verify(paired, 4096).findings
    assert finding.verdict is Verdict.INCONCLUSIVE
    near = noisy(0.0, 0.01, 0.01, 100)  # the control: the same, about 0
    assert Verdict.INCONCLUSIVE not in js.verify(near, 40_000, resolution=0.1).verdicts.values()


def test_a_far_start_does_not_matter_where_it_is_forgotten():
    """The bounds settle the end; trajectories in both precisions are asked about the beginning only."""
    result = js.simulate(noisy(0.0, 0.1, 0.05, 1000, x0=[1000.0]), 4096, progress=False)
    assert result.dataset.risk_sem[-1] > 0
    exact = float(js.theory.exact(noisy(0.0, 0.1, 0.05, 1000, x0=[1000.0])).risk_mean[-1])
    assert float(result.dataset.risk_mean[-1]) == pytest.approx(exact, rel=0.1)


def test_verdicts_of_all_statements_stand_where_precisions_are_compared():
    """Targets near 1e5: the claims' own functions run in float64, too."""
    rng = np.random.default_rng(2)
    features = rng.normal(size=(50, 2))
    report = js.verify(sampled(features, features @ [3e4, 1e4] + rng.normal(size=50), 0.02, 20), MANY)
    assert Verdict.REFUTED not in report.verdicts.values()


def test_ordinary_claims_keep_their_power_at_a_thousand():
    """The risk of one coordinate, of skewness 2.8: bounds that hold or fail by many standard errors are decided."""
    study = noisy(0.0, 1.0, 0.1, 100)
    mean = float(js.theory.exact(study).risk_mean[-1])
    claims = [js.Claim(f"{k}", "s", study, "risk", "<=", k * mean) for k in (0.4, 0.5, 2.0, 5.0)]
    for seed in range(3):
        verdicts = list(js.verify(claims, MANY, seed).verdicts.values())
        assert verdicts == [Verdict.REFUTED] * 2 + [Verdict.CONSISTENT] * 2


def test_ordinary_studies_have_all_their_standard_errors():
    """65 records and 8 observables of 1000 trajectories, and of 100; warnings are errors."""
    for seed in range(4):
        for trajectories in (100, 1000):
            js.simulate(js.chapter.study("constant"), trajectories, seed, progress=False)


def test_a_mean_that_does_not_exist_has_no_standard_error():
    """Streaming least squares at eta = .8: E x_t^2 grows like 1.32^t, and estimates of it agree with nothing."""
    study = js.Study(
        oracle=js.oracles.RandomLoss(
            lambda xi, x: 0.5 * (xi[0] * x[0] - xi[1]) ** 2, lambda stream: stream.normal((2,)), QUADRATIC
        ),
        schedule=js.schedules.constant(0.8),
        x0=[1.0],
        steps=60,
        observe=("risk",),
    )
    for seed in range(3):
        with pytest.warns(NoStandardError, match="of risk: one of 20000 trajectories makes up"):
            result = js.simulate(study, 20_000, seed, progress=False)
        assert np.isnan(float(result.dataset.risk_sem[-1]))
        assert "no standard error" in repr(result)
