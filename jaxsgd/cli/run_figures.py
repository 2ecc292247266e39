"""The figures that ``jaxsgd run`` writes."""

import pathlib
import re
from collections.abc import Callable, Mapping

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import jaxsgd as js
from jaxsgd import plot
from jaxsgd.runs.comparison import Comparison

Drawings = Mapping[str, Callable[[Axes], object]]
"""What draws each figure, by the name of its file."""


def of_study(study: js.Study, result: js.Result, exact: xr.Dataset | None, folder: pathlib.Path) -> list[str]:
    """Write the figures that a study has and return their names.

    Paths are drawn for studies of two coordinates, distances where the minimiser is known, and learning rates where
    there is a schedule.
    """
    drawn = {"learning_rate.png": lambda ax: plot.schedule(study, ax=ax)} if study.schedule else {}
    for quantity, name in (("risk", "risk.png"), ("distance_squared", "distance.png")):
        observables = [each for each in study.observed if each == quantity or each.startswith(f"{quantity}_of_")]
        if observables:
            drawn[name] = lambda ax, observables=observables: plot.curves(result, observables, exact, ax=ax)
    if study.dimension == 2:
        drawn["paths.png"] = lambda ax: plot.paths(study, seed=result.seed, ax=ax)
    return _write(drawn, folder)


def of_sweep(result: js.SweepResult, compared: Mapping[str, Comparison], folder: pathlib.Path) -> list[str]:
    """Write the figures that the comparisons have and return their names.

    Of each compared observable the leading cells over steps, where there are several; besides, if one axis has several
    values and these are numbers, the mean over them; if more axes have, a heat map of the two with the most.
    """
    drawn: dict[str, Callable[[Axes], object]] = {}
    points = [cell.point for cell in result.cells]
    several = {name: len({point[name] for point in points}) for name in points[0]}
    axes = sorted((name for name, count in several.items() if count > 1), key=several.__getitem__, reverse=True)
    numbers = len(axes) == 1 and all(type(point[axes[0]]) in (int, float) for point in points)
    for observable, comparison in compared.items():
        stem = re.sub(r"[^\w.-]", "_", observable)
        if len(axes) > 1:
            drawn[f"{stem}_heatmap.png"] = lambda ax, one=comparison: plot.heatmap(one, *axes[:2], ax=ax)
        elif numbers:
            drawn[f"{stem}_sensitivity.png"] = lambda ax, name=observable: plot.sensitivity(
                result, axes[0], name, ax=ax
            )
        if len(result.layout.steps) > 1:
            drawn[f"{stem}_leaders.png"] = lambda ax, one=comparison: plot.leaders(result, one, ax=ax)
    return _write(drawn, folder)


def _write(drawn: Drawings, folder: pathlib.Path) -> list[str]:
    for name, draw in drawn.items():
        # Figures are made without pyplot: no window system, no global state.
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        draw(figure.subplots())
        figure.savefig(folder / name, dpi=160)
    return list(drawn)
