"""The chapter's fourth section: how often an example is drawn when one draws with replacement."""

import dataclasses
from typing import Any

from jaxsgd import theory
from jaxsgd.verification.chapter import drawing
from jaxsgd.verification.chapter.common import BOOK
from jaxsgd.verification.chapter.example_studies import counting
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PLACE = "Stochastic gradients and finite samples"
SIZES = (2, 10, 100)


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
