"""The convex bounds on random nonsmooth risks, projected or not, by enumerating every path of coin tosses."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsgd import methods, noise, oracles, problems, schedules
from jaxsgd.module import Module
from jaxsgd.study import Study
from jaxsgd.theory.bounds import (
    LacosteJulien,
    LastIterate,
    LastIterateAnySchedule,
    UniformStronglyConvex,
    WeightedAverage,
)

T, RADIUS = 7, 1.5
CONVEX = (WeightedAverage(), LastIterate(), LastIterateAnySchedule())


class Risk(Module):
    """max_i a_i'x + mu/2 ||x||^2: its numbers are given to one program, which all cases share."""

    slopes: np.ndarray
    mu: float

    def __init__(self, slopes, mu):
        self.slopes, self.mu = slopes, mu

    def __call__(self, x):
        return jnp.max(self.slopes @ x) + self.mu / 2 * jnp.sum(x**2)


class Case:
    """R(x) = max_i a_i'x + mu/2 ||x||^2, minimal at 0 because the a_i surround it; noise +-b, a fair coin."""

    def __init__(self, seed, mu=0.0, projected=False):
        random = np.random.default_rng(seed)
        slopes = random.normal(size=(3, 2))
        self.slopes = np.vstack([slopes, -random.dirichlet(np.ones(3)) @ slopes])
        self.mu, self.projected = mu, projected
        self.b = random.choice([0.0, 0.3, 2.0]) * random.normal(size=2)
        start = random.normal(size=2)
        self.start = start * min(1.0, RADIUS / np.linalg.norm(start)) if projected else start
        self.eta = random.uniform(0, 1, T) * random.choice([0.1, 0.5, 2.0])

    def study(self, rates):
        problem = problems.Function(
            Risk(self.slopes, self.mu), minimiser=[0.0, 0.0], minimum=0.0, convex=True, strong_convexity=self.mu
        )
        oracle = oracles.AdditiveNoise(problem, noise.Gaussian(covariance=np.outer(self.b, self.b)))
        method = methods.Projected(methods.Ball(RADIUS)) if self.projected else methods.Sgd()
        return Study(oracle=oracle, schedule=rates, steps=T, x0=self.start, method=method)

    def risk(self, x):
        return np.max(x @ self.slopes.T, axis=-1) + self.mu / 2 * np.sum(x**2, axis=-1)

    def run(self, eta):
        """The points x_0 .. x_T of every path (2^T, T + 1, 2), and E||g_t||^2 (T,)."""
        signs = np.array(list(itertools.product([-1.0, 1.0], repeat=T)))
        x, G2 = [np.tile(self.start, (len(signs), 1))], []
        for t in range(T):
            gradient = self.slopes[np.argmax(x[t] @ self.slopes.T, axis=1)] + self.mu * x[t]
            gradient = gradient + signs[:, t, None] * self.b
            G2.append(np.mean(np.sum(gradient**2, axis=1)))
            moved = x[t] - eta[t] * gradient
            if self.projected:
                moved /= np.maximum(np.linalg.norm(moved, axis=1, keepdims=True) / RADIUS, 1)
            x.append(moved)
        return np.stack(x, axis=1), np.array(G2)

    def gap(self, points, weights):
        if weights is None:
            return np.mean(self.risk(points[:, T - 1]))
        return np.mean(self.risk(np.tensordot(points[:, :T], weights / weights.sum(), axes=(1, 0))))


def ratios(case, rates, among):
    """E R(point) - R* over its bound."""
    study = case.study(rates)
    points, G2 = case.run(study.learning_rates[:T])
    for bound in among:
        average = bound.point(study)
        weights = None if average is None else average.weights(study.learning_rates[:T])
        yield case.gap(points, weights) / bound.value(study, G2)


@pytest.mark.parametrize("projected", [False, True])
def test_no_convex_bound_is_violated(projected):
    cases = [Case(seed, projected=projected) for seed in range(20)]
    largest = np.max([list(ratios(case, schedules.table(case.eta), CONVEX)) for case in cases], axis=0)
    assert np.all(largest <= 1 + 1e-12)
    # The cases come close, so that a bound that was a little too small would be found out.
    assert np.all(largest > [0.8, 0.85, 0.35])


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize(
    ("bound", "schedule"),
    [(UniformStronglyConvex(), schedules.strongly_convex), (LacosteJulien(), schedules.lacoste_julien)],
)
def test_no_strongly_convex_bound_is_violated(bound, schedule, projected):
    largest = 0.0
    for seed in range(9):
        mu = [0.1, 1.0, 3.0][seed % 3]
        case = Case(seed, mu=mu, projected=projected)
        largest = max(largest, *ratios(case, schedule(mu), [bound]))
    assert 0.2 < largest <= 1


def test_start_outside_the_set_is_refused_because_the_bound_would_fail():
    # R = |x_1 - x_2| is 0 at x_0 = (10, 10), but 10 at (0, 10), the projection of x_0 on the box.
    problem = problems.Function(lambda x: jnp.abs(x[0] - x[1]), minimiser=[0.0, 0.0], convex=True)
    study = Study(
        oracle=oracles.FullGradient(problem),
        schedule=schedules.table([100.0, 0.1]),
        steps=2,
        x0=[10.0, 10.0],
        method=methods.Projected(methods.Box([-1.0, -20.0], [0.0, 20.0])),
    )
    c, a = LastIterateAnySchedule().coefficients(study)
    assert c * 200 + a @ [0.0, 2.0] < 2 < 10
    for bound in (LastIterate(), LastIterateAnySchedule()):
        (reason,) = bound.reasons(study)
        assert "x_0 not in it" in reason
    assert not WeightedAverage().reasons(study)
