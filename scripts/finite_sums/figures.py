"""The figures of the study."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxsgd.plot.style import COLOURS, MARKERS


def orders(found: Mapping[str, Any], problems: Mapping[str, Any]) -> Figure:
    """Excess risk against epochs, each order with the rate that is best at the end."""
    figure, axes = plt.subplots(1, len(found), figsize=(12, 5), layout="constrained")
    for ax, (name, tuned) in zip(axes, found.items(), strict=True):
        dataset, problem = tuned.fresh.dataset, problems[name]
        for i, cell in enumerate(tuned.fresh.cells):
            mean, error = (dataset[f"risk_{kind}"].values[i] for kind in ("mean", "sem"))
            look = {"color": COLOURS[i], "fmt": f"{MARKERS[i]}-", "markersize": 4, "capsize": 2, "linewidth": 1.2}
            ax.errorbar(dataset.step / problem.examples, mean - problem.minimum, 2 * error, label=cell.family, **look)
        ax.set(xscale="log", yscale="log", xlabel="gradients of examples / n, the number of epochs")
        ax.set_title(f"{name}, n = {problem.examples}, d = {problem.features.shape[1]}", fontsize="medium")
        _plain(ax)
    axes[0].set_ylabel(f"$\\mathbb{{E}}\\,R(x_s) - R^*$, {tuned.fresh.trajectories:,} trajectories ± 2 standard errors")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6, frameon=False)
    return figure


def batches(table: Sequence[Mapping[str, Any]], epochs: int) -> Figure:
    """Excess risk at equal cost against the size of a batch."""
    names = list(dict.fromkeys(row["data"] for row in table))
    figure, axes = plt.subplots(1, len(names), figsize=(11, 4.2), layout="constrained")
    for row in table:
        ax, which = axes[names.index(row["data"])], int(row["family"] == "reshuffled")
        label = row["family"] if row["batch"] == 1 else None
        x, y, error = row["batch"] * 1.06**which, row["excess risk"], 2 * row["se"]
        ax.errorbar(x, y, error, label=label, **_look(which, row["may be best"]))
    for ax, name in zip(axes, names, strict=True):
        ax.set(xscale="log", yscale="log", xlabel="examples in a batch, b", title=name)
        ticks = sorted({row["batch"] for row in table})
        ax.set_xticks(ticks, map(str, ticks))
        ax.set_xticks([], minor=True)
        _plain(ax)
    axes[0].set_ylabel(f"excess risk after {epochs} epochs,\neach at its best rate ± 2 standard errors")
    axes[0].legend(frameon=False, fontsize="small")
    return figure


def averages(table: Sequence[Mapping[str, Any]], epochs: int) -> Figure:
    """Excess risk of the last iterate and of averages, by schedule and order."""
    names, families, iterates = (
        list(dict.fromkeys(row[key] for row in table)) for key in ("data", "family", "iterate")
    )
    figure, axes = plt.subplots(1, len(names), figsize=(12, 4.6), sharey=True, layout="constrained")
    for row in table:
        ax, which = axes[names.index(row["data"])], iterates.index(row["iterate"])
        y = families.index(row["family"]) + 0.17 * (which - (len(iterates) - 1) / 2)
        ax.errorbar(row["excess risk"], y, xerr=2 * row["se"], **_look(which, row["may be best"]))
    for ax, name in zip(axes, names, strict=True):
        ax.set(xscale="log", yticks=range(len(families)), yticklabels=families)
        ax.set_title(name, fontsize="medium")
        _plain(ax)
    axes[0].invert_yaxis()
    for which, iterate in enumerate(iterates):
        name = iterate if iterate == "last" else f"{iterate} average"
        axes[0].plot([], [], MARKERS[which], color=COLOURS[which], label=name)
    figure.legend(
        loc="outside upper center", ncols=4, frameon=False, title="filled: may be the best of the data set (95%)"
    )
    figure.supxlabel(
        f"excess risk after {epochs} epochs, at the best rate of each ± 2 standard errors", fontsize="medium"
    )
    return figure


def _look(which: int, filled: bool) -> dict[str, Any]:
    """A point with its bar."""
    face = COLOURS[which] if filled else "white"
    look = {"color": COLOURS[which], "markerfacecolor": face, "fmt": MARKERS[which]}
    return look | {"markersize": 6, "capsize": 2, "linewidth": 1}


def _plain(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
