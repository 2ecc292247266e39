"""Many verdicts at a glance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput, InvalidType, nearest
from jaxsgd.plot import style

_CLIP, _TIP = 4.0, 4.15  # where intervals end, and their arrows stand
_ROW, _FRAME, _WIDTH = 0.19, 0.9, 8.0  # inches: one row, all that is not rows, the figure
_TALL = 30  # rows from which the scale is written at the top too
_MARKS: dict[str, dict[str, Any]] = {
    "CONSISTENT": {"marker": "o", "color": style.COLOURS[2]},
    "REFUTED": {"marker": "X", "color": style.COLOURS[1]},
    "INCONCLUSIVE": {"marker": "s", "color": style.COLOURS[0], "markerfacecolor": "white"},
}


def verdicts(
    names: Sequence[str], departures: Any, lower: Any, upper: Any, outcomes: Sequence[str], ax: Axes | None = None
) -> Axes:
    """A forest plot: for each claim (estimate - value) / margin with its interval, and the verdict.

    One row a claim, the first on top; departures up to the margin are shaded. What lies beyond +-4 is drawn
    at +-4, intervals with an arrow, estimates with their number beside the verdict. A new figure is as high
    as its rows need.

    **Arguments**

    - `names`: of the claims, k of them.
    - `departures`, `lower`, `upper`: (k,), estimates and limits in units of the margin. Limits may be infinite;
      NaN where there is no estimate, which is then not drawn.
    - `outcomes`: (k,), "CONSISTENT", "REFUTED" or "INCONCLUSIVE".

    **Raises** `InvalidInput` or `InvalidType` if they do not fit.
    """
    names, outcomes = [*map(str, names)], [*map(str, outcomes)]
    columns = _columns(len(names), departures=departures, lower=lower, upper=upper)
    if not names or len(outcomes) != len(names):
        raise InvalidInput(f"names and outcomes must be as many, at least 1, got {len(names)} and {len(outcomes)}")
    for outcome in outcomes:
        if outcome not in _MARKS:
            raise InvalidInput(f"there is no outcome {outcome!r}; {nearest(outcome, _MARKS)}")
    ax = style.axes(ax, (_WIDTH, _FRAME + _ROW * len(names)))
    ax.axvspan(-1, 1, color="0.9", linewidth=0, zorder=0)
    ax.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    for row, (departure, low, high, outcome) in enumerate(zip(*columns, outcomes, strict=True)):
        mark = _MARKS[outcome]
        ax.plot(np.clip([low, high], -_CLIP, _CLIP), [row, row], color=mark["color"], linewidth=1.2)
        for beyond, arrow, tip in ((low < -_CLIP, "<", -_TIP), (high > _CLIP, ">", _TIP)):
            if beyond:
                ax.plot(tip, row, arrow, color=mark["color"], markersize=5)
        ax.plot(np.clip(departure, -_CLIP, _CLIP), row, linestyle="none", markersize=6, **mark)
        number = "" if abs(departure) <= _CLIP else " no estimate" if np.isnan(departure) else f" {departure:+.3g}"
        text = outcome + number
        ax.text(
            1.01,
            row,
            text,
            transform=ax.get_yaxis_transform(),
            va="center_baseline",
            fontsize="small",
            color=mark["color"],
        )
    ax.set_yticks(range(len(names)), names, fontsize="small")
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labeltop=len(names) > _TALL)
    ax.set(xlim=(-1.1 * _CLIP, 1.1 * _CLIP), ylim=(len(names) - 0.5, -0.5))
    ax.set_xlabel("(estimate $-$ value) / margin, with simultaneous intervals")
    return ax


def _columns(rows: int, **given: Any) -> list[np.ndarray]:
    """Arrays of numbers (rows,), not all of them finite, with lower <= upper."""
    columns = []
    for name, value in given.items():
        try:
            columns.append(np.asarray(value, np.float64))
        except (TypeError, ValueError) as error:
            raise InvalidType(f"{name} must be numbers, got {value!r}") from error
        if columns[-1].shape != (rows,):
            raise InvalidInput(f"{name} must have shape {(rows,)}, one number a name, got {columns[-1].shape}")
    crossed = np.flatnonzero(columns[1] > columns[2])
    if crossed.size:
        row = crossed[0]
        raise InvalidInput(f"lower must not exceed upper, got {columns[1][row]:g} and {columns[2][row]:g} in row {row}")
    return columns
