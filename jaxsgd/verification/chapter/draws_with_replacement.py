"""The chapter's fourth section, first half: how often an example is drawn when one draws with replacement."""

from collections.abc import Callable
from typing import Any

from jaxsgd import theory
from jaxsgd.verification.chapter import drawing
from jaxsgd.verification.chapter.example_studies import counting
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.chapter.references import BOOK
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("draws_with_replacement")
SIZES = (2, 10, 100)


def _of_shares(name: str, exact: Callable[[Any], Any], limit: float, **options: Any) -> Statement:
    """A statement on the share of the examples that n draws hit so often."""
    observable, reference = name.replace("-", " "), f"theory.{exact.__name__}"
    claims = [
        Claim(
            f"{name}-{n}",
            f"n = {n} draws from n = {n} examples",
            counting(n),
            observable,
            "==",
            float(exact(n)),
            reference=reference,
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
    values = {f"of_{n}": float(exact(n)) for n in SIZES} | {"limit": limit}
    return PROSE.statement(name, claims, values, reference=f"{BOOK}; {reference}", **options)


def at_least_once() -> Statement:
    """An example is drawn at least once with probability 1 - (1 - 1/n)^n, about 0.63."""
    return _of_shares("at-least-once", theory.at_least_once, theory.AT_LEAST_ONCE_LIMIT, figure=drawing.frequencies)


def exactly_once() -> Statement:
    """It is drawn exactly once with probability (1 - 1/n)^(n - 1), about 0.37."""
    return _of_shares("exactly-once", theory.exactly_once, theory.EXACTLY_ONCE_LIMIT)


def all_statements() -> tuple[Statement, ...]:
    """The statements of this half, in order."""
    return PROSE.section(at_least_once(), exactly_once())
