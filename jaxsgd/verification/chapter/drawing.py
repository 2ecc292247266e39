"""The figures of the report: each a function of the seed.

A simulation records only what is drawn, since most of its cost is that of compiling a program, and figures that show
the same study share it.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsgd import plot, record
from jaxsgd.oracles import FullGradient
from jaxsgd.orders import WithReplacement
from jaxsgd.record import Grid
from jaxsgd.runs import simulation
from jaxsgd.runs.examples_used import sample_coverage
from jaxsgd.study import Study
from jaxsgd.verification.chapter import quadratic_studies as quadratic
from jaxsgd.verification.chapter.exact_values import exact, final_risk
from jaxsgd.verification.chapter.example_studies import ORDERS, towards_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxsgd.results.result import Result

TRAJECTORIES = 100_000
DRAWN = 20_000
"""Epochs of n draws that are counted for each n."""


def _figure(columns: int = 1) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 if columns == 1 else 10.0, 4.2), layout="constrained")
    return figure, list(np.ravel(figure.subplots(1, columns)))


@functools.cache
def _estimated(study: Study, grid: Grid, observe: tuple[str, ...], seed: int) -> "Result":
    """These observables of a study, recorded on a grid."""
    recorded = study.replace(record=grid, observe=observe)
    return simulation.simulate(recorded, TRAJECTORIES, seed, statistics=(), progress=False)


def paths(seed: int) -> "Figure":
    """Trajectories of the first experiment with gradient descent."""
    figure, (ax,) = _figure()
    plot.paths(quadratic.study("constant"), trajectories=5, seed=seed, ax=ax)
    return figure


def constant(seed: int) -> "Figure":
    """The constant rate over 1000 steps: last iterate and average."""
    figure, (ax,) = _figure()
    _last_and_average(ax, quadratic.study("constant", 1000), seed)
    return figure


def risk_of(name: str) -> "Callable[[int], Figure]":
    """Trajectories of one of the chapter's studies, and the expected risk of its last iterate and its average."""

    def draw(seed: int) -> "Figure":
        figure, (left, right) = _figure(2)
        plot.paths(quadratic.study(name), trajectories=5, seed=seed, ax=left)
        _last_and_average(right, quadratic.study(name), seed)
        return figure

    return draw


