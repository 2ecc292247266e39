"""The files of a report."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from jaxsgd.verification.page import file_name, page
from jaxsgd.verification.record import record
from jaxsgd.verification.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 150


def write(report: Report, folder: Path) -> list[Path]:
    """Write a report into a folder, which is made if need be.

    - `report.html`: all of it on one page that needs no network.
    - `verdicts.json`: the numbers, see [`jaxsgd.verification.record.record`][].
    - A PNG file for each statement that has a figure, under the statement's name.

    **Returns** the files written, in this order.

    **Raises** `OSError` if nothing can be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "report.html", folder / "verdicts.json"]
    # First what cost most: a figure that fails takes no verdict with it.
    written[1].write_text(json.dumps(record(report), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    images = {}
    for section in report.sections:
        if section.statement.figure is not None:
            images[section.statement.name] = _png(section.statement.figure(report.seed))
    for name, image in images.items():
        written.append(folder / file_name(name))
        written[-1].write_bytes(image)
    written[0].write_text(page(report, images), encoding="utf-8")
    return written


def _png(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()
