"""The weak order of diffusions, measured: against exact errors, wrong orders refuted, and what is not resolved."""

import dataclasses
import sys

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.errors import InvalidInput
from jaxsgd.inference import Verdict
from jaxsgd.theory.diffusion import diffusion
from jaxsgd.verification import MeanRisk, simulated_diffusion, weak_order

N = 2**17


def study(problem=js.problems.Quadratic([1.0]), std=0.5, x0=2.0, steps=4, end=1.0):  # noqa: B008 - frozen
    oracle = js.oracles.AdditiveNoise(problem, js.noise.Gaussian(std))
    return js.Study(oracle=oracle, schedule=js.schedules.constant(end / steps), steps=steps, x0=[x0])


def exact_error(updates, order):
    """In closed form, R = x^2 / 2 from 2 with noise 1/2."""
    eta, second = 1 / updates, 4.0
    for _ in range(updates):
        second = (1 - eta) ** 2 * second + eta**2 / 4
    b = 1 + (eta / 2 if order == 2 else 0)
    return second / 2 - (4 * np.exp(-2 * b) + eta / 4 * (1 - np.exp(-2 * b)) / (2 * b)) / 2


@pytest.fixture(scope="module")
def measured(quick_compilation):
    return {
        1: weak_order(study(), 1, trajectories=N),
        2: weak_order(study(steps=2), 2, halvings=1, trajectories=2**19),
    }


@pytest.mark.parametrize("order", [1, 2])
def test_errors_and_their_exponent(measured, order):
    """Standard errors are at most a tenth of errors; 5 of them. Exact local exponents: 1.000 and 1.735."""
    found, first = measured[order], (4, 2)[order - 1]
    exact = np.array([exact_error(first * 2**i, order) for i in range(len(found.rates))])
    assert np.all(found.standard_errors < 0.1 * np.abs(exact))
    z = (found.errors - exact) / found.standard_errors
    assert np.abs(z).max() < 5
    low, high = found.interval(1 - 6e-7)
    local = np.polyfit(np.log(found.rates), np.log(np.abs(exact)), 1)[0]
    assert low < local < high
    assert high - low < 0.5


def test_claims_of_the_order(measured):
    """The right order is confirmed; the measured errors of the first diffusion refute that they are of order 2."""
    assert measured[1].judged().verdict is Verdict.CONSISTENT
    assert measured[2].judged(margin=0.5).verdict is Verdict.CONSISTENT
    assert dataclasses.replace(measured[1], order=2).judged().verdict is Verdict.REFUTED


def test_other_risks_take_a_simulated_diffusion(quick_compilation):
    """Its standard error enters; here it is exact moments with an error that is known."""

    def stated(given, order, trajectories, seed):
        exact = diffusion(given.replace(oracle=study().oracle), order)
        return MeanRisk(float(exact.risk_mean[-1]), 1e-3 + seed)

    parabola = js.problems.Function(lambda x: (x**2).sum() / 2, minimiser=[0.0], minimum=0.0)
    found = weak_order(study(parabola), 1, halvings=1, trajectories=N, diffusion=lambda *given: stated(*given[:3], 0))
    plain = weak_order(study(), 1, halvings=1, trajectories=N)
    np.testing.assert_allclose(found.errors, plain.errors, atol=1e-6)
    np.testing.assert_allclose(found.standard_errors, np.hypot(plain.standard_errors, 1e-3), rtol=1e-3)


def test_what_is_not_resolved_is_said():
    with pytest.raises(InvalidInput, match="too uncertain for an exponent: use more trajectories, larger rates"):
        weak_order(study(), 2, trajectories=512)
    with pytest.raises(InvalidInput, match="errors change their sign over the rates"):
        weak_order(study(std=1.0, x0=1.0, steps=2), 1, halvings=1, trajectories=N)


# with diffrax


def test_without_diffrax_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffrax", None)
    with pytest.raises(InvalidInput, match=r'needs diffrax: pip install "jaxsgd\[sde\]"'):
        weak_order(study(js.problems.DoubleWell(), 0.2, 1.5, 4, 0.4), 1, trajectories=1024)


@pytest.mark.parametrize("order", [1, 2])
def test_simulated_diffusions_have_their_exact_moments(order):
    pytest.importorskip("diffrax", reason='needs the extra "sde"')
    found = simulated_diffusion(study(), order, 2**14, seed=1)
    exact, other = (float(diffusion(study(), each).risk_mean[-1]) for each in (order, 3 - order))
    assert abs(found.mean - exact) < 5 * found.standard_error
    assert abs(found.mean - other) > 10 * found.standard_error


@pytest.mark.slow
def test_on_the_double_well():
    """SGD at eta / k with k^(1/2) times the noise is Euler's method for the first diffusion: moments extrapolated."""
    pytest.importorskip("diffrax", reason='needs the extra "sde"')
    well = study(js.problems.DoubleWell(), 0.2, 1.5, 4, 0.4)
    coarse, fine = (
        float(js.theory.exact(study(js.problems.DoubleWell(), 0.2 * k**0.5, 1.5, 4 * k, 0.4)).risk_mean[-1])
        for k in (8, 16)
    )
    found = simulated_diffusion(well, 1, 2**14)
    assert found.standard_error < 2e-4
    assert abs(found.mean - (2 * fine - coarse)) < 5 * found.standard_error
