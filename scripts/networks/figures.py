"""Figures of the study of networks, from its tables.

python scripts/networks/figures.py [DIR]
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

COLOURS = {"SGD": "#0072B2", "momentum": "#56B4E9", "Adam": "#D55E00", "AdamW": "#E69F00"}
LINES = {"cosine": "-", "WSD": "--"}


def draw(tables: dict[str, Any], out: Path) -> None:
    """All figures."""
    sensitivity(tables, out)
    seeds_and_averages(tables, out)


def sensitivity(tables: dict[str, Any], out: Path) -> None:
    """Mean test risk against the learning rate."""
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for family in dict.fromkeys(row["family"] for row in tables["swept"]):
        name, shape = family.split(", ")
        cells = [row for row in tables["swept"] if row["family"] == family]
        rate, mean, sem = (np.array([row[key] for row in cells], float) for key in ("rate", "last", "last_sem"))
        axes.plot(rate, mean, LINES[shape], color=COLOURS[name], marker=".", label=family)
        axes.fill_between(rate, mean - 2 * sem, mean + 2 * sem, color=COLOURS[name], alpha=0.2, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="mean test risk of the last iterate")
    axes.set_title(
        f"{tables['runs']} networks at each rate, {tables['steps']} updates; bands of 2 standard errors", size=9
    )
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8, loc="lower left")
    figure.savefig(out / "rates.png", dpi=150)
    plt.close(figure)


def seeds_and_averages(tables: dict[str, Any], out: Path) -> None:
    """The distribution over seeds at the best rates; and what averages gain."""
    rows, count = tables["fresh"], len(tables["fresh"])
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
    for place, row in enumerate(rows):
        name = row["family"].split(", ")[0]
        low, first, median, third, high = row["quantiles"]
        left.plot([low, high], [place, place], color=COLOURS[name], linewidth=1.5)
        left.plot([first, third], [place, place], color=COLOURS[name], linewidth=6, solid_capstyle="butt")
        left.plot(median, place, "|", color="white", markersize=7)
    left.set_yticks(range(count), [f"{row['family']}, {row['rate']:.2g}" for row in rows], size=8)
    left.invert_yaxis()
    left.set_xlabel("test risk of the last iterate over seeds\n(5 to 95%, quarters, median)", size=9)
    for shift, name, marker in ((-0.12, "ema", "o"), (0.12, "suffix", "s")):
        mean, sem = (np.array([row[key] for row in tables["gains"]]) for key in (name, f"{name}_sem"))
        label = {"ema": "exponential average, 0.99", "suffix": "average of the last quarter"}[name]
        right.errorbar(
            mean,
            np.arange(count) + shift,
            xerr=2 * sem,
            fmt=marker,
            markersize=4,
            label=label,
            color="0.2" if name == "ema" else "0.6",
        )
    right.axvline(0, color="black", linewidth=0.8)
    right.set_xlabel("test risk of the average minus that of the last iterate\n(paired, +- 2 standard errors)", size=9)
    right.locator_params(axis="x", nbins=6)
    right.legend(fontsize=8, loc="center right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.suptitle(f"{tables['runs']} fresh networks of each family at its best rate", size=10)
    figure.savefig(out / "seeds.png", dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "results"
    draw(json.loads((folder / "tables.json").read_text()), folder)
