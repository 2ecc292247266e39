"""The chapter's exercises."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import oracles
from jaxsgd.streams import Stream
from jaxsgd.verification.chapter import drawing, example_studies
from jaxsgd.verification.chapter import quadratic_studies as quadratic
from jaxsgd.verification.chapter.exact_values import exact, exactly
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.chapter.references import BOOK
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("exercises")
HORIZONS = (10, 100, 1000)


def distances() -> Statement:
    """Exercise 1: the distance from the optimum for every schedule, over the number of iterations."""
    claims = []
    for name in ("constant", "exponential", "polynomial", "piecewise"):
        study = quadratic.study(name, 1000)
        claims += [exactly(f"distance-{name}-{s}", study, "distance_squared", step=s) for s in HORIZONS]
    return PROSE.statement(
        "exercise-1-distances",
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
    noisy = quadratic.risk(x["noise"]) + jnp.sum(xi * x["noise"])
    return noisy + random_target(-xi / jnp.array([2.0, 4.0]), x["target"])


def draw_noise(stream: Stream) -> jax.Array:
    """xi ~ N(0, I)."""
    return stream.normal((2,))


def stays_together(x: Any) -> jax.Array:
    """Whether the two iterates are the same to rounding."""
    return jnp.max(jnp.abs(x["noise"] - x["target"])) < 1e-5


def noise_or_target() -> Statement:
    """Exercise 2: noise on the gradient is a random target."""
    additive = quadratic.study("polynomial")
    oracle = oracles.RandomLoss(loss=random_target, sampler=draw_target, problem=quadratic.PROBLEM)
    target, drawn = additive.replace(oracle=oracle), additive.replace(oracle=oracle.replace(problem=None))
    start = {"noise": additive.x0, "target": additive.x0}
    both = additive.replace(oracle=oracles.RandomLoss(loss=both_losses, sampler=draw_noise), x0=start, averages={})
    end = exact(additive).isel(step=-1)
    risk, v = float(end["risk_mean"]), np.diag(end["x_covariance"].values)

    return PROSE.statement(
        "exercise-2-random-target",
        claims=(
            Claim(
                "target-same-path",
                "two iterates of one trajectory, one with noise on the gradient and one with the target of the same "
                "draw, are the same at the end",
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
        reference=BOOK,
    )


def orders() -> Statement:
    """Exercise 3: with and without replacement."""
    drawn, shuffled = (
        example_studies.epochs(example_studies.logistic(), name, 0.5) for name in ("with-replacement", "reshuffled")
    )
    mean_drawn, mean_shuffled = (example_studies.towards_mean(name) for name in ("with-replacement", "reshuffled"))
    return PROSE.statement(
        "exercise-3-orders",
        claims=(
            exactly(
                "exercise-3-exact",
                mean_shuffled,
                "distance_squared",
                text=r"the mean reshuffled, $\mathbb{E}(x_T - x^*)^2$",
            ),
            Claim(
                "exercise-3-means",
                r"$\mathbb{E}(x_T - x^*)^2$ is smaller without replacement",
                mean_shuffled,
                "distance_squared",
                "<",
                against=mean_drawn,
                margin=0.05,
            ),
            Claim(
                "exercise-3-logistic",
                r"$\mathbb{E} R(x_T)$ of logistic regression is smaller without replacement",
                shuffled,
                "risk",
                "<",
                against=drawn,
                margin=0.0005,
            ),
        ),
        reference=BOOK,
    )


def all_statements() -> tuple[Statement, ...]:
    """The exercises that are tested, in order."""
    return PROSE.section(distances(), noise_or_target(), orders())
