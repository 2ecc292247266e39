"""The chapter's fourth section: how often an example is drawn when one draws with replacement."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import oracles, orders, problems, record, schedules, theory
from jaxsgd.study import Study
from jaxsgd.verification.chapter import drawing
from jaxsgd.verification.chapter.common import BOOK
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PLACE = "Stochastic gradients and finite samples"
SIZES = (2, 10, 100)


@functools.cache
def counting(n: int) -> Study:
    """SGD that counts: n updates on f(i, x) = -x_i, i drawn with replacement, with learning rate 1 from 0.

    After the run x_i is the number of times that i was drawn.
    """

    def loss(x: jax.Array, i: Any) -> jax.Array:
        return -jnp.sum(jnp.where(jnp.arange(n) == i, x, 0.0))

    return Study(
        oracle=oracles.ExampleSampling(problems.FiniteSum(loss, np.arange(n)), orders.WithReplacement()),
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


def _statement(
    name: str, sentence: str, formula: str, observable: str, exact: Any, limit: float, remark: str
) -> Statement:
    claims = [
        Claim(
            f"{name}-{n}",
            f"n = {n} draws from n = {n} examples",
            counting(n),
            observable,
            "==",
            float(exact(n)),
            reference=f"theory.{exact.__name__}",
            margin=0.002,
        )
        for n in SIZES
    ]
    largest = SIZES[-1]
    claims.append(
        Claim(
            f"{name}-limit",
            f"at n = {largest} the share is the limit {limit:.4f} within 0.005",
            counting(largest),
            observable,
            "within",
            limit,
            margin=0.005,
        )
    )
    values = ", ".join(f"{float(exact(n)):.6f} for n = {n}" for n in SIZES)
    return Statement(
        name=name,
        place=PLACE,
        sentence=sentence,
        tested=(
            f"{formula}: {values}; and the limit {limit:.6f}. Measured with orders.WithReplacement: SGD on $f_i(x) = "
            r"-x_i$ with learning rate 1 from 0 counts how often each i is drawn; a trajectory gives the share of its "
            r"n "
            "examples as one variable, since the counts of different examples depend on each other."
        ),
        claims=claims,
        remark=remark,
        reference=f"{BOOK}; theory.{exact.__name__}",
    )


def at_least_once() -> Statement:
    """0.63."""
    made = _statement(
        "at-least-once",
        "Drawing n times with replacement, an example is drawn at least once with probability about 0.63.",
        r"$1 - (1 - 1/n)^n$",
        "at least once",
        theory.at_least_once,
        theory.AT_LEAST_ONCE_LIMIT,
        "The chapter's 0.63 is the limit for large n; the difference is about 0.184/n.",
    )
    return dataclasses.replace(made, figure=drawing.frequencies)


def exactly_once() -> Statement:
    """0.37."""
    return _statement(
        "exactly-once",
        "It is drawn exactly once with probability about 0.37.",
        r"$(1 - 1/n)^{n-1}$",
        "exactly once",
        theory.exactly_once,
        theory.EXACTLY_ONCE_LIMIT,
        r"The chapter writes $\frac{n}{n-1}(1 - 1/n)^n$, which is 0/0 at n = 1; $(1 - 1/n)^{n-1}$ is 1 there.",
    )


def all_statements() -> tuple[Statement, ...]:
    """The statements of this section that are tested, in order."""
    return at_least_once(), exactly_once()
