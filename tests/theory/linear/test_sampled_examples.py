"""Linear methods on sampled examples, against all sequences of examples and recursions in matrix form."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from methods_of_ones_own import Delayed, Diagonal, Extragradient, HeavyBall, Nesterov, ScheduleFree, with_wide_counts

from jaxsgd import averages, methods, oracles, orders, problems, record, schedules, start
from jaxsgd.errors import NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory import exact
from jaxsgd.theory.finite_sums import sampled_gradients

FEATURES = np.array([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8]])
TARGETS = np.array([1.0, -0.5, 0.7])
X0, T, RATE = np.array([2.0, -1.0]), 5, 0.2


def study_of(method, **changes):
    given = {
        "oracle": oracles.ExampleSampling(problems.LeastSquares(FEATURES, TARGETS, l2=0.1)),
        "schedule": schedules.constant(RATE),
        "x0": X0,
        "steps": T,
        "record": record.every(1),
    }
    return Study(method=method, **(given | changes))


@functools.cache
def every_sequence(name):
    """x and the points at every step, of all sequences of examples: (3^T, T + 1, 2) by name."""
    method = METHODS[name]

    def run(sequence):
        def step(before, at):
            (x, state), (t, i) = before, at
            a, y = jnp.asarray(FEATURES)[i], jnp.asarray(TARGETS)[i]
            draw = methods.Draw(lambda x: (a @ x - y) * a + 0.1 * x, None, None)
            kept = {"": x, **method.points(x, state)}
            return with_wide_counts(method.step(x, jnp.asarray(RATE), t, state, draw)), kept

        times = jnp.arange(T + 1), jnp.append(sequence, 0)
        start = with_wide_counts((jnp.asarray(X0), method.init(jnp.asarray(X0))))
        return jax.lax.scan(step, start, times)[1]

    sequences = np.array(list(itertools.product(range(3), repeat=T)))
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(jax.vmap(run))(sequences))


METHODS = {
    "heavy ball": HeavyBall(0.6),
    "Nesterov": Nesterov(0.6),
    "delayed": Delayed(2),
    "schedule-free": ScheduleFree(),
    "coordinates treated differently": Diagonal(np.array([1.0, 0.5])),
}


@pytest.mark.parametrize("name", METHODS)
def test_against_every_sequence(name):
    study = study_of(METHODS[name], averages={"u": averages.Uniform()})
    found, problem = exact(study), study.oracle.problem
    paths = dict(every_sequence(name))
    x = paths[""]
    before = np.cumsum(x, 1)[:, :-1] / np.arange(1, T + 1)[:, None]
    paths["u"] = np.concatenate([x[:, :1], before], axis=1)
    for of, path in paths.items():
        suffix, e = f"_of_{of}" if of else "", path - problem.minimiser
        residuals = path @ FEATURES.T - TARGETS
        risk = (residuals**2).mean(-1) / 2 + 0.05 * (path**2).sum(-1)
        np.testing.assert_allclose(found[f"risk{suffix}_mean"], risk.mean(0), rtol=1e-11)
        np.testing.assert_allclose(found[f"distance_squared{suffix}_mean"], (e**2).sum(-1).mean(0), rtol=1e-11)
    np.testing.assert_allclose(found.x_mean, x.mean(0), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.x_covariance[-1], np.cov(x[:, -1].T, bias=True), rtol=1e-11, atol=1e-12)
    gradients = (x @ FEATURES.T - TARGETS)[..., None] * FEATURES + 0.1 * x[:, :, None]
    np.testing.assert_allclose(found.gradient_norm_squared_mean, (gradients**2).sum(-1).mean((0, 2)), rtol=1e-11)


def test_batches_that_are_drawn_afresh():
    """E R of heavy ball with batches of two, from the joint second moment of (x, the one before, 1)."""
    b, problem = 0.6, problems.LeastSquares(FEATURES, TARGETS)
    study = study_of(HeavyBall(b), oracle=oracles.ExampleSampling(problem, batch=2))
    x_star = problem.minimiser
    z = np.concatenate([X0 - x_star, X0 - x_star, [1.0]])
    moment, risk = np.outer(z, z), []
    for _ in range(T + 1):
        H = FEATURES.T @ FEATURES / 3
        risk.append(problem.minimum + np.trace(H @ moment[:2, :2]) / 2)
        following = np.zeros((5, 5))
        for i, j in itertools.product(range(3), repeat=2):
            a = FEATURES[[i, j]]
            gradient = np.column_stack([a.T @ a / 2, np.zeros((2, 2)), a.T @ (a @ x_star - TARGETS[[i, j]]) / 2])
            M = np.zeros((5, 5))
            M[:2] = np.eye(2, 5) * (1 + b) - b * np.eye(2, 5, 2) - RATE * gradient
            M[2:4, :2], M[4, 4] = np.eye(2), 1.0
            following += M @ moment @ M.T / 9
        moment = following
    np.testing.assert_allclose(exact(study).risk_mean, risk, rtol=1e-11)


@pytest.mark.parametrize("method", [methods.Sgd(), HeavyBall(0.6)])
def test_loops_of_numpy_and_compiled_ones_agree(method, monkeypatch):
    study = study_of(method, averages={"u": averages.Uniform()}, steps=60, record=record.every(20))
    looped = exact(study)
    monkeypatch.setattr(sampled_gradients, "_COMPILED", 50)
    compiled = exact(study)
    for name in looped:
        np.testing.assert_allclose(compiled[name], looped[name], rtol=1e-11, atol=1e-14)


class Jitted(methods.Method):
    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * jax.jit(draw.gradient)(x), state


def test_what_is_refused():
    with pytest.raises(NoExactSolution, match=r"Extragradient does not take the gradient .* at one point"):
        exact(study_of(Extragradient()))
    with pytest.raises(NoExactSolution, match="inside a transformation of JAX or a branch"):
        exact(study_of(Jitted()))
    shuffled = oracles.ExampleSampling(problems.LeastSquares(FEATURES, TARGETS), orders.RandomReshuffling())
    with pytest.raises(NoExactSolution, match=r"with orders\.RandomReshuffling moments are known of plain SGD alone"):
        exact(study_of(HeavyBall(0.6), oracle=shuffled))


def test_random_start_of_a_method_that_mixes_directions():
    """E R(x_0) = E |X x_0 - y|^2 / (2 n), with x_0 of different variances 1 and 9."""
    x0 = start.Normal([0.0, 0.0], [1.0, 3.0])
    study = study_of(Diagonal(np.array([1.0, 0.1])), x0=x0, oracle=oracles.ExampleSampling(
        problems.LeastSquares(FEATURES, TARGETS)))  # fmt: skip
    expected = (np.sum(FEATURES**2 @ [1.0, 9.0]) + np.sum(TARGETS**2)) / 6
    np.testing.assert_allclose(exact(study).risk_mean[0], expected, rtol=1e-12)


def test_long_runs_of_few_examples_are_compiled(monkeypatch):
    """No step of them asks NumPy for the noise; E R by the second moment of (x, the one before, 1) of d = 1."""
    a, y, b, steps, rate = np.array([1.0, 2.0]), np.array([0.0, 1.0]), 0.5, 3000, 0.01
    problem = problems.LeastSquares(a[:, None], y)
    study = study_of(HeavyBall(b), oracle=oracles.ExampleSampling(problem), schedule=schedules.constant(rate),
                     x0=[2.0], steps=steps, record=record.at([steps]))  # fmt: skip
    maps = [np.array([[1 + b - rate * a_i**2, -b, rate * a_i * y_i], [1, 0, 0], [0, 0, 1]])
            for a_i, y_i in zip(a, y, strict=True)]  # fmt: skip
    moment = np.outer([2.0, 2.0, 1.0], [2.0, 2.0, 1.0])
    for _ in range(steps):
        moment = sum(M @ moment @ M.T for M in maps) / 2
    residual = np.column_stack([a, np.zeros(2), -y])
    monkeypatch.delattr(sampled_gradients.SampledNoise, "_noise")
    np.testing.assert_allclose(exact(study).risk_mean[0], np.trace(residual @ moment @ residual.T) / 4, rtol=1e-11)
