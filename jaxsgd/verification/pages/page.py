"""A report on one page of HTML: no scripts, nothing from a network, well-formed as XML too."""

import html
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from jaxsgd.verification.pages.article import anchor, article, badge, references
from jaxsgd.verification.pages.mathml import render
from jaxsgd.verification.pages.numerals import number
from jaxsgd.verification.pages.stylesheet import STYLE
from jaxsgd.verification.reasons import by_reason

if TYPE_CHECKING:
    from jaxsgd.verification.report import Report, Section

_IN_WORDS = ("claims", "trajectory-steps", "seconds", "command")  # facts that the summary has in a sentence
_YEAR = re.compile(r"\(\d{4}\)")


def file_name(name: str) -> str:
    """The file of a statement's figure."""
    return f"{anchor(name)}.png"


def page(report: "Report", images: Mapping[str, bytes]) -> str:
    """The page.

    - `images`: PNG files, by the name of the statement that they belong to.
    """
    numbers = {name: index for index, name in enumerate(images, start=1)}
    parts = [_head(report), _contents(report)]
    for place, sections in _places(report).items():
        parts.append(f"<section>\n<h2>{html.escape(place)}</h2>")
        for section in sections:
            name = section.statement.name
            parts.append(article(section, report, (numbers[name], images[name]) if name in images else None))
        parts.append("</section>")
    parts += [_not_tested(report), _references(report), _how_to_read(report), "</main>\n</body>\n</html>\n"]
    return "\n".join(part for part in parts if part)


def _head(report: "Report") -> str:
    title = html.escape(report.title)
    return f"""<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class="lead">{_summary(report)}</p>
<p>A statement is CONSISTENT if no departure from it that matters was seen, in data that would have shown one.
It is REFUTED if the data contradict one of its claims, and INCONCLUSIVE if they cannot tell, with what
would decide it where that is known. All claims are judged together: the probability that any true one is refuted is
at most &#945;.</p>"""


def _summary(report: "Report") -> str:
    """What was tested, how, and with which result, in one paragraph."""
    facts = dict(report.facts)
    work = ""
    if "trajectory-steps" in facts:
        work = f", {number(facts['trajectory-steps'], 3)} trajectory-steps"
        work += f" in {facts['seconds']:,} s" if "seconds" in facts else ""
    on = ", ".join(html.escape(f"{name} {fact}") for name, fact in facts.items() if name not in _IN_WORDS)
    statements, claims = len(report.sections), len(report.findings)
    return (
        f"{statements} {'statement' if statements == 1 else 'statements'} with {claims} "
        f"{'claim' if claims == 1 else 'claims'}: <strong>{report.summary}</strong>. Seed {report.seed}, "
        f"resolution {number(100 * report.resolution, 3)}%, &#945; = {number(report.alpha, 3)}{work}{on and '; ' + on}."
    )


def _places(report: "Report") -> "dict[str, list[Section]]":
    """The sections by their place, in order."""
    places: dict[str, list[Section]] = {}
    for section in report.sections:
        places.setdefault(section.statement.place or "Statements", []).append(section)
    return places


def _contents(report: "Report") -> str:
    lines = ['<nav aria-label="Contents">']
    for place, sections in _places(report).items():
        lines.append(f"<h2>{html.escape(place)}</h2>\n<ol>")
        for section in sections:
            name = section.statement.name
            lines.append(f'<li><a href="#{anchor(name)}">{html.escape(name)}</a><i></i>{badge(section.verdict)}</li>')
        lines.append("</ol>")
    return "\n".join([*lines, "</nav>"])


def _not_tested(report: "Report") -> str:
    if not report.not_tested:
        return ""
    items = (
        f"<dt><code>{html.escape(names)}</code></dt>\n<dd>{render(why)}</dd>"
        for names, why in by_reason(report.not_tested)
    )
    return "\n".join(["<section>\n<h2>Not tested</h2>\n<dl>", *items, "</dl>\n</section>"])


def _references(report: "Report") -> str:
    """The publications that statements refer to: parts of a reference that have a year, or all of one without."""
    found: dict[str, None] = {}
    for section in report.sections:
        parts = section.statement.reference.split("; ")
        found |= dict.fromkeys([part for part in parts if _YEAR.search(part)] or parts)
    found.pop("", None)
    if not found:
        return ""
    items = (f"<li>{references(reference)}</li>" for reference in sorted(found))
    return "\n".join(["<section>\n<h2>References</h2>\n<ul>", *items, "</ul>\n</section>"])


def _how_to_read(report: "Report") -> str:
    return f"""<section>
<h2>How to read the tables</h2>
<dl>
<dt>Estimate ± standard error</dt>
<dd>The mean over independent trajectories; without an error where all trajectories have the same value.</dd>
<dt>Claimed</dt>
<dd>How the expectation lies to a value. “&lt;” and “&gt;” claim a difference, “≈” that there is none beyond the
margin.</dd>
<dt>z or p</dt>
<dd>z = (estimate &#8722; value) / standard error, after what floating-point errors may explain. An inequality is
contradicted by a large z on its wrong side only. For probabilities p, of the exact binomial test.</dd>
<dt>Detectable / margin</dt>
<dd>The smallest departure that would have been refuted with probability 0.9, and the smallest that matters:
where a claim states none, {number(100 * report.resolution, 3)}% of the value. A claim that is not shown to hold
outright is CONSISTENT only if the first is at most the second.</dd>
<dt>Trajectories</dt>
<dd>As many as the margin asks for, or as many as were given. A statement repeated on its own is judged among fewer
claims, so that fewer may do.</dd>
</dl>
</section>"""
