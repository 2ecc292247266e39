"""Engines that are wrong must be caught by the check that the engine passes.

The polynomial run of the chapter, 10^6 trajectories, seed 0, and `agreement.disagreements`, whose limits
are 4 and 5 standard errors. Beside each fault stands the expected score of what must be found, from the
exact moments of the faulty process at this sample size.
"""

import functools

import jax
import jax.numpy as jnp
import pytest
from agreement import disagreements

import jaxsgd as js
from jaxsgd.engine import compiled, task
from jaxsgd.engine.kernel import Kernel
from jaxsgd.one_update import OneUpdate

N = 10**6
STUDY = js.chapter.study("polynomial")


def faulty(monkeypatch, method, wrong):
    """Replace a method of the kernel, or the gradient of an update, by ``wrong(original)``.

    Tasks get a cache of their own, so that compiled programs are neither reused nor left behind.
    """
    monkeypatch.setattr(task, "compiled", functools.lru_cache(compiled.compiled.__wrapped__))
    owner = OneUpdate if method == "gradient" else Kernel
    monkeypatch.setattr(owner, method, wrong(getattr(owner, method)))


def schedule_off_by_one(original):
    return lambda self, t: original(self, t + 1)


def wrong_sample(original, wrong):
    def sample(self, *given):
        drawn, memory = original(self, *given)
        return jax.tree.map(wrong, drawn), memory

    return sample


def noise_too_large(original):
    return wrong_sample(original, lambda xi: 1.02 * xi)


def one_draw_for_all_coordinates(original):
    return wrong_sample(original, lambda xi: jnp.broadcast_to(xi[:1], xi.shape))


def one_draw_for_all_steps(original):
    return lambda self, t: original(self, 0 * t)


def average_with_the_current_iterate(original):
    def now(self, carry, t):
        _, *mixing = carry.coefficients
        averages = tuple(y + c * (carry.x - y) for y, c in zip(carry.averages, mixing, strict=True))
        return original(self, carry._replace(averages=averages), t)

    return now


def average_of_what_comes_after(original):
    def advance(self, carry, t):
        after = original(self, carry, t)
        _, *mixing = carry.coefficients
        averages = tuple(y + c * (after.x - y) for y, c in zip(carry.averages, mixing, strict=True))
        return after._replace(averages=averages)

    return advance


def gradient_halved(original):
    return lambda self, x, drawn: jax.tree.map(lambda g: 0.5 * g, original(self, x, drawn))


def record_after_the_update(original):
    def observe(self, carry, t, record):
        return original(self, self.advance(carry, t), t + 1, record)

    return observe


def test_the_engine_passes(chapter_run):
    assert not disagreements(chapter_run("polynomial", N), js.theory.exact(STUDY))


FAULTS = [
    # Expected scores at the last step: risk -7.0, average 264; at the worst step: risk 590.
    (schedule_off_by_one, "coefficients", "risk; risk at the end; risk_of_eta at the end; x_mean", "learning_rate"),
    # Risk 40, squared distance 38, squared gradient norm 40; all variances 4% too large, that is 28.
    (noise_too_large, "sample", "risk; risk at the end; gradient_norm_squared; x_covariance", "x_mean"),
    # Covariance of the coordinates 0.93 of a standard deviation: 931.
    (one_draw_for_all_coordinates, "sample", "x_covariance", "x_mean"),
    # Var x_T is 0.249 and 0.0625, not 0.0111 and 0.0056: risk 15612.
    (one_draw_for_all_steps, "draw", "risk at the end; x_covariance", "learning_rate"),
    # E R(xbar) one step ahead: 9738 at the worst step. (At the last one there is no further x to add.)
    (average_with_the_current_iterate, "now", "risk_of_eta; distance_squared_of_eta", "risk; x_mean; x_covariance"),
    # Points x_1 .. x_s, without x_0, which is the worst: beyond -199 at the end.
    (average_of_what_comes_after, "advance", "risk_of_eta; risk_of_eta at the end", "risk; x_mean; x_covariance"),
    # As half the learning rate: risk 2851, average 18831; the recorded norm is a quarter.
    (gradient_halved, "gradient", "risk at the end; risk_of_eta at the end; gradient_norm_squared", "learning_rate"),
    # One step ahead: risk -9.9 at the end, 8193 at the worst step.
    (record_after_the_update, "observe", "risk; risk at the end; gradient_norm_squared; x_mean", "learning_rate"),
]


@pytest.mark.parametrize(
    ("wrong", "method", "caught", "spared"), FAULTS, ids=lambda item: getattr(item, "__name__", "")
)
def test_faults_are_caught_where_they_are(compiled_for_a_long_run, monkeypatch, wrong, method, caught, spared):
    faulty(monkeypatch, method, wrong)
    result = js.simulate(STUDY, N, seed=0, progress=False)
    found = set(disagreements(result, js.theory.exact(STUDY)))
    assert set(caught.split("; ")) <= found
    assert not set(spared.split("; ")) & found
