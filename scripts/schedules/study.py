"""Which learning-rate schedule is best once each is tuned, for the last iterate and for averages?

    python scripts/schedules/study.py [--quick] [--out DIR] [--part 1 | 2]

Writes tables and figures to DIR. An interrupted study goes on where it was: what is finished
lies in DIR/checkpoints until the end.
"""

# ruff: noqa: E402 - the compiler's setting comes first

from jaxsgd import compiler

compiler.interleave()  # as the command line of jaxsgd does

import contextlib
import csv
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import figures
import numpy as np
import other
import typer

import jaxsgd as js
from jaxsgd.results.sweep_result import Cell
from jaxsgd.runs.comparison import Comparison
from jaxsgd.theory.bounds import LastIterate, LastIterateAnySchedule, WeightedAverage

AVERAGES = {
    "uniform": js.averages.Uniform(),
    "eta": js.averages.StepSizeWeighted(),
    "suffix": js.averages.Suffix(0.5),
    "polynomial": js.averages.Polynomial(3.0),
}
OBSERVABLES = ("risk", *(f"risk_of_{name}" for name in AVERAGES))


Makers = Mapping[str, Callable[..., js.Study]]


class Scale(NamedTuple):
    """How much is run: the numbers of steps, initial rates of each family, trajectories of each cell."""

    horizons: tuple[int, ...]
    rates: int
    trajectories: int


FULL = Scale((50, 500, 5000), 40, 4096)
QUICK = Scale((10, 20), 4, 256)


class Setting(NamedTuple):
    """A problem with its start, and between what and what initial rates are searched, in terms of T."""

    problem: Any
    start: list[float]
    span: Callable[[int], tuple[float, float]]


SETTINGS = {
    "quadratic": Setting(js.problems.Quadratic(curvature=[2.0, 4.0]), [-5.0, -2.0], lambda T: (1.5 / T, 10.0)),
    "absolute value": Setting(js.problems.AbsoluteValue(), [5.0], lambda T: (3 / T, 20.0)),
}


def base(setting: Setting, steps: int) -> js.Study:
    """SGD with unit Gaussian noise, whose end is recorded; the learning rate is to be replaced."""
    return js.Study(
        oracle=js.oracles.AdditiveNoise(setting.problem, js.noise.Gaussian(std=1.0)),
        schedule=js.schedules.constant(0.1),
        x0=setting.start,
        steps=steps,
        averages=AVERAGES,
        record=js.record.at([steps]),
    )


def families(study: js.Study) -> Makers:
    """Makers of studies. Shapes are relative to the number of steps T and to the initial rate."""
    T, schedules = study.steps, js.schedules
    makers = {
        "constant": lambda initial: schedules.constant(initial),
        "piecewise": lambda initial, drops, factor: schedules.piecewise_constant(
            T / (drops + 1) * np.arange(1, drops + 1), initial * factor ** np.arange(drops + 1.0)
        ),
        "exponential": lambda initial, decay: schedules.exponential(initial, decay / T),
        "polynomial": lambda initial, power, rate: schedules.polynomial(initial, rate / T, power),
        "cosine": lambda initial, final: schedules.cosine(initial, T, final * initial),
        "linear": lambda initial: schedules.linear_decay(initial, T),
        "wsd": lambda initial, warmup, cooldown: schedules.wsd(initial, T, warmup * T, cooldown * T),
    }
    return {family: lambda make=make, **point: study.replace(schedule=make(**point)) for family, make in makers.items()}


SHAPES: dict[str, dict[str, list[float]]] = {
    "constant": {},
    "piecewise": {"drops": [2, 4, 8], "factor": [0.1, 0.3, 0.5]},
    "exponential": {"decay": [1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0]},
    "polynomial": {"power": [0.5, 1.0, 2.0, 4.0], "rate": [10.0, 100.0, 1000.0, 10_000.0]},
    "cosine": {"final": [0.0, 0.01, 0.1, 0.3]},
    "linear": {},
    "wsd": {"warmup": [0.01, 0.05], "cooldown": [0.1, 0.3, 0.6, 0.9]},
}


