"""One statement of a report, as a part of its page."""

import base64
import glob
import html
import re
import shlex
import urllib.parse
from typing import TYPE_CHECKING

from jaxsgd.inference import Verdict
from jaxsgd.verification.pages.mathml import render
from jaxsgd.verification.pages.numerals import number, signed, with_error

if TYPE_CHECKING:
    from jaxsgd.verification.report import Finding, Report, Section

RELATIONS = {"==": "=", "<=": "≤", ">=": "≥", "within": "≈"}
COLUMNS = ("Estimate ± standard error", "Claimed", "z or p", "Detectable / margin", "Trajectories", "Verdict")
_ARXIV = re.compile(r"arXiv:?\s?(\d{4}\.\d{4,5})")


def anchor(name: str) -> str:
    """A statement's name as it can stand in an address and a file name; different names stay different."""
    return urllib.parse.quote(name, safe="")


def badge(verdict: Verdict) -> str:
    """A verdict in a frame."""
    return f'<span class="badge {verdict.lower()}">{verdict}</span>'


def references(text: str) -> str:
    """A reference, with links to arXiv."""
    return _ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv \1</a>', render(text))


def article(section: "Section", report: "Report", figure: tuple[int, bytes] | None) -> str:
    """The sentence, what is tested, the claims, what is to be said of them, and how to repeat the test.

    - `figure`: its number on the page, and the PNG file.
    """
    statement = section.statement
    parts = [
        f'<article id="{anchor(statement.name)}">',
        f"<header><code>{html.escape(statement.name)}</code>{badge(section.verdict)}</header>",
        f"<h3>{render(statement.sentence)}</h3>",
        f'<p><span class="label">What is tested</span> {render(statement.tested)}</p>',
        _claims(section),
    ]
    if statement.remark:
        parts.append(f'<aside><p><span class="label">Remark</span> {render(statement.remark)}</p></aside>')
    if statement.proof:
        paragraphs = "".join(f"<p>{render(paragraph)}</p>" for paragraph in statement.proof)
        parts.append(f"<details><summary>Proof</summary>{paragraphs}</details>")
    if figure is not None:
        parts.append(_figure(statement.name, report.seed, *figure))
    if statement.reference:
        parts.append(f'<p class="note"><span class="label">Reference</span> {references(statement.reference)}</p>')
    parts.append(
        f'<p class="note"><span class="label">Repeat</span> <code>{_command(statement.name, report)}</code></p>'
    )
    return "\n".join([*parts, "</article>"])


def _claims(section: "Section") -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
    bodies = [_claim(finding, section.statement.reference) for finding in section.findings]
    return "\n".join(
        ['<div class="scroll"><table class="claims">', f"<thead><tr>{head}</tr></thead>", *bodies, "</table></div>"]
    )


def _claim(finding: "Finding", reference: str) -> str:
    claim, measured, judged = finding.claim, finding.measurement, finding.judgement
    about = f"{render(claim.statement)} <code>{html.escape(claim.name)}</code>"
    if claim.reference and claim.reference != reference:
        about += f" <small>{references(claim.reference)}</small>"
    if claim.against is not None:
        about += " <small>difference between two studies, trajectory by trajectory with the same draws</small>"
    if claim.assumptions:
        about += f"<br/><small>Assumed: {'; '.join(map(render, claim.assumptions))}.</small>"
    if finding.why:
        about += f"<br/><small>Undecided: {html.escape(finding.why)}.</small>"
    estimate = with_error(measured.estimate, 0.0 if measured.withheld else measured.standard_error)
    if finding.lost:
        estimate = f"none: {finding.lost:,} trajectories have no finite value"
    z = measured.z
    test = f"p {number(measured.p_value, 2)}" if z is None else f"z {signed(z)}"
    cells = (
        estimate,
        f"{html.escape(RELATIONS.get(claim.relation, claim.relation))} {number(claim.value)}",
        "none" if measured.withheld else test,
        f"{number(judged.detectable, 2)} / {number(measured.margin, 2)}",
        f"{measured.count:,}",
        badge(finding.verdict),
    )
    row = "".join(f'<td data-label="{label}">{cell}</td>' for label, cell in zip(COLUMNS, cells, strict=True))
    text = f'<th scope="rowgroup" colspan="{len(COLUMNS)}">{about}</th>'
    return f"<tbody><tr>{text}</tr>\n<tr>{row}</tr></tbody>"


def _figure(name: str, seed: int, index: int, image: bytes) -> str:
    data = base64.b64encode(image).decode("ascii")
    caption = f"Figure {index}. “{html.escape(name)}”, seed {seed}."
    return (
        f'<figure><img alt="Figure of {html.escape(name)}" src="data:image/png;base64,{data}"/>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _command(name: str, report: "Report") -> str:
    """What repeats the test of one statement: on the command line if that made the report, otherwise in Python."""
    command = report.facts.get("command")
    if command is None:
        call = f"verify(..., seed={report.seed}, resolution={report.resolution:g})[{name!r}]"
        return html.escape(call, quote=False)
    only = shlex.quote(glob.escape(name))
    return html.escape(f"{command} --only {only} --seed {report.seed} --resolution {report.resolution:g}", quote=False)
