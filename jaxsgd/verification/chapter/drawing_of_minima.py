"""The figures of exercise 5: each a function of the seed."""

import functools
from typing import TYPE_CHECKING

import numpy as np

from jaxsgd import plot, record, start
from jaxsgd.plot import style
from jaxsgd.plot.basins_of_descent import colour_of
from jaxsgd.runs import simulation
from jaxsgd.runs.trajectories import sample_paths, trajectory_values
from jaxsgd.verification.chapter import rippled_studies as rippled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAJECTORIES = 2**14
LEAVING, LEAVING_STEPS = 1024, 5000
"""Trajectories for each size of the noise, and updates after which all but one in 4000 have left."""
MINIMA = tuple(map(rippled.in_words, rippled.NAMES))
RATES = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22, 0.3)
"""Learning rates of the points on the map."""
STARTS = 32


def _figure(columns: int = 1) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 if columns == 1 else 10.0, 4.2), layout="constrained")
    return figure, list(np.ravel(figure.subplots(1, columns)))


def paths(seed: int) -> "Figure":
    """Three trajectories on the graph of f, and over time."""
    figure, (left, right) = _figure(2)
    study = rippled.noisy(3.0, 0.02, 12.0, 400)
    plot.paths_on_landscape(study, (-3.3, 6.5), seed=seed, ax=left)
    left.set(xlabel="x", ylabel=r"$x^2 (1 + \sin x)$", ylim=(-1, 16))
    left.set_title("three trajectories from 3, their ends ringed", fontsize="small", loc="left")
    plot.paths_over_time(study, 3, seed, rippled.landscape(), ax=right)
    right.set_ylabel("x")
    right.set_title("the same over time; dashed: maxima", fontsize="small", loc="left")
    return figure


def occupancy(seed: int) -> "Figure":
    """The probability of each cell over time, and the density of the iterate."""
    figure, (left, right) = _figure(2)
    study = rippled.basins_from(3.0)
    names = rippled.NAMES
    events = {name: rippled.in_cells()[name] for name in names}
    recorded = study.replace(record=record.at([0, 2, 4, 6, 10, 20, 40, 60, 80, 100]))
    found = simulation.simulate(recorded, TRAJECTORIES, seed, statistics=(), probabilities=events, progress=False)
    plot.occupancy(found, names, rippled.occupancy(), ax=left)
    left.legend(left.get_legend_handles_labels()[0], MINIMA, title="cell of", frameon=False, fontsize="small")
    plot.density(rippled.kernel_from(3.0), np.linspace(-3.5, 6, 400), (1, 2, 4, 10, 40), ax=right)
    for place in rippled.landscape().maxima:
        right.axvline(place, color="0.5", linewidth=0.7, linestyle="--", zorder=0)
    right.set(xlim=(-3.5, 6), xlabel="x")
    return figure


def basins(seed: int) -> "Figure":
    """The cell in which gradient descent ends, over start and learning rate; points: the engine."""
    figure, (ax,) = _figure()
    low, *_, high = rippled.landscape().maxima
    starts, rates = np.linspace(low, high, 200), np.geomspace(0.008, 0.36, 100)
    plot.basin_map(rippled.PROBLEM, rippled.landscape(), starts, rates, 200, ax)
    for rate in RATES:
        study = rippled.descent(rate, 200, start.Uniform(low, high, shape=(1,)))
        ends = sample_paths(study.replace(record=record.at([0, 200])), STARTS, seed)["x"].values[:, :, 0]
        cells = rippled.landscape().basin(np.nan_to_num(ends[:, 1], nan=np.inf))
        for cell in np.unique(cells):
            here = cells == cell
            look = {"markerfacecolor": colour_of(cell) if cell >= 0 else "white", "markeredgewidth": 0.6}
            ax.plot(ends[here, 0], np.full(here.sum(), rate), "o", color="black", markersize=4, **look)
    ax.set_xlabel(
        "start; the colour is the cell of the end, pale: without coming to rest, white: outside\n"
        rf"bars: $2/f''$; points: {STARTS} starts for each of {len(RATES)} rates, in the simulator",
        fontsize="small",
    )
    for name, place in zip(MINIMA, rippled.landscape().minima, strict=True):
        ax.text(place, 1.01, name, transform=ax.get_xaxis_transform(), ha="center", va="bottom")
    return figure


def exit_times(seed: int) -> "Figure":
    """The mean time to leave the cell of 0 against 1 / noise^2."""
    figure, (ax,) = _figure()
    exact = rippled.mean_exit_times()
    inverse, times = np.array(list(exact)) ** -2.0, np.array(list(exact.values()))
    estimates, errors = np.transpose([_time_to_leave(std, seed) for std in exact])
    ax.plot(inverse, times, color=style.COLOURS[0], linewidth=1.2, label="exact")
    style.points(ax, inverse, estimates, errors, label=style.sample(LEAVING))
    line = times[0] * np.exp(rippled.arrhenius_slope() * (inverse - inverse[0]))
    ax.plot(inverse, line, "--", color="0.5", linewidth=1, label=r"slope $2B/\eta$ (Arrhenius)")
    ax.set(xlabel=r"$1/\sigma^2$", ylabel="mean number of updates to leave the cell of 0", yscale="log")
    ax.spines[["top", "right"]].set_visible(False)
    style.legend(ax)
    return figure


def _time_to_leave(std: float, seed: int) -> tuple[float, float]:
    """The mean of min(tau, 5000) and its standard error."""
    capped = functools.partial(rippled.time_to_leave, LEAVING_STEPS)
    study = rippled.leaving(std, LEAVING_STEPS).replace(observables={"time": capped})
    times = trajectory_values(study, LEAVING, seed)[-1, 0].astype(np.float64)
    return float(times.mean()), float(times.std(ddof=1) / np.sqrt(LEAVING))
