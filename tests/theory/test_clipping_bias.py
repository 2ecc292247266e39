"""Where clipped SGD settles under skewed noise: reference numbers, an exact computation of E x_T, and verdicts."""

import math

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

import jaxsgd as js
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.inference import Verdict

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize(("value", "bias"), [(0.5, 0.2655280), (1.0, 0.1585943), (2.0, 0.0524691), (5.0, 0.0024849)])
def test_reference_numbers(value, bias):
    (u,) = js.theory.clipping_bias(js.noise.CenteredExponential(), value)
    assert u == pytest.approx(bias, abs=5e-8)
    # E clip(u + E - 1) in closed form: -v never occurs for u > 1 - v, else with probability 1 - exp(-(1 - v - u)).
    low = max(-value, u - 1)
    mean = low + math.exp(-max(0.0, 1 - value - u)) - math.exp(-(value + 1 - u))
    assert mean == pytest.approx(0, abs=1e-10)


def test_scales_and_symmetry():
    both = js.theory.clipping_bias(js.noise.CenteredExponential([1.0, 2.0]), 2.0, dimension=2)
    np.testing.assert_allclose(both, [0.0524691, 2 * 0.1585943], atol=2e-7)
    for noise in (js.noise.StudentT(1.5), js.noise.AlphaStable(1.2), js.noise.Rademacher(), js.noise.Gaussian()):
        np.testing.assert_array_equal(js.theory.clipping_bias(noise, 1.0, 3), np.zeros(3))


class Unknown(js.noise.Noise):
    def sample(self, stream, like):
        return stream.normal_like(like)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((Unknown(), 1.0), NoExactSolution, "neither that it is symmetric nor its marginal law"),
        ((js.noise.Multiplicative(1.0), 1.0), InvalidInput, "needs additive noise"),
        ((js.noise.CenteredExponential(), 0.0), InvalidInput, "value must be"),
        ((js.noise.CenteredExponential([1.0, 2.0]), 1.0), InvalidInput, "scale"),
        ((1.0, 1.0), InvalidType, "noise must be one of"),
    ],
)
def test_what_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        js.theory.clipping_bias(*arguments)


ETA, STEPS, TRAJECTORIES = 0.05, 100, 2**15
ERROR = 0.0007  # of a mean of x_T


def expected_iterate(tau, start, points=801, eta=ETA, steps=STEPS):
    """E x_T for x' = x - eta clip(x + E - 1, -tau, tau) from a start, by the functions E[x_T | x_t] of x_t.

    They are splines on all that x_t may reach, with Gauss-Legendre sums over gradients g between tau and the larger of
    -tau and x - 1, where g has the density exp(x - 1 - g); beyond are the atoms at tau and -tau.
    """
    x = start + eta * tau * np.linspace(-steps, steps, points)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    low = np.clip(x - 1, -tau, tau)[:, None]
    half = (tau - low) / 2
    g = tau - half + half * nodes
    density = half * weights * np.exp(x[:, None] - 1 - g)
    above, below = np.exp(np.minimum(0, -(tau + 1 - x))), -np.expm1(np.minimum(0, tau + x - 1))
    inside = (x - eta * tau >= x[0]) & (x + eta * tau <= x[-1])  # what lies outside has no part in the start's value
    values = x
    for _ in range(steps):
        spline = CubicSpline(x, values)
        moved = (
            above * spline(x - eta * tau)
            + below * spline(x + eta * tau)
            + (density * spline(x[:, None] - eta * g)).sum(1)
        )
        values = np.where(inside, moved, values)
    return CubicSpline(x, values)(start).item()


def test_clipped_sgd_settles_there_and_controls():
    """E x_T is known by an independent computation; it is u* up to O(eta), and that of another tau is refuted.

    With tau 5% larger E x_T is some 10 standard errors away, without the bias over 100: known in advance.
    """
    (bias,) = js.theory.clipping_bias(js.noise.CenteredExponential(), 1.0)
    exact, other = (expected_iterate(tau, bias) for tau in (1.0, 1.05))
    assert exact == pytest.approx(expected_iterate(1.0, bias, 1601), abs=1e-6)
    slower = expected_iterate(1.0, bias, eta=ETA / 2, steps=2 * STEPS)
    assert exact - bias == pytest.approx(0.00084, abs=5e-6)
    assert slower - bias == pytest.approx(0.00051, abs=5e-6)
    assert abs(exact - other) > 8 * ERROR
    study = js.Study(
        oracle=js.oracles.AdditiveNoise(js.problems.Quadratic([1.0]), js.noise.CenteredExponential()),
        schedule=js.schedules.constant(ETA),
        method=js.methods.Clipped(js.methods.Sgd(), value=1.0),
        x0=[bias],
        steps=STEPS,
    )
    claims = [
        js.Claim(name, "E x_T", study, lambda x: x[0], relation, value, margin=0.006)
        for name, relation, value in (
            ("exact", "==", exact), ("u*", "within", bias), ("tau", "==", other), ("unbiased", "==", 0.0),
        )
    ]  # fmt: skip
    report = js.verify(claims, TRAJECTORIES)
    assert [finding.verdict for finding in report.findings] == [Verdict.CONSISTENT] * 2 + [Verdict.REFUTED] * 2
    assert report["exact"].findings[0].measurement.standard_error < 1.1 * ERROR
