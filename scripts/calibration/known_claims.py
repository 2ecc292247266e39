"""Thirty claims of which it is known whether they are true: heavy-tailed true ones, ordinary ones, and false ones.

The variables are functions of a few draws, which a study of one step brings to x: a normal z and a uniform u.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

import jaxsgd as js

TRAJECTORIES = 8192
POWER = 0.9
ALPHA = 0.01


def _loss(draws, x):
    return -jnp.sum(x * draws)


def _draws(stream):
    return jnp.stack([stream.normal(), stream.uniform()])


STUDY = js.Study(
    oracle=js.oracles.RandomLoss(_loss, _draws),
    schedule=js.schedules.constant(1.0),
    x0=[0.0, 0.0],
    steps=1,
    record=js.record.at([1]),
    observe=(),
)


class Law(NamedTuple):
    """A variable of x = (z, u), its mean, and its standard deviation where it has one."""

    name: str
    variable: Callable[[Any], Any]
    mean: float
    deviation: float = math.inf


def _pareto(index: float) -> Law:
    return Law(f"Pareto, index {index:g}", lambda x: x[1] ** (-1 / index), index / (index - 1))


def _lognormal(s: float) -> Law:
    mean = math.exp(s * s / 2)
    return Law(f"lognormal, {s:g}", lambda x: jnp.exp(s * x[0]), mean, mean * math.sqrt(math.expm1(s * s)))


def _spike(expected: float, height: float) -> Law:
    """A rare event, so many times in a sample on average."""
    p = expected / TRAJECTORIES

    def variable(x):
        return 0.5 + 0.1 * x[0] + height * (x[1] < p)

    cells = math.floor(p * 2**23 + 0.5)  # uniforms lie on the centres of 2^23 cells
    return Law(f"spike, {expected:g} in a sample", variable, 0.5 + height * cells / 2**23)


HEAVY = [
    _pareto(1.1), _pareto(1.3), _pareto(1.5), _pareto(1.8),
    _lognormal(2.0), _lognormal(3.0),
    _spike(0.4, 5000.0), _spike(2.0, 5000.0), _spike(5.0, -300.0), _spike(20.0, 10.0),
]  # fmt: skip

ORDINARY = [
    Law("normal", lambda x: x[0], 0.0, 1.0),
    Law("chi-square, 1", lambda x: x[0] ** 2, 1.0, math.sqrt(2.0)),
    Law("exponential", lambda x: -jnp.log(x[1]), 1.0, 1.0),
    Law("uniform", lambda x: x[1], 0.5, math.sqrt(1 / 12)),
    _lognormal(0.5),
    Law("half-normal", lambda x: jnp.abs(x[0]), math.sqrt(2 / math.pi), math.sqrt(1 - 2 / math.pi)),
    Law("sum of squares", lambda x: 0.5 * x[0] ** 2 + x[1], 1.0, math.sqrt(0.5 + 1 / 12)),
    Law("exponential, reversed", lambda x: jnp.log(x[1]), -1.0, 1.0),
    Law("square of a uniform", lambda x: x[1] ** 2, 1 / 3, math.sqrt(4 / 45)),
    Law("triangular", lambda x: jnp.sqrt(x[1]), 2 / 3, math.sqrt(1 / 18)),
]


def claims(laws: list[Law], off: float = 0.0) -> list[js.Claim]:
    """That each mean has its value; or, with ``off`` standard errors, another one, in turn too large and too small."""
    made = []
    for sign, law in zip([1, -1] * len(laws), laws, strict=False):
        shift = sign * off * law.deviation / math.sqrt(TRAJECTORIES) if off else 0.0
        made.append(
            js.Claim(law.name, f"the mean is {law.mean + shift:.6g}", STUDY, law.variable, "==", law.mean + shift)
        )
    return made
