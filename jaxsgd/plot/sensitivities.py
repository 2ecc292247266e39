"""What becomes of a final quantity when a number is swept."""

import dataclasses
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput, InvalidType, finite_array, integer, nearest, scalar
from jaxsgd.plot import cell_values as cells
from jaxsgd.plot import style
from jaxsgd.results.sweep_result import Cell, SweepResult

_EXACT: dict[str, Any] = {"linestyle": "--", "color": "black", "linewidth": 1, "label": "exact"}
_DIVERGED, _ABOVE = "X", "^"  # marks of cells that have no place on the scale


def against(
    values: Any,
    estimates: Any,
    standard_errors: Any,
    exact_values: Any = None,
    exact: Any = None,
    *,
    xlabel: str,
    trajectories: int,
    ylabel: str = r"expected risk $\mathbb{E}\,R(x_T)$",
    limit: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Estimates against a swept number, with error bars, and the exact curve with its minimiser, if that is inside.

    The scale of each axis is logarithmic where what it shows is positive and spans more than a decade.

    **Arguments**

    - `values`, `estimates`, `standard_errors`: (k,), in any order.
    - `exact_values`, `exact`: (m,), the exact curve; both or neither.
    - `trajectories`: of each estimate.
    - `limit`: a stability limit, drawn as a vertical line.

    **Raises** `InvalidInput` or `InvalidType` if the arrays are not finite or do not fit.
    """
    x, y, error = _columns(values=values, estimates=estimates, standard_errors=standard_errors)
    if error.min() < 0:
        raise InvalidInput(f"standard_errors must not be negative, got {error.min():g}")
    count = integer("trajectories", trajectories, at_least=2)
    if (exact_values is None) != (exact is None):
        raise InvalidInput("exact_values and exact make one curve: pass both or neither")
    curve = None if exact is None else _columns(exact_values=exact_values, exact=exact)
    end = None if limit is None else float(scalar("limit", limit))
    ax = style.axes(ax)
    style.points(ax, x, y, error, color=style.COLOURS[0], label=style.sample(count))
    horizontal, vertical = x, y
    if curve is not None:
        known, truth = (column[np.argsort(curve[0])] for column in curve)
        least = truth.argmin()
        ax.plot(known, truth, **_EXACT)
        if 0 < least < len(truth) - 1:  # at an end, the least value is that of the range, not of the curve
            label = f"least {truth[least]:.3g}, at {known[least]:.3g}"
            ax.plot(known[least], truth[least], "*", color=style.COLOURS[1], markersize=11, label=label)
        horizontal, vertical = np.append(x, known), np.append(y, truth)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    _finish(ax, horizontal, vertical, end)
    return ax


def sensitivity(
    swept: SweepResult, axis: str, observable: str = "risk", limit: float | None = None, ax: Axes | None = None
) -> Axes:
    """The mean of an observable at the compared step against one swept number, such as the learning rate.

    Each family and each combination of the other axes has points with error bars of its own, joined by a solid line,
    or by a dashed one of the exact means of the cells where there are any. Those that are found by quadrature, which
    may take a second each, are asked for at no more than 32 cells of a figure, spread evenly over the values of each
    line, and at none where that is fewer than two a line. Above the axes, crosses in the same colours are cells that
    diverged, and triangles those whose mean is above 1000 times the median. Scales are as in
    [`jaxsgd.plot.against`][].

    **Arguments**

    - `swept`: what [`jaxsgd.sweep`][] returns.
    - `axis`: the name of an axis of numbers, which all families have.
    - `observable`: any that was recorded.
    - `limit`: a stability limit, drawn as a vertical line.

    **Raises** `InvalidInput` or `InvalidType` if the sweep lacks the axis or the observable, or all cells diverged.
    """
    if not isinstance(swept, SweepResult):
        raise InvalidType(f"sensitivity draws what sweep returns, got {type(swept).__name__}")
    x = cells.numbers(swept.cells, axis)
    count = integer("trajectories", swept.trajectories, at_least=2)
    if observable not in swept.layout.observed:
        raise InvalidInput(f"the sweep has no mean of {observable!r}; {nearest(observable, swept.layout.observed)}")
    end = None if limit is None else float(scalar("limit", limit))
    at = swept.dataset.sel(step=swept.compared_step)
    mean, error = (at[f"{observable}_{what}"].values.ravel() for what in ("mean", "sem"))
    diverged = ~(np.isfinite(mean) & np.isfinite(error))
    if diverged.all():
        raise InvalidInput("every cell has diverged: there is no mean to draw")
    top = cells.ceiling(mean[~diverged])
    above = ~diverged & (mean > top)
    series = _series(swept, axis).items()
    lines = {label: np.array(members)[np.argsort(x[members], kind="stable")] for label, members in series}
    asked = cells.affordable(swept.cells, [order[~diverged[order]] for order in lines.values()])
    exact = np.full(len(x), np.nan)
    for index in np.flatnonzero(asked):
        exact[index] = _exact(swept.cells[index], observable, swept.compared_step)

    ax = style.axes(ax)
    rows = 0
    for number, (label, order) in enumerate(lines.items()):
        finite, outside = order[~diverged[order]], order[diverged[order] | above[order]]
        colour, marker = cells.mark(number)
        look = {"color": colour, "linewidth": 1, "linestyle": "none" if np.isfinite(exact[finite]).any() else "-"}
        ax.plot(x[finite], mean[finite], marker=marker, markersize=5, label=label or style.sample(count), **look)
        style.points(ax, x[finite], mean[finite], error[finite], color=colour, fmt="none")
        known = finite[asked[finite]]
        ax.plot(x[known], exact[known], "--", color=colour, linewidth=1)
        for index in outside:
            place = {"transform": ax.get_xaxis_transform(), "clip_on": False}
            mark = _DIVERGED if diverged[index] else _ABOVE
            ax.plot(x[index], 1.03 + 0.04 * rows, mark, color=colour, markersize=5, **place)
        rows += bool(outside.size)
    if np.isfinite(exact[~diverged]).any():
        ax.plot([], [], **_EXACT)
    for which, mark, what in ((diverged, _DIVERGED, "diverged"), (above, _ABOVE, f"above {top:.3g}")):
        if which.any():
            ax.plot([], [], mark, color="0.35", markersize=5, label=what)
    ax.set(xlabel=axis.replace("_", " "), ylabel=cells.quantity(observable, swept.compared_step))
    # Beside the axes: several lines leave no room inside.
    beside = {"title": style.sample(count).replace(" ±", "\n±"), "loc": "upper left", "bbox_to_anchor": (1, 1)}
    _finish(ax, x, mean[~diverged], end, **(beside if len(lines) > 1 else {}))
    if above.any():
        ax.set_ylim(mean[~diverged].min() / 2, top)
    return ax


def _series(swept: SweepResult, axis: str) -> dict[str, list[int]]:
    """The cells of each line: all that differ on the axis only, under what they share."""
    series: dict[str, list[int]] = {}
    for index, cell in enumerate(swept.cells):
        rest = {name: value for name, value in cell.point.items() if name != axis}
        series.setdefault(dataclasses.replace(cell, point=rest).label, []).append(index)
    return series


def _exact(cell: Cell, observable: str, step: int) -> float:
    """The exact mean of a cell; NaN where there is none."""
    known, name = cells.known(cell), f"{observable}_mean"
    return float(known[name].sel(step=step)) if known is not None and name in known else np.nan


def _finish(ax: Axes, x: np.ndarray, y: np.ndarray, limit: float | None, **legend: Any) -> None:
    """The stability limit, the scales for what was drawn, the legend."""
    if limit is not None:
        ax.axvline(limit, color="0.35", linestyle=":", label=f"stability limit {limit:g}")
    if style.decades(x):
        ax.set_xscale("log")
    if style.decades(y):
        ax.set_yscale("log")
    inside = {"loc": "best" if limit is None else "upper center"}  # between two walls
    style.legend(ax, alignment="left", **(inside | legend))


def _columns(**given: Any) -> list[np.ndarray]:
    """Arrays of one length, at least 1."""
    arrays = [finite_array(name, value) for name, value in given.items()]
    shapes = [array.shape for array in arrays]
    if len(set(shapes)) > 1 or arrays[0].ndim != 1 or not arrays[0].size:
        raise InvalidInput(f"{', '.join(given)} must have one shape (k,), k at least 1, got {shapes}")
    return arrays
