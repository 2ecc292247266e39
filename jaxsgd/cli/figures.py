"""The figures that ``jaxsgd run`` writes."""

import pathlib

import xarray as xr
from matplotlib.figure import Figure

import jaxsgd as js
from jaxsgd import plot


def write(study: js.Study, result: js.Result, exact: xr.Dataset | None, folder: pathlib.Path) -> list[str]:
    """Write the figures that the study has and return their names.

    Paths are drawn for studies of two coordinates, distances where the minimiser is known.
    """
    drawn = {"learning_rate.png": lambda ax: plot.schedule(study, ax=ax)}
    for quantity, name in (("risk", "risk.png"), ("distance_squared", "distance.png")):
        observables = [each for each in study.observed if each == quantity or each.startswith(f"{quantity}_of_")]
        if observables:
            drawn[name] = lambda ax, observables=observables: plot.curves(result, observables, exact, ax=ax)
    if study.dimension == 2:
        drawn["paths.png"] = lambda ax: plot.paths(study, seed=result.seed, ax=ax)
    for name, draw in drawn.items():
        # Figures are made without pyplot: no window system, no global state.
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        draw(figure.subplots())
        figure.savefig(folder / name, dpi=160)
    return list(drawn)
