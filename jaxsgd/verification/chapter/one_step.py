"""The chapter's third section, first half: what one update does to the distance from the minimiser."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from scipy.special import chndtr

from jaxsgd.state import State, Update
from jaxsgd.theory.growth_of_distance import growth_probability
from jaxsgd.verification.chapter import path_sums
from jaxsgd.verification.chapter import quadratic_studies as quadratic
from jaxsgd.verification.chapter.exact_values import exact
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.chapter.quadratic_studies import LARGEST
from jaxsgd.verification.chapter.references import BOOK, PROOF
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("one_step")
STEPS = (0, 5, 15)
"""Updates at which the one-step inequality is looked at."""
GROWTH = (10, 20, 49)
"""Updates at which it is counted how often the distance grows."""


def _change(update: Update) -> jax.Array:
    return jnp.sum(update.x_next**2) - jnp.sum(update.x**2)


def _residual(update: Update) -> jax.Array:
    """What is wrong with the identity in one update."""
    inner = 2 * update.learning_rate * jnp.sum(update.gradient * update.x)
    return jnp.abs(_change(update) + inner - update.learning_rate**2 * jnp.sum(update.gradient**2))


def one_step() -> Statement:
    """The identity for the squared distance, path by path."""
    study = quadratic.study("polynomial").replace(path_sums=path_sums.SUMS | {"residuals": _residual})
    return PROSE.statement(
        "one-step-identity",
        claims=(
            Claim(
                "identity-on-every-path",
                "the residuals add up to less than a thousandth",
                study,
                lambda state: state.path_sums["residuals"] < 1e-3,
                "==",
                1.0,
                margin=0.001,
            ),
            Claim(
                "identity-of-the-whole",
                "the identity summed over the run holds to a thousandth on every trajectory",
                study,
                lambda state: jnp.abs(path_sums.balance(state)) < 1e-3,
                "==",
                1.0,
                margin=0.001,
            ),
            Claim(
                "identity-in-expectation", "the martingale part has mean zero", study, path_sums.martingale, "==", 0.0
            ),
        ),
        reference=PROOF,
    )


def _gain_at(step: int) -> Callable[[Update], jax.Array]:
    """||x_t||^2 - ||x_{t+1}||^2 - (2 eta R(x_t) - eta^2 ||g_t||^2) of one update."""

    def gain(update: Update) -> jax.Array:
        eta = update.learning_rate
        least = 2 * eta * quadratic.risk(update.x) - eta**2 * jnp.sum(update.gradient**2)
        return jnp.where(update.t == step, -_change(update) - least, 0.0)

    return gain


def inequality() -> Statement:
    """The one-step inequality in expectation."""
    polynomial = quadratic.study("polynomial")
    study = polynomial.replace(path_sums={f"at {step}": _gain_at(step) for step in STEPS}, averages={})
    risk = exact(polynomial)["risk_mean"].values
    claims = []
    for step in STEPS:

        def slack(state: State, step: int = step) -> jax.Array:
            return state.path_sums[f"at {step}"]

        value = float(2 * study.learning_rates[step] * risk[step])
        claims += [
            Claim(f"inequality-at-{step}", f"it holds at update {step}", study, slack, ">=", 0.0),
            Claim(f"inequality-at-{step}-exact", f"its slack at update {step} is exact", study, slack, "==", value),
        ]
    return PROSE.statement("one-step-inequality", claims, reference=PROOF)


def gradient_bound() -> Statement:
    """No bound on the norm of the stochastic gradient."""
    first = quadratic.study("constant").replace(path_sums={"first": _first_square}, averages={})
    share = float(1 - chndtr(LARGEST, 2, LARGEST - 2))
    return PROSE.statement(
        "gradient-norm-bounded",
        claims=(
            Claim("gradient-largest", r"$\mathbb{E}\|g_0\|^2 = 166$", first, _squared_first, "==", LARGEST),
            Claim(
                "gradient-exceeds",
                rf"$P(\|g_0\|^2 > 166) = {share:.4f}$",
                first,
                lambda state: state.path_sums["first"] > LARGEST,
                "==",
                share,
                margin=0.005,
            ),
        ),
        values={"share": share},
        reference=PROOF,
    )


def _first_square(update: Update) -> jax.Array:
    return jnp.where(update.t == 0, jnp.sum(update.gradient**2), 0.0)


def _squared_first(state: State) -> jax.Array:
    return state.path_sums["first"]


def _growth_at(step: int) -> Callable[[Update], jax.Array]:
    def grew(update: Update) -> jax.Array:
        farther = jnp.sum(update.x_next**2) > jnp.sum(update.x**2)
        return jnp.where((update.t == step) & farther, 1.0, 0.0)

    return grew


def distance_may_grow() -> Statement:
    """For a given sequence the distance may grow."""
    study = quadratic.study("constant").replace(path_sums={f"at {s}": _growth_at(s) for s in GROWTH}, averages={})
    probabilities = {s: growth_probability(study, s) for s in GROWTH}

    def claim(step: int) -> Claim:
        return Claim(
            f"grows-at-{step}",
            rf"$P(\|x_{{{step + 1}}}\| > \|x_{{{step}}}\|) = {probabilities[step]:.6f}$",
            study,
            lambda state: state.path_sums[f"at {step}"] > 0,
            "==",
            probabilities[step],
            margin=0.004,
            reference="theory.growth_probability",
        )

    return PROSE.statement(
        "distance-may-grow",
        claims=[claim(step) for step in GROWTH],
        values={f"at_{step}": probability for step, probability in probabilities.items()},
        reference=f"{BOOK}; Imhof (1961)",
    )


def _gap_limit(update: Update) -> jax.Array:
    """eta_t G^2(x_t) / 2, where G^2(x) = ||grad R(x)||^2 + 2 is E||g||^2 at x."""
    return update.learning_rate * (jnp.sum(quadratic.gradient(update.x) ** 2) + 2) / 2


def _expected(update: Update) -> jax.Array:
    """E[||x_{t+1}||^2 - ||x_t||^2 | x_t] = -2 eta <x, grad R(x)> + eta^2 G^2(x)."""
    slope = jnp.sum(quadratic.gradient(update.x) * update.x)
    return 2 * update.learning_rate * (_gap_limit(update) - slope)


def _is_far(update: Update) -> jax.Array:
    limit = _gap_limit(update)
    return (quadratic.risk(update.x) > limit) & (quadratic.risk(update.x) < 3 * limit)


def _is_near(update: Update) -> jax.Array:
    return 2 * quadratic.risk(update.x) < _gap_limit(update)


def _far(update: Update) -> jax.Array:
    return jnp.where(_is_far(update), _change(update), 0.0)


def _near(update: Update) -> jax.Array:
    return jnp.where(_is_near(update), _change(update), 0.0)


def _far_surprise(update: Update) -> jax.Array:
    return jnp.where(_is_far(update), _change(update) - _expected(update), 0.0)


def _near_surprise(update: Update) -> jax.Array:
    return jnp.where(_is_near(update), _change(update) - _expected(update), 0.0)


def progress() -> Statement:
    """Progress as long as the gap exceeds eta L^2 / 2."""
    sums = {"far": _far, "near": _near, "far surprise": _far_surprise, "near surprise": _near_surprise}
    study = quadratic.study("constant").replace(path_sums=sums, averages={})

    def claim(name: str, text: str, key: str, relation: str, **options: Any) -> Claim:
        return Claim(name, text, study, lambda state: state.path_sums[key], relation, 0.0, **options)

    return PROSE.statement(
        "progress-while-the-gap-is-large",
        claims=(
            claim("far-falls", "just above the limit the distance falls", "far", "<", margin=0.01),
            claim("near-grows", "near the minimum it grows", "near", ">", margin=0.01),
            claim("far-exact", "just above the limit the mean change is that of the identity", "far surprise", "=="),
            claim("near-exact", "near the minimum, too", "near surprise", "=="),
        ),
        reference=PROOF,
    )


def convexity() -> Statement:
    """The convexity inequality, for the drawn losses in expectation."""
    study = path_sums.with_sums("polynomial")
    weights = study.learning_rates[: study.steps]
    value = float(weights @ exact(quadratic.study("polynomial"))["risk_mean"].values[:-1])
    return PROSE.statement(
        "convexity-inequality",
        claims=(
            Claim("convexity-exact", "the mean of the gap is exact", study, path_sums.convexity_gap, "==", value),
            Claim("convexity-positive", "and so it is not negative", study, path_sums.convexity_gap, ">=", 0.0),
        ),
        values={"mean": value},
        reference=PROOF,
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this half, in order."""
    return PROSE.section(one_step(), gradient_bound(), distance_may_grow(), convexity(), inequality(), progress())
