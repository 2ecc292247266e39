"""Sums over the updates of a trajectory of the chapter's example, and the variables that claims make of them.

They are functions of this module, not made anew for each statement, so that statements share compiled programs.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxsgd.state import State, Update
from jaxsgd.study import Study
from jaxsgd.verification.chapter.quadratic_studies import START_DISTANCE_SQUARED, gradient, risk, study


def _steps(update: Update) -> jax.Array:
    return update.learning_rate


def _squares(update: Update) -> jax.Array:
    return update.learning_rate**2 * jnp.sum(update.gradient**2)


def _inner(update: Update) -> jax.Array:
    return update.learning_rate * jnp.sum(update.gradient * update.x)


def _slope(update: Update) -> jax.Array:
    return update.learning_rate * jnp.sum(gradient(update.x) * update.x)


def _risks(update: Update) -> jax.Array:
    return update.learning_rate * risk(update.x)


SUMS: dict[str, Callable[[Update], jax.Array]] = {
    "steps": _steps,
    "squares": _squares,
    "inner": _inner,
    "slope": _slope,
    "risks": _risks,
}
"""Over the updates: sums of eta_t, eta_t^2 ||g_t||^2, eta_t <g_t, x_t>, eta_t <grad R(x_t), x_t>, eta_t R(x_t)."""


@functools.cache
def with_sums(name: str) -> Study:
    """A study of the chapter that keeps these sums."""
    return study(name).replace(path_sums=SUMS)


def balance(state: State) -> jax.Array:
    """||x_T||^2 - r^2 + 2 sum eta <g, x> - sum eta^2 ||g||^2, zero on every path."""
    sums = state.path_sums
    return jnp.sum(state.x**2) - START_DISTANCE_SQUARED + 2 * sums["inner"] - sums["squares"]


def martingale(state: State) -> jax.Array:
    """2 sum eta <grad R(x) - g, x>: the part of the balance whose expectation is zero."""
    return 2 * (state.path_sums["slope"] - state.path_sums["inner"])


def average_risk(state: State) -> jax.Array:
    """R(xbar)."""
    return risk(state.averages["eta"])


def convexity_gap(state: State) -> jax.Array:
    """sum eta (<g, x> - R(x))."""
    return state.path_sums["inner"] - state.path_sums["risks"]


def convexity_slack(state: State) -> jax.Array:
    """sum eta (<grad R(x), x> - R(x))."""
    sums = state.path_sums
    return sums["slope"] - sums["risks"]


def telescoped(state: State) -> jax.Array:
    """2 sum eta R(x) - sum eta^2 ||g||^2 - r^2."""
    return 2 * state.path_sums["risks"] - state.path_sums["squares"] - START_DISTANCE_SQUARED


def jensen(state: State) -> jax.Array:
    """R(xbar) - sum eta R(x) / sum eta."""
    return average_risk(state) - state.path_sums["risks"] / state.path_sums["steps"]


def bound_gap(state: State) -> jax.Array:
    """R(xbar) - (r^2 + sum eta^2 ||g||^2) / (2 sum eta)."""
    sums = state.path_sums
    return average_risk(state) - (START_DISTANCE_SQUARED + sums["squares"]) / (2 * sums["steps"])


def final_distance(state: State) -> jax.Array:
    """||x_T||^2 / (2 sum eta)."""
    return jnp.sum(state.x**2) / (2 * state.path_sums["steps"])


def mean_convexity(state: State) -> jax.Array:
    """sum eta (<grad R(x), x> - R(x)) / sum eta."""
    return convexity_slack(state) / state.path_sums["steps"]
