"""Exercise 4 of the chapter: which method is best where some coordinates have larger gradients, each tuned?

    python scripts/scaled_coordinates/study.py [--quick] [--out DIR]

Writes table.csv, summary.txt, a figure and settings.toml to DIR; a copy of the settings lies in the package, for the
report on the chapter.
"""

# ruff: noqa: E402 - the compiler's setting comes first

from jaxsgd import compiler

compiler.interleave()  # as the command line of jaxsgd does

import csv
import functools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import figures
import linear
import numpy as np
import typer

import jaxsgd as js
from jaxsgd.verification.chapter import scaled_studies as scaled

Row = dict[str, Any]


class Scale(NamedTuple):
    """How much is run: learning rates of each method, trajectories to tune with and to measure with."""

    rates: int
    tuning: int
    measuring: int


FULL = Scale(41, 2048, 16384)
QUICK = Scale(4, 256, 256)


def curvature_only(kappa: float) -> js.Study:
    """Unit noise and the same distance from the minimum in both coordinates: only the curvatures differ."""
    return scaled.in_other_units(kappa).replace(
        oracle=js.oracles.AdditiveNoise(js.problems.Quadratic(scaled.curvatures(kappa)), js.noise.Gaussian(std=1.0)),
        x0=[scaled.START, scaled.START],
    )


SETTINGS: dict[str, Callable[[float], js.Study]] = {
    "other units": scaled.in_other_units,
    "rotated": scaled.rotated,
    "curvature only": curvature_only,
}


def axes(count: int) -> dict[str, dict[str, Any]]:
    """What is searched for methods that have no exact moments."""
    adaptive = {"rate": np.geomspace(3e-3, 30.0, count), "final": [0.0, 1.0]}
    return {
        "Adagrad": adaptive,
        "RMSProp": adaptive | {"decay": [0.9, 0.99]},
        "Adam": adaptive | {"b1": [0.0, 0.9], "b2": [0.99, 0.999]},
        "sign SGD": adaptive,
    }


def quadratic(study: js.Study, preconditioned: bool = False) -> linear.Quadratic:
    """Curvatures, variances and start of a study that is not rotated; as preconditioning leaves them."""
    oracle: Any = study.oracle
    h, s, x0 = oracle.problem.hessian, np.broadcast_to(oracle.noise.std, 2) ** 2, np.asarray(study.x0)
    if preconditioned:  # sqrt(h) x
        h, s, x0 = np.ones(2), s / h, np.sqrt(h) * x0
    return linear.Quadratic(h, s, x0, study.steps)


@functools.cache
def best_linear(setting: str, kappa: float) -> dict[str, tuple[dict[str, float], float]]:
    """The best cell of each linear method, and its exact risk.

    A rotation is nothing to SGD and momentum: they have the cells and the risks of the same problem unrotated. The
    diagonal of the rotated Hessian is (1 + kappa) / 2 twice, so that preconditioning by it is SGD at another rate. None
    is simulated there: beyond the stability limit of a constant rate, where a falling one may begin, iterates grow by
    so many orders of magnitude that single precision keeps nothing of the flat direction.
    """
    if setting == "rotated":
        known = best_linear("other units", kappa)
        cell, risk = known["SGD"]
        return known | {"preconditioned": (cell | {"rate": float(f"{cell['rate'] * (1 + kappa) / 2:.6g}")}, risk)}
    study = SETTINGS[setting](kappa)
    cells = {
        "SGD": linear.best(quadratic(study), with_momentum=False),
        "momentum": linear.best(quadratic(study), with_momentum=True),
        "preconditioned": linear.best(quadratic(study, preconditioned=True), with_momentum=False),
    }
    exact = {name: js.theory.exact(scaled.run(study, name, **cell)) for name, (cell, _) in cells.items()}
    return {name: (cells[name][0], float(exact[name]["risk_mean"][-1])) for name in cells}


