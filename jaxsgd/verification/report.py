"""What a verification found."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxsgd.errors import InvalidInput, nearest
from jaxsgd.inference import Judgement, Measurement, Verdict
from jaxsgd.module import AbstractOrFinal
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.reasons import by_reason
from jaxsgd.verification.statement import Statement


@dataclasses.dataclass(frozen=True, eq=False)
class Finding:
    """One claim, what was measured, and the verdict.

    - `lost`: how many trajectories had no finite value of the variable. None is left out: with one of them
      there is no estimate, and the claim is INCONCLUSIVE.
    """

    claim: Claim
    measurement: Measurement
    judgement: Judgement
    lost: int = 0

    @property
    def verdict(self) -> Verdict:
        """The verdict on the claim."""
        return self.judgement.verdict

    @property
    def why(self) -> str:
        """Why a claim is INCONCLUSIVE, and what would decide it, in words; empty for other verdicts."""
        withheld, decides = self.measurement.withheld, self.judgement.decides
        parts = (withheld and f"no test: {withheld}", decides and f"{decides} would decide it")
        return "; ".join(part for part in parts if part)


@dataclasses.dataclass(frozen=True, eq=False)
class Section:
    """One statement with the findings on its claims."""

    statement: Statement
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """REFUTED if one claim is, otherwise INCONCLUSIVE if one claim is or there is none, else CONSISTENT."""
        return _worst(finding.verdict for finding in self.findings)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Report(AbstractOrFinal):
    """What ``verify`` returns: a verdict on every statement, with the numbers behind it.

    - `sections`: the statements, each with a finding for each of its claims.
    - `not_tested`: statements that do not apply, or are not tested yet, by name, and why.
    - `resolution`, `alpha`, `seed`: as given to ``verify``.
    - `facts`: versions, device, seconds, trajectory-steps.

    ``report["name"]`` is one section; `report.save(folder)` writes `report.html`, `verdicts.json` and figures.
    """

    title: str
    sections: tuple[Section, ...]
    not_tested: Mapping[str, str]
    resolution: float
    alpha: float
    seed: int
    facts: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all."""
        return _worst(section.verdict for section in self.sections)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict on each statement, by name."""
        return {section.statement.name: section.verdict for section in self.sections}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in order."""
        return tuple(finding for section in self.sections for finding in section.findings)

    def __getitem__(self, name: str) -> Section:
        named = {section.statement.name: section for section in self.sections}
        if name not in named:
            raise InvalidInput(f"the report has no statement {name!r}; {nearest(name, named)}")
        return named[name]

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `report.html`, which needs no network, `verdicts.json` and the figures; the files written."""
        from jaxsgd.verification.pages.output import write

        return write(self, Path(folder))

    def __repr__(self) -> str:
        width = max((len(name) for name in self.verdicts), default=0)
        lines = [f"{self.title}: {self.summary}"]
        for section in self.sections:
            lines.append(f"  {section.statement.name:<{width}}  {section.verdict}")
            lines += [f"  {'':<{width}}  {line(finding)}" for finding in section.findings[:6]]
            if len(section.findings) > 6:
                lines.append(f"  {'':<{width}}  ... and {len(section.findings) - 6} more")
        lines += [f"  {names:<{width}}  not tested: {why}" for names, why in by_reason(self.not_tested)]
        return "\n".join(lines)

    @property
    def summary(self) -> str:
        """How many statements have which verdict, in words."""
        counts = {verdict: list(self.verdicts.values()).count(verdict) for verdict in Verdict}
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "nothing tested"


def line(finding: Finding) -> str:
    """A finding in one line."""
    claim, measured, judged = finding.claim, finding.measurement, finding.judgement
    if finding.lost:
        lost = f"{finding.lost} of {measured.count} trajectories have no finite value"
        return f"{claim.name}: {lost}, so that there is no estimate {finding.verdict}"
    if measured.withheld:
        stated = f"{claim.name}: {measured.estimate:.6g} {claim.relation} {claim.value:.6g}"
        return f"{stated} ({finding.why}) {finding.verdict}"
    parts = [f"{claim.name}: {measured.estimate:.6g}"]
    if measured.standard_error:
        parts.append(f"+- {measured.standard_error:.2g}")
    parts.append(f"{claim.relation} {claim.value:.6g}")
    parts.append(f"p {measured.p_value:.2g}" if measured.z is None else f"z {measured.z:+.2f}")
    parts.append(f"detectable {judged.detectable:.2g} of {measured.margin:.2g}")
    parts += [f"({finding.why})"] if judged.decides else []
    return " ".join([*parts, str(finding.verdict)])


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    found = set(verdicts)
    if Verdict.REFUTED in found:
        return Verdict.REFUTED
    return Verdict.CONSISTENT if found == {Verdict.CONSISTENT} else Verdict.INCONCLUSIVE
