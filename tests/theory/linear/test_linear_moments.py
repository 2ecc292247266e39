"""Exact moments of linear methods against printed numbers, recursions of NumPy, and their linear maps of all noises."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from methods_of_ones_own import (
    Accumulation,
    Delayed,
    Diagonal,
    Extragradient,
    HeavyBall,
    Lookahead,
    Mixing,
    MovingAverage,
    Nesterov,
    ScheduleFree,
    TorchNesterov,
    Variance,
    with_wide_counts,
)

from jaxsgd import averages, chapter, methods, noise, oracles, problems, record, schedules
from jaxsgd.errors import NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory import exact

X0, MINIMISER = np.array([-5.0, 2.0]), np.array([1.0, -0.5])
MATRIX = np.array([[3.0, 1.0], [1.0, 2.0]])
S = np.array([[1.0, 0.3], [0.3, 0.5]])
RATES = 0.1 + 0.05 * np.sin(2.0 * np.arange(13))
T = 12


def of_chapter(method, rate, **changes):
    return chapter.study("constant", steps=50).replace(
        method=method, schedule=schedules.constant(rate), averages={}, record=record.at([50]), **changes
    )


# E R(x_50) of the example of the chapter, by recursions of their own in float64.
NUMBERS = {
    "heavy ball": (HeavyBall(0.9), 0.02, "risk_mean", 0.2181085756),
    "Nesterov": (Nesterov(0.9), 0.02, "risk_mean", 0.0847881410),
    "Nesterov of torch": (TorchNesterov(0.9), 0.02, "risk_mean", 0.0899607403),
    "schedule-free": (ScheduleFree(), 0.1, "risk_of_average_mean", 0.0840196003),
    "delayed": (Delayed(1), 0.05, "risk_mean", 0.0317612102),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name):
    method, rate, variable, expected = NUMBERS[name]
    assert abs(float(exact(of_chapter(method, rate))[variable][0]) - expected) < 6e-11


def test_heavy_ball_by_numpy():
    """Mean and covariance of (x_t, x_{t-1}) in each coordinate, and of the average of x_0 .. x_{s-1}."""
    eta, b, steps = 0.02, 0.9, 40
    study = of_chapter(HeavyBall(b), eta).replace(
        steps=steps, averages={"u": averages.Uniform()}, record=record.every(1)
    )
    found, risk, of_average = exact(study), np.zeros(steps + 1), np.zeros(steps + 1)
    variance = np.zeros(steps + 1)
    for h, start in ((2.0, -5.0), (4.0, -2.0)):
        m, V = np.array([start, start, start]), np.zeros((3, 3))  # x, the one before, the average
        for s in range(steps + 1):
            risk[s] += h / 2 * (V[0, 0] + m[0] ** 2)
            variance[s] += h**2 / 4 * (2 * V[0, 0] ** 2 + 4 * V[0, 0] * m[0] ** 2)
            of_average[s] += h / 2 * (V[2, 2] + m[2] ** 2)
            M = np.array([[1 + b - eta * h, -b, 0], [1, 0, 0], [1 / (s + 1), 0, s / (s + 1)]])
            m, V = M @ m, M @ V @ M.T + np.diag([eta**2, 0, 0])
    np.testing.assert_allclose(found.risk_mean, risk, rtol=1e-12)
    np.testing.assert_allclose(found.risk_variance, variance, rtol=1e-11)
    np.testing.assert_allclose(found.risk_of_u_mean, of_average, rtol=1e-12)
    # Nesterov in its place would be seen.
    assert abs(float(exact(study.replace(method=Nesterov(b))).risk_mean[-1]) / risk[-1] - 1) > 0.1


METHODS = {
    "heavy ball": HeavyBall(0.7),
    "Nesterov": Nesterov(0.7),
    "schedule-free": ScheduleFree(),
    "delayed": Delayed(3),
    "moving average": MovingAverage(0.8),
    "lookahead": Lookahead(),
    "accumulation": Accumulation(),
    "extragradient": Extragradient(),
    "mixing": Mixing(),
    "diagonal": Diagonal(np.array([1.0, 2.0])),
    "variance reduced": Variance(),
}
PROBLEMS = {
    "diagonal": (np.diag([2.0, 4.0]), noise.Gaussian(std=0.7), 0.49 * np.eye(2)),
    "rotated": (MATRIX, noise.Gaussian(covariance=S), S),
}


@functools.cache
def responses(name):
    """x_s and the points at s (T + 1, 2) of a method, of noises (T, 2) and a curvature (2, 2)."""
    method = METHODS[name]

    def run(xi, curvature):
        def full(y):
            return curvature @ (y - MINIMISER)

        def step(before, at):
            (x, state), (rate, t, noise_of_t) = before, at
            draw = methods.Draw(lambda y: full(y) + noise_of_t, None, full)
            kept = {"": x, **method.points(x, state)}
            return with_wide_counts(method.step(x, rate, t, state, draw)), kept

        x = jnp.asarray(X0)
        times = jnp.asarray(RATES), jnp.arange(T + 1), jnp.concatenate([xi, jnp.zeros((1, 2))])
        return jax.lax.scan(step, with_wide_counts((x, method.init(x))), times)[1]

    return jax.jit(jax.vmap(run, (0, None)), compiler_options={"xla_backend_optimization_level": 0})


def affine_maps(name, curvature):
    """x and the points, by name, as means (T + 1, 2) and maps of all noises (T + 1, 2, 2 T)."""
    units = np.concatenate([np.zeros((1, 2 * T)), np.eye(2 * T)]).reshape(-1, T, 2)
    with jax.enable_x64(True):
        found = jax.tree.map(np.asarray, responses(name)(units, curvature))
    return {name: (of[0], np.moveaxis(of[1:] - of[0], 0, -1)) for name, of in found.items()}


@pytest.mark.parametrize(("name", "problem"), list(itertools.product(METHODS, PROBLEMS)))
def test_against_affine_maps(name, problem):
    """Every moment is one of an affine function of all noises, which is found by running the method on each of them."""
    method, (curvature, law, covariance) = METHODS[name], PROBLEMS[problem]
    given = np.diag(curvature) if problem == "diagonal" else curvature
    study = Study(
        oracle=oracles.AdditiveNoise(problems.Quadratic(given, MINIMISER), law),
        schedule=schedules.table(RATES),
        x0=X0,
        steps=T,
        method=method,
        averages={"u": averages.Uniform()},
        record=record.every(1),
    )
    found, known = exact(study), affine_maps(name, curvature)
    means, maps = known[""]
    total = np.maximum(np.arange(T + 1), 1)[:, None]
    before = np.concatenate([means[:1], np.cumsum(means, 0)[:-1]]) / total
    of_noise = np.concatenate([maps[:1], np.cumsum(maps, 0)[:-1]]) / total[..., None]
    for of, (mean, map_) in {**known, "u": (before, of_noise)}.items():
        suffix, e = f"_of_{of}" if of else "", mean - MINIMISER
        V = map_ @ np.kron(np.eye(T), covariance) @ map_.swapaxes(1, 2)
        for variable, weights in (("risk", curvature / 2), ("distance_squared", np.eye(2))):
            WV = weights @ V
            expected = np.trace(WV, axis1=1, axis2=2) + np.einsum("si,ij,sj->s", e, weights, e)
            spread = 2 * np.trace(WV @ WV, axis1=1, axis2=2) + 4 * np.einsum("si,sij,sj->s", e, WV @ weights, e)
            np.testing.assert_allclose(found[f"{variable}{suffix}_mean"], expected, rtol=1e-11)
            np.testing.assert_allclose(found[f"{variable}{suffix}_variance"], spread, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(found.x_mean, means, rtol=1e-11, atol=1e-12)
    V = maps @ np.kron(np.eye(T), covariance) @ maps.swapaxes(1, 2)
    np.testing.assert_allclose(found.x_covariance, V, rtol=1e-11, atol=1e-13)
    of_gradient = curvature @ V @ curvature + covariance
    norm = np.trace(of_gradient, axis1=1, axis2=2) + (((means - MINIMISER) @ curvature) ** 2).sum(1)
    np.testing.assert_allclose(found.gradient_norm_squared_mean, norm, rtol=1e-11)


class Adam(methods.Method):
    def init(self, x0):
        return jnp.zeros_like(x0), jnp.zeros_like(x0)

    def step(self, x, learning_rate, t, state, draw):
        g = draw.gradient(x)
        m, v = 0.9 * state[0] + 0.1 * g, 0.99 * state[1] + 0.01 * g**2
        return x - learning_rate * m / (jnp.sqrt(v) + 1e-8), (m, v)


class Signs(methods.Method):
    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * jnp.sign(draw.gradient(x)), state


class Clipped(methods.Method):
    """By a norm that is hardly ever reached."""

    def step(self, x, learning_rate, t, state, draw):
        g = draw.gradient(x)
        return x - learning_rate * g * jnp.minimum(1.0, 1e9 / jnp.linalg.norm(g)), state


class Polyak(methods.Method):
    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * draw.loss(x) * draw.gradient(x), state


class Largest(methods.Method):
    """Remembers in its state alone what is not linear."""

    def init(self, x0):
        return jnp.zeros(())

    def step(self, x, learning_rate, t, largest, draw):
        return x - learning_rate * draw.gradient(x), jnp.maximum(largest, x[0])


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (Adam(), "methods.Adam is not linear: .* by "),
        (Signs(), "methods.Signs is not linear: .* by the operation 'sign'"),
        (Clipped(), "methods.Clipped is not linear: .* by "),
        (Largest(), "methods.Largest is not linear: .* by the operation 'max'"),
        (methods.Projected(methods.Ball(9.0)), "methods.Projected states that it is not linear"),
    ],
)
def test_other_methods_are_refused(method, reason):
    with pytest.raises(NoExactSolution, match=reason):
        exact(of_chapter(method, 0.1))


def test_a_method_that_asks_for_the_loss_is_refused():
    problem = problems.LeastSquares([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8]], [1.0, -0.5, 0.7])
    study = Study(oracle=oracles.ExampleSampling(problem), schedule=schedules.constant(0.1), steps=3, method=Polyak())
    with pytest.raises(NoExactSolution, match=r"methods\.Polyak is not linear: it uses the loss of its draw"):
        exact(study)


class Signed(noise.Noise):
    def sample(self, stream, like):
        return stream.rademacher(like.shape)

    def covariance_matrix(self, dimension):
        return np.ones(dimension)


def test_noise_that_is_not_normal_leaves_variances_out():
    study = of_chapter(HeavyBall(0.9), 0.02)
    problem = problems.Quadratic([2.0, 4.0])
    signs = exact(study.replace(oracle=oracles.AdditiveNoise(problem, Signed())))
    assert not any(name.endswith("_variance") for name in signs)
    assert abs(float(signs.risk_mean[0]) - 0.2181085756) < 6e-11


def test_averages_of_a_run_that_grows_before_it_returns_are_not_known():
    study = of_chapter(HeavyBall(0.1), 0.1).replace(averages={"u": averages.Uniform()})
    grows = study.replace(schedule=schedules.linear_decay(2.0, 50))
    assert np.isnan(exact(grows).risk_of_u_mean[0])
    assert np.isfinite(exact(study.replace(schedule=schedules.linear_decay(0.5, 50))).risk_of_u_mean[0])


def test_many_coordinates():
    """Of 2000 equal ones the risk is 2000 times that of one."""

    def of(d):
        oracle = oracles.AdditiveNoise(problems.Quadratic(np.full(d, 2.0)), noise.Gaussian())
        return exact(of_chapter(HeavyBall(0.9), 0.02, oracle=oracle, x0=np.ones(d)))

    one, many = of(1), of(2000)
    np.testing.assert_allclose(many.risk_mean, 2000 * one.risk_mean, rtol=1e-11)
    np.testing.assert_allclose(many.risk_variance, 2000 * one.risk_variance, rtol=1e-10)


def test_long_runs_are_cut_into_passes():
    """Of 20,000 steps: as the recursion of NumPy has it, over the ends of passes."""
    eta, b, steps = 0.02, 0.9, 20_000
    study = of_chapter(HeavyBall(b), eta).replace(
        steps=steps, schedule=schedules.inverse_time(eta, 0.01), record=record.at([8192, 16_385, steps])
    )
    rates, wanted, risk = study.learning_rates, study.recorded_steps.tolist(), dict.fromkeys([8192, 16_385, steps], 0.0)
    for h, start in ((2.0, -5.0), (4.0, -2.0)):
        m, V, W, C = (start, start), 0.0, 0.0, 0.0  # the mean, Var x, Var of the one before, and their covariance
        for s in range(steps + 1):
            if s in wanted:
                risk[s] += h / 2 * (V + m[0] ** 2)
            a = 1 + b - rates[s] * h
            m = a * m[0] - b * m[1], m[0]
            V, W, C = a * a * V - 2 * a * b * C + b * b * W + rates[s] ** 2, V, a * V - b * C
    np.testing.assert_allclose(exact(study).risk_mean, [risk[s] for s in wanted], rtol=1e-11)
