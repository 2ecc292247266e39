"""A report as plain data, for programs."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxsgd.verification.report import Finding, Report, Section


SCHEMA = 1
"""Version of what `as_data` returns; it changes when a key gets another meaning or goes away."""


def as_data(report: "Report") -> dict[str, Any]:
    """What `verdicts.json` says of a report; null where a number is not finite or not known.

    - `schema`: 1.
    - `title`, `resolution`, `alpha`, `seed`, `facts`: those of the report.
    - `verdict`: the worst one: "CONSISTENT", "REFUTED" or "INCONCLUSIVE".
    - `statements`: a list with, for each, its `name`, `place`, `sentence`, `tested`, `remark`, `reference`, its
      `verdict`, and its `claims`, a list with, for each:
        - `name`, `statement`, `relation`, `value`, `step`, `assumptions` (a list), `reference`: what is claimed, and
          of which step;
        - `variable`: an observable, or Z for a function; `paired`: whether it is a difference of two studies;
        - `estimate`, `standard_error`, `trajectories`, `lost` (how many of them had no finite value): what was
          measured;
        - `margin`: the smallest departure that matters;
        - `z`: (estimate - value) / standard error, null for a probability, `p` and Holm's `p_adjusted`;
        - `withheld`: why there is no test although there is an estimate (then `standard_error` and `z` are null and p
          is 1), and `decides`: what would decide a claim that is INCONCLUSIVE; empty otherwise;
        - `lower`, `upper`: limits of the expectation, which hold for all claims together;
        - `detectable`: the smallest departure that would have been refuted with probability 0.9;
        - `verdict`, and `confirmed`: whether the claim is true of all that lies between the limits.
    - `not_tested`: why, by name.
    """
    content = {
        "schema": SCHEMA,
        "title": report.title,
        "verdict": report.verdict,
        "resolution": report.resolution,
        "alpha": report.alpha,
        "seed": report.seed,
        "facts": report.facts,
        "statements": [_statement(section) for section in report.sections],
        "not_tested": report.not_tested,
    }
    return _plain(content)


def _statement(section: "Section") -> dict[str, Any]:
    texts = ("name", "place", "sentence", "tested", "remark", "reference")
    return {
        **{name: getattr(section.statement, name) for name in texts},
        "verdict": section.verdict,
        "claims": [_claim(finding) for finding in section.findings],
    }


def _claim(finding: "Finding") -> dict[str, Any]:
    claim, measured, judged = finding.claim, finding.measurement, finding.judgement
    return {
        "name": claim.name,
        "statement": claim.statement,
        "relation": claim.relation,
        "value": claim.value,
        "step": claim.at,
        "variable": claim.symbol,
        "paired": claim.against is not None,
        "estimate": measured.estimate,
        "standard_error": None if measured.withheld else measured.standard_error,
        "trajectories": measured.count,
        "lost": finding.lost,
        "margin": measured.margin,
        "z": measured.z,
        "p": measured.p_value,
        "p_adjusted": judged.p_adjusted,
        "withheld": measured.withheld,
        "decides": judged.decides,
        "lower": judged.lower,
        "upper": judged.upper,
        "detectable": judged.detectable,
        "confirmed": judged.confirmed,
        "verdict": finding.verdict,
        "assumptions": claim.assumptions,
        "reference": claim.reference,
    }


def _plain(value: Any) -> Any:
    """The value in types that JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else str(value)
