"""Exercise 4: Adagrad, which measures the scale of every coordinate: its regret, and what it does not see."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.stats import norm

from jaxsgd import averages, folds, oracles, schedules
from jaxsgd.methods import Optax
from jaxsgd.state import State, Update
from jaxsgd.study import Study
from jaxsgd.verification.chapter import scaled_studies as scaled
from jaxsgd.verification.chapter.exact_values import final_risk
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.chapter.scaled_studies import KAPPA, UNITS
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("adagrad")
ADDED = 0.1 + 1e-7
"""delta: what optax's Adagrad adds to its sum of squares by default, `initial_accumulator_value` + `eps`."""
RATE = 0.5
SCALES = np.array([1.0, 30.0])
"""c: gradients are multiplied by these, coordinate by coordinate."""


def _inner(update: Update) -> jax.Array:
    return jnp.sum(update.gradient * update.x)


def _slope(update: Update) -> jax.Array:
    return jnp.sum((update.x / UNITS) ** 2)


def _squares(update: Update) -> jax.Array:
    return update.gradient**2


def _distances(update: Update) -> jax.Array:
    return jnp.abs(update.x)


def _regret_bound(state: State) -> jax.Array:
    """sum_i [(D_i^2 / (2 eta) + eta) sqrt(delta + sum_t g_{t,i}^2) - eta sqrt(delta)]."""
    roots = jnp.sqrt(ADDED + state.folds["squares"])
    return jnp.sum((state.folds["farthest"] ** 2 / (2 * RATE) + RATE) * roots - RATE * ADDED**0.5)


def _regret_is_bounded(state: State) -> jax.Array:
    return state.folds["inner"] <= (1 + 1e-5) * _regret_bound(state)


def _martingale(state: State) -> jax.Array:
    """sum_t <g_t - grad R(x_t), x_t>."""
    return state.folds["inner"] - state.folds["slope"]


def _average_over_bound(state: State) -> jax.Array:
    """R(xbar) - bound / T."""
    return 0.5 * jnp.sum((state.averages["uniform"] / UNITS) ** 2) - _regret_bound(state) / scaled.T


@functools.cache
def _as_in_optax() -> Study:
    """Adagrad from z = (1, 1), with what its regret and the bound consist of."""
    return scaled.in_other_units(KAPPA).replace(
        x0=UNITS,
        method=Optax(optax.adagrad),
        schedule=schedules.constant(RATE),
        averages={"uniform": averages.Uniform()},
        folds={
            "inner": folds.Sum(_inner),
            "slope": folds.Sum(_slope),
            "squares": folds.Sum(_squares),
            "farthest": folds.Maximum(_distances),
        },
    )


def regret() -> Statement:
    """Adagrad's regret is bounded on every path."""
    study = _as_in_optax()
    return PROSE.statement(
        "exercise-4-adagrad-regret",
        claims=(
            Claim(
                "regret-bounded",
                "the regret is within the bound, path by path",
                study,
                _regret_is_bounded,
                "==",
                1.0,
                margin=0.001,
            ),
            Claim(
                "regret-martingale",
                r"$\mathbb{E} \sum_t \langle g_t - \nabla R(x_t), x_t - x^* \rangle = 0$",
                study,
                _martingale,
                "==",
                0.0,
                margin=0.5,
            ),
            Claim(
                "regret-average",
                r"$\mathbb{E}$ of $R(\bar x)$ minus the bound over T is not positive",
                study,
                _average_over_bound,
                "<=",
                0.0,
                margin=0.01,
            ),
        ),
        values={"kappa": KAPPA, "rate": RATE, "updates": scaled.T},
        reference="Duchi, Hazan and Singer (2011), Adaptive subgradient methods, JMLR 12, theorem 5",
    )


def _both_losses(xi: jax.Array, x: Any) -> jax.Array:
    """The drawn loss at one point; and at another, with gradients c_i times as large."""
    return jnp.sum(scaled.terms(xi, x["as it is"]) + SCALES * scaled.terms(xi, x["larger gradients"]))


def _same_in_spite_of_scale(x: Any) -> jax.Array:
    return jnp.max(jnp.abs(x["as it is"] - x["larger gradients"]) / UNITS) < 1e-3


def _first_step(rate: float, mean: float, std: float, added: float) -> float:
    """E eta g / sqrt(g^2 + delta) of g ~ N(mean, std^2), by a trapezium rule."""
    g = mean + std * np.linspace(-8, 8, 20_001)
    return float(np.trapezoid(rate * g / np.sqrt(g**2 + added) * norm.pdf(g, mean, std), g))


def invariance() -> Statement:
    """Adagrad does not see the scale of gradients, but it sees the units of x."""
    start = scaled.START * UNITS
    both = scaled.in_other_units(KAPPA).replace(
        oracle=oracles.RandomLoss(loss=_both_losses, sampler=scaled.draw_noise),
        x0={"as it is": start, "larger gradients": start},
        method=Optax(optax.adagrad, initial_accumulator_value=0.0, eps=0.0),
        schedule=schedules.constant(RATE),
    )
    steps = [_first_step(RATE, 1 / unit, 1 / unit, ADDED) for unit in UNITS]
    well_scaled = final_risk(scaled.tuned("SGD", 1))
    return PROSE.statement(
        "exercise-4-adagrad-invariance",
        claims=(
            Claim(
                "scale-same-path",
                r"$\delta = 0$: two iterates of one trajectory, one with gradients $c_i$ times as large, are the same "
                "at the end",
                both,
                _same_in_spite_of_scale,
                "==",
                1.0,
                margin=0.001,
            ),
            Claim(
                "scale-not-units",
                r"$\delta = 0$, tuned: at $\kappa = 10{,}000$ the risk is more than 1.5 times SGD's at $\kappa = 1$",
                scaled.all_tuned(scaled.CONDITION_NUMBERS[-1]),
                "Adagrad",
                ">",
                1.5 * well_scaled,
                margin=0.1 * well_scaled,
            ),
            *(
                Claim(
                    f"scale-first-step-{i + 1}",
                    rf"optax's $\delta$: the mean first step in coordinate {i + 1} is {steps[i]:.6g}, by quadrature",
                    _as_in_optax(),
                    lambda x, i=i: UNITS[i] - x[i],
                    "==",
                    steps[i],
                    step=1,
                    margin=0.03 * steps[i],
                )
                for i in range(2)
            ),
        ),
        values={"step_1": steps[0], "step_2": steps[1], "scale": SCALES[1]},
        reference="Duchi, Hazan and Singer (2011), JMLR 12; Streeter and McMahan (2010), arXiv 1002.4862",
    )


def all_statements() -> tuple[Statement, ...]:
    """The regret of Adagrad, and its invariance."""
    return PROSE.section(regret(), invariance())