def _last_and_average(ax: "Axes", study: Study, seed: int) -> None:
    """Expected risks over at most 101 steps."""
    result = _estimated(study, record.every(max(1, study.steps // 100)), ("risk", "risk_of_eta"), seed)
    plot.curves(result, ("risk", "risk_of_eta"), exact=exact(study), ax=ax)


def rates(seed: int) -> "Figure":
    """E R(x_50) over the constant learning rate."""
    figure, (ax,) = _figure()
    dense = np.geomspace(quadratic.RATES[0], 0.49, 80)
    label = r"constant learning rate $\eta$"
    _final(ax, quadratic.at_rate, quadratic.RATES, dense, seed, xlabel=label, limit=0.5)
    return figure


def decays(seed: int) -> "Figure":
    """E R(x_50) over the rate of exponential and the power of polynomial decay."""
    figure, (left, right) = _figure(2)
    values, label = quadratic.DECAYS, r"exponential decay: rate $\lambda$"
    _final(left, quadratic.exponential, values, np.geomspace(values[0], values[-1], 60), seed, xlabel=label)
    values, label = quadratic.POWERS, r"polynomial decay: power $\alpha$"
    _final(right, quadratic.polynomial, values, np.linspace(values[0], values[-1], 60), seed, xlabel=label)
    return figure


def _final(
    ax: "Axes", make: Callable[[float], Study], values: np.ndarray, dense: np.ndarray, seed: int, **options: Any
) -> None:
    """E R(x_50) of the studies made of some values, and the exact curve over dense ones."""
    estimates, errors = _at_end(map(make, values.tolist()), "risk", seed)
    plot.against(
        values,
        estimates,
        errors,
        exact_values=dense,
        exact=np.array([final_risk(study) for study in map(make, dense.tolist())]),
        trajectories=TRAJECTORIES,
        ylabel=r"$\mathbb{E}\,R(x_{50})$",
        ax=ax,
        **options,
    )


def _at_end(studies: Iterable[Study], name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The means of an observable at the ends of studies, and their standard errors."""
    ends = [_estimated(study, record.at([study.steps]), (name,), seed).dataset.isel(step=0) for study in studies]
    estimates, errors = ([float(end[f"{name}_{what}"]) for end in ends] for what in ("mean", "sem"))
    return np.array(estimates), np.array(errors)


def bias(seed: int) -> "Figure":
    """Exponential decay: bias and variance."""
    figure, (ax,) = _figure()
    study = quadratic.study("exponential", 100)
    recorded = study.replace(observe=("risk",))
    plot.frozen_bias(study, simulation.simulate(recorded, TRAJECTORIES, seed, statistics=("x",), progress=False), ax=ax)
    return figure


def overtaking(seed: int) -> "Figure":
    """Polynomial decay overtakes the constant rate."""
    figure, (ax,) = _figure()
    studies = {"constant": quadratic.study("constant"), "polynomial decay": quadratic.study("polynomial")}
    results = {
        label: _estimated(study, record.every(1), ("risk", "risk_of_eta"), seed) for label, study in studies.items()
    }
    plot.curves(results, ("risk",), exact={label: exact(study) for label, study in studies.items()}, ax=ax)
    ax.axvline(23, color="0.6", linewidth=0.8, linestyle=":")
    ax.annotate(
        "update 23", (23, ax.get_ylim()[1]), (4, -10), textcoords="offset points", fontsize="small", color="0.4"
    )
    return figure


def choices(seed: int) -> "Figure":
    """Which learning rates converge."""
    figure, (ax,) = _figure()
    labels = {
        "polynomial": r"$0.1(1 + 0.1t)^{-1/2}$",
        "inverse-time": r"$0.1/(1 + 0.05t)$",
        "inverse-sqrt": r"$0.25/\sqrt{t + 1}$",
    }
    _over_1000_steps(
        ax, {labels.get(name, name): study for name, (study, _) in quadratic.choices().items()}, "risk", seed
    )
    return figure


def distances(seed: int) -> "Figure":
    """The squared distance from the optimum under the chapter's four learning rates, and of gradient descent."""
    figure, (ax,) = _figure()
    names = ("constant", "exponential", "polynomial", "piecewise")
    studies = {name: quadratic.study(name, 1000) for name in names}
    studies["polynomial, no noise"] = studies["polynomial"].replace(oracle=FullGradient(quadratic.PROBLEM))
    _over_1000_steps(ax, studies, "distance_squared", seed)
    ax.set_ylim(bottom=1e-4)
    return figure


def _over_1000_steps(ax: "Axes", studies: Mapping[str, Study], name: str, seed: int) -> None:
    """An observable of several studies, on a logarithmic scale of steps."""
    results = {
        label: _estimated(study, record.log_spaced(80), ("risk", "distance_squared"), seed)
        for label, study in studies.items()
    }
    plot.curves(results, (name,), exact={label: exact(study) for label, study in studies.items()}, ax=ax)


def bound(seed: int) -> "Figure":
    """The bound and the three parts of its slack, under the constant and the polynomial rate."""
    figure, axes = _figure(2)
    for ax, name in zip(axes, ("constant", "polynomial"), strict=True):
        study = quadratic.study(name, 200)
        plot.bound(study, _estimated(study, record.every(10), ("risk_of_eta",), seed), ax=ax)
        ax.set_title(f"{name} rate", fontsize="medium", loc="left")
    return figure


def rate(seed: int) -> "Figure":
    """The risk of the average with the tuned step over T, and its bound."""
    figure, (ax,) = _figure()
    r, L = math.sqrt(quadratic.START_DISTANCE_SQUARED), math.sqrt(quadratic.LARGEST)
    horizons = np.array([25, 50, 100, 200, 400, 800, 1600])
    estimates, errors = _at_end(map(quadratic.tuned, horizons.tolist()), "risk_of_eta", seed)
    dense = np.unique(np.geomspace(25, 1600, 30).astype(int))
    plot.against(
        horizons,
        estimates,
        errors,
        exact_values=dense,
        exact=np.array([float(exact(quadratic.tuned(T))["risk_of_eta_mean"][-1]) for T in dense.tolist()]),
        xlabel="number of updates T, each with its tuned step",
        ylabel=r"$\mathbb{E}\,R(\bar x_T)$",
        trajectories=TRAJECTORIES,
        ax=ax,
    )
    ax.plot(dense, r * L / np.sqrt(dense), color="black", linewidth=1, label=r"bound $rL/\sqrt{T}$")
    ax.legend(frameon=False, fontsize="small")
    return figure


def frequencies(seed: int) -> "Figure":
    """How often an example is drawn in n draws with replacement."""
    figure, (ax,) = _figure()
    sizes = np.array([1, 2, 5, 10, 30, 100])
    found = [sample_coverage(WithReplacement(), n, n, trajectories=DRAWN, seed=seed) for n in sizes.tolist()]
    rows = (
        [[float(shares[f"{name}_{what}"][0]) for what in ("mean", "sem")] for shares in found]
        for name in ("at_least_once", "exactly_once")
    )
    plot.frequencies(sizes, *rows, trajectories=DRAWN, ax=ax)
    return figure


def orders(seed: int) -> "Figure":
    """The squared distance from the optimum after every epoch, by order."""
    figure, (ax,) = _figure()
    studies = {name: towards_mean(name) for name in ORDERS}
    results = {name: _estimated(study, study.record, ("distance_squared",), seed) for name, study in studies.items()}
    plot.curves(results, ("distance_squared",), {name: exact(study) for name, study in studies.items()}, ax=ax)
    return figure


def examples_used(seed: int) -> "Figure":
    """How much of the examples three epochs use, with and without replacement."""
    figure, (ax,) = _figure()
    drawn = {name: ORDERS[name] for name in ("with-replacement", "reshuffled")}
    after = (50, 100, 150, 200, 250)
    measured = {name: sample_coverage(order, 100, after, trajectories=2048, seed=seed) for name, order in drawn.items()}
    plot.coverage(drawn, 100, measured=measured, ax=ax)
    return figure