def known(study: js.Study, observable: str) -> tuple[float | None, float | None]:
    """The exact mean of an observable at the end; where there is none, the best bound on it, where there is one."""
    if observable == "risk" or isinstance(study.oracle.problem, js.problems.Quadratic):  # others: the last iterate only
        with contextlib.suppress(js.errors.NoExactSolution):
            exact = float(js.theory.exact(study)[f"{observable}_mean"][-1])
            return (None if np.isnan(exact) else exact), None
    if observable == "risk":
        # Bounds of the last iterate are of the last point with a gradient: of x_T, if there is one more update.
        study, theorems = study.replace(steps=study.steps + 1), [LastIterate(), LastIterateAnySchedule()]
    else:
        mine, theirs = (AVERAGES[name].mixing(study.learning_rates[:-1]) for name in (observable[8:], "eta"))
        theorems = [WeightedAverage()] if np.allclose(mine, theirs) else []
    # On |x|, E||g_t||^2 is 1 + 1 at every step; theory.bounds would find that by quadrature along the whole run.
    coefficients = [theorem.coefficients(study) for theorem in theorems]
    return None, min((c * float(study.x0[0]) ** 2 + 2 * a.sum() for c, a in coefficients), default=None)


def _at_ends(cell: Cell, cells: Sequence[Cell]) -> list[str]:
    """The axes on which a cell has the least or the largest value."""
    values = {name: [one.point[name] for one in cells] for name in cell.point}
    return [name for name, value in cell.point.items() if value in (min(values[name]), max(values[name]))]


class Found(NamedTuple):
    """Of one observable: all cells compared, each family alone, and the best of each on fresh trajectories."""

    overall: Comparison
    within: dict[str, Comparison]
    fresh: js.SweepResult
    tuned: Comparison


def find(swept: js.SweepResult, makers: Makers, observable: str) -> Found:
    """What js.tune does, with the fresh sweep at hand, for the standard errors of its means."""
    within = {family: js.compare(swept, observable, family=family) for family in SHAPES}
    best = {family: figures.axes_of(one.leader) for family, one in within.items()}
    count = swept.trajectories
    fresh = js.sweep(makers, best, count, first_trajectory=count, compare=OBSERVABLES, progress=False)
    return Found(js.compare(swept, observable), within, fresh, js.compare(fresh, observable))


def rows(problem: str, found: dict[str, Found]) -> Iterator[dict[str, Any]]:
    """One row for each iterate and family: the tuned cell, measured on fresh trajectories."""
    for observable, (overall, withins, fresh, tuned) in found.items():
        T, at_end = fresh.compared_step, fresh.dataset.isel(step=-1)
        hopeful = [cell.family for cell in overall.members]
        for i, cell in enumerate(tuned.cells):
            within, risk = withins[str(cell.family)], float(tuned.means[i])
            error = float(at_end[f"{observable}_sem"][i])
            exact, bound = known(cell.study, observable)
            yield {
                "problem": problem,
                "T": T,
                "iterate": observable.removeprefix("risk_of_") if observable != "risk" else "last",
                "family": cell.family,
                "best cell": cell.label.removeprefix(f"{cell.family}, "),
                "risk": risk,
                "se": error,
                "exact": exact,
                "bound": bound,
                "z": None if exact is None else (risk - exact) / error,
                "relative to best": risk / tuned.means[tuned.best.leader],
                "se relative": tuned.best.standard_error[i] / tuned.means[tuned.best.leader],
                "tuned may be best": bool(tuned.best.members[i]),
                "cells in set of all": hopeful.count(cell.family),
                "cells in set of family": len(within.members),
                "cells": len(within.cells),
                "at end of grid": " ".join(_at_ends(cell, within.cells)),
            }


