"""The chapter's third section, first half: what one update does to the distance from the minimiser."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxsgd.study import Update
from jaxsgd.theory.growth import growth_probability
from jaxsgd.verification.chapter import common
from jaxsgd.verification.chapter.common import ANALYSIS, BOOK, PROOF
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement


def one_step() -> Statement:
    """The identity for the squared distance, path by path."""
    one = common.study("polynomial", sums=True)
    return Statement(
        name="one-step-identity",
        place=ANALYSIS,
        sentence=(
            "The squared distance to the minimiser changes in one step by the square of the step minus twice its inner "
            "product with the error."
        ),
        tested=(
            r"Summed over the run, $\|x_T - x^*\|^2 = r^2 - 2\sum_t\eta_t\langle g_t, x_t - x^*\rangle + \sum_t\eta_t^2"
            r"\|g_t\|^2$ on every trajectory, to the rounding of single precision; and in expectation with the full "
            r"gradient in the inner product, because $\sum_t \eta_t \langle \nabla R(x_t) - g_t, x_t - x^*\rangle$ has "
            "mean zero."
        ),
        claims=(
            Claim(
                "identity",
                "the mean of the residual is zero",
                one,
                common.balance,
                "==",
                0.0,
                margin=1e-3,
                magnitude=common.START_DISTANCE_SQUARED,
            ),
            Claim(
                "identity-on-every-path",
                "its absolute value is below 1e-4 on average: rounding, of terms of the size of 29",
                one,
                lambda state: jnp.abs(common.balance(state)),
                "<",
                1e-4,
                margin=5e-5,
            ),
            Claim("identity-in-expectation", "the martingale part has mean zero", one, common.martingale, "==", 0.0),
        ),
        remark=r"In the chapter's update the gradient lacks its index: it is taken at $x_t$.",
        reference=PROOF,
    )


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


def _change(update: Update) -> jax.Array:
    return jnp.sum(update.x_next**2) - jnp.sum(update.x**2)


def _expected(update: Update) -> jax.Array:
    """E[||x_{t+1}||^2 - ||x_t||^2 | x_t] = -2 eta <x, grad R(x)> + eta^2 G^2(x)."""
    slope = jnp.sum(common.gradient(update.x) * update.x)
    return 2 * update.learning_rate * (_gap_limit(update) - slope)


def _is_far(update: Update) -> jax.Array:
    return common.risk(update.x) > _gap_limit(update)


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
    return Statement(
        name="progress-while-the-gap-is-large",
        place=ANALYSIS,
        sentence=(
            r"We make progress as long as the difference between the current and the optimal loss exceeds $\eta_t "
            r"L^2/2$; "
            "since it tends to zero, the learning rate must vanish too."
        ),
        tested=(
            r"With $G^2(x) = \mathbb{E}\|g\|^2$ at $x$ in place of $L^2$: over the updates at which $R(x_t) - R^* > "
            r"\eta_t "
            r"G^2(x_t)/2$ the squared distance falls on average; over those at which $R(x_t) - R^* < \eta_t "
            r"G^2(x_t)/4$, "
            "where on this quadratic the expected change is positive, it grows. In both the mean change is "
            r"$-2\eta_t\langle x_t, \nabla R(x_t)\rangle + \eta_t^2 G^2(x_t)$, as the identity says."
        ),
        claims=(
            Claim(
                "far-falls",
                "far from the minimum the distance falls",
                one,
                lambda s: s.path_sums["far"],
                "<",
                -1.0,
                margin=0.1,
            ),
            Claim("near-grows", "near the minimum it grows", one, lambda s: s.path_sums["near"], ">", 0.0, margin=0.01),
            Claim(
                "far-exact",
                "far from the minimum the mean change is that of the identity",
                one,
                lambda s: s.path_sums["far surprise"],
                "==",
                0.0,
            ),
            Claim("near-exact", "near the minimum, too", one, lambda s: s.path_sums["near surprise"], "==", 0.0),
        ),
        remark=(
            r"It is the expected difference, $R(x_t) - R^*$, that tends to zero; the difference of the drawn losses, "
            r"$f(\xi_t, x_t) - f(\xi_t, x^*)$, does not. The argument holds for the risk."
        ),
        reference=PROOF,
    )


def convexity() -> Statement:
    """The convexity inequality, per drawn loss."""
    one = common.study("polynomial", sums=True)
    weights = one.learning_rates[: one.steps]
    value = float(weights @ common.exact(one)["risk_mean"].values[:-1])
    return Statement(
        name="convexity-inequality",
        place=ANALYSIS,
        sentence="By convexity the drawn loss at the minimiser is above its tangent at the current point.",
        tested=(
            r"With $f(\xi, x) = R(x) + \langle \xi, x\rangle$, the loss whose gradient is $g_t$: $\sum_t \eta_t "
            r"[\langle g_t, "
            r"x_t - x^*\rangle - (f(\xi_t, x_t) - f(\xi_t, x^*))]$ is positive on every trajectory, and its mean is "
            r"$\sum_t "
            rf"\eta_t\, \mathbb{{E}} R(x_t) = {value:.5f}$, since a quadratic has $\langle x - x^*, \nabla "
            rf"R(x)\rangle = 2 (R(x) - R^*)$."
        ),
        claims=(
            Claim("convexity-exact", "the mean is the exact one", one, common.convexity_slack, "==", value),
            Claim(
                "convexity-on-every-path",
                "it is positive on every trajectory",
                one,
                lambda state: common.convexity_slack(state) > 0,
                "==",
                1.0,
                margin=0.001,
            ),
        ),
        reference=PROOF,
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this half, in order."""
    return one_step(), distance_may_grow(), progress(), convexity()
