"""SGD on the chapter's quadratic with Gaussian gradient noise, under its learning rates and others.

Studies are made once, so that statements and figures share compiled programs, simulations and exact moments.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import chapter, problems, schedules
from jaxsgd.study import Study

START_DISTANCE_SQUARED = 29.0
"""r^2 = ||x_0 - x*||^2 of the start (-5, -2)."""
LARGEST = 166.0
"""max_t E||g_t||^2 of the chapter's example, at t = 0: 10^2 + 8^2 + 2."""
T = 50
"""Updates where learning rates are compared, as in the chapter's figures."""
RATES = np.geomspace(0.002, 0.45, 12)
DECAYS = np.geomspace(0.003, 1.0, 9)
POWERS = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0])

PROBLEM = problems.Quadratic(curvature=[2.0, 4.0])
"""R(x) = x_1^2 + 2 x_2^2."""


def risk(x: jax.Array) -> jax.Array:
    """R(x) = x_1^2 + 2 x_2^2."""
    return x[0] ** 2 + 2 * x[1] ** 2


def gradient(x: jax.Array) -> jax.Array:
    """grad R(x)."""
    return jnp.stack([2 * x[0], 4 * x[1]])


def study(name: str, steps: int | None = None, as_printed: bool = False) -> Study:
    """A study of the chapter, see [`jaxsgd.chapter.study`][]."""
    return _study(name, _usual_steps(name) if steps is None else steps, as_printed)


@functools.cache
def _study(name: str, steps: int, as_printed: bool) -> Study:
    return chapter.study(name, steps, as_printed)


@functools.cache
def _usual_steps(name: str) -> int:
    return chapter.study(name).steps


def with_rate(schedule: Callable[[Any], Any], steps: int) -> Study:
    """The chapter's problem under another learning rate."""
    return study("constant", T).replace(schedule=schedule, steps=steps)


@functools.cache
def at_rate(rate: float) -> Study:
    """The chapter's problem under a constant learning rate."""
    return with_rate(schedules.constant(rate), T)


@functools.cache
def exponential(rate: float) -> Study:
    """Exponential decay as printed, eta_t = 0.1 exp(-rate t)."""
    return with_rate(schedules.exponential(chapter.INITIAL, rate), T)


@functools.cache
def polynomial(power: float) -> Study:
    """Polynomial decay as printed, eta_t = 0.1 (1 + 0.1 t)^-power."""
    return with_rate(schedules.polynomial(chapter.INITIAL, 0.1, power), T)


@functools.cache
def tuned(steps: int) -> Study:
    """The constant rate r / (L sqrt T), with r^2 = 29 and L^2 = 166."""
    return with_rate(schedules.tuned_constant(START_DISTANCE_SQUARED**0.5, LARGEST**0.5, steps), steps)


@functools.cache
def choices() -> dict[str, tuple[Study, bool]]:
    """Learning rates by name, as studies of 1000 updates, and whether E R(x_T) converges to R*."""
    return {
        "constant": (study("constant", 1000), False),
        "exponential": (study("exponential", 1000), False),
        "polynomial": (study("polynomial", 1000, as_printed=True), True),
        "inverse-time": (with_rate(schedules.inverse_time(0.1, 0.05), 1000), True),
        "inverse-sqrt": (with_rate(schedules.inverse_sqrt(0.25), 1000), True),
    }
