"""The figure of exercise 4: the risk of tuned methods over the condition number."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from jaxsgd.plot import style
from jaxsgd.runs import simulation
from jaxsgd.verification.chapter import scaled_studies as scaled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAJECTORIES = 8192
COLOURS = (*style.COLOURS, "black")
HIGHEST = scaled.START**2
"""The risk at the start."""
LOWEST = 3e-3
_GAP = 0.055  # between labels, as a part of the height of the axes


def tuned(seed: int) -> "Figure":
    """E R(x_T) of each tuned method at each condition number."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    lines: dict[str, dict[int, tuple[float, float]]] = {name: {} for name in scaled.METHODS}
    for kappa in scaled.CONDITION_NUMBERS:
        # With the statistics that claims ask for, whose program is compiled already.
        found = simulation.simulate(
            scaled.all_tuned(kappa), TRAJECTORIES, seed, statistics=("extremes", "shape"), progress=False
        )
        end = found.dataset.isel(step=-1)
        for name, line in lines.items():
            line[kappa] = float(end[f"{name}_mean"]), float(end[f"{name}_sem"])
    draw(lines, TRAJECTORIES, figure.subplots())
    return figure


def draw(lines: Mapping[str, Mapping[int, tuple[float, float]]], trajectories: int, ax: "Axes") -> None:
    """Mean risks with their standard errors, by method and condition number; each line is labelled at its end."""
    ends = {}
    for i, (name, line) in enumerate(lines.items()):
        kappas, (risks, errors) = list(line), np.transpose(list(line.values()))
        marker = style.MARKERS[i % len(style.MARKERS)]
        style.points(ax, kappas, risks, errors, color=COLOURS[i], fmt=f"{marker}-")
        ends[name] = float(risks[-1]), COLOURS[i]
    ax.axhline(HIGHEST, color="0.6", linewidth=0.7, linestyle="--", zorder=0)
    ax.text(1, HIGHEST * 1.1, "risk at the start", color="0.4", fontsize="x-small", va="bottom")
    ax.set(xscale="log", yscale="log", ylim=(LOWEST, 2.2 * HIGHEST))
    ax.set_xlabel("condition number: the largest curvature over the smallest")
    ax.set_ylabel(f"expected risk after {scaled.T} updates, each method tuned")
    ax.spines[["top", "right"]].set_visible(False)
    _label(ends, ax)
    ax.text(0, 1.0, style.sample(trajectories), transform=ax.transAxes, va="bottom", fontsize="x-small")


def _label(ends: Mapping[str, tuple[float, str]], ax: "Axes") -> None:
    """Names beside the right ends of lines, moved apart where they would overlap."""
    low, high = np.log(ax.get_ylim())
    order = sorted(ends, key=lambda name: ends[name][0])
    heights = [(np.log(ends[name][0]) - low) / (high - low) for name in order]
    for i in range(1, len(order)):
        heights[i] = max(heights[i], heights[i - 1] + _GAP)
    heights[-1] = min(heights[-1], 1.0)
    for i in reversed(range(len(order) - 1)):
        heights[i] = min(heights[i], heights[i + 1] - _GAP)
    for name, height in zip(order, heights, strict=True):
        ax.text(1.01, height, name, transform=ax.transAxes, color=ends[name][1], va="center", fontsize="small")
