"""The statement on the law of an iterate, for studies whose noise has no variance."""

from collections.abc import Callable
from typing import Any

from jaxsgd import theory
from jaxsgd.errors import InvalidInput
from jaxsgd.record import at
from jaxsgd.study import Study
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.of_bounds import flat
from jaxsgd.verification.statement import Statement

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The middle ones tell scales apart, the outer ones tails."""

MOST = 8
"""No more coordinates than the first of these are looked at."""


def exact_law(study: Study, place: str) -> Statement:
    """P(x_T <= q_p) = p at some quantiles q_p of each coordinate of the last iterate, where its law is a stable one.

    They are probabilities, and so tested exactly, whatever moments there are.
    """
    law = theory.exact_law(study.replace(record=at([study.steps]), averages={})).isel(step=0)
    if law.alpha == 2:
        raise InvalidInput("the law is normal: means and variances, which are tested as exact_moments, say it all")
    reference = law.attrs["reference"]
    claims = []
    for j, (name, location, scale) in enumerate(
        zip(study.coordinates[:MOST], law.x_location.values, law.x_scale.values, strict=False)
    ):
        if not scale > 0:
            continue
        quantiles = theory.SymmetricStable(law.alpha, location, scale).quantile(QUANTILES)
        claims += [
            Claim(f"{name}, {p:g}", f"{name} is at most {q:.6g} with probability {p:g}", study, _below(j, q), "==", p,
                  reference)
            for p, q in zip(QUANTILES, quantiles.tolist(), strict=True)
        ]  # fmt: skip
    if not claims:
        raise InvalidInput("no coordinate of the last iterate is random")
    return Statement(
        name="exact_law",
        place=place,
        sentence=law.attrs["sentence"],
        tested=(
            f"The probability of each coordinate at step {study.steps} to lie below quantiles of its law, which is "
            f"stable with alpha = {law.alpha:g}."
        ),
        claims=claims,
        reference=reference,
    )


def _below(j: int, quantile: float) -> Callable[[Any], Any]:
    return lambda x: flat(x)[j] <= quantile
