"""The entry point: put claims to the test."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax

from jaxsgd import __version__
from jaxsgd.errors import InvalidInput, InvalidType, integer, scalar
from jaxsgd.inference.checks import level
from jaxsgd.module import brief
from jaxsgd.study import Study
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.measure import measure, settle
from jaxsgd.verification.reasons import by_reason
from jaxsgd.verification.report import Finding, Report, Section
from jaxsgd.verification.statement import Statement

LEAST = 1000
"""Trajectories below which the normal approximation of means is not relied on."""
RESOLUTION = 0.01
ALPHA = 0.01


def verify(
    claims_or_study: "Claim | Statement | Study | Iterable[Claim | Statement]",
    trajectories: int | None = None,
    seed: int = 0,
    *,
    resolution: float = RESOLUTION,
    alpha: float = ALPHA,
    title: str = "Verification",
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Test claims by simulation and judge all of them together.

    Verdicts are three-valued: REFUTED if Holm's adjusted p is at most alpha, CONSISTENT only if a
    departure that matters would have been seen, otherwise INCONCLUSIVE; see [`jaxsgd.inference.judge`][].

    **What a verdict rests on.** A mean is tested only if the sample carries the test: no trajectory makes up too much
    of its variance, the skewness is not too large for so many trajectories ([`jaxsgd.inference.tails`][]), theory knows
    of no missing moment ([`jaxsgd.theory.tails`][]), and the precision of floats resolves it. Before a claim is
    refuted, trajectories with draws that reach further than usual show whether a rare event which the sample need not
    contain could explain the departure. Otherwise the claim is INCONCLUSIVE, with the reason, and with what would
    decide it where that is known. Rare events that such draws do not bring about, such as a rare value of an integer,
    are beyond a sample if their probability is below some 5 / trajectories. How often verdicts are wrong is measured by
    `scripts/calibration`.

    **Arguments**

    - `claims_or_study`: claims or statements; or a study, for the claims that apply to it: exact moments,
      the balance of squared distances, every bound.
    - `trajectories`: how many, at least 1000; default as many as the resolution asks for, claim by claim.
    - `seed`: in [0, 2^64).
    - `resolution`: the smallest relative departure that matters, where a claim states no margin; of a probability
      the smallest absolute one.
    - `alpha`: probability that any true claim is refuted: exactly for probabilities; for means by Student's t, where
      the tails carry it. Where they do not, or floating-point errors are not small, the test is withheld.
    - `title`: of the report.
    - `progress`: called with the number of measured claims and that of all.

    **Returns** a [`jaxsgd.Report`][].

    **Raises** `ValueError` or `TypeError` before anything is simulated.
    """
    resolution, alpha = float(scalar("resolution", resolution, above=0.0)), level("alpha", alpha)
    if trajectories is not None:
        trajectories = integer("trajectories", trajectories, at_least=LEAST)
    statements, not_tested = _statements(claims_or_study)
    names = [statement.name for statement in statements]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise InvalidInput(f"statements need different names, got {sorted(repeated)} more than once")
    claims = [claim for statement in statements for claim in statement.claims]
    if not claims:
        reasons = "".join(f"; {names}: {why}" for names, why in by_reason(not_tested))
        raise InvalidInput(f"there is nothing to verify: no claim was given{reasons}")
    measured, started = 0, time.perf_counter()

    def done(count: int) -> None:
        nonlocal measured
        measured += count
        if progress is not None:
            progress(measured, len(claims))

    found = measure(claims, resolution, alpha, trajectories, seed, done)
    found, judgements = settle(claims, found, alpha, seed)
    findings = [
        Finding(claim, measurement, judgement, lost)
        for claim, (measurement, lost), judgement in zip(claims, found, judgements, strict=True)
    ]
    rest = iter(findings)
    sections = tuple(Section(statement, tuple(next(rest) for _ in statement.claims)) for statement in statements)
    # Claims on the same studies share their trajectories.
    runs = {f.claim.studies: f.measurement.count * sum(study.steps for study in f.claim.studies) for f in findings}
    facts = {
        "jaxsgd": __version__,
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "claims": len(claims),
        "trajectory-steps": sum(runs.values()),
        "seconds": round(time.perf_counter() - started, 1),
    }
    return Report(title, sections, not_tested, resolution, alpha, int(seed), facts)


def _statements(given: Any) -> tuple[list[Statement], dict[str, str]]:
    if isinstance(given, Study):
        from jaxsgd.verification.of_study import statements_of

        return statements_of(given)
    if isinstance(given, Claim | Statement):
        given = [given]
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidType(f"verify takes claims, statements or a study, got {brief(given)}")
    items: Sequence[Any] = list(given)
    for item in items:
        if not isinstance(item, Claim | Statement):
            raise InvalidType(f"verify takes claims, statements or a study, got {brief(item)} in the list")
    return [Statement.of(item) if isinstance(item, Claim) else item for item in items], {}
