"""Probabilities of the parts of a partition over time."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput, nearest
from jaxsgd.plot import style
from jaxsgd.results.result import Result


def occupancy(result: Result, parts: Sequence[str], exact: xr.DataArray | None = None, ax: Axes | None = None) -> Axes:
    """The probability of each part over steps: points with exact limits of confidence 0.95, and exact lines.

    **Arguments**

    - `result`: of ``simulate(..., probabilities=js.partition(...))``.
    - `parts`: names of the events.
    - `exact`: what [`jaxsgd.theory.MarkovKernel.probabilities`][] returns for the same parts.

    **Raises** `InvalidInput` if the result has no event of a name.
    """
    events = [str(name).removesuffix("_probability") for name in result.dataset if str(name).endswith("_probability")]
    for name in parts:
        if name not in events:
            raise InvalidInput(f"the result has no event {name!r}; {nearest(name, events)}")
    ax = style.axes(ax)
    for index, name in enumerate(parts):
        colour, marker = style.COLOURS[index % len(style.COLOURS)], style.MARKERS[index % len(style.MARKERS)]
        share, low, high = (result.dataset[f"{name}_probability{what}"].values for what in ("", "_lower", "_upper"))
        bars = np.maximum([share - low, high - share], 0)
        look = {"fmt": marker, "markersize": 4, "linewidth": 1, "capsize": 2}
        ax.errorbar(result.dataset["step"], share, yerr=bars, color=colour, label=name, **look)
        if exact is not None:
            ax.plot(exact["step"], exact.sel(region=name), color=colour, linewidth=1, zorder=1)
    style.over_steps(ax, result.dataset["step"].values)
    ax.set_ylabel(f"probability ({result.trajectories:,} trajectories, 95% limits)")
    style.legend(ax)
    return ax
