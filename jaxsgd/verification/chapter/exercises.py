"""The chapter's exercises."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import oracles
from jaxsgd.streams import Stream
from jaxsgd.verification.chapter import common, drawing
from jaxsgd.verification.chapter.common import BOOK
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PLACE = "Exercises"
HORIZONS = (10, 100, 1000)


def distances() -> Statement:
    """Exercise 1: the distance from the optimum for every schedule, over the number of iterations."""
    claims = []
    for name in ("constant", "exponential", "polynomial", "piecewise"):
        one = common.study(name, 1000)
        claims += [common.exactly(f"distance-{name}-{s}", one, "distance_squared", step=s) for s in HORIZONS]
    return Statement(
        name="exercise-1-distances",
        place=PLACE,
        sentence=(
            "Exercise 1: experiment with learning rates and numbers of iterations; plot the distance from the optimum "
            "against the number of iterations."
        ),
        tested=(
            r"$\mathbb{E}\|x_s - x^*\|^2$ after 10, 100 and 1000 updates under the chapter's four learning rates, as "
            r"coded, is "
            "that of exact moments."
        ),
        claims=claims,
        reference=f"{BOOK}; theory.exact",
        figure=drawing.distances,
    )


def random_target(w: jax.Array, x: jax.Array) -> jax.Array:
    """f(x, w) = (x_1 - w_1)^2 + 2 (x_2 - w_2)^2."""
    return (x[0] - w[0]) ** 2 + 2 * (x[1] - w[1]) ** 2


def draw_target(stream: Stream) -> jax.Array:
    """w ~ N(0, diag(1/4, 1/16)): minus the gradient noise over the curvature."""
    return -stream.normal((2,)) / jnp.array([2.0, 4.0])


def both_losses(xi: jax.Array, x: Any) -> jax.Array:
    """R(x) + <xi, x> at one point and f(x, w) at another, with w = -(xi_1 / 2, xi_2 / 4)."""
    noisy = common.risk(x["noise"]) + jnp.sum(xi * x["noise"])
    return noisy + random_target(-xi / jnp.array([2.0, 4.0]), x["target"])


def draw_noise(stream: Stream) -> jax.Array:
    """xi ~ N(0, I)."""
    return stream.normal((2,))


def stays_together(x: Any) -> jax.Array:
    """Whether the two iterates are the same to rounding."""
    return jnp.max(jnp.abs(x["noise"] - x["target"])) < 1e-5


def noise_or_target() -> Statement:
    """Exercise 2: noise on the gradient is a random target."""
    additive = common.study("polynomial")
    oracle = oracles.RandomLoss(loss=random_target, sampler=draw_target, problem=common.PROBLEM)
    target, drawn = additive.replace(oracle=oracle), additive.replace(oracle=oracle.replace(problem=None))
    start = {"noise": additive.x0, "target": additive.x0}
    both = additive.replace(oracle=oracles.RandomLoss(loss=both_losses, sampler=draw_noise), x0=start, averages={})
    end = common.exact(additive).isel(step=-1)
    risk, v = float(end["risk_mean"]), np.diag(end["x_covariance"].values)

    return Statement(
        name="exercise-2-random-target",
        place=PLACE,
        sentence=(
            r"Exercise 2: prove that adding normal noise to the gradient of $x_1^2 + 2 x_2^2$ is the same as "
            r"minimising "
            r"$(x_1 - w_1)^2 + 2 (x_2 - w_2)^2$ with a random w."
        ),
        tested=(
            r"SGD on $f(x, w) = (x_1 - w_1)^2 + 2 (x_2 - w_2)^2$ with a fresh $w \sim N(0, \text{diag}(1/4, 1/16))$ "
            r"at every "
            r"update, $w = -(\xi_1/2, \xi_2/4)$ of the same draws $\xi$, runs the same trajectories as SGD with noise "
            r"$\xi$ on "
            r"the gradient; its mean risk and second moment are the exact ones, and the drawn loss has the mean $R(x) "
            r"+ 3/8$."
        ),
        claims=(
            Claim(
                "target-same-path",
                "two iterates of one trajectory, one with noise on the gradient and one with the target of the same "
                "draw, "
                "are the same at the end",
                both,
                stays_together,
                "==",
                1.0,
                margin=0.001,
            ),
            Claim(
                "target-risk",
                r"the mean risk, $\mathbb{E} R(x_T)$",
                target,
                "risk",
                "==",
                risk,
                reference="theory.exact",
            ),
            Claim(
                "target-second-moment",
                r"the second moment, $\mathbb{E} x_{T,1}^2$",
                target,
                lambda x: x[0] ** 2,
                "==",
                float(v[0] + end["x_mean"].values[0] ** 2),
                reference="theory.exact",
            ),
            Claim(
                "target-loss", r"$\mathbb{E} f(x_T, w_T) = \mathbb{E} R(x_T) + 3/8$", drawn, "risk", "==", risk + 0.375
            ),
        ),
        remark="The exercise says that x is drawn from a normal distribution; it is w.",
        proof=(
            r"$\nabla_x f(x, w) = (2 (x_1 - w_1), 4 (x_2 - w_2)) = \nabla R(x) + \xi$ with $\xi = (-2 w_1, -4 w_2)$.",
            r"$\xi \sim N(0, I)$ exactly when $w \sim N(0, \text{diag}(1/4, 1/16))$. With $w = -(\xi_1/2, \xi_2/4)$ "
            r"both "
            "algorithms make the same updates from the same start, and so have the same trajectories, for every "
            "realisation "
            "and every learning rate.",
            r"$\mathbb{E}_w f(x, w) = R(x) + \text{Var}\,w_1 + 2\,\text{Var}\,w_2 = R(x) + 1/4 + 2/16 = R(x) + 3/8$: "
            r"the two "
            "objectives differ by a constant, so that they have the same minimiser. In general noise of covariance S "
            "on the "
            r"gradient of $\frac12 x'Ax$ is a target of covariance $A^{-1}SA^{-1}$, and the constant is "
            r"$\frac12\text{tr}"
            r"(A^{-1}S)$.",
        ),
        reference=BOOK,
    )


def all_statements() -> tuple[Statement, ...]:
    """The exercises that are tested, in order."""
    return distances(), noise_or_target()
