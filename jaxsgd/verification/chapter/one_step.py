"""The chapter's third section, first half: what one update does to the distance from the minimiser."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from scipy.special import chndtr

from jaxsgd.state import State, Update
from jaxsgd.theory.growth import growth_probability
from jaxsgd.verification.chapter import common
from jaxsgd.verification.chapter.common import ANALYSIS, BOOK, LARGEST, PROOF
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement


def _change(update: Update) -> jax.Array:
    return jnp.sum(update.x_next**2) - jnp.sum(update.x**2)


def _residual(update: Update) -> jax.Array:
    """What is wrong with the identity in one update."""
    inner = 2 * update.learning_rate * jnp.sum(update.gradient * update.x)
    return jnp.abs(_change(update) + inner - update.learning_rate**2 * jnp.sum(update.gradient**2))


def one_step() -> Statement:
    """The identity for the squared distance, path by path."""
    one = common.study("polynomial").replace(path_sums=common.SUMS | {"residuals": _residual})
    return Statement(
        name="one-step-identity",
        place=ANALYSIS,
        sentence=(
            "The squared distance to the minimiser changes in one step by the square of the step minus twice its inner "
            "product with the error."
        ),
        tested=(
            r"On every trajectory the residuals of $\|x_{t+1} - x^*\|^2 = \|x_t - x^*\|^2 - 2\eta_t\langle g_t, x_t - "
            r"x^*\rangle + \eta_t^2\|g_t\|^2$ add up, in absolute value over all updates, to less than a thousandth, "
            "which is the rounding of single precision; so does the identity summed over the run. In expectation it "
            r"holds with the full gradient in the inner product, because $\sum_t\eta_t\langle\nabla R(x_t) - g_t, x_t "
            r"- x^*\rangle$ has mean zero."
        ),
        claims=(
            Claim(
                "identity-on-every-path",
                "the residuals add up to less than a thousandth",
                one,
                lambda state: state.path_sums["residuals"] < 1e-3,
                "==",
                1.0,
                margin=0.001,
            ),
            Claim(
                "identity-of-the-whole",
                "the identity summed over the run holds to a thousandth on every trajectory",
                one,
                lambda state: jnp.abs(common.balance(state)) < 1e-3,
                "==",
                1.0,
                margin=0.001,
            ),
            Claim("identity-in-expectation", "the martingale part has mean zero", one, common.martingale, "==", 0.0),
        ),
        remark=r"In the chapter's update the gradient lacks its index: it is taken at $x_t$.",
        reference=PROOF,
    )


STEPS = (0, 5, 15)
"""Updates at which the one-step inequality is looked at."""


def _gain_at(step: int) -> Callable[[Update], jax.Array]:
    """||x_t||^2 - ||x_{t+1}||^2 - (2 eta R(x_t) - eta^2 ||g_t||^2) of one update."""

    def gain(update: Update) -> jax.Array:
        eta = update.learning_rate
        least = 2 * eta * common.risk(update.x) - eta**2 * jnp.sum(update.gradient**2)
        return jnp.where(update.t == step, -_change(update) - least, 0.0)

    return gain


def inequality() -> Statement:
    """The one-step inequality in expectation."""
    one = common.study("polynomial").replace(path_sums={f"at {step}": _gain_at(step) for step in STEPS}, averages={})
    risk = common.exact(one)["risk_mean"].values
    claims = []
    for step in STEPS:

        def slack(state: State, step: int = step) -> jax.Array:
            return state.path_sums[f"at {step}"]

        value = float(2 * one.learning_rates[step] * risk[step])
        claims += [
            Claim(f"inequality-at-{step}", f"it holds at update {step}", one, slack, ">=", 0.0),
            Claim(f"inequality-at-{step}-exact", f"its slack at update {step} is exact", one, slack, "==", value),
        ]
    return Statement(
        name="one-step-inequality",
        place=ANALYSIS,
        sentence=(
            "In expectation the squared distance falls in one step by at least twice the rate times the gap, less the "
            "square of the rate times L squared."
        ),
        tested=(
            r"$\mathbb{E}\|x_t - x^*\|^2 - \mathbb{E}\|x_{t+1} - x^*\|^2 \ge 2\eta_t(\mathbb{E} R(x_t) - R^*) - "
            r"\eta_t^2\,"
            r"\mathbb{E}\|g_t\|^2$ at updates 0, 5 and 15 of the polynomial rate, one variable for each trajectory; "
            r"its slack "
            r"is $2\eta_t\,\mathbb{E} R(x_t)$, since a quadratic has $\langle x - x^*, \nabla R(x)\rangle = 2(R(x) - "
            r"R^*)$."
        ),
        claims=claims,
        reference=PROOF,
    )


def gradient_bound() -> Statement:
    """No bound on the norm of the stochastic gradient."""
    first = common.study("constant").replace(path_sums={"first": _first_square}, averages={})
    share = float(1 - chndtr(LARGEST, 2, LARGEST - 2))
    return Statement(
        name="gradient-norm-bounded",
        place=ANALYSIS,
        sentence="The norm of the stochastic gradient is assumed to be bounded by L.",
        tested=(
            r"In the chapter's own example it is not, for any L: the noise is Gaussian. At the start "
            r"$\mathbb{E}\|g_0\|^2 = 10^2 "
            rf"+ 8^2 + 2 = 166$, and $P(\|g_0\|^2 > 166) = {share:.4f}$ (noncentral chi-squared)."
        ),
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
        remark=(
            r"The proof uses only $\mathbb{E}\|g_t\|^2$ along the run, which is finite: the bound holds with it in "
            r"place "
            r"of $L^2$."
        ),
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
    one = common.study("constant").replace(path_sums={f"at {s}": _growth_at(s) for s in (10, 20, 49)}, averages={})
    exact = {s: growth_probability(one, s) for s in (10, 20, 49)}

    def claim(step: int) -> Claim:
        return Claim(
            f"grows-at-{step}",
            rf"$P(\|x_{{{step + 1}}}\| > \|x_{{{step}}}\|) = {exact[step]:.6f}$",
            one,
            lambda state: state.path_sums[f"at {step}"] > 0,
            "==",
            exact[step],
            margin=0.004,
            reference="theory.growth_probability",
        )

    return Statement(
        name="distance-may-grow",
        place=ANALYSIS,
        sentence="For a given sequence of steps the distance may well increase; it depends on the gradients that we "
        "meet.",
        tested=(
            "The probability that an update increases the distance to the minimiser, under the constant rate: "
            + ", ".join(f"{value:.4f} at update {step}" for step, value in exact.items())
            + " (exact, from the law of a quadratic form of a Gaussian vector)."
        ),
        claims=[claim(step) for step in exact],
        remark="Once the run has become stationary, every second update leads away from the minimum.",
        reference=f"{BOOK}; Imhof (1961)",
    )


def _gap_limit(update: Update) -> jax.Array:
    """eta_t G^2(x_t) / 2, where G^2(x) = ||grad R(x)||^2 + 2 is E||g||^2 at x."""
    return update.learning_rate * (jnp.sum(common.gradient(update.x) ** 2) + 2) / 2


def _expected(update: Update) -> jax.Array:
    """E[||x_{t+1}||^2 - ||x_t||^2 | x_t] = -2 eta <x, grad R(x)> + eta^2 G^2(x)."""
    slope = jnp.sum(common.gradient(update.x) * update.x)
    return 2 * update.learning_rate * (_gap_limit(update) - slope)


def _is_far(update: Update) -> jax.Array:
    limit = _gap_limit(update)
    return (common.risk(update.x) > limit) & (common.risk(update.x) < 3 * limit)


def _is_near(update: Update) -> jax.Array:
    return 2 * common.risk(update.x) < _gap_limit(update)


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
    one = common.study("constant").replace(path_sums=sums, averages={})

    def claim(name: str, text: str, key: str, relation: str, **options: Any) -> Claim:
        return Claim(name, text, one, lambda state: state.path_sums[key], relation, 0.0, **options)

    return Statement(
        name="progress-while-the-gap-is-large",
        place=ANALYSIS,
        sentence=(
            r"We make progress as long as the difference between the current and the optimal loss exceeds $\eta_t "
            r"L^2/2$; "
            "since it tends to zero, the learning rate must vanish too."
        ),
        tested=(
            r"With $G^2(x) = \mathbb{E}\|g\|^2$ at $x$ in place of $L^2$: over the updates at which $R(x_t) - R^*$ is "
            r"one to "
            r"three times $\eta_t G^2(x_t)/2$ the squared distance falls on average; over those at which it is below "
            r"half of "
            "that, where on this quadratic the expected change is positive, it grows. In both the mean change is that "
            "of the "
            r"identity, $-2\eta_t\langle x_t, \nabla R(x_t)\rangle + \eta_t^2 G^2(x_t)$."
        ),
        claims=(
            claim("far-falls", "just above the limit the distance falls", "far", "<", margin=0.01),
            claim("near-grows", "near the minimum it grows", "near", ">", margin=0.01),
            claim("far-exact", "just above the limit the mean change is that of the identity", "far surprise", "=="),
            claim("near-exact", "near the minimum, too", "near surprise", "=="),
        ),
        remark=(
            r"It is the expected difference, $R(x_t) - R^*$, that tends to zero; the difference of the drawn losses, "
            r"$f(\xi_t, x_t) - f(\xi_t, x^*)$, does not. The argument holds for the risk."
        ),
        reference=PROOF,
    )


def convexity() -> Statement:
    """The convexity inequality, for the drawn losses in expectation."""
    one = common.study("polynomial", sums=True)
    weights = one.learning_rates[: one.steps]
    value = float(weights @ common.exact(one)["risk_mean"].values[:-1])
    return Statement(
        name="convexity-inequality",
        place=ANALYSIS,
        sentence="By convexity the drawn loss at the minimiser is above its tangent at the current point.",
        tested=(
            r"With $f(\xi, x) = R(x) + \langle\xi, x\rangle$, the loss whose gradient is $g_t$, the gap of the "
            r"inequality is "
            r"$\langle g_t, x_t - x^*\rangle - (f(\xi_t, x_t) - f(\xi_t, x^*)) = R(x_t) - R^*$ whatever is drawn: for "
            r"this "
            "loss it is an identity and cannot fail. What can fail is that the engine's gradients give it: the mean of "
            rf"$\sum_t\eta_t[\langle g_t, x_t - x^*\rangle - (R(x_t) - R^*)]$ is $\sum_t\eta_t\,\mathbb{{E}} R(x_t) = "
            rf"{value:.5f}$."
        ),
        claims=(
            Claim("convexity-exact", "the mean of the gap is exact", one, common.convexity_gap, "==", value),
            Claim("convexity-positive", "and so it is not negative", one, common.convexity_gap, ">=", 0.0),
        ),
        reference=PROOF,
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this half, in order."""
    return one_step(), gradient_bound(), distance_may_grow(), convexity(), inequality(), progress()
