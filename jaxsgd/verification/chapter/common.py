"""What the chapter's statements share: its quadratic, sums along its trajectories, claims of exact values.

Variables and path sums are functions of this module, and studies are made once, so that statements share
compiled programs and simulations.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.optimize import minimize_scalar

from jaxsgd import chapter, problems, record, schedules, theory
from jaxsgd.state import State, Update
from jaxsgd.study import Study
from jaxsgd.verification.claim import Claim, Variable

START_DISTANCE_SQUARED = 29.0
"""r^2 = ||x_0 - x*||^2 of the start (-5, -2)."""
LARGEST = 166.0
"""max_t E||g_t||^2 of the chapter's example, at t = 0: 10^2 + 8^2 + 2."""
BOOK = "Zhang, Lipton, Li and Smola (2023), Dive into Deep Learning, section 12.4"
PROOF = f"{BOOK}; Nesterov and Vial (2008), Automatica 44(6)"
ANALYSIS = "Convergence analysis for convex objectives"
"""The place of the statements of `one_step.py` and `bounds.py`."""


PROBLEM = problems.Quadratic(curvature=[2.0, 4.0])
"""R(x) = x_1^2 + 2 x_2^2."""


def risk(x: jax.Array) -> jax.Array:
    """R(x) = x_1^2 + 2 x_2^2."""
    return x[0] ** 2 + 2 * x[1] ** 2


def gradient(x: jax.Array) -> jax.Array:
    """grad R(x)."""
    return jnp.stack([2 * x[0], 4 * x[1]])


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
def study(name: str, steps: int | None = None, as_printed: bool = False, sums: bool = False) -> Study:
    """A study of the chapter; with `sums`, the path sums of this module are kept."""
    made = chapter.study(name, steps, as_printed)
    return made.replace(path_sums=SUMS) if sums else made


def with_rate(schedule: Callable[[Any], Any], steps: int) -> Study:
    """The chapter's problem under another learning rate."""
    return chapter.study("constant", steps).replace(schedule=schedule)


def tuned(steps: int) -> Study:
    """The constant rate r / (L sqrt T), with r^2 = 29 and L^2 = 166."""
    return with_rate(schedules.tuned_constant(START_DISTANCE_SQUARED**0.5, LARGEST**0.5, steps), steps)


def choices() -> dict[str, tuple[Study, bool]]:
    """Learning rates by name, as studies of 1000 updates, and whether E R(x_T) converges to R*."""
    return {
        "constant": (study("constant", 1000), False),
        "exponential": (study("exponential", 1000), False),
        "polynomial": (study("polynomial", 1000, as_printed=True), True),
        "inverse-time": (with_rate(schedules.inverse_time(0.1, 0.05), 1000), True),
        "inverse-sqrt": (with_rate(schedules.inverse_sqrt(0.25), 1000), True),
    }


def at_rate(rate: float, steps: int) -> Study:
    """The chapter's problem under a constant learning rate."""
    return with_rate(schedules.constant(rate), steps)


T = 50
"""Updates of the sweeps, as in the chapter's figures."""
RATES = np.geomspace(0.002, 0.45, 12)
DECAYS = np.geomspace(0.003, 1.0, 9)
POWERS = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0])


def stationary_risk(rate: float) -> float:
    """E R of the stationary law under a constant learning rate."""
    return float(theory.stationary(study("constant").oracle, rate)["risk_mean"])


def largest_gradient(one: Study) -> float:
    """max_t E||g_t||^2 along the run, exact."""
    return float(exact(one)["gradient_norm_squared_mean"].values[:-1].max())


def final_risk(one: Study) -> float:
    """Exact E R(x_T)."""
    return float(theory.exact(one.replace(record=record.at([one.steps]), path_sums={}, averages={})).risk_mean[0])


@functools.cache
def best_rate() -> float:
    """The constant learning rate with the least exact E R(x_50)."""
    found = minimize_scalar(lambda rate: final_risk(at_rate(float(rate), T)), bounds=(0.01, 0.2), method="bounded")
    return float(found.x)


def exponential(rate: float) -> Study:
    """Exponential decay as printed, eta_t = 0.1 exp(-rate t)."""
    return with_rate(schedules.exponential(chapter.INITIAL, rate), T)


def polynomial(power: float) -> Study:
    """Polynomial decay as printed, eta_t = 0.1 (1 + 0.1 t)^-power."""
    return with_rate(schedules.polynomial(chapter.INITIAL, 0.1, power), T)


def exact(one: Study) -> xr.Dataset:
    """Exact moments at every step."""
    return theory.exact(one.replace(record=record.every(1), path_sums={}, observables={}))


def exactly(name: str, one: Study, observable: str = "risk", step: int | None = None, **options: Any) -> Claim:
    """E of an observable at a step is its exact value."""
    s = one.steps if step is None else step
    value = float(exact(one)[f"{observable}_mean"].sel(step=s))
    text = (
        f"$\\mathbb{{E}}$ of {observable.replace('_', ' ')} at step {s} is {value:.6g}, by recursion of exact moments"
    )
    return Claim(name, text, one, observable, "==", value, step=step, reference="theory.exact", **options)


def moments(prefix: str, one: Study) -> list[Claim]:
    """At the end of a study of the chapter: means and variances of risk and iterate, mean risk of the average."""
    end = exact(one).isel(step=-1)
    mean, covariance = end["x_mean"].values, end["x_covariance"].values
    mean_risk, variance = float(end["risk_mean"]), float(end["risk_variance"])

    def central(name: str, text: str, variable: Variable, value: float, margin: float | None) -> Claim:
        return Claim(f"{prefix}-{name}", text, one, variable, "==", value, reference="theory.exact", margin=margin)

    spread = float(np.sqrt(covariance[0, 0] * covariance[1, 1]))
    claims = [
        exactly(f"{prefix}-risk", one),
        exactly(f"{prefix}-risk-of-average", one, "risk_of_eta"),
        central(
            "risk-variance", r"$\text{Var}\,R(x_T)$", lambda x: (risk(x) - mean_risk) ** 2, variance, 0.03 * variance
        ),
        central(
            "covariance",
            r"$\text{Cov}(x_{T,1}, x_{T,2})$, which is 0",
            lambda x: (x[0] - mean[0]) * (x[1] - mean[1]),
            float(covariance[0, 1]),
            0.02 * spread,
        ),
    ]
    for i in range(2):
        v = float(covariance[i, i])
        claims += [
            central(
                f"mean-{i + 1}",
                rf"$\mathbb{{E}}\,x_{{T,{i + 1}}}$, to a fiftieth of its standard deviation",
                lambda x, i=i: x[i],
                float(mean[i]),
                0.02 * v**0.5,
            ),
            central(
                f"variance-{i + 1}",
                rf"$\text{{Var}}\,x_{{T,{i + 1}}}$",
                lambda x, i=i: (x[i] - mean[i]) ** 2,
                v,
                0.02 * v,
            ),
        ]
    return claims


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
