"""What figures of sweeps read off cells."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidInput, nearest
from jaxsgd.module import brief
from jaxsgd.plot import style
from jaxsgd.results.sweep_result import Cell
from jaxsgd.theory import exact_moments

_FAR = 1e3  # times the median: what is larger has run away, and would press all others together
_MOST_SLOW = 32  # cells of a figure whose exact moments take up to a second each


def is_number(value: Any) -> bool:
    """Whether a value has a place on a scale."""
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def numbers(cells: Sequence[Cell], axis: str) -> np.ndarray:
    """The number that each cell has on an axis.

    **Raises** `InvalidInput` if a cell has no such axis, or has something else there.
    """
    for cell in cells:
        if axis not in cell.point:
            of = f"family {cell.family!r}" if cell.family else "the sweep"
            raise InvalidInput(f"{of} has no axis {axis!r}; {nearest(axis, cell.point)}")
        if not is_number(cell.point[axis]):
            raise InvalidInput(f"axis {axis!r} must hold finite numbers to be drawn, got {brief(cell.point[axis])}")
    return np.array([cell.point[axis] for cell in cells], dtype=float)


def known(cell: Cell) -> xr.Dataset | None:
    """What theory knows of a cell; None where it knows nothing, or the cell's study is not at hand."""
    return None if cell.study is None else exact_moments.known(cell.study)


def affordable(cells: Sequence[Cell], lines: Sequence[np.ndarray]) -> np.ndarray:
    """Which cells of these lines to ask for exact moments: (cells,), true for a few of those that take long.

    - `lines`: the indices of the cells of each line, in the order of its values.
    """
    slow = np.array([_slow(cell) for cell in cells])
    asked = np.zeros(len(cells), bool)
    asked[np.concatenate(lines)] = True
    if np.count_nonzero(asked & slow) <= _MOST_SLOW:
        return asked
    asked &= ~slow
    crowded = [line[slow[line]] for line in lines if slow[line].any()]
    share = _MOST_SLOW // len(crowded)
    for line in crowded if share > 1 else []:
        asked[line[np.linspace(0, len(line) - 1, min(share, len(line))).round().astype(int)]] = True
    return asked


def _slow(cell: Cell) -> bool:
    """Whether the way to the exact moments of a cell may take seconds."""
    route = None if cell.study is None else exact_moments.route_of(cell.study)
    return route is not None and route.slow


def ceiling(means: np.ndarray) -> float:
    """Where the scale of these finite means ends: at the largest, or before those that have run away."""
    return float(min(means.max(), _FAR * np.median(means)) if means.min() > 0 else means.max())


def quantity(observable: str, step: int) -> str:
    """What is drawn, in words."""
    return f"mean {observable.replace('_', ' ')} at step {step:,}"


def mark(index: int) -> tuple[str, str]:
    """Colour and marker of one of several series; no two of the first 36 agree in both."""
    turns, colour = divmod(index, len(style.COLOURS))
    return style.COLOURS[colour], style.MARKERS[(colour + turns) % len(style.MARKERS)]
