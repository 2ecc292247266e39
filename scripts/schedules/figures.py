"""The figures of the study."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import jaxsgd as js
from jaxsgd.plot.style import COLOURS, MARKERS
from jaxsgd.results.sweep_result import Cell
from jaxsgd.runs.comparison import Comparison

Makers = Mapping[str, Callable[..., js.Study]]


def axes_of(cell: Cell) -> dict[str, list[Any]]:
    """The axes of a sweep of this cell alone."""
    return {name: [value] for name, value in cell.point.items()}


def _plain_ticks(ax: Axes) -> None:
    """Ticks of ratios that span less than some decades, as plain numbers."""
    low, high = ax.get_xlim()
    if high / low < 30:
        ticks = [tick for tick in (1, 1.2, 1.5, 2, 3, 4, 5, 7, 10) if tick < high][:: 1 if high < 4 else 2]
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.set_xticks([], minor=True)


def _ratio(
    ax: Axes, row: Mapping[str, Any], families: Sequence[str], horizons: Sequence[int], bar: Any, filled: bool
) -> None:
    """The ratio of one tuned family to the best one at one horizon, with limits."""
    which = horizons.index(row["T"])
    y = families.index(row["family"]) + 0.22 * (which - (len(horizons) - 1) / 2)
    face = COLOURS[which] if filled else "white"
    look = {"color": COLOURS[which], "markerfacecolor": face, "markersize": 5, "capsize": 2, "linewidth": 1}
    ax.errorbar(row["relative to best"], y, xerr=bar, fmt=MARKERS[which], **look)


def _dress_ratios(
    figure: Figure, axes: np.ndarray, titles: Sequence[str], size: str, families: Sequence[str], horizons: Sequence[int]
) -> None:
    """What panels of ratios have in common."""
    for title, ax in zip(titles, axes.flat, strict=True):
        ax.axvline(1, color="0.6", linewidth=0.7, zorder=0)
        ax.set(xscale="log", yticks=range(len(families)), yticklabels=families)
        ax.set_title(title, fontsize=size)
        ax.spines[["top", "right"]].set_visible(False)
        _plain_ticks(ax)
    axes[0, 0].invert_yaxis()
    for which, T in enumerate(horizons):
        axes[0, 0].plot([], [], MARKERS[which], color=COLOURS[which], label=f"T = {T}")
    figure.legend(loc="outside upper center", ncols=3, frameon=False, title="filled: may be the best (95%)")


def relative(table: Sequence[Mapping[str, Any]]) -> Figure:
    """Risks of tuned families relative to the best one."""
    problems, iterates, families, horizons = (
        list(dict.fromkeys(row[key] for row in table)) for key in ("problem", "iterate", "family", "T")
    )
    shape = len(problems), len(iterates)
    figure, axes = plt.subplots(*shape, figsize=(13, 6.5), sharey=True, layout="constrained", squeeze=False)
    for row in table:
        ax = axes[problems.index(row["problem"]), iterates.index(row["iterate"])]
        _ratio(ax, row, families, horizons, 2 * row["se relative"], row["tuned may be best"])
    titles = [f"{problem}, {each}{'' if each == 'last' else ' average'}" for problem in problems for each in iterates]
    _dress_ratios(figure, axes, titles, "small", families, horizons)
    figure.supxlabel("risk relative to the best family ± 2 standard errors of the paired difference", fontsize="medium")
    return figure


def best_rates(withins: Mapping[tuple[str, str], Mapping[str, Sequence[Comparison]]]) -> Figure:
    """Best initial rates against the number of steps, of the last iterate and of the uniform average."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 9), layout="constrained", squeeze=False)
    for ax, ((problem, observable), series) in zip(axes.flat, withins.items(), strict=True):
        js.plot.best_rate(series, "initial", ax=ax)
        ax.set_title(f"{problem}, {observable.replace('_', ' ')}", fontsize="medium")
        ax.get_legend().remove()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    return figure


def heatmaps(comparisons: Mapping[str, Comparison]) -> Figure:
    """One family, two of its arguments."""
    figure, axes = plt.subplots(1, len(comparisons), figsize=(12, 4.2), layout="constrained")
    for ax, (title, comparison) in zip(axes, comparisons.items(), strict=True):
        js.plot.heatmap(comparison, ax=ax)
        ax.set_title(f"{title}, {comparison.leader.family}", fontsize="medium", pad=24)
    return figure


def sensitivities(panels: Sequence[tuple[str, str, Makers, Sequence[Cell], Any, float | None]]) -> Figure:
    """Risk at the end against the initial rate, each family in the shape of its tuned cell."""
    figure, axes = plt.subplots(len(panels), 1, figsize=(9.5, 4.4 * len(panels)), layout="constrained")
    for ax, (title, observable, makers, cells, rates, limit) in zip(axes, panels, strict=True):
        around = {str(cell.family): axes_of(cell) | {"initial": rates} for cell in cells}
        swept = js.sweep(makers, around, 4096, compare=[observable], progress=False)
        js.plot.sensitivity(swept, "initial", observable, limit=limit, ax=ax)
        ax.set_xlabel(f"initial rate; {title}")  # above the axes are the marks of cells that diverged
    return figure


def over_steps(panels: Mapping[str, tuple[Makers, Sequence[Cell]]]) -> Figure:
    """The risk of the last iterate over steps, of the cells that are best at the end."""
    figure, axes = plt.subplots(1, len(panels), figsize=(12, 5.5), layout="constrained")
    for ax, (title, (makers, cells)) in zip(axes, panels.items(), strict=True):
        point = {str(cell.family): axes_of(cell) for cell in cells}
        recording = {
            family: lambda make=makers[family], **values: make(**values).replace(
                averages={}, record=js.record.log_spaced(60)
            )
            for family in point
        }
        swept = js.sweep(recording, point, 4096, progress=False)
        js.plot.leaders(swept, js.compare(swept), most=6, ax=ax)
        ax.set_title(title, fontsize="medium")
    return figure


def other(table: Sequence[Mapping[str, Any]]) -> Figure:
    """The second part: excess risks of tuned families relative to the best one."""
    problems, horizons, families = (
        list(dict.fromkeys(row[key] for row in table)) for key in ("problem", "T", "family")
    )
    figure, axes = plt.subplots(1, len(problems), figsize=(12, 4.6), sharey=True, layout="constrained", squeeze=False)
    for row in table:
        bar = [[row["relative to best"] - row["lower"]], [row["upper"] - row["relative to best"]]]
        _ratio(axes[0, problems.index(row["problem"])], row, families, horizons, bar, row["may be best"])
    _dress_ratios(figure, axes, problems, "medium", families, horizons)
    figure.supxlabel("excess risk relative to the best family, with simultaneous 95% limits", fontsize="medium")
    return figure
