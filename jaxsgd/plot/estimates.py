"""Estimated means over steps."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from jaxsgd.plot import style
from jaxsgd.result import Result

_DENSER = 4  # records that lie so much denser at the start are on a scale of logarithms


def curves(
    result: Result, observables: Sequence[str] = ("risk",), exact: xr.Dataset | None = None, ax: Axes | None = None
) -> Axes:
    """The mean of each observable with a band of 2 standard errors, and the exact mean beside it.

    The result's quantiles are dotted lines on a lighter band. The scale of means is logarithmic if all
    are positive, that of steps if the records grow sparse.

    **Arguments**

    - `exact`: as of ``jaxsgd.theory.exact``; drawn dashed for the observables that it has.
    """
    ax = style.axes(ax)
    dataset, positive = result.dataset, True
    step = dataset["step"].values
    for index, name in enumerate(observables):
        colour, label = style.COLOURS[index % len(style.COLOURS)], _label(name)
        mean = dataset[f"{name}_mean"].values
        positive &= not (mean <= 0).any()
        ax.plot(step, mean, color=colour, label=label)
        error = 2 * dataset[f"{name}_sem"].values
        ax.fill_between(step, mean - error, mean + error, color=colour, alpha=0.35, linewidth=0)
        if f"{name}_quantile" in dataset:
            quantiles = dataset[f"{name}_quantile"].transpose("quantile", "step").values
            ax.fill_between(step, quantiles.min(axis=0), quantiles.max(axis=0), color=colour, alpha=0.12, linewidth=0)
            ax.plot(step, quantiles.T, ":", color=colour, linewidth=0.8)
    if exact is not None:
        known = [f"{name}_mean" for name in observables if f"{name}_mean" in exact]
        for index, name in enumerate(known):
            ax.plot(step, exact[name], "--", color="black", linewidth=1, label=None if index else "exact")
    if "quantile" in dataset:
        levels = ", ".join(f"{level:g}" for level in dataset["quantile"].values)
        ax.plot([], [], ":", color="0.4", linewidth=0.8, label=f"quantiles {levels}")
    if positive:
        ax.set_yscale("log")
    gaps = np.diff(step)
    if len(gaps) and gaps[-1] > _DENSER * gaps[0]:
        ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(left=0)
    else:
        ax.locator_params(axis="x", integer=True)
    ax.set(xlabel="step $s$", ylabel=f"mean of {result.trajectories:,} trajectories ± 2 standard errors")
    ax.legend(frameon=False, fontsize="small")
    return ax


def _label(name: str) -> str:
    quantity, of, average = name.partition("_of_")
    return quantity.replace("_", " ") + (f" of average {average}" if of else "")
