"""How the best value of an axis depends on the number of steps."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.plot import cell_values as cells
from jaxsgd.plot import style
from jaxsgd.runs.comparison import Comparison

_APART = 1 / 40  # of the width, between the points of several series at one number of steps


def best_rate(
    comparisons: Sequence[Comparison] | Mapping[str, Sequence[Comparison]], axis: str, ax: Axes | None = None
) -> Axes:
    """The best value of an axis against the number of steps at which cells were compared, and a line of slope -1/2.

    Points are the values of the leaders; bars span those of all cells that may be the best. A point is hollow where
    the leader has the least or the largest value of its sweep: better ones may lie beyond. The line goes through the
    middle of all points.

    **Arguments**

    - `comparisons`: what [`jaxsgd.compare`][] returns at two steps or more; or several such lists by label, such as
      one for each family.
    - `axis`: the name of an axis of positive numbers, such as an initial learning rate.

    **Raises** `InvalidInput` or `InvalidType` if a sweep has no such axis, or a list has fewer than two steps or one
    of them twice.
    """
    series = comparisons if isinstance(comparisons, Mapping) else {"": comparisons}
    rows = {label: _rows(label, compared, axis) for label, compared in series.items()}
    if not rows:
        raise InvalidInput("best_rate needs at least one list of comparisons, got an empty dict")
    steps, best, *_, at_end = np.concatenate(list(rows.values()), axis=1)
    ends = np.array([steps.min(), steps.max()])
    apart = (ends[1] / ends[0]) ** _APART
    ax = style.axes(ax)
    for index, (label, (T, leader, least, largest, hollow)) in enumerate(rows.items()):
        colour, marker = cells.mark(index)
        x, inside = T * apart ** (index - (len(rows) - 1) / 2), hollow == 0
        ax.errorbar(x, leader, [leader - least, largest - leader], fmt="none", color=colour, linewidth=1, capsize=3)
        ax.plot(x, leader, marker, color=colour, markerfacecolor="white", zorder=3)
        ax.plot(x[inside], leader[inside], marker, color=colour, label=label or "leader", zorder=3)
    if at_end.any():
        ax.plot([], [], "o", color="0.35", markerfacecolor="white", label="at an end of its axis")
    middle = np.exp(np.mean(np.log(best * np.sqrt(steps))))
    ax.plot(ends, middle / np.sqrt(ends), "--", color="black", linewidth=1, label="slope $-1/2$")
    ax.set(xscale="log", yscale="log", xlabel="steps $T$")
    confidences = sorted({comparison.best.confidence for compared in series.values() for comparison in compared})
    sure = " to ".join(f"{100 * confidence:g}%" for confidence in dict.fromkeys((confidences[0], confidences[-1])))
    ax.set_ylabel(f"best {axis.replace('_', ' ')}\nbars span what may be the best ({sure})")
    ticks = np.unique(steps)
    ax.set_xticks(ticks, [f"{step:,.0f}" for step in ticks])
    ax.set_xticks([], minor=True)
    style.legend(ax)
    return ax


def _rows(label: str, comparisons: Sequence[Comparison], axis: str) -> np.ndarray:
    """In order of steps: step, the leader's value, least and largest value of the set, whether the leader is at an end.

    Of shape (5, comparisons).
    """
    if not (
        isinstance(comparisons, Sequence) and all(isinstance(comparison, Comparison) for comparison in comparisons)
    ):
        raise InvalidType("best_rate draws a list of what compare returns, or a dict of such lists by label")
    of = f" of {label!r}" if label else ""
    steps = [comparison.step for comparison in comparisons]
    if len(steps) < 2 or len(set(steps)) < len(steps):
        raise InvalidInput(f"the comparisons{of} must be at two different steps or more, got steps {steps}")
    found = []
    for comparison in sorted(comparisons, key=lambda comparison: comparison.step):
        values = cells.numbers(comparison.cells, axis)
        if values.min() <= 0:
            raise InvalidInput(f"axis {axis!r}{of} must be positive for a scale of logarithms, got {values.min():g}")
        leader, members = values[comparison.best.leader], values[comparison.best.members]
        at_end = leader in (values.min(), values.max())
        found.append((comparison.step, leader, members.min(), members.max(), at_end))
    return np.array(found, dtype=float).T
