"""Engines that are wrong on purpose."""

import functools

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxsgd.engine import compiled, task
from jaxsgd.engine.kernel import Kernel
from jaxsgd.one_update import OneUpdate


def schedule_off_by_one(monkeypatch):
    original = Kernel.coefficients
    monkeypatch.setattr(Kernel, "coefficients", lambda self, t: original(self, t + 1))


def wrong_noise(monkeypatch, wrong):
    original = Kernel.sample

    def sample(self, *given):
        drawn, memory = original(self, *given)
        return jax.tree.map(lambda xi: wrong(xi).astype(xi.dtype), drawn), memory

    monkeypatch.setattr(Kernel, "sample", sample)


def noise_too_large(monkeypatch):
    wrong_noise(monkeypatch, lambda xi: 1.02 * xi)


def noise_biased(monkeypatch):
    wrong_noise(monkeypatch, lambda xi: xi + 0.3)


def noise_fiftyfold(monkeypatch):
    wrong_noise(monkeypatch, lambda xi: 50 * xi)


def first_half_of_the_gradient_halved(monkeypatch):
    original = OneUpdate.gradient

    def wrong(self, *given):
        g, unravel = ravel_pytree(original(self, *given))
        return unravel(jnp.concatenate([0.5 * g[: len(g) // 2], g[len(g) // 2 :]]))

    monkeypatch.setattr(OneUpdate, "gradient", wrong)


def first_half_of_the_gradient_biased(monkeypatch):
    """What methods find out that do not see by what gradients are multiplied."""
    original = OneUpdate.gradient

    def wrong(self, *given):
        g, unravel = ravel_pytree(original(self, *given))
        return unravel(jnp.concatenate([g[: len(g) // 2] + 0.3, g[len(g) // 2 :]]))

    monkeypatch.setattr(OneUpdate, "gradient", wrong)


def gradient_reversed(monkeypatch):
    original = OneUpdate.gradient
    monkeypatch.setattr(OneUpdate, "gradient", lambda self, *given: jax.tree.map(lambda g: -g, original(self, *given)))


def gradient_halved(monkeypatch):
    original = OneUpdate.gradient
    monkeypatch.setattr(
        OneUpdate, "gradient", lambda self, *given: jax.tree.map(lambda g: 0.5 * g, original(self, *given))
    )


def average_of_what_comes_after(monkeypatch):
    """Over x_1 .. x_s, not x_0 .. x_{s-1}."""
    original = Kernel.advance

    def advance(self, carry, t):
        after = original(self, carry, t)
        _, *mixing = carry.coefficients
        averages = tuple(y + c * (after.x - y) for y, c in zip(carry.averages, mixing, strict=True))
        return after._replace(averages=averages)

    monkeypatch.setattr(Kernel, "advance", advance)


def momentum_where_there_should_be_none(monkeypatch):
    """x_{t+1} = x_t + v_t, v_t = v_{t-1} / 2 - eta_t g_t; the velocity hides behind the folds."""
    start, advance, now = Kernel.start, Kernel.advance, Kernel.now

    def hide(carry, velocity):
        return carry._replace(folds=(*carry.folds, velocity))

    def split(carry):
        return carry._replace(folds=carry.folds[:-1]), carry.folds[-1]

    def wrong_start(self):
        carry = start(self)
        return hide(carry, jnp.zeros_like(carry.x))

    def wrong_advance(self, carry, t):
        carry, velocity = split(carry)
        after = advance(self, carry, t)
        velocity = 0.5 * velocity + after.x - carry.x
        return hide(after._replace(x=carry.x + velocity), velocity)

    monkeypatch.setattr(Kernel, "start", wrong_start)
    monkeypatch.setattr(Kernel, "advance", wrong_advance)
    monkeypatch.setattr(Kernel, "now", lambda self, carry, t: now(self, split(carry)[0], t))


def record_one_step_late(monkeypatch):
    original = Kernel.observe
    monkeypatch.setattr(
        Kernel, "observe", lambda self, carry, t, record: original(self, self.advance(carry, t), t + 1, record)
    )


FAULTS = {
    fault.__name__: fault
    for fault in (
        schedule_off_by_one,
        noise_too_large,
        noise_biased,
        noise_fiftyfold,
        gradient_halved,
        first_half_of_the_gradient_halved,
        first_half_of_the_gradient_biased,
        gradient_reversed,
        average_of_what_comes_after,
        momentum_where_there_should_be_none,
        record_one_step_late,
    )
}


def break_engine(monkeypatch, name):
    """Make the engine wrong; it gets a cache of its own, so that compiled programs do not outlive the fault."""
    monkeypatch.setattr(task, "compiled", functools.lru_cache(compiled.compiled.__wrapped__))
    FAULTS[name](monkeypatch)
