"""The figures of the report: each a function of the seed."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from jaxsgd import plot, record, theory
from jaxsgd.oracles import FullGradient
from jaxsgd.runs import simulation
from jaxsgd.runs.examples_used import sample_coverage
from jaxsgd.study import Study
from jaxsgd.verification.chapter import common
from jaxsgd.verification.chapter.example_studies import ORDERS, counting, towards_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from jaxsgd.results.result import Result

TRAJECTORIES = 100_000


def _figure(columns: int = 1) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 if columns == 1 else 10.0, 4.2), layout="constrained")
    return figure, list(np.ravel(figure.subplots(1, columns)))


def _run(study: Study, seed: int, every: int = 1) -> "Result":
    return simulation.simulate(study.replace(record=record.every(every)), TRAJECTORIES, seed, progress=False)


def _exact(study: Study, every: int = 1) -> xr.Dataset:
    return theory.exact(study.replace(record=record.every(every)))


def paths(seed: int) -> "Figure":
    """Trajectories of the first experiment with gradient descent."""
    figure, (ax,) = _figure()
    plot.paths(common.study("constant"), trajectories=5, seed=seed, ax=ax)
    return figure


def constant(seed: int) -> "Figure":
    """The constant rate over 1000 steps: last iterate and average."""
    figure, (ax,) = _figure()
    study = common.study("constant", 1000)
    plot.curves(_run(study, seed, 10), ("risk", "risk_of_eta"), exact=_exact(study, 10), ax=ax)
    return figure


def rates(seed: int) -> "Figure":
    """E R(x_50) over the constant learning rate."""
    figure, (ax,) = _figure()
    dense = np.geomspace(common.RATES[0], 0.49, 80)
    label = r"constant learning rate $\eta$"
    _final(ax, lambda rate: common.at_rate(rate, common.T), common.RATES, dense, seed, xlabel=label, limit=0.5)
    return figure


def decays(seed: int) -> "Figure":
    """E R(x_50) over the rate of exponential and the power of polynomial decay."""
    figure, (left, right) = _figure(2)
    dense = np.geomspace(common.DECAYS[0], common.DECAYS[-1], 60)
    _final(left, common.exponential, common.DECAYS, dense, seed, xlabel=r"exponential decay: rate $\lambda$")
    dense = np.linspace(common.POWERS[0], common.POWERS[-1], 60)
    _final(right, common.polynomial, common.POWERS, dense, seed, xlabel=r"polynomial decay: power $\alpha$")
    return figure


def _final(
    ax: "Axes", make: Callable[[float], Study], values: np.ndarray, dense: np.ndarray, seed: int, **options: Any
) -> None:
    """E R(x_T) of the studies made of some values, and the exact curve over dense ones."""
    ends = [
        simulation.simulate(
            study.replace(record=record.at([study.steps]), observe=["risk"]),
            TRAJECTORIES,
            seed,
            statistics=(),
            progress=False,
        ).dataset.isel(step=0)
        for study in map(make, values.tolist())
    ]
    plot.against(
        values,
        np.array([float(end["risk_mean"]) for end in ends]),
        np.array([float(end["risk_sem"]) for end in ends]),
        exact_values=dense,
        exact=np.array([common.final_risk(study) for study in map(make, dense.tolist())]),
        trajectories=TRAJECTORIES,
        ylabel=r"$\mathbb{E}\,R(x_{50})$",
        ax=ax,
        **options,
    )


def risk_of(name: str) -> "Callable[[int], Figure]":
    """The expected risk of one of the chapter's studies, last iterate and average."""

    def draw(seed: int) -> "Figure":
        figure, (left, right) = _figure(2)
        study = common.study(name)
        gap = max(1, study.steps // 100)
        plot.paths(study, trajectories=5, seed=seed, ax=left)
        plot.curves(_run(study, seed, gap), ("risk", "risk_of_eta"), exact=_exact(study, gap), ax=right)
        return figure

    return draw


def bias(seed: int) -> "Figure":
    """Exponential decay: bias and variance."""
    figure, (ax,) = _figure()
    study = common.study("exponential", 100)
    plot.frozen_bias(study, _run(study, seed), ax=ax)
    return figure


def overtaking(seed: int) -> "Figure":
    """Polynomial decay overtakes the constant rate."""
    figure, (ax,) = _figure()
    studies = {"constant": common.study("constant"), "polynomial decay": common.study("polynomial")}
    results = {label: _run(study, seed) for label, study in studies.items()}
    plot.curves(results, ("risk",), exact={label: _exact(study) for label, study in studies.items()}, ax=ax)
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
    results, exact = {}, {}
    for name, (study, _) in common.choices().items():
        one, label = study.replace(record=record.log_spaced(60)), labels.get(name, name)
        results[label] = simulation.simulate(one, TRAJECTORIES, seed, progress=False)
        exact[label] = theory.exact(one)
    plot.curves(results, ("risk",), exact=exact, ax=ax)
    return figure


def bound(seed: int) -> "Figure":
    """The bound and the three parts of its slack, under the constant and the polynomial rate."""
    figure, axes = _figure(2)
    for ax, name in zip(axes, ("constant", "polynomial"), strict=True):
        study = common.study(name, 200)
        plot.bound(study, _run(study, seed, 10), ax=ax)
        ax.set_title(f"{name} rate", fontsize="medium", loc="left")
    return figure


def rate(seed: int) -> "Figure":
    """The risk of the average with the tuned step over T, and its bound."""
    figure, (ax,) = _figure()
    r, L = math.sqrt(common.START_DISTANCE_SQUARED), math.sqrt(common.LARGEST)
    horizons = np.array([25, 50, 100, 200, 400, 800, 1600])
    ends = []
    for steps in horizons:
        study = common.tuned(int(steps))
        ends.append(_run(study, seed, int(steps)).dataset.isel(step=-1))
    dense = np.unique(np.geomspace(25, 1600, 30).astype(int))
    exact = []
    for steps in dense:
        study = common.tuned(int(steps))
        exact.append(float(_exact(study, int(steps)).isel(step=-1)["risk_of_eta_mean"]))
    plot.against(
        horizons,
        np.array([float(end["risk_of_eta_mean"]) for end in ends]),
        np.array([float(end["risk_of_eta_sem"]) for end in ends]),
        exact_values=dense,
        exact=np.array(exact),
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
    rows = []
    for n in sizes:
        end = simulation.simulate(counting(int(n)), 20_000, seed, statistics=(), progress=False).dataset.isel(step=0)
        rows.append(
            [(float(end[f"{name}_mean"]), float(end[f"{name}_sem"])) for name in ("at least once", "exactly once")]
        )
    table = np.array(rows)
    plot.frequencies(sizes, table[:, 0], table[:, 1], trajectories=20_000, ax=ax)
    return figure


def orders(seed: int) -> "Figure":
    """The squared distance from the optimum after every epoch, by order."""

    figure, (ax,) = _figure()
    studies = {name: towards_mean(order).replace(record=record.every_epoch(1)) for name, order in ORDERS.items()}
    results = {
        name: simulation.simulate(study, TRAJECTORIES, seed, statistics=(), progress=False)
        for name, study in studies.items()
    }
    plot.curves(results, ("distance_squared",), {name: theory.exact(study) for name, study in studies.items()}, ax=ax)
    return figure


def coverage(seed: int) -> "Figure":
    """How much of the examples three epochs use, with and without replacement."""

    figure, (ax,) = _figure()
    drawn = {name: ORDERS[name] for name in ("with-replacement", "reshuffled")}
    after = (50, 100, 150, 200, 250)
    measured = {name: sample_coverage(order, 100, after, trajectories=2048, seed=seed) for name, order in drawn.items()}
    plot.coverage(drawn, 100, measured=measured, ax=ax)
    return figure


def distances(seed: int) -> "Figure":
    """The squared distance from the optimum under the chapter's four learning rates, and of gradient descent."""
    figure, (ax,) = _figure()
    names = ("constant", "exponential", "polynomial", "piecewise")
    grid = record.log_spaced(80)
    studies = {name: common.study(name, 1000).replace(record=grid) for name in names}
    studies["polynomial, no noise"] = studies["polynomial"].replace(oracle=FullGradient(common.PROBLEM))
    results = {
        label: simulation.simulate(study, TRAJECTORIES, seed, progress=False) for label, study in studies.items()
    }
    exact = {label: theory.exact(study) for label, study in studies.items()}
    plot.curves(results, ("distance_squared",), exact=exact, ax=ax)
    ax.set_ylim(bottom=1e-4)
    return figure
