"""Coordinates that are mixed at rare times, and units: how blocks are found must not change what is right."""

import jax.numpy as jnp
import numpy as np
import pytest
from methods_of_ones_own import Delayed, HeavyBall, MovingAverage, ScheduleFree

from jaxsgd import methods, noise, oracles, problems, record, schedules
from jaxsgd.structure import Skeleton, Structure
from jaxsgd.study import Study
from jaxsgd.theory import exact, stability_limit
from jaxsgd.theory.linear.affine_update import affine_update, in_float64
from jaxsgd.theory.linear.blocks import of_coordinates
from jaxsgd.theory.linear.treatment import treats_alike, treats_each

pytestmark = pytest.mark.usefixtures("quick_compilation")

A = np.array([[2.0, 0.5], [0.5, 4.0]])
X0, MINIMISER = np.array([-5.0, 2.0]), np.array([1.0, -1.0])


class Gossip(methods.Method):
    """At t = 96, 193, ... coordinates become their mean."""

    def step(self, x, learning_rate, t, state, draw):
        x = x - learning_rate * draw.gradient(x)
        return jnp.where((t + 1) % 97 == 0, x.mean(), x), state


class RareScaling(methods.Method):
    """At t = 96, 193, ... coordinates are treated for themselves, but not alike."""

    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * jnp.where((t + 1) % 97 == 0, jnp.array([1.0, 9.0]), 1.0) * draw.gradient(x), state


class Undone(methods.Method):
    """D A D^-1 with a diagonal D is A of a diagonal A only."""

    def step(self, x, learning_rate, t, state, draw):
        D = jnp.array([1.0, 3.0])
        return x - learning_rate * (draw.gradient(x) + D * draw.full_gradient(x / D)), state


class ReversedStart(methods.Method):
    """A momentum whose first velocity is x_0 in another order."""

    def init(self, x0):
        return x0[::-1]

    def step(self, x, learning_rate, t, velocity, draw):
        velocity = 0.5 * velocity - learning_rate * draw.gradient(x)
        return x + velocity, velocity


def gossip(t, z, e, H):
    x = z - 0.01 * (H @ (z - MINIMISER) + e)
    return np.full(2, x.mean()) if (t + 1) % 97 == 0 else x


def rare(t, z, e, H):
    return z - 0.01 * np.where((t + 1) % 97 == 0, [1.0, 9.0], 1.0) * (H @ (z - MINIMISER) + e)


def undone(t, z, e, H):
    D = np.array([1.0, 3.0])
    return z - 0.01 * (H @ (z - MINIMISER) + e + D * (H @ (z / D - MINIMISER)))


def reversed_start(t, z, e, H):
    velocity = 0.5 * z[2:] - 0.01 * (H @ (z[:2] - MINIMISER) + e)
    return np.concatenate([z[:2] + velocity, velocity])


CASES = {
    "gossip": (Gossip(), gossip, X0, np.diag([1.0, 2.0]), 194),
    "rare scaling": (RareScaling(), rare, X0, A, 97),
    "undone": (Undone(), undone, X0, A, 30),
    "reversed start": (ReversedStart(), reversed_start, np.concatenate([X0, X0[::-1]]), A, 30),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_parted_by_coordinates(name):
    """Against mean and covariance by NumPy, of maps which are differences of updates."""
    method, step, z0, H, steps = CASES[name]
    given = np.diag(H) if name == "gossip" else H
    oracle = oracles.AdditiveNoise(problems.Quadratic(given, minimiser=MINIMISER), noise.Gaussian(std=1.0))
    study = Study(oracle=oracle, schedule=schedules.constant(0.01), x0=X0, steps=steps, method=method)
    mean, V, m = z0, np.zeros((len(z0), len(z0))), len(z0)
    for t in range(steps):
        zero, none = step(t, np.zeros(m), np.zeros(2), H), np.zeros(2)
        M = np.column_stack([step(t, z, none, H) - zero for z in np.eye(m)])
        N = np.column_stack([step(t, np.zeros(m), e, H) - zero for e in np.eye(2)])
        mean, V = M @ mean + zero, M @ V @ M.T + N @ N.T
    e = mean[:2] - MINIMISER
    expected = (np.trace(H @ V[:2, :2]) + e @ H @ e) / 2
    found = exact(study.replace(record=record.at([steps]))).risk_mean[0]
    np.testing.assert_allclose(found, expected, rtol=1e-11)


@pytest.mark.parametrize("scale", [1.0, 1e15])
def test_units_do_not_matter(scale):
    """Of rates of x that differ, in units in which all eta are small."""
    oracle = oracles.AdditiveNoise(problems.Quadratic(scale * A), noise.Gaussian(std=scale))
    method = methods.Preconditioned([1.0, 0.1])
    study = Study(oracle=oracle, schedule=schedules.constant(0.02 / scale), x0=[-5.0, -2.0], steps=50, method=method)
    mean, V, D = np.array([-5.0, -2.0]), np.zeros((2, 2)), np.diag([1.0, 0.1])
    for _ in range(50):
        M = np.eye(2) - 0.02 * D @ A
        mean, V = M @ mean, M @ V @ M.T + 0.02**2 * D @ D
    found = exact(study.replace(record=record.at([50]))).distance_squared_mean[0]
    np.testing.assert_allclose(found, mean @ mean + np.trace(V), rtol=1e-11)
    largest = np.linalg.eigvals(D @ A).max()
    np.testing.assert_allclose(scale * stability_limit(oracle, method), 2 / largest, rtol=1e-12)


@pytest.mark.parametrize("method", [HeavyBall(0.9), ScheduleFree(), Delayed(2), MovingAverage(0.9)])
def test_methods_with_blocks_of_one_coordinate(method):
    """Also where learning rates are small: in one block they would cost d^3."""
    update, numbers = affine_update(method, Structure.of(np.zeros(3))), in_float64(Skeleton.split(method)[1])
    of_z, rates = of_coordinates(update), np.geomspace(1e-1, 1e-17, 40)
    assert treats_alike(update, numbers, of_z, rates)
    assert treats_each(update, numbers, of_z, rates)
