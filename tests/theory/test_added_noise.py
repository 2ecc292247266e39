"""What independent noise adds up to: stable laws and cumulants of iterates, against NumPy recursions and exact moments.

Claims on them have negative controls: laws with another exponent, scale or skewness are refuted, with the power that is
computed in advance.
"""

import dataclasses
import itertools
import math

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.errors import InvalidType, NoExactSolution
from jaxsgd.inference import Verdict
from jaxsgd.verification.of_law import QUANTILES, exact_law

pytestmark = pytest.mark.usefixtures("quick_compilation")

ETA, H, STEPS = 0.1, 2.0, 50


def study(noise, curvature=(H,), scale=None, **changes):
    oracle = js.oracles.AdditiveNoise(js.problems.Quadratic(list(curvature)), noise, scale)
    given = {"schedule": js.schedules.constant(ETA), "steps": STEPS, "oracle": oracle}
    return js.Study(**(given | changes))


# stable laws


@pytest.mark.parametrize(("alpha", "expected"), [(1.0, 0.4999928638), (1.5, 0.2311998944)])
def test_reference_numbers(alpha, expected):
    law = js.theory.exact_law(study(js.noise.AlphaStable(alpha)))
    assert law.x_scale.item(-1) == pytest.approx(expected, abs=5e-11)
    a = abs(1 - ETA * H) ** alpha
    assert law.x_scale.item(-1) == pytest.approx(ETA * ((1 - a**STEPS) / (1 - a)) ** (1 / alpha), rel=1e-13)


def test_any_schedule_with_scales_and_averages():
    """Coefficients of each xi_t from a recursion along paths that only xi_t moves."""
    alpha, sizes, h = 0.8, np.array([1.0, 3.0]), np.array([1.0, 0.5])
    of_t = js.schedules.inverse_sqrt(2.0)
    averages = {"eta": js.averages.StepSizeWeighted(), "tail": js.averages.Suffix(0.5)}
    given = study(
        js.noise.AlphaStable(alpha, sizes), h, of_t, steps=8, schedule=js.schedules.polynomial(0.8, 0.5, 0.5),
        x0=[1.0, -2.0], averages=averages, record=js.record.every(1),
    )  # fmt: skip
    rates, x = given.learning_rates[:8], np.zeros((9, 10, 2))  # steps; the start, each xi_t, and nothing
    x[0, 0] = [1.0, -2.0]
    for t in range(8):
        kick = np.zeros((10, 2))
        kick[1 + t] = 2 / np.sqrt(t + 1)
        x[t + 1] = x[t] - rates[t] * (h * x[t] + kick)
    weights = np.arange(8) >= 4
    seen = {
        "": x,
        "_of_eta": np.array([np.average(x[: max(s, 1)], axis=0, weights=rates[: max(s, 1)]) for s in range(9)]),
        "_of_tail": np.array(
            [np.average(x[:s], axis=0, weights=weights[:s]) if s > 4 else x[0] * np.nan for s in range(9)]
        ),
    }
    law = js.theory.exact_law(given)
    for suffix, of_one in seen.items():
        location, scale = law[f"x_location{suffix}"].values, law[f"x_scale{suffix}"].values
        after = slice(5, None) if suffix == "_of_tail" else slice(None)
        np.testing.assert_allclose(location[after], of_one[after, 0], rtol=1e-12, atol=1e-15)
        expected = ((np.abs(of_one[:, 1:9]) * sizes) ** alpha).sum(1) ** (1 / alpha)
        np.testing.assert_allclose(scale[after], expected[after], rtol=1e-12)
    assert np.isnan(law.x_scale_of_tail.values[1:5]).all()


class Mixing(js.methods.Method):
    """x_{t+1} = x_t - eta B g_t."""

    mixed: np.ndarray
    linear = True

    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * self.mixed @ draw.gradient(x), state


