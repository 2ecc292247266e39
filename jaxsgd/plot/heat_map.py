"""Two axes of a sweep at once."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle

from jaxsgd.errors import InvalidInput, InvalidType, nearest
from jaxsgd.plot import cell_values as cells
from jaxsgd.plot import style
from jaxsgd.runs.comparison import Comparison

_LABELS = 8  # values written along a side, no more
_MOST_CHARACTERS = 36  # of values that stand side by side; more are slanted


def heatmap(comparison: Comparison, x: str | None = None, y: str | None = None, ax: Axes | None = None) -> Axes:
    """The mean of each cell over two axes of a sweep as a colour, and which cells may be the best.

    The star is the leader, circles are the other members of the confidence set of the best; hatched cells diverged.
    Of a sweep with more axes the plane through the leader is drawn: on all others cells have the leader's values.
    The legend states these, and how many cells outside the plane may be the best. The scale of colours is logarithmic
    if the means are positive and span more than a decade; it ends at 1000 times their median. Numbers with nearly
    equal ratios are on a logarithmic scale, other values side by side.

    **Arguments**

    - `comparison`: what [`jaxsgd.compare`][] returns, of one family.
    - `x`, `y`: names of axes; may be left out if just two have several values.

    **Raises** `InvalidInput` or `InvalidType` if there are several families, no two axes with several values, more
    than two of which none are named, or no axis of a name.
    """
    if not isinstance(comparison, Comparison):
        raise InvalidType(f"heatmap draws what compare returns, got {type(comparison).__name__}")
    x, y = _sides(comparison, x, y)
    best, leader = comparison.best, comparison.leader.point
    others = {name: value for name, value in leader.items() if name not in (x, y)}
    shown = {
        index: cell.point
        for index, cell in enumerate(comparison.cells)
        if all(cell.point[name] == value for name, value in others.items())
    }
    across, up = (_Side([point[name] for point in shown.values()]) for name in (x, y))
    places = {index: (across.values.index(point[x]), up.values.index(point[y])) for index, point in shown.items()}
    means = np.ma.masked_all((len(up.values), len(across.values)))
    for index, (i, j) in places.items():
        if not best.divergent[index]:
            means[j, i] = comparison.means[index]

    ax = style.axes(ax)
    _colours(ax, across, up, means, comparison)
    rivals = [place for index, place in places.items() if best.members[index] and index != best.leader]
    _marks(ax, across, up, [places[best.leader]], "*", markersize=14, label="leader")
    _marks(ax, across, up, rivals, "o", markersize=7, label=f"may be the best ({100 * best.confidence:g}%)")
    _hatches(ax, across, up, [place for index, place in places.items() if best.divergent[index]])
    across.label(ax, "x", x)
    up.label(ax, "y", y)
    elsewhere = int(best.members.sum()) - len(rivals) - 1
    title = ", ".join(f"{name} = {_text(value)}" for name, value in others.items())
    title += f"; {elsewhere} of the other cells may be the best too" if elsewhere else ""
    above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0, "ncols": 3}  # there it hides no cell
    style.legend(ax, title=title or None, alignment="left", **above)
    return ax


class _Side:
    """The values along one side, numbers in order, and where their cells lie."""

    def __init__(self, values: Sequence[Any]) -> None:
        distinct = [value for index, value in enumerate(values) if value not in values[:index]]
        numbers = all(map(cells.is_number, distinct))
        self.values = sorted(distinct) if numbers else distinct
        self.logarithmic = numbers and _geometric(self.values)
        at = np.log(self.values) if self.logarithmic else np.arange(len(self.values), dtype=float)
        gaps = np.diff(at) if len(at) > 1 else np.ones(1)
        edges = np.concatenate([at[:1] - gaps[0] / 2, at[:-1] + np.diff(at) / 2, at[-1:] + gaps[-1] / 2])
        self.centres, self.edges = (np.exp(at), np.exp(edges)) if self.logarithmic else (at, edges)

    def label(self, ax: Axes, which: Literal["x", "y"], name: str) -> None:
        """The scale, the name and the values at the axis "x" or "y"."""
        ax.set(**{f"{which}label": name.replace("_", " ")})
        if self.logarithmic:
            ax.set(**{f"{which}scale": "log"})
        if not self.logarithmic or len(self.values) <= _LABELS:
            every = slice(None, None, -(-len(self.values) // _LABELS))
            texts = [_text(value) for value in self.values[every]]
            ax.set(**{f"{which}ticks": self.centres[every], f"{which}ticklabels": texts})
            ax.tick_params(which, which="minor", length=0, labelleft=False, labelbottom=False)
            if which == "x" and sum(map(len, texts)) > _MOST_CHARACTERS:
                ax.tick_params("x", labelrotation=45)


def _colours(ax: Axes, across: _Side, up: _Side, means: np.ma.MaskedArray, comparison: Comparison) -> None:
    """The means as colours, and their scale."""
    finite = means.compressed()
    highest = cells.ceiling(finite)
    norm = (LogNorm if style.decades(finite) else Normalize)(finite.min(), highest)
    mesh = ax.pcolormesh(across.edges, up.edges, means, norm=norm, edgecolors="white", linewidth=0.5)
    bar = ax.figure.colorbar(mesh, ax=ax, extend="max" if finite.max() > highest else "neither")
    bar.set_label(f"{cells.quantity(comparison.observable, comparison.step)}\n{comparison.trajectories:,} trajectories")


def _marks(ax: Axes, across: _Side, up: _Side, places: Sequence[tuple[int, int]], marker: str, **options: Any) -> None:
    """White marks in these cells, if there are any."""
    if places:
        i, j = np.transpose(places)
        look = {"markerfacecolor": "white", "markeredgecolor": "black"}
        ax.plot(across.centres[i], up.centres[j], marker, **look, **options)


def _hatches(ax: Axes, across: _Side, up: _Side, places: Sequence[tuple[int, int]]) -> None:
    """Grey cells, with one label for all."""
    for number, (i, j) in enumerate(places):
        corner = across.edges[i], up.edges[j]
        size = across.edges[i + 1] - corner[0], up.edges[j + 1] - corner[1]
        look = {"facecolor": "0.92", "edgecolor": "0.6", "linewidth": 0, "hatch": "////"}
        ax.add_patch(Rectangle(corner, *size, label=None if number else "diverged", **look))


def _sides(comparison: Comparison, x: str | None, y: str | None) -> tuple[str, str]:
    """The names of the two axes that are drawn."""
    families = dict.fromkeys(str(cell.family) for cell in comparison.cells)
    if len(families) > 1:
        raise InvalidInput(f"a heatmap is of one family, got {', '.join(families)}: sweep them apart")
    point = comparison.leader.point
    given = [name for name in (x, y) if name is not None]
    for name in given:
        if name not in point:
            raise InvalidInput(f"the sweep has no axis {name!r}; {nearest(name, point)}")
    varied = [name for name in point if any(cell.point[name] != point[name] for cell in comparison.cells)]
    free = [name for name in varied if name not in given]
    if len(set(given)) < len(given) or len(given) + len(free) < 2:
        raise InvalidInput(f"a heatmap needs two axes, got {', '.join(given) or varied}; plot.sensitivity draws one")
    if len(given) < 2 < len(given) + len(free):
        raise InvalidInput(
            f"the sweep has the axes {', '.join(varied)}: name two, as x= and y=; on the others cells have the "
            "values of the leader"
        )
    x = free.pop(0) if x is None else x
    return x, free[0] if y is None else y


def _geometric(values: Sequence[float]) -> bool:
    """Whether numbers in order span more than a decade, and ratios of neighbours are alike."""
    if not style.decades(values):
        return False
    gaps = np.diff(np.log(values))
    return bool(gaps.max() <= 2 * gaps.min())


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
