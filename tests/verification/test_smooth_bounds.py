"""Claims of the bounds of smooth risks: true ones hold, and wrong constants are refuted where a bound is attained."""

import dataclasses

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.theory.bounds import GhadimiLan, PolyakLojasiewicz, descent_lemma, polyak_lojasiewicz
from jaxsgd.verification.of_bounds import claims_of, prior_claim
from jaxsgd.verification.of_study import of_bound

L, ETA, T, N = 2.0, 0.2, 20, 2**14
STUDY = js.Study(
    oracle=js.oracles.AdditiveNoise(js.problems.Quadratic([L, L]), js.noise.Gaussian(1.0)),
    schedule=js.schedules.constant(ETA),
    steps=T,
    x0=[2.0, -1.0],
)
WRONG = {
    "L halved": (descent_lemma, "_smoothness", lambda study: L / 2),
    "mu doubled": (polyak_lojasiewicz, "_mu", lambda study: 2 * L),
    "variance halved": (descent_lemma, "gradient_variances", lambda study: np.ones(T)),
}


def chained(bound, study, name):
    claim = claims_of(bound, study)
    return dataclasses.replace(claim, name=name), claim.study


def test_true_bounds_are_consistent_and_wrong_constants_refuted(monkeypatch, quick_compilation):
    """One simulation of all. E Z is more than ten standard errors above 0 for wrong constants: a power of nearly 1."""
    claims, study = [], STUDY
    for bound in (GhadimiLan(), PolyakLojasiewicz()):
        claim, study = chained(bound, study, bound.name)
        claims.append(claim)
        for name, replaced in WRONG.items():
            if name == "mu doubled" and isinstance(bound, GhadimiLan):
                continue
            with monkeypatch.context() as patched:
                patched.setattr(*replaced)
                claim, study = chained(bound, study, f"{bound.name}, {name}")
                claims.append(claim)
    findings = js.verify([dataclasses.replace(claim, study=study) for claim in claims], N, resolution=0.1).findings
    for finding in findings:
        true = "," not in finding.claim.name
        assert finding.verdict == ("CONSISTENT" if true else "REFUTED"), finding.claim.name
        if not true:
            assert finding.measurement.estimate > 10 * finding.measurement.standard_error
    # Of the true ones E Z is known: 0 where the bound is attained, and what the other drops, E R(x_T) / W.
    risk = 5.0 * (1 - ETA * L) ** (2 * T) * L / 2 + L / 2 * ETA**2 * 2 * (1 - (1 - ETA * L) ** (2 * T)) / (
        1 - (1 - ETA * L) ** 2
    )
    expected = {"ghadimi_lan": -risk / (T * (ETA - L * ETA**2 / 2)), "polyak_lojasiewicz": 0.0}
    for finding in findings:
        if finding.claim.name in expected:
            measured = finding.measurement
            assert measured.standard_error < 0.02
            assert abs(measured.estimate - expected[finding.claim.name]) < 5 * measured.standard_error


def test_their_one_claim_is_known_before_the_run():
    for bound in (GhadimiLan(), PolyakLojasiewicz()):
        assert len(of_bound(bound, STUDY).claims) == 1
        with pytest.raises(js.errors.InvalidInput, match="has no gradients in it"):
            prior_claim(bound, STUDY)