@pytest.mark.parametrize(
    "method", [js.methods.HeavyBall(0.9), js.methods.Nesterov(0.5), Mixing(np.array([[1.0, 0.3], [-0.2, 0.5]]))]
)
def test_normal_laws_have_the_exact_moments(method):
    """alpha = 2: the scale is that of the exact covariance, by its own recursion."""
    given = study(js.noise.Gaussian([1.0, 0.5]), (2.0, 4.0), x0=[1.0, -1.0], method=method)
    law, exact = js.theory.exact_law(given), js.theory.exact(given)
    assert law.alpha == 2
    np.testing.assert_allclose(law.x_location, exact.x_mean, rtol=1e-12, atol=1e-14)
    variances = np.einsum("sii->si", exact.x_covariance.values)
    np.testing.assert_allclose(2 * law.x_scale**2, variances, rtol=1e-12, atol=1e-14)


class Dependent(js.noise.Noise):
    """The same Cauchy variable in each coordinate."""

    independent = False

    def sample(self, stream, like):
        return jnp.tan(jnp.pi * (stream.uniform() - 0.5)) * jnp.ones(2)

    def stable_law(self, dimension):
        return js.noise.AlphaStable(1.0).stable_law(dimension)


REFUSED = {
    "StudentT does not state that its coordinates are symmetric stable": study(js.noise.StudentT(1.5)),
    "Multiplicative is not additive": study(js.noise.Multiplicative(1.0)),
    "x_0 is drawn": study(js.noise.AlphaStable(1.5), x0=js.start.Normal(shape=(1,))),
    "operation that is not linear|not linear|clip": study(
        js.noise.AlphaStable(1.5), method=js.methods.Clipped(js.methods.Sgd(), value=1.0)
    ),
    "mixes the coordinates": study(Dependent(), (1.0, 2.0), method=Mixing(np.ones((2, 2)))),
    "not a diagonal": study(js.noise.AlphaStable(1.5), [[2.0, 1.0], [1.0, 2.0]]),
    "does not state a noise": js.Study(
        oracle=js.oracles.FullGradient(js.problems.Quadratic([1.0])), schedule=js.schedules.constant(0.1), steps=2
    ),
    "quadratic": js.Study(
        oracle=js.oracles.AdditiveNoise(js.problems.AbsoluteValue(), js.noise.AlphaStable(1.5)),
        schedule=js.schedules.constant(0.1), steps=2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_other_studies_are_refused(message):
    with pytest.raises(NoExactSolution, match=message):
        js.theory.exact_law(REFUSED[message])


def test_what_is_no_study():
    for function in (js.theory.exact_law, js.theory.cumulants, js.theory.stationary_tail_index):
        with pytest.raises(InvalidType, match=r"needs a jaxsgd\.Study"):
            function(1)


def test_a_law_is_consistent_and_others_are_refuted():
    """A scale 5% too large, or alpha 1.55 for 1.5: some quantile is 7 standard errors off, known in advance."""
    n = 2**17
    right = study(js.noise.AlphaStable(1.5), (2.0, 1.0), x0=[1.0, 0.0])
    statement = exact_law(right, "")
    claims = [dataclasses.replace(claim, name=f"right {claim.name}") for claim in statement.claims]
    law = js.theory.exact_law(right).isel(step=-1)
    true = js.theory.SymmetricStable(1.5, law.x_location.values[0], law.x_scale.values[0])
    for name, noise in (("scale", js.noise.AlphaStable(1.5, 1.05)), ("alpha", js.noise.AlphaStable(1.55))):
        wrong = study(noise, (2.0, 1.0), x0=[1.0, 0.0])
        found = js.theory.exact_law(wrong).isel(step=-1)
        p = np.array(QUANTILES)
        q = js.theory.SymmetricStable(found.alpha, found.x_location.values[0], found.x_scale.values[0]).quantile(p)
        assert np.abs((true.cdf(q) - p) / np.sqrt(p * (1 - p) / n)).max() > 7
        claims += [
            dataclasses.replace(claim, name=f"{name} {claim.name}", study=statement.claims[0].study)
            for claim in exact_law(wrong, "").claims
        ]
    verdicts = js.verify(claims, n).verdicts
    by_law = {
        name: {verdict for _, verdict in group}
        for name, group in itertools.groupby(verdicts.items(), key=lambda item: item[0].split()[0])
    }
    assert by_law["right"] == {Verdict.CONSISTENT}
    assert Verdict.REFUTED in by_law["scale"]
    assert Verdict.REFUTED in by_law["alpha"]


def test_fractional_moments_are_tested_as_means():
    """E|x - l|^(1/2) = .5195057620 has a standard error for alpha = 1.5, as E|x - l| is finite."""
    given = study(js.noise.AlphaStable(1.5), (2.0,))
    expected = js.theory.SymmetricStable(1.5, 0.0, js.theory.exact_law(given).x_scale.item(-1)).absolute_moment(0.5)
    assert float(expected) == pytest.approx(0.5195057620, abs=5e-11)


# cumulants


@pytest.mark.parametrize("noise", [js.noise.CenteredExponential([1.0, 2.0]), js.noise.StudentT(5.0)])
def test_cumulants_follow_their_recursion(noise):
    of_t, h = js.schedules.inverse_sqrt(1.0), np.array([1.0, 0.5])
    given = study(noise, h, of_t, schedule=js.schedules.inverse_sqrt(0.8), steps=6, record=js.record.every(1))
    found, kappa = js.theory.cumulants(given), dict.fromkeys((2, 3, 4), np.zeros(2))
    for t in range(6):
        eta = given.learning_rates[t]
        kappa = {
            k: (1 - eta * h) ** k * kappa[k] + (-eta / np.sqrt(t + 1)) ** k * noise.cumulants(k, 2) for k in kappa
        }  # fmt: skip
        at = found.sel(step=t + 1)
        np.testing.assert_allclose(at.x_variance, kappa[2], rtol=1e-12)
        np.testing.assert_allclose(at.x_skewness, kappa[3] / kappa[2] ** 1.5, rtol=1e-12)
        np.testing.assert_allclose(at.x_excess_kurtosis, kappa[4] / kappa[2] ** 2, rtol=1e-12)
    assert np.isnan(found.x_skewness.values[0]).all()


def test_cumulants_that_are_not_known():
    assert "x_excess_kurtosis" not in js.theory.cumulants(study(js.noise.StudentT(3.5)))  # skewness 0
    for df, missing in ((1.5, "a variance"), (3.0, "cumulants of order 3 or 4")):
        with pytest.raises(NoExactSolution, match=missing):
            js.theory.cumulants(study(js.noise.StudentT(df)))
    with pytest.raises(NoExactSolution, match="Multiplicative is not additive"):
        js.theory.cumulants(study(js.noise.Multiplicative(1.0)))


def moment_of_cumulants(order, kappa):
    """E X^n of a centred X, from m_n = sum_k C(n-1, k-1) kappa_k m_{n-k}."""
    moments = [1.0]
    for n in range(1, order + 1):
        moments.append(sum(math.comb(n - 1, k - 1) * kappa[k] * moments[n - k] for k in range(1, n + 1)))
    return moments[order]


def test_skewness_of_the_iterate_and_controls():
    """Of x_3 under centred exponential noise; that of noise of Gamma(2), smaller by 1 / sqrt(2), is refuted."""
    n, eta, steps = 2**17, 0.5, 3
    given = study(js.noise.CenteredExponential(), (1.0,), schedule=js.schedules.constant(eta), steps=steps)
    found = js.theory.cumulants(given).isel(step=-1)
    skewness, deviation = found.x_skewness.item(), np.sqrt(found.x_variance.item())
    factors = -eta * (1 - eta) ** np.arange(steps)
    kappa = [0.0, 0.0, *(math.factorial(k - 1) * (factors**k).sum() for k in range(2, 7))]
    error = np.sqrt(moment_of_cumulants(6, kappa) / deviation**6 - skewness**2) / np.sqrt(n)
    assert skewness == pytest.approx(kappa[3] / kappa[2] ** 1.5, rel=1e-12)
    wrong = skewness / np.sqrt(2)
    assert abs(wrong - skewness) > 8 * error

    def cube(x):
        return (x[0] / deviation) ** 3

    claims = [
        js.Claim(name, "E (x / sd)^3", given, cube, "==", value, margin=8 * error)
        for name, value in (("right", skewness), ("wrong", wrong), ("mirrored", -skewness))
    ]
    assert js.verify(claims, n).verdicts == {
        "right": Verdict.CONSISTENT, "wrong": Verdict.REFUTED, "mirrored": Verdict.REFUTED,
    }  # fmt: skip
