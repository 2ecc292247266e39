"""The files of a report."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxsgd.verification.pages.page import file_name, page
from jaxsgd.verification.pages.verdicts_json import as_data

if TYPE_CHECKING:
    from jaxsgd.verification.report import Report, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 150


def write(report: "Report", folder: Path) -> list[Path]:
    """Write a report into a folder, which is made if need be.

    - `report.html`: all of it on one page that needs no network.
    - `verdicts.json`: the numbers, see [`jaxsgd.verification.pages.verdicts_json.as_data`][].
    - A PNG file for each statement, under its name: its figure, or where it has none its claims, each estimate
      with its interval in units of the margin.

    **Returns** the files written, in this order.

    **Raises** `OSError` if nothing can be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "report.html", folder / "verdicts.json"]
    # First what cost most: a figure that fails takes no verdict with it.
    written[1].write_text(json.dumps(as_data(report), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    images = {}
    for section in report.sections:
        draw = section.statement.figure
        if draw is None and not section.findings:
            continue
        images[section.statement.name] = _png(_forest(section) if draw is None else draw(report.seed))
    for name, image in images.items():
        written.append(folder / file_name(name))
        written[-1].write_bytes(image)
    written[0].write_text(page(report, images), encoding="utf-8")
    return written


def _forest(section: "Section") -> "Figure":
    """The claims of a section, (estimate - value) / margin."""
    from matplotlib.figure import Figure

    from jaxsgd import plot

    def departures(numbers: Sequence[float]) -> list[float]:
        return [(x - f.claim.value) / f.measurement.margin for x, f in zip(numbers, section.findings, strict=True)]

    figure = Figure(figsize=(8.0, 0.9 + 0.19 * max(len(section.findings), 2)), layout="constrained")
    plot.verdicts(
        [finding.claim.name for finding in section.findings],
        departures([finding.measurement.estimate for finding in section.findings]),
        departures([finding.judgement.lower for finding in section.findings]),
        departures([finding.judgement.upper for finding in section.findings]),
        [str(finding.verdict) for finding in section.findings],
        ax=figure.subplots(),
    )
    return figure


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()
