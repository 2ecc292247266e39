"""What is guaranteed where R is not convex: stationarity, not the value, unless R has no other stationary points."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from jaxsgd import noise, oracles, problems, record, schedules, theory
from jaxsgd.study import Study
from jaxsgd.theory.bounds import GhadimiLan, PolyakLojasiewicz
from jaxsgd.verification.chapter import non_convex_figure
from jaxsgd.verification.chapter.exact_values import exact, exactly, final_risk
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.of_bounds import claims_of
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("non_convex")
RIPPLED = problems.SeparableCosine(curvature=0.2, amplitude=1.0, frequency=2.0)
"""R(x) = x^2 / 10 + 1 - cos 2x, with seven minima, the lowest at 0."""
POOR, GOOD = 6.5, 0.5
"""Starts in the basin of the minimum at 5.96, and in that of the global one."""
STD = 2.0


@functools.cache
def from_start(x0: float) -> Study:
    """SGD with Gaussian noise on it: 200 updates at the rate 0.05, which is below 1 / L = 0.238."""
    oracle = oracles.AdditiveNoise(RIPPLED, noise.Gaussian(STD))
    return Study(oracle=oracle, schedule=schedules.constant(0.05), steps=200, x0=[x0], record=record.every(1))


@functools.cache
def of_dominated() -> Study:
    """SGD on x^2 + 3 sin^2 x, whose gradient vanishes at the minimum alone."""
    oracle = oracles.AdditiveNoise(problems.PolyakLojasiewicz(dimension=1), noise.Gaussian(0.5))
    return Study(oracle=oracle, schedule=schedules.inverse_time(0.12, 0.01), steps=400, x0=[4.0])


def _of_basin() -> tuple[float, float]:
    """The end of the basin of `POOR` towards 0, and the risk of its minimum, the least beyond that end."""
    edge = RIPPLED.local_maxima(0.0, POOR)[-1]
    bottom = RIPPLED.local_minima(edge, POOR)[0]
    h, a, w = (float(part) for part in (RIPPLED.curvature, RIPPLED.amplitude, RIPPLED.frequency))
    return float(edge), float(h * bottom**2 / 2 + a * (1 - np.cos(w * bottom)))


@functools.cache
def _of_gradients() -> Claim:
    """The bound on the gradients as a claim; what else is tested of its study shares the simulation."""
    return claims_of(GhadimiLan(), from_start(POOR))


def stationarity() -> Statement:
    """The mean of squared true gradients is bounded, and known exactly."""
    study, bound = from_start(POOR), GhadimiLan()
    limit = bound.value(study, 0.0)
    of_gradients = exact(study)["gradient_norm_squared_mean"].values[:-1] - STD**2
    mean = float(bound.weights(study) @ of_gradients)
    return PROSE.statement(
        "stationarity-is-guaranteed",
        claims=(
            dataclasses.replace(
                _of_gradients(),
                name="stationarity-bound",
                margin=0.02,
                statement=rf"the weighted mean of $\|\nabla R(x_t)\|^2$ is at most {limit:.4f} in expectation",
            ),
            dataclasses.replace(
                _of_gradients(),
                name="stationarity-exact",
                margin=0.01,
                statement=rf"that mean is {mean:.4f}, by the exact law of $x_t$; it lies below the bound by",
                relation="==",
                value=mean - limit,
                reference="theory.exact",
                magnitude=limit,
            ),
        ),
        values={"limit": limit, "mean": mean, "smoothness": RIPPLED.smoothness},
        reference=bound.reference,
        figure=functools.partial(non_convex_figure.draw, from_start(POOR), from_start(GOOD)),
    )


def value() -> Statement:
    """From a poor basin the value stays poor, with a probability that is known."""
    study, good = from_start(POOR), from_start(GOOD)
    edge, bottom = _of_basin()
    stays = float(theory.markov_kernel(study).probabilities({"beyond": (edge, np.inf)}, steps=[study.steps])[0, 0])
    descent = study.replace(oracle=oracles.FullGradient(RIPPLED))

    def beyond(x: jax.Array) -> jax.Array:
        return x[0] >= edge

    return PROSE.statement(
        "value-is-not-guaranteed",
        claims=(
            Claim(
                "poor-value-probability",
                rf"$P(x_T \ge {edge:.4f})$, where $R - R^* \ge {bottom:.4f}$, is {stays:.5f}",
                _of_gradients().study,
                beyond,
                "==",
                stays,
                margin=0.003,
                reference="theory.markov_kernel",
            ),
            exactly("poor-value-risk", _of_gradients().study, moments=exact(study), margin=0.01),
            exactly("good-value-risk", good, margin=0.01),
            Claim(
                "descent-stays",
                rf"gradient descent from there ends in the local minimum, where $R - R^* = {bottom:.4f}$",
                descent,
                "risk",
                "==",
                bottom,
                margin=1e-3,
            ),
        ),
        values={
            "edge": edge,
            "bottom": bottom,
            "stays": stays,
            "poor": final_risk(study),
            "good": final_risk(good),
            "poor_bound": GhadimiLan().value(study, 0.0),
            "good_bound": GhadimiLan().value(good, 0.0),
        },
        reference="theory.markov_kernel; Murty and Kabadi (1987), Math. Program. 39, for hardness",
    )


def value_without_convexity() -> Statement:
    """The condition of Polyak and Lojasiewicz gives a guarantee of the value."""
    study, bound = of_dominated(), PolyakLojasiewicz()
    dominated, limit = claims_of(bound, study), bound.value(study, 0.0)
    problem: Any = study.oracle.problem
    return PROSE.statement(
        "value-without-convexity",
        claims=(
            dataclasses.replace(
                dominated,
                name="dominated-bound",
                margin=0.001,
                statement=rf"$\mathbb{{E}} R(x_T) - R^*$ is at most {limit:.4f}",
            ),
            exactly("dominated-exact", dominated.study, moments=exact(study), margin=1e-4),
        ),
        values={
            "limit": limit,
            "exact": final_risk(study),
            "at_start": float(16 + 3 * np.sin(4.0) ** 2),
            "mu": problem.polyak_lojasiewicz,
            "smoothness": problem.smoothness,
        },
        reference=bound.reference,
    )


def all_statements() -> tuple[Statement, ...]:
    """What is guaranteed without convexity, what is not, and where more is."""
    return PROSE.section(stationarity(), value(), value_without_convexity())
