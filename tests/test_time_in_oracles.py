"""Losses and noise that change with t."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import methods, noise, oracles, problems, record, schedules
from jaxsgd.config import read
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution, Unresolved
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.theory.bounds.gradient_second_moments import a_priori

pytestmark = pytest.mark.usefixtures("quick_compilation")

# Reddi, Kale and Kumar (2018), theorem 1; they count updates from 1

C, BETA2, RATE, ROUNDS = 3.0, 1 / 10, 0.3, 100  # beta_2 = 1 / (1 + C^2), RATE below sqrt(1 - beta_2)


def in_turn(xi, x, t):
    """C x at the updates 1, 4, 7, .., counted from 1, and -x at the others: their sum falls with x."""
    return jnp.where((t + 1) % 3 == 1, C, -1.0) * x[0]


class ProjectedAdam(methods.Method):
    """x_{t+1} = P(x_t - eta_t g_t / sqrt(v_t)), v_t = beta_2 v_{t-1} + (1 - beta_2) g_t^2, on [-1, 1]; beta_1 = 0."""

    beta2: float

    def init(self, x0):
        return jnp.zeros_like(x0)

    def step(self, x, learning_rate, t, state, draw):
        g = draw.gradient(x)
        v = self.beta2 * state + (1 - self.beta2) * g**2
        return jnp.clip(x - learning_rate * g / jnp.sqrt(v), -1, 1), v


CYCLIC = js.Study(
    oracle=oracles.RandomLoss(in_turn, lambda stream: ()),
    schedule=schedules.inverse_sqrt(RATE),
    x0=[1.0],
    steps=3 * ROUNDS,
    method=ProjectedAdam(BETA2),
    record=record.every(1),
)


def by_numpy(adam):
    x, v, path = 1.0, 0.0, [1.0]
    for count in range(1, 3 * ROUNDS + 1):
        g = C if count % 3 == 1 else -1.0
        v = BETA2 * v + (1 - BETA2) * g**2
        x = np.clip(x - RATE / np.sqrt(count) * g / (np.sqrt(v) if adam else 1.0), -1, 1)
        path.append(x)
    return np.array(path)


def test_adam_ends_at_the_worst_point_of_cyclic_losses_and_sgd_at_the_best():
    """At x = 1 after every round; projected SGD is at most two steps from -1. The paths are those of NumPy."""
    adam, sgd = (
        js.sample_paths(CYCLIC.replace(method=method), 1)["x"].values[0, :, 0]
        for method in (CYCLIC.method, methods.Projected(methods.Box(-1.0, 1.0)))
    )
    np.testing.assert_allclose(adam, by_numpy(adam=True), atol=1e-5)
    np.testing.assert_allclose(sgd, by_numpy(adam=False), atol=1e-5)
    np.testing.assert_array_equal(adam[::3], 1.0)
    assert sgd[-1] < -1 + 2 * RATE / np.sqrt(3 * ROUNDS - 1) + 1e-6
    assert np.ptp(adam) > 0.1  # it does move


def test_samplers_see_the_time_and_folds_what_they_drew():
    """xi_t = (1 + t) z_t, of standard deviation 1 + t; the loss <xi, x> has the gradient xi, and so x_T is known."""

    def sampler(stream, t):
        return (1.0 + t) * stream.normal((2,))

    study = js.Study(
        oracle=oracles.RandomLoss(lambda xi, x: xi @ x, sampler),
        schedule=schedules.constant(0.1),
        x0=[0.0, 0.0],
        steps=3,
        folds={"drawn": js.folds.Sum(lambda u: u.sample)},
        observables={
            "off": lambda s: jnp.sum(jnp.abs(s.x + 0.1 * s.folds["drawn"])), "x2": lambda s: s.x[0] ** 2,
        },
        record=record.at([0, 3]),
    )  # fmt: skip
    values = dict(zip(study.observed, trajectory_values(study, 4000)[1], strict=True))
    assert values["off"].max() < 1e-6
    error = values["x2"].std() / np.sqrt(4000)
    assert abs(values["x2"].mean() - 0.01 * (1 + 4 + 9)) < 5 * error
    assert error < 0.03 * 0.14
    assert study.oracle.unbiased is None
    assert oracles.RandomLoss(lambda xi, x: xi @ x, lambda stream: stream.normal(2)).unbiased
    assert study.oracle.changes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((lambda x: x, lambda stream: ()), r"loss must be a function of \(xi, x\) or of \(xi, x, t\), got .* of \(x\)"),
        ((lambda a, b, c, d: a, lambda stream: ()), r"loss must be .*, got .* of \(a, b, c, d\)"),
        ((lambda xi, x: x, lambda: ()), r"sampler must be .* of \(stream\) or of \(stream, t\), got .* of \(\)"),
        ((lambda xi, x, *, weight: x, lambda stream: ()), r"loss must be .*, got .* of \(xi, x, weight\)"),
    ],
)  # fmt: skip
def test_functions_of_other_arguments_are_refused(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        oracles.RandomLoss(*arguments)


def test_arguments_with_defaults_are_left_alone():
    oracle = oracles.RandomLoss(lambda xi, x, weight=2.0: weight * xi @ x, lambda stream, size=2: stream.normal(size))
    assert not oracle.changes
    assert oracles.RandomLoss(lambda *given: given[0] @ given[1], lambda stream: stream.normal(2)).unbiased


# noise with a scale

H, STD, T = np.array([2.0, 0.5]), np.array([0.5, 1.5]), 8


def batches(t):
    """B_t = 4^floor(t / 3): a ramp."""
    return 4.0 ** (t // 3)


SCALED = js.Study(
    oracle=oracles.AdditiveNoise(problems.Quadratic(H), noise.Gaussian(std=STD), lambda t: batches(t) ** -0.5),
    schedule=schedules.constant(0.2),
    x0=[1.0, -2.0],
    steps=T,
    record=record.every(1),
)


def test_exact_moments_take_the_covariance_of_each_update(recwarn):
    """Against the recursion of each coordinate, and a run; with noise of one size it fails, the control."""
    exact, mean, variance, rows = js.theory.exact(SCALED), np.array([1.0, -2.0]), np.zeros(2), []
    for t in range(T + 1):
        spread = STD**2 / batches(t)
        rows.append([H / 2 @ (mean**2 + variance), np.sum((H * mean) ** 2 + H**2 * variance + spread)])
        mean, variance = (1 - 0.2 * H) * mean, (1 - 0.2 * H) ** 2 * variance + 0.04 * spread
    np.testing.assert_allclose(np.stack([exact.risk_mean, exact.gradient_norm_squared_mean], 1), rows, rtol=1e-12)
    result = js.simulate(SCALED, 20_000, progress=False)
    assert not [warning for warning in recwarn if warning.category is Unresolved]
    steady = js.theory.exact(SCALED.replace(oracle=SCALED.oracle.replace(scale=None)))
    for name in ("risk", "gradient_norm_squared"):
        z, control = (
            (result.dataset[f"{name}_mean"] - moments[f"{name}_mean"])[1:] / result.dataset[f"{name}_sem"][1:]
            for moments in (exact, steady)
        )
        assert np.abs(z).max() < 5
        assert np.abs(control).max() > 10


def test_what_needs_one_covariance_is_refused_and_bounds_take_the_largest():
    oracle = SCALED.oracle
    assert oracle.gradient_covariance(2) is None
    with pytest.raises(NoExactSolution, match="the same at every x and every t"):
        js.theory.stationary(oracle, 0.1)
    one = SCALED.replace(
        oracle=oracles.AdditiveNoise(problems.AbsoluteValue(), noise.Gaussian(), lambda t: 1.0 + (t == 2)), x0=[1.0]
    )
    # In one coordinate the law is found all the same: E x^2 changes by -2 eta E|x| + eta^2 (1 + sigma_t^2).
    moments = js.theory.exact(one.replace(record=js.record.every(1)))
    eta, variance = one.learning_rates[: one.steps], np.where(np.arange(one.steps) == 2, 4.0, 1.0)
    expected = -2 * eta * moments.risk_mean.values[:-1] + eta**2 * (1 + variance)
    np.testing.assert_allclose(np.diff(moments.distance_squared_mean), expected, atol=1e-7)
    assert a_priori(one) == pytest.approx(1 + 4.0)  # the slope 1, and twice the noise at t = 2
    assert a_priori(one.replace(steps=2)) == pytest.approx(2.0)


def test_scales_are_swept_and_read_from_study_files(tmp_path):
    (tmp_path / "scaled.toml").write_text(
        "steps = 2\nx0 = [0.0]\n[problem]\nkind = 'quadratic'\ncurvature = [1.0]\n[noise]\nkind = 'gaussian'\n"
        "[oracle]\nscale = {kind = 'inverse_sqrt', initial = 1.0}\n[schedule]\nkind = 'constant'\nvalue = 0.5\n"
        "[record]\nat = [1]\n[sweep]\n'oracle.scale.initial' = [1.0, 4.0]\n"
    )
    file = read(tmp_path / "scaled.toml")
    found = js.sweep(file.make, file.axes, trajectories=8, compare=(), progress=False).dataset["risk_mean"].values
    assert found[1, 0] == pytest.approx(16 * found[0, 0], rel=1e-5)


@pytest.mark.parametrize(
    ("scale", "error", "message"),
    [
        (2.0, InvalidType, r"scale must be a function of t, such as schedules.constant\(2.0\), got 2.0"),
        (lambda t: 1.0 / (t - 3.0), InvalidInput, "the scale of the noise must be finite, got inf at t = 3"),
    ],
)
def test_a_scale_that_is_none_is_refused(scale, error, message):
    with pytest.raises(error, match=message):
        SCALED.replace(oracle=SCALED.oracle.replace(scale=scale))
