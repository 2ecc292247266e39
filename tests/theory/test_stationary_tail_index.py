"""Tail indices of stationary laws: reference numbers, tails computed by quadrature, and verdicts on simulated tails."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.special import ndtr

import jaxsgd as js
from jaxsgd.errors import InvalidInput, NoExactSolution
from jaxsgd.inference import Verdict
from jaxsgd.theory.tails import why_no_standard_error

pytestmark = pytest.mark.usefixtures("quick_compilation")

ETA = 0.5


def study(noise, curvature=(1.0,), rate=ETA, steps=10, **changes):
    oracle = js.oracles.AdditiveNoise(js.problems.Quadratic(list(curvature)), noise)
    return js.Study(**({"oracle": oracle, "schedule": js.schedules.constant(rate), "steps": steps} | changes))


def growing(std, additive=js.noise.Gaussian()):  # noqa: B008
    return js.noise.Multiplicative(std, additive)


index = js.theory.stationary_tail_index


@pytest.mark.parametrize(("std", "expected"), [(1.5, 2.67253), (3**0.5, 2.0), (2.0, 1.44134)])
def test_reference_numbers(std, expected):
    assert index(study(growing(std))) == pytest.approx(expected, abs=5e-6)


def test_fourth_moments():
    """k = 4 where E(m + v z)^4 = m^4 + 6 m^2 v^2 + 3 v^4 is 1, with m = v / s = 1/2."""
    v2 = (-6 * 0.25 + np.sqrt((6 * 0.25) ** 2 - 12 * (0.0625 - 1))) / 6
    assert index(study(growing(np.sqrt(v2) / ETA))) == pytest.approx(4, abs=1e-8)


def test_the_heaviest_coordinate_rules_and_so_does_added_noise():
    assert index(study(growing([1.5, 0.1]), (1.0, 1.0))) == index(study(growing(1.5)))
    assert index(study(growing(1.5, js.noise.StudentT(2.5)))) == 2.5
    assert index(study(growing(1.5, js.noise.StudentT(3.0)))) == index(study(growing(1.5)))
    assert index(study(js.noise.StudentT(3.0))) == 3.0
    assert index(study(js.noise.Gaussian())) == np.inf


def test_sampled_least_squares():
    """E|1 - eta h_i|^k = 1 over the examples; inf where no example goes too far."""

    def sampled(rate, order=js.orders.WithReplacement(), **changes):  # noqa: B008
        oracle = js.oracles.ExampleSampling(
            js.problems.LeastSquares([[1.0], [1.0], [3.0]], [1.0, -1.0, 0.5]), order, **changes
        )
        return js.Study(oracle=oracle, schedule=js.schedules.constant(rate), steps=4)

    k = index(sampled(0.3))
    assert np.mean(np.abs(1 - 0.3 * np.array([1.0, 1.0, 9.0])) ** k) == pytest.approx(1, abs=1e-9)
    assert k > 0.1
    weighted = index(sampled(0.3, js.orders.ImportanceSampling([0.2, 0.2, 0.6])))
    a = np.abs(1 - 0.3 * np.array([1.0, 1.0, 9.0]) / (3 * np.array([0.2, 0.2, 0.6])))
    assert (weighted == np.inf) == (a.max() <= 1)
    assert index(sampled(0.2)) == np.inf
    with pytest.raises(NoExactSolution, match="a batch 2 examples"):
        index(sampled(0.3, batch=2))
    with pytest.raises(NoExactSolution, match="neither a noise nor examples"):
        index(sampled(0.3, js.orders.RandomReshuffling()))


REFUSED = {
    "E log\\|A\\| = .* is not below 0": (study(growing(8.0)), InvalidInput),
    "there is no stationary law: E log\\|A\\| = 0": (study(js.noise.Gaussian(), (0.0, 1.0)), InvalidInput),
    "leaves no noise at x\\*": (study(growing(1.0, None)), NoExactSolution),
    "learning rate is not constant": (
        study(growing(1.0), schedule=js.schedules.inverse_time(0.5, 0.1)),
        NoExactSolution,
    ),
    "does not state that it is plain SGD": (study(growing(1.0), method=js.methods.HeavyBall(0.5)), NoExactSolution),
    "not a diagonal": (study(growing(1.0), [[1.0, 0.5], [0.5, 1.0]]), NoExactSolution),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_refused(message):
    given, error = REFUSED[message]
    with pytest.raises(error, match=message):
        index(given)


def test_standard_errors_say_so():
    reason = why_no_standard_error(study(growing(1.5), steps=20, x0=[1.0]), "risk", 20, 10**6)
    assert "with the tail index 2.67 the stationary law has no variance of q at all" in reason


# tails

BOUNDS = (0.5, 2.0, 6.0)


def beyond(std, bounds, steps):
    """P(|x_T| > r) of x' = (1 - eta) x + eta sqrt(std^2 x^2 + 1) z from 0, by P(|x_T| > r | x_t), an even function."""
    scaled = np.linspace(0, 40, 801)  # x = sinh(scaled) / 10
    x = np.sinh(scaled) / 10
    z, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    found = []
    for r in bounds:
        deviation = ETA * np.sqrt(std**2 * x**2 + 1)
        values = ndtr(((1 - ETA) * x - r) / deviation) + ndtr((-(1 - ETA) * x - r) / deviation)
        for _ in range(steps - 1):
            moved = np.abs((1 - ETA) * x[:, None] + deviation[:, None] * z)
            values = CubicSpline(scaled, values)(np.minimum(np.arcsinh(10 * moved), 40)) @ weights
        found.append(values[0])
    return np.array(found)


def test_tails_fall_with_the_index():
    """Of the law after many updates, whose density is computed independently."""
    near, far = beyond(1.5, (300.0, 600.0), 100)
    assert np.log2(near / far) == pytest.approx(index(study(growing(1.5))), rel=0.001)


def test_indices_that_are_too_large_to_be_found():
    with pytest.raises(NoExactSolution, match="above 64"):
        index(study(growing(0.1)))


def test_simulated_tails_and_controls():
    """P(|x_10| > r) is what quadrature says; with a factor 5% too large one of them is 8 standard errors away."""
    n = 2**17
    right, wrong = (beyond(std, BOUNDS, 10) for std in (1.5, 1.575))
    assert np.abs((wrong - right) / np.sqrt(right * (1 - right) / n)).max() > 8
    given = study(growing(1.5))
    claims = [
        js.Claim(f"{name} {r}", "P(|x_T| > r)", given, lambda x, r=r: abs(x[0]) > r, "==", p, margin=0.01)
        for name, values in (("right", right), ("wrong", wrong))
        for r, p in zip(BOUNDS, values.tolist(), strict=True)
    ]
    verdicts = js.verify(claims, n).verdicts
    assert [verdicts[f"right {r}"] for r in BOUNDS] == [Verdict.CONSISTENT] * len(BOUNDS)
    assert Verdict.REFUTED in [verdicts[f"wrong {r}"] for r in BOUNDS]
