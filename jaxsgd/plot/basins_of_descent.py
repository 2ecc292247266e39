"""Where gradient descent ends."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from jaxsgd.plot import style
from jaxsgd.problems import Problem
from jaxsgd.theory import Landscape, gradient_descent

_SETTLED = 1e-3  # an update that moves x by less


def basin_map(
    problem: Problem,
    landscape: Landscape,
    starts: Any,
    learning_rates: Any,
    steps: int = 500,
    ax: Axes | None = None,
) -> Axes:
    """In which cell of a landscape gradient descent ends, over its start and its constant learning rate.

    A cell is the interval between the maxima around a minimum, and has a colour. It is pale where the iterate
    ends in the cell but does not come to rest, as on a cycle; white where it ends outside the landscape. Dashed lines
    are the maxima; a bar over each minimum is its limit 2 / R''.

    **Arguments**

    - `problem`, `landscape`: of one coordinate; what [`jaxsgd.theory.landscape`][] finds of it.
    - `starts` (n,), `learning_rates` (m,): increasing; the latter on a scale of logarithms.
    - `steps`: of gradient descent, in float64.
    """
    starts, rates = np.asarray(starts, np.float64), np.asarray(learning_rates, np.float64)
    end = gradient_descent(problem, starts, rates[:, None], steps)
    after = gradient_descent(problem, np.where(np.isfinite(end), end, 0.0), rates[:, None], 1)
    cells = np.where(np.isfinite(end), landscape.basin(np.nan_to_num(end)), -1)
    settled = np.abs(after - end) < _SETTLED
    ax = style.axes(ax)
    colours = np.ones((*cells.shape, 3))
    for cell in range(len(landscape.minima)):
        strong = np.array(to_rgb(colour_of(cell)))
        colours[(cells == cell) & settled] = 0.35 + 0.65 * strong
        colours[(cells == cell) & ~settled] = 0.75 + 0.25 * strong
    ax.pcolormesh(starts, rates, colours, shading="nearest", rasterized=True)
    for place in landscape.maxima:
        ax.axvline(place, color="0.4", linewidth=0.7, linestyle="--")
    for place, limit in zip(landscape.minima, landscape.learning_rate_limits, strict=True):
        ax.plot(place + np.array([-0.6, 0.6]), [limit, limit], color="black", linewidth=1.5)
    ax.set(xlabel="start", ylabel=r"constant learning rate $\eta$", yscale="log")
    ax.set(xlim=starts[[0, -1]], ylim=rates[[0, -1]])
    return ax


def colour_of(cell: int) -> str:
    """That of a minimum, by its number in the landscape."""
    return style.COLOURS[cell % len(style.COLOURS)]