def rows(setting: str, kappa: float, scale: Scale) -> Iterator[Row]:
    """One row for each method: its best cell. What is simulated had no part in the choice."""
    study = SETTINGS[setting](kappa)
    makers = {name: lambda name=name, **point: scaled.run(study, name, **point) for name in scaled.METHODS}
    searched = {name: makers[name] for name in scaled.METHODS if name not in scaled.LINEAR}
    swept = js.sweep(searched, axes(scale.rates), scale.tuning, progress=False)
    within = {name: js.compare(swept, family=name) for name in searched}
    found, known = {name: one.leader.point for name, one in within.items()}, best_linear(setting, kappa)
    if setting != "rotated":
        found |= {name: cell for name, (cell, _) in known.items()}
    found = {name: found[name] for name in scaled.METHODS if name in found}
    fresh = js.sweep(
        {name: makers[name] for name in found},
        {name: {key: [value] for key, value in point.items()} for name, point in found.items()},
        scale.measuring,
        first_trajectory=scale.tuning,
        progress=False,
    )
    tuned = js.compare(fresh)
    measured = {
        str(cell.family): (float(tuned.means[i]), float(tuned.standard_errors[i])) for i, cell in enumerate(tuned.cells)
    }
    risks = {name: (known[name][1], 0.0) if name in known else measured[name] for name in scaled.METHODS}
    least, least_error = min(risks.values())
    for name, (risk, error) in risks.items():
        cell = known[name][0] if name in known else found[name]
        simulated = measured.get(name) if name in known else None
        yield {
            "setting": setting,
            "condition number": kappa,
            "method": name,
            "best cell": ", ".join(f"{key}={value:.6g}" for key, value in cell.items()),
            "risk": risk,
            "se": error,
            "exact": risk if name in known else None,
            "simulated": simulated and simulated[0],
            "z": simulated and (simulated[0] - risk) / simulated[1],
            "relative to best": risk / least,
            "may be best": risk - least <= 2 * np.hypot(error, least_error),
            "cells in set of method": len(within[name].members) if name in within else None,
            "cells": len(within[name].cells) if name in within else None,
            "at end of grid": " ".join(_at_ends(cell, [each.point for each in within[name].cells]))
            if name in within
            else "",
        }


def _at_ends(point: Mapping[str, Any], points: list[Mapping[str, Any]]) -> list[str]:
    """The axes on which a cell has the least or the largest value."""
    values = {name: [each[name] for each in points] for name in point}
    return [name for name, value in point.items() if value in (min(values[name]), max(values[name]))]


def summary(table: list[Row]) -> Iterator[str]:
    """For each setting and condition number the methods in order; rates at an end of their grid; the largest |z|."""
    for first in table[:: len(scaled.METHODS)]:
        same = [row for row in table if all(row[key] == first[key] for key in ("setting", "condition number"))]
        found = sorted(same, key=lambda row: row["risk"])
        texts = [f"{'*' if row['may be best'] else ''}{row['method']} {row['risk']:.4g}" for row in found]
        yield f"{first['setting']}, {first['condition number']:,}: {', '.join(texts)}"
    yield "* within two standard errors of the best; numbers are mean risks at the end, exact for linear methods"
    for name in ("other units", "curvature only"):
        for kappa in scaled.CONDITION_NUMBERS:
            cell, risk = linear.best(quadratic(SETTINGS[name](kappa)), with_momentum=True, velocity=True)
            texts = ", ".join(f"{key}={value:.4g}" for key, value in cell.items())
            yield f"momentum in torch's form, {name}, {kappa:,}: {risk:.4g} ({texts})"
    for row in table:
        if "rate" in row["at end of grid"]:
            where = ", ".join(str(row[key]) for key in ("setting", "condition number", "method"))
            yield f"learning rate at an end of its grid: {where}: {row['best cell']}"
    scores = [abs(row["z"]) for row in table if row["z"] is not None]
    yield f"largest |z| of {len(scores)} estimates with exact values: {max(scores):.2f}"


def settings(table: list[Row]) -> Iterator[str]:
    """The best cells, as a file of TOML."""
    yield "# Written by scripts/scaled_coordinates/study.py: what is best for each method at each condition number."
    for i, row in enumerate(table):
        place = f'"{row["setting"]}"."{row["method"]}"'
        if all(f'"{other["setting"]}"."{other["method"]}"' != place for other in table[:i]):
            yield f"\n[{place}]"
            mine = (other for other in table if all(other[key] == row[key] for key in ("setting", "method")))
            for other in mine:
                yield f"{other['condition number']} = {{ {other['best cell'].replace('=', ' = ')} }}"


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Run little, to see that it works.")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("scaled-coordinates-results"),
) -> None:
    """Tune seven methods on a quadratic at condition numbers from 1 to 10,000."""
    began, scale = time.perf_counter(), QUICK if quick else FULL
    out.mkdir(parents=True, exist_ok=True)
    table = [row for name in SETTINGS for kappa in scaled.CONDITION_NUMBERS for row in rows(name, kappa, scale)]
    with (out / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    lines = list(summary(table))
    (out / "summary.txt").write_text("\n".join(lines) + "\n")
    (out / "settings.toml").write_text("\n".join(settings(table)) + "\n")
    print(*lines, sep="\n")
    figures.tuned(table, scale.measuring).savefig(out / "tuned.png", dpi=110)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    typer.run(main)