def summary(table: list[dict[str, Any]]) -> Iterator[str]:
    """The best families of each iterate, what is at an end of the grid, and how far estimates are from exact values."""
    for first in table[:: len(SHAPES)]:
        same = [row for row in table if all(row[key] == first[key] for key in ("problem", "T", "iterate"))]
        found = sorted(same, key=lambda row: row["risk"])
        texts = [
            f"{'*' if row['tuned may be best'] else ''}{row['family']} {row['relative to best']:.3f}" for row in found
        ]
        yield f"{first['problem']}, T = {first['T']}, {first['iterate']}: {found[0]['risk']:.4g}; {', '.join(texts)}"
    yield "* tuned cells that may be the best (95%), on fresh trajectories; numbers are risks relative to the least one"
    for row in table:
        if "initial" in row["at end of grid"]:
            yield f"initial rate at an end of its grid: {', '.join(str(row[key]) for key in KEYS)}: {row['best cell']}"
    scores = [row for row in table if row["z"] is not None]
    worst = max(scores, key=lambda row: abs(row["z"]))
    yield f"largest |z| of {len(scores)} estimates with exact values: {abs(worst['z']):.2f}"


def draw(found: dict[tuple[str, int], dict[str, Found]], table: list[dict[str, Any]], scale: Scale, out: Path) -> None:
    """All figures."""
    short, middle = scale.horizons[:2]
    families_of = {key: families(base(SETTINGS[key[0]], key[1])) for key in found}
    rates_of = {
        (problem, observable): {
            family: [found[problem, T][observable].within[family] for T in scale.horizons] for family in SHAPES
        }
        for problem in SETTINGS
        for observable in ("risk", "risk_of_uniform")
    }
    ends = [
        (
            f"{problem}, T = {T}",
            observable,
            families_of[problem, T],
            found[problem, T][observable].tuned.cells,
            np.geomspace(*SETTINGS[problem].span(T), 20 if scale is FULL else 4),
            js.theory.stability_limit(SETTINGS[problem].problem) if problem == "quadratic" else None,
        )
        # Exact values of the other problem take a second for each cell at T = 500.
        for problem, T, observable in (
            ("quadratic", middle, "risk"),
            ("quadratic", middle, "risk_of_uniform"),
            ("absolute value", short, "risk"),
        )
    ]
    middles = {f"{problem}, T = {middle}": (problem, middle) for problem in SETTINGS}
    exponential = {title: found[key]["risk"].within["exponential"] for title, key in middles.items()}
    leading = {title: (families_of[key], found[key]["risk"].tuned.cells) for title, key in middles.items()}
    made = {
        "tuned": figures.relative(table),
        "best-rate": figures.best_rates(rates_of),
        "exponential": figures.heatmaps(exponential),
        "sensitivity": figures.sensitivities(ends),
        "over-steps": figures.over_steps(leading),
    }
    for name, figure in made.items():
        figure.savefig(out / f"{name}.png", dpi=110)


KEYS = ("problem", "T", "iterate", "family")


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Run little, to see that it works.")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("schedules-results"),
    part: Annotated[int | None, typer.Option(min=1, max=2, help="One part only; default both.")] = None,
) -> None:
    """Which schedule is best, once each is tuned?

    Part 1: seven families for two problems, five iterates and several numbers of steps. Part 2: warm-up, alternating
    rates, restarts and reduction on plateaus beside four of them, for three problems.
    """
    began = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    if part != 2:
        seven_families(QUICK if quick else FULL, out)
    if part != 1:
        other.run(quick, out)
    shutil.rmtree(out / "checkpoints")
    print(f"{time.perf_counter() - began:.0f} s")


def seven_families(scale: Scale, out: Path) -> None:
    """The first part."""
    table, found = [], {}
    for problem, setting in SETTINGS.items():
        for T in scale.horizons:
            rates = np.geomspace(*setting.span(T), scale.rates)
            makers = families(base(setting, T))
            swept = js.sweep(
                makers,
                {family: {"initial": rates, **shape} for family, shape in SHAPES.items()},
                scale.trajectories,
                compare=OBSERVABLES,
                checkpoint=out / "checkpoints" / f"{problem}-{T}",
            )
            found[problem, T] = {observable: find(swept, makers, observable) for observable in OBSERVABLES}
            table += rows(problem, found[problem, T])
    with (out / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    lines = list(summary(table))
    (out / "summary.txt").write_text("\n".join(lines) + "\n")
    print(*lines, sep="\n")
    draw(found, table, scale, out)


if __name__ == "__main__":
    typer.run(main)
