"""Noises that cannot be: one clear error each."""

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import noise, oracles, problems, schedules, theory
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.theory.tails import why_no_standard_error

pytestmark = pytest.mark.usefixtures("quick_compilation")

SCALED = [noise.Rademacher, noise.Laplace, noise.CenteredExponential, lambda scale: noise.StudentT(3.0, scale)]
SCALED += [lambda scale: noise.AlphaStable(1.5, scale)]


@pytest.mark.parametrize("make", SCALED)
def test_scales_that_cannot_be(make):
    for scale, message in [
        (-1.0, "scale must not be negative, got -1"),
        ([1.0, np.inf], r"scale must be finite, got inf at index \[1\]"),
        ([[1.0]], r"scale must be one number or one for each coordinate \(d,\), got shape \(1, 1\)"),
        ([], r"got shape \(0,\)"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            make(scale)
    with pytest.raises(InvalidInput, match=r"scale of shape \(3,\) needs x to be one vector of length 3, but x has"):
        study_of(make([1.0, 2.0, 3.0]))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: noise.StudentT(0.0), InvalidInput, "df must be greater than 0, got 0"),
        (lambda: noise.StudentT(-3.0), InvalidInput, "df must be greater than 0, got -3"),
        (lambda: noise.StudentT([1.0, 2.0]), InvalidInput, "df must be one number"),
        (lambda: noise.StudentT(0.1), InvalidInput, r"df must be at least 0.5, got 0.1: .* float32.* one in 7.1e\+03"),
        (lambda: noise.StudentT(np.nan), InvalidInput, "df must be finite"),
        (lambda: noise.AlphaStable(0.0), InvalidInput, "alpha must be greater than 0, got 0"),
        (lambda: noise.AlphaStable(2.1), InvalidInput, "alpha must be at most 2, got 2.1: there is no such"),
        (lambda: noise.AlphaStable(0.49), InvalidInput, "alpha must be at least 0.5, got 0.49: .* float32"),
        (lambda: noise.AlphaStable("cauchy"), InvalidType, "alpha must be a number"),
        (lambda: noise.Multiplicative(-0.5), InvalidInput, "std must not be negative, got -0.5"),
        (lambda: noise.Multiplicative(1.0, 2.0), InvalidType, "additive must be one of jaxsgd.noise, got 2.0"),
        (
            lambda: noise.Multiplicative(1.0, noise.Multiplicative(1.0)),
            InvalidInput,
            "additive must be a noise whose law does not depend on x, got Multiplicative",
        ),
        (lambda: study_of(noise.Multiplicative([1.0, 2.0, 3.0])), InvalidInput, r"std of shape \(3,\) needs x to be"),
        (
            lambda: study_of(noise.Multiplicative(1.0, noise.Gaussian([1.0, 2.0, 3.0]))),
            InvalidInput,
            r"std of shape \(3,\) needs x to be",
        ),
    ],
)
def test_arguments_that_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()


def study_of(law, **changes):
    oracle = oracles.AdditiveNoise(problems.Quadratic([2.0, 1.0]), law, **changes)
    return js.Study(oracle=oracle, schedule=schedules.constant(0.1), steps=3, x0=[1.0, -1.0])


@pytest.mark.parametrize(
    ("law", "index"), [(noise.AlphaStable(1.5), 1.5), (noise.StudentT(2.0), 2), (noise.StudentT(1.0), 1)]
)
def test_no_variance_is_refused_with_the_reason(law, index):
    why = f"oracles.AdditiveNoise has no covariance: its tail index is {index:g}, and variances need one above 2"
    with pytest.raises(NoExactSolution, match=why):
        theory.exact(study_of(law))
    with pytest.raises(NoExactSolution, match=why):
        theory.stationary(study_of(law).oracle, 0.1)
    assert study_of(law).oracle.unbiased == (index > 1)
    assert "infinite" in why_no_standard_error(study_of(law), "risk", 3, 10**6)


def test_means_that_do_not_exist_are_not_tested():
    """Every claim of a study without a variance is left open, with the reason; nothing is refuted or confirmed."""
    report = js.verify(study_of(noise.AlphaStable(1.2)), 2048)
    findings = [finding for section in report.sections for finding in section.findings]
    assert len(findings) >= 5
    assert all(each.verdict == "INCONCLUSIVE" and "its mean is infinite" in each.why for each in findings)
    assert "its tail index is 1.2" in report.not_tested["exact_moments"]


def test_growing_noise_that_changes_with_time_is_refused():
    with pytest.raises(NoExactSolution, match="does not state how the covariance of the gradient grows with it"):
        theory.exact(study_of(noise.Multiplicative(0.5), scale=schedules.inverse_sqrt(1.0)))
