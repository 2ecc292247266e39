"""The second part of the study: warm-up, alternating rates, restarts and reduction on plateaus, each tuned.

Its families, problems and grids are those of the chapter's report, `jaxsgd.verification.chapter.schedule_families`.
"""

import csv
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import figures
import numpy as np

import jaxsgd as js
from jaxsgd.runs.comparison import Comparison
from jaxsgd.verification.chapter.schedule_families import (
    GRIDS,
    PAIRS,
    PROBLEMS,
    Difference,
    T,
    base,
    families,
    first_rates,
)


class Scale(NamedTuple):
    """How much is run: the numbers of steps, initial rates of each family, trajectories of each cell."""

    horizons: tuple[int, ...]
    rates: int
    trajectories: int


FULL = Scale((T, 500), 24, 4096)
QUICK = Scale((T,), 3, 256)
FINER = 15


class Found(NamedTuple):
    """The best cell of each family, on fresh trajectories: their sweep, and how they compare."""

    swept: js.SweepResult
    comparison: Comparison


def tuned(problem: str, steps: int, scale: Scale, checkpoint: Path) -> Found:
    """Choose the best cell of each family, and run it on four times as many trajectories that had no part in that.

    It is chosen from a grid, and then its first rate from `FINER` between those beside it.
    """
    rates, makers = first_rates(problem, steps, scale.rates), families(base(problem, steps))
    ratio = rates[1] / rates[0]

    def best(axes: dict[str, dict[str, Any]], **options: Any) -> dict[str, dict[str, Any]]:
        with warnings.catch_warnings():  # of tails and rounding: they make the choice less good, and are told of below
            warnings.simplefilter("ignore")
            swept = js.sweep(makers, axes, scale.trajectories, memory=2**31, **options)
        return {family: figures.axes_of(js.compare(swept, "risk", family=family).leader) for family in axes}

    coarse = best({family: {"initial": rates, **shape} for family, shape in GRIDS.items()}, checkpoint=checkpoint)
    around = np.geomspace(1 / ratio, ratio, FINER)
    fine = best({family: point | {"initial": point["initial"][0] * around} for family, point in coarse.items()})
    fresh = js.sweep(makers, fine, 4 * scale.trajectories, first_trajectory=scale.trajectories, progress=False)
    return Found(fresh, js.compare(fresh, "risk"))


def known(study: js.Study) -> float | None:
    """The exact E R at the end; that of |x| is found by quadrature, which takes seconds for many steps."""
    try:
        return float(js.theory.exact(study)["risk_mean"][-1])
    except js.errors.NoExactSolution:
        return None


def rows(problem: str, steps: int, found: Comparison, scale: Scale) -> Iterator[dict[str, Any]]:
    """One row for each family: excess risks, and differences to the best with their standard errors."""
    minimum, best = base(problem, steps).oracle.problem.minimum, found.best
    first = first_rates(problem, steps, scale.rates)
    least = float(found.means[best.leader]) - minimum
    for i, cell in enumerate(found.cells):
        exact, error, shapes = known(cell.study), float(found.standard_errors[i]), GRIDS[str(cell.family)]
        yield {
            "problem": problem,
            "T": steps,
            "family": cell.family,
            "best cell": cell.label.removeprefix(f"{cell.family}, "),
            "excess risk": float(found.means[i]) - minimum,
            "se": error,
            "exact": None if exact is None else exact - minimum,
            "z": None if exact is None else (float(found.means[i]) - exact) / error,
            "relative to best": (float(found.means[i]) - minimum) / least,
            "lower": 1 + float(best.lower[i]) / least,
            "upper": 1 + float(best.upper[i]) / least,
            "may be best": bool(best.members[i]),
            "cells": scale.rates * int(np.prod([len(values) for values in shapes.values()])),
            "at end of grid": " ".join(
                name
                for name, value in cell.point.items()
                if (name == "initial" and not first[0] < value < first[-1])
                or (name != "initial" and value in (min(shapes[name]), max(shapes[name])))
            ),
        }


def pairs(problem: str, steps: int, found: Found) -> dict[str, Difference]:
    """Of each pair of tuned families the paired difference of their risks, on fresh trajectories."""
    minimum = base(problem, steps).oracle.problem.minimum
    risks = dict(zip(GRIDS, found.swept.values("risk").astype(np.float64), strict=True))
    made = {}
    for one, other in PAIRS.items():
        values = risks[one] - risks[other]
        mean, error = values.mean(), values.std(ddof=1) / len(values) ** 0.5
        share = mean / (risks[other].mean() - minimum)
        made[one] = Difference(mean, mean - 1.96 * error, mean + 1.96 * error, share)
    return made


def sentences(problem: str, steps: int, found: Found) -> Iterator[str]:
    """The differences in words."""
    for one, difference in pairs(problem, steps, found).items():
        low, high = (limit * difference.share / difference.mean for limit in (difference.low, difference.high))
        yield (
            f"{problem}, T = {steps}: {one} against {PAIRS[one]}: {difference.share:+.1%} "
            f"[{low:+.1%}, {high:+.1%}] of the latter's excess risk"
        )


def toml(found: dict[tuple[str, int], Found]) -> str:
    """The tuned numbers for the report's number of updates, and the differences."""

    def row(name: str, numbers: Mapping[str, Any]) -> str:
        inside = ", ".join(f"{key} = {float(f'{value:.4g}'):g}" for key, value in numbers.items())
        return f'"{name}" = {{ {inside} }}'

    lines = [f"# The tuned numbers of each family, for {T} updates. Made by scripts/schedules/study.py."]
    for problem in PROBLEMS:
        one = found[problem, T]
        lines += ["", f'["{problem}".tuned]', *(row(str(cell.family), cell.point) for cell in one.comparison.cells)]
        of_pairs = pairs(problem, T, one).items()
        lines += ["", f'["{problem}".differences]', *(row(name, each._asdict()) for name, each in of_pairs)]
    return "\n".join(lines) + "\n"


def run(quick: bool, out: Path) -> None:
    """Tune nine families on three problems; writes other.csv, other.txt, other.png and tuned_schedules.toml."""
    scale = QUICK if quick else FULL
    found = {
        (problem, steps): tuned(problem, steps, scale, out / "checkpoints" / f"other-{problem}-{steps}")
        for problem in PROBLEMS
        for steps in scale.horizons
    }
    table = [row for (problem, steps), one in found.items() for row in rows(problem, steps, one.comparison, scale)]
    with (out / "other.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    lines = [line for (problem, steps), one in found.items() for line in sentences(problem, steps, one)]
    (out / "other.txt").write_text("\n".join(lines) + "\n")
    print(*lines, sep="\n")
    (out / "tuned_schedules.toml").write_text(toml(found))
    figures.other(table).savefig(out / "other.png", dpi=110)
