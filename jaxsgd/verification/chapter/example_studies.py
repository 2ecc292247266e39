"""The examples of the chapter's statements about finite sums, and SGD on them.

Studies that several statements or figures look at are made once, so that they share simulations and exact moments.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import record, schedules
from jaxsgd.oracles import ExampleSampling
from jaxsgd.orders import Incremental, Order, RandomReshuffling, ShuffleOnce, WithReplacement
from jaxsgd.problems import EmpiricalRisk, FiniteSum, LeastSquares, LogisticRegression
from jaxsgd.study import Study

ROWS = np.array([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8], [1.5, 0.2], [0.1, 0.9], [-0.4, -0.6]])
TARGETS = np.array([1.0, -0.5, 0.7, 2.0, 0.0, 0.3])
"""Features and targets of six examples."""
MEANS = np.array([-2.0, -0.5, 0.3, 1.2, 3.0])
"""Examples a_i of f_i(x) = (x - a_i)^2 / 2, of which the mean, 0.4, is the minimiser."""

ORDERS: dict[str, Order] = {
    "with-replacement": WithReplacement(),
    "reshuffled": RandomReshuffling(),
    "shuffled-once": ShuffleOnce(),
    "incremental": Incremental(),
}

EPOCHS, T = 10, 200
"""How long the studies run: so many epochs, or so many updates."""
KAPPA, SIGNS = 20.0, np.repeat([1.0, -1.0], 10)
"""Condition number and signs of the ill-conditioned sum."""


@functools.cache
def squares(copies: int = 1) -> LeastSquares:
    """Least squares of the six examples, or of so many copies of them, which have the same mean."""
    return LeastSquares(np.tile(ROWS, (copies, 1)), np.tile(TARGETS, copies))


@functools.cache
def means() -> LeastSquares:
    """The mean of five numbers as a minimiser."""
    return LeastSquares(np.ones((5, 1)), MEANS)


@functools.cache
def logistic() -> LogisticRegression:
    """Logistic regression of the signs of the six targets."""
    return LogisticRegression(ROWS, TARGETS > 0.2, 0.1)


def _tilted(x: jax.Array, sign: jax.Array) -> jax.Array:
    return x[0] ** 2 / 2 + KAPPA * x[1] ** 2 / 2 - sign * x[1] / 2


@functools.cache
def tilted() -> FiniteSum:
    """f_i(x) = x_1^2/2 + kappa x_2^2/2 - s_i x_2/2 with signs s_i that sum to 0."""
    return FiniteSum(_tilted, SIGNS, start=np.zeros(2), strong_convexity=1.0, smoothness=KAPPA)


def sampled(
    problem: EmpiricalRisk, order: Order, schedule: Callable[[Any], Any], steps: int, start: tuple[float, ...]
) -> Study:
    """SGD with one example at a time, recorded at its end."""
    oracle = ExampleSampling(problem, order)
    return Study(oracle=oracle, schedule=schedule, x0=list(start), steps=steps, record=record.at([steps]))


def at_rate(problem: EmpiricalRisk, order: Order, rate: float, steps: int) -> Study:
    """SGD with one example at a time under a constant learning rate, from 0."""
    return sampled(problem, order, schedules.constant(rate), steps, (0.0,) * len(problem.start))


def epochs(problem: EmpiricalRisk, order: str, rate: float) -> Study:
    """Ten epochs in an order of `ORDERS`, under a constant learning rate, from 0."""
    return at_rate(problem, ORDERS[order], rate, EPOCHS * problem.examples)


@functools.cache
def towards_mean(order: str) -> Study:
    """Ten epochs on the mean of five numbers, from 2, with learning rate 0.1, recorded after each of them."""
    study = sampled(means(), ORDERS[order], schedules.constant(0.1), EPOCHS * len(MEANS), (2.0,))
    return study.replace(record=record.every_epoch(1))


def running_mean(order: str) -> Study:
    """Ten epochs on the mean of five numbers, from 2, with learning rate 1/(t + 1)."""
    return sampled(means(), ORDERS[order], schedules.inverse_time(1.0, 1.0), EPOCHS * len(MEANS), (2.0,))


@functools.cache
def counting(n: int) -> Study:
    """SGD that counts: n updates on f(i, x) = -x_i, i drawn with replacement, with learning rate 1 from 0.

    After the run x_i is the number of times that i was drawn.
    """

    def loss(x: jax.Array, i: Any) -> jax.Array:
        return -jnp.sum(jnp.where(jnp.arange(n) == i, x, 0.0))

    return Study(
        oracle=ExampleSampling(FiniteSum(loss, np.arange(n)), WithReplacement()),
        schedule=schedules.constant(1.0),
        x0=jnp.zeros(n),
        steps=n,
        observe=(),
        observables={"at least once": share_at_least_once, "exactly once": share_exactly_once},
        record=record.at([n]),
    )


def share_at_least_once(x: jax.Array) -> jax.Array:
    """The share of the examples that were drawn at least once."""
    return jnp.mean(jnp.where(x > 0.5, 1.0, 0.0))


def share_exactly_once(x: jax.Array) -> jax.Array:
    """The share of the examples that were drawn exactly once."""
    return jnp.mean(jnp.where((x > 0.5) & (x < 1.5), 1.0, 0.0))
