"""Which cells of a sweep may be the best, for people and for programs."""

import csv
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import jaxsgd as js
from jaxsgd.cli.terminal import number, print_table
from jaxsgd.runs.comparison import Comparison
from jaxsgd.theory.exact_moments import known

_MOST, _OTHERS = 12, 3  # cells that are shown, and those of them that cannot be the best
_TABLE = "comparison.csv"


def compare(result: js.SweepResult) -> tuple[dict[str, Comparison], dict[str, str]]:
    """The comparison for each compared observable, or why there is none."""
    compared, reasons = {}, {}
    for name in result.compared:
        try:
            compared[name] = js.compare(result, name)
        except js.errors.InvalidInput as error:  # all cells diverged, or there is one trajectory
            reasons[name] = str(error)
    return compared, reasons


def write(result: js.SweepResult, compared: Mapping[str, Comparison], folder: pathlib.Path) -> list[str]:
    """Write all comparisons to a table with a row for each observable and cell; the name of its file, if there are any.

    Its columns are the observable, the axes, the mean with its standard error, and those of
    [`jaxsgd.runs.comparison.Comparison.dataset`][], where the `standard_error` is that of the difference.
    """
    if not compared:
        return []
    with (folder / _TABLE).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        for index, (observable, comparison) in enumerate(compared.items()):
            table = comparison.dataset.rename(standard_error="standard_error_of_difference")
            columns = {"mean": table["mean"].values, "standard_error": _errors(result, comparison)}
            columns |= {str(name): column.values for name, column in table.items() if name != "mean"}
            if index == 0:
                rows.writerow(["observable", *comparison.cells[0].point, *columns])
            for cell, *numbers in zip(comparison.cells, *(column.tolist() for column in columns.values()), strict=True):
                rows.writerow([observable, *cell.point.values(), *numbers])
    return [_TABLE]


def summarise(
    result: js.SweepResult, axes: Mapping[str, Sequence[Any]], compared: Mapping[str, Comparison]
) -> dict[str, Any]:
    """What `summary.json` says of a sweep; None (null) where a number is not known or not finite.

    - `axes`, `cells`, `trajectories` of each cell, `seed`, `common_random_numbers`, `device`, `precision`, `versions`:
      what was run, and on what.
    - `trajectory_steps`: of all cells together.
    - `step`: at which cells are compared.
    - `comparisons`: for each compared observable how many cells `may_be_best` with the stated `confidence`; how many
      trajectories `more` of each cell would separate the leader from the others; and the `leading` cells with their
      `cell`, `mean`, `standard_error`, `exact` mean, `difference` to the first of them with simultaneous limits,
      `lower` and `upper`, and whether it is one that `may_be_best`.
    - `diverged`: the cells with a trajectory that was not finite at the last recorded step.

    The command adds the `study_file`, why there is `no_comparison`, how many `seconds` the simulation took, and the
    `folder` and the `files` in it.
    """
    attributes = result.dataset.attrs
    return {
        "axes": {name: list(values) for name, values in axes.items()},
        "cells": len(result.cells),
        "trajectories": result.trajectories,
        "seed": result.seed,
        "common_random_numbers": result.shares_draws,
        **{name: attributes[name] for name in ("device", "precision")},
        "versions": {name: attributes[name] for name in ("jaxsgd", "python", "jax", "jaxlib", "numpy", "equinox")},
        "trajectory_steps": result.trajectories * sum(cell.study.steps for cell in result.cells if cell.study),
        "step": result.compared_step,
        "comparisons": {name: _summary(result, comparison) for name, comparison in compared.items()},
        "diverged": result.diverged,
    }


def _summary(result: js.SweepResult, comparison: Comparison) -> dict[str, Any]:
    best, name = comparison.best, comparison.observable
    errors = _errors(result, comparison)
    order = np.argsort(np.where(best.divergent, np.inf, comparison.means), kind="stable")
    members = int(best.members.sum())
    shown = order[: min(members + _OTHERS, _MOST, int((~best.divergent).sum()))]
    return {
        "confidence": best.confidence,
        "may_be_best": members,
        "more": _finite(comparison.to_separate),
        "leading": [
            {
                "cell": dict(comparison.cells[i].point),
                "mean": _finite(comparison.means[i]),
                "standard_error": _finite(errors[i]),
                "exact": _exact(comparison.cells[i].study, name, comparison.step),
                "difference": _finite(best.difference[i]),
                "lower": _finite(best.lower[i]),
                "upper": _finite(best.upper[i]),
                "may_be_best": bool(best.members[i]),
            }
            for i in shown
        ],
    }  # fmt: skip


def _errors(result: js.SweepResult, comparison: Comparison) -> np.ndarray:
    """The standard error of the mean of each cell."""
    return result.dataset[f"{comparison.observable}_sem"].sel(step=comparison.step).values.ravel()


def _exact(study: js.Study | None, observable: str, step: int) -> float | None:
    exact, name = None if study is None else known(study), f"{observable}_mean"
    return None if exact is None or name not in exact else _finite(exact[name].sel(step=step))


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def show(found: Mapping[str, Any]) -> None:
    """Print a summary: a table for each compared observable, and a few lines."""
    cells, count = found["cells"], found["trajectories"]
    print(f"{found['study_file']}: {cells:,} cells of {count:,} trajectories, seed {found['seed']}")
    for name, comparison in found["comparisons"].items():
        _show(comparison, f"{name} at step {found['step']}", cells)
    lines = [f"no comparison of {name}: {reason}" for name, reason in found["no_comparison"].items()]
    diverged = found["diverged"]
    if diverged:
        lines.append(f"{len(diverged):,} of {cells:,} cells diverged, the first: {diverged[0]}")
    rate = found["trajectory_steps"] / found["seconds"]
    lines.append(f"{found['seconds']:.2f} s, {rate:.3g} trajectory-steps per second, compilation included")
    lines.append(f"written to {found['folder']}: {', '.join(found['files'])}")
    for line in lines:
        print(line)


def _show(comparison: Mapping[str, Any], what: str, cells: int) -> None:
    """Print the leading cells, those that may be the best with a star, and what would tell these apart."""
    members, confidence, leading = (comparison[key] for key in ("may_be_best", "confidence", "leading"))
    which = "the first is the best" if members == 1 else f"{members:,} of {cells:,} cells may be the best"
    print(f"{what}: {which} (*, confidence {confidence:g})")
    rows = []
    for index, row in enumerate(leading):
        label = ", ".join(f"{name}={_text(value)}" for name, value in row["cell"].items())
        numbers = [(row["mean"], ".6g"), (row["standard_error"], ".2g"), (row["exact"], ".6g")]
        numbers += [(row[key], "+.3g") for key in ("difference", "lower", "upper")] if index else []
        texts = ["-" if value is None else format(value, style) for value, style in numbers]
        rows.append(["*" if row["may_be_best"] else "", label, *texts])
    columns = ("mean", "standard error", "exact", "to the first", "at least", "at most")
    print_table(["", "cell", *map(number, columns)], rows)
    if len(leading) < cells:
        print(f"{_TABLE} has all {cells:,} cells")
    if members > 1:
        more = comparison["more"]
        amount = "no number of" if more is None else f"some {more:,.0f} more"
        print(f"{amount} trajectories of each cell would separate the first from its closest rival")


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
