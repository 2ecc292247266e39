"""The figure of tuned families of learning rates: a function of the seed."""

from typing import TYPE_CHECKING

import jax
import numpy as np

from jaxsgd import record
from jaxsgd.inference import best_set
from jaxsgd.methods import ReduceOnPlateau
from jaxsgd.plot.style import COLOURS
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.state import State
from jaxsgd.study import Study
from jaxsgd.verification.chapter.schedule_families import GRIDS, PROBLEMS, T, tuned

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAJECTORIES = 2**15


def families(seed: int) -> "Figure":
    """For each problem and tuned family the learning rates, and the excess risk at the end with its interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.6), layout="constrained")
    axes = figure.subplots(1, 2 * len(PROBLEMS), sharey=True, width_ratios=[1, 2] * len(PROBLEMS))
    for problem, left, right in zip(PROBLEMS, axes[::2], axes[1::2], strict=True):
        found = [_simulated(study, seed) for study in tuned(problem).values()]
        for row, (rates, _) in enumerate(found):
            _rates(left, row, rates)
        _risks(right, np.array([risks for _, risks in found]))
        left.set_title(r"$\eta_t$, largest", fontsize="small", loc="left")
        right.set_title(problem, fontsize="medium", loc="left")
        left.set_axis_off()
    axes[0].set_axis_on()
    axes[0].spines[:].set_visible(False)
    axes[0].tick_params(axis="y", length=0)
    axes[0].set(yticks=range(len(GRIDS)), yticklabels=list(GRIDS), xticks=[], ylim=(len(GRIDS) - 0.4, -0.8))
    label = rf"$\mathbb{{E}}\,R(x_{{{T}}}) - R^*$, {TRAJECTORIES:,} trajectories ± 2 standard errors"
    figure.supxlabel(f"{label}; filled: may be the best (95%)", fontsize="medium")
    return figure


def _factor(state: State) -> jax.Array:
    return state.method.factor


def _simulated(study: Study, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The learning rates, their means where trajectories have their own, and the excess risks at the end."""
    problem, rates = study.oracle.problem, study.learning_rates[: study.steps]
    assert problem is not None
    if not isinstance(study.method, ReduceOnPlateau):
        return rates, trajectory_values(study, TRAJECTORIES, seed)[-1, 0] - problem.minimum
    study = study.replace(record=record.every(1), observables={"factor": _factor})
    risks, factors = np.moveaxis(trajectory_values(study, TRAJECTORIES, seed), 1, 0)
    return rates * factors[1:].mean(-1), risks[-1] - problem.minimum  # the factor of an update is known after it


def _rates(ax: "Axes", row: int, rates: np.ndarray) -> None:
    """The learning rates from the first to the last update, as a curve as high as its row, and the largest of them."""
    heights = row + 0.35 - 0.7 * rates / rates.max()
    ax.fill_between(range(len(rates)), row + 0.35, heights, color="0.9", linewidth=0)
    ax.plot(heights, color="0.3", linewidth=1)
    ax.annotate(f"{rates.max():.2g}", (len(rates), row - 0.1), (2, 0), textcoords="offset points", fontsize="x-small")


def _risks(ax: "Axes", values: np.ndarray) -> None:
    """Excess risks (families, trajectories), filled where paired differences leave a family in the set of the best."""
    for row, (risks, member) in enumerate(zip(values, best_set(values).members, strict=True)):
        colour = COLOURS[1 if member else 0]
        look = {"color": colour, "markerfacecolor": colour if member else "white", "markersize": 5, "capsize": 2}
        error = risks.std(ddof=1) / len(risks) ** 0.5
        ax.errorbar(risks.mean(), row, xerr=2 * error, fmt="o", linewidth=1, **look)
        ax.axhline(row, color="0.9", linewidth=0.6, zorder=0)
    low, high = values.mean(1).min(), values.mean(1).max()
    digits = (1, 3) if high > 3 * low else (1, 1.5, 2, 3, 5, 7)
    ticks = [digit * 10.0**power for power in range(-4, 1) for digit in digits]
    ticks = [tick for tick in ticks if 0.8 * low < tick < 1.3 * high]
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize="small")
    ax.set_xticks([], minor=True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
