"""Exercise 4 of the chapter: which method is best where some coordinates have larger gradients, each tuned?

    python scripts/scaled_coordinates/study.py [--quick] [--out DIR]

Writes table.csv, summary.txt, a figure and settings.toml to DIR; a copy of the settings lies in the package, for the
report on the chapter.
"""

# ruff: noqa: E402 - the compiler's setting comes first

from jaxsgd import compiler

compiler.interleave()  # as the command line of jaxsgd does

import csv
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import figures
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


def axes(setting: str, kappa: float, count: int) -> dict[str, dict[str, Any]]:
    """What is searched, up to `over` times the learning rate at which a constant one is no longer stable.

    That is 2 / h_max, and 2 (1 + b) / h_max with momentum b. A rate that falls to 0 may begin at nearly twice as much:
    what grows at first shrinks later, on balance if eta_0 h < 4, since the mean of log|1 - eta_t h| over half a cosine
    is log(eta_0 h / 4) where eta_0 h >= 1. In rotated coordinates single precision does not survive that.
    """
    turned = setting == "rotated"
    over = 0.98 if turned else 1.95
    preconditioned = 2 * kappa / (1 + kappa) if turned else 1.0  # its largest curvature
    shape = {"final": [0.0, 1.0]}
    adaptive = {"rate": np.geomspace(3e-3, 30.0, count)} | shape
    return {
        "SGD": {"rate": np.geomspace(0.01, 2 * over, count) / kappa} | shape,
        "momentum": {"rate": np.geomspace(0.005, 3.9 * over, count) / kappa} | shape
        | {"momentum": [0.3, 0.5, 0.7, 0.8, 0.9, 0.95]},
        "preconditioned": {"rate": np.geomspace(0.01, 2 * over, count) / preconditioned} | shape,
        "Adagrad": adaptive,
        "RMSProp": adaptive | {"decay": [0.9, 0.99]},
        "Adam": adaptive | {"b1": [0.0, 0.9], "b2": [0.99, 0.999]},
        "sign SGD": adaptive,
    }  # fmt: skip


def rows(setting: str, kappa: float, scale: Scale) -> Iterator[Row]:
    """One row for each method: the cell that is best, measured on trajectories that had no part in the choice."""
    study = SETTINGS[setting](kappa)
    makers = {name: lambda name=name, **point: scaled.run(study, name, **point) for name in scaled.METHODS}
    swept = js.sweep(makers, axes(setting, kappa, scale.rates), scale.tuning, progress=False)
    within = {name: js.compare(swept, family=name) for name in scaled.METHODS}
    best = {name: {key: [value] for key, value in one.leader.point.items()} for name, one in within.items()}
    fresh = js.sweep(makers, best, scale.measuring, first_trajectory=scale.tuning, progress=False)
    tuned = js.compare(fresh)
    for i, cell in enumerate(tuned.cells):
        name = str(cell.family)
        risk, error = float(tuned.means[i]), float(tuned.standard_errors[i])
        exact = float(js.theory.exact(cell.study)["risk_mean"][-1]) if name in scaled.LINEAR else None
        yield {
            "setting": setting,
            "condition number": kappa,
            "method": name,
            "best cell": ", ".join(f"{key}={value:.4g}" for key, value in cell.point.items()),
            "risk": risk,
            "se": error,
            "exact": exact,
            "z": None if exact is None else (risk - exact) / error,
            "relative to best": risk / tuned.means[tuned.best.leader],
            "may be best": bool(tuned.best.members[i]),
            "cells in set of method": len(within[name].members),
            "cells": len(within[name].cells),
            "at end of grid": " ".join(_at_ends(cell.point, [each.point for each in within[name].cells])),
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
    yield "* may be the best of the tuned methods (95%), on fresh trajectories; numbers are mean risks at the end"
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
