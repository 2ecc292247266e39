"""The figure of what is guaranteed without convexity: gradients grow small, and the value does not."""

from typing import TYPE_CHECKING

import numpy as np

from jaxsgd import record, theory
from jaxsgd.plot import style
from jaxsgd.runs import simulation
from jaxsgd.study import Study
from jaxsgd.theory.bounds import GhadimiLan
from jaxsgd.verification.of_bounds import norm_squared

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAJECTORIES = 20_000
HORIZONS = (1, 2, 5, 10, 20, 50, 100, 200)


def draw(poor: Study, good: Study, seed: int) -> "Figure":
    """Left: over the number of updates, gradients, their bound and the value. Right: where the two starts end."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _over_updates(left, poor, seed)
    _at_the_end(right, poor, good)
    return figure


def _over_updates(ax: "Axes", study: Study, seed: int) -> None:
    problem, T = study.oracle.problem, study.steps
    assert problem is not None
    measured = study.replace(
        record=record.at(HORIZONS),
        observe=("risk",),
        observables={"gradients": lambda state: state.path_sums["gradients"]},
        path_sums={"gradients": lambda update: norm_squared(problem.gradient(update.x))},
    )
    found = simulation.simulate(measured, TRAJECTORIES, seed, statistics=(), progress=False).dataset
    blue, red = style.COLOURS[:2]
    steps = found["step"].values
    for observable, each, colour, marker in (("gradients", steps, blue, "o"), ("risk", 1.0, red, "s")):
        mean, error = found[f"{observable}_mean"] / each, found[f"{observable}_sem"] / each
        style.points(ax, steps, mean, error, color=colour, fmt=f"{marker}-", linewidth=1)
    excess, decrease, noise = GhadimiLan().descent(study)
    ax.plot(np.arange(1, T + 1), (excess + noise.cumsum()) / decrease.cumsum(), color="black", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="number of updates T", ylim=(0.1, 200))
    ax.text(1.1, 130, "bound on the mean of squared gradients", fontsize="small")
    ax.text(T, 4.6, r"value: $\mathbb{E}\,R(x_T) - R^*$", color=red, fontsize="small", ha="right")
    ax.text(T, 0.3, r"mean of $\|\nabla R(x_t)\|^2$, $t < T$", color=blue, fontsize="small", ha="right", va="top")
    ax.spines[["top", "right"]].set_visible(False)
    ax.text(0, 1.0, style.sample(TRAJECTORIES), transform=ax.transAxes, va="bottom", fontsize="x-small")


def _at_the_end(ax: "Axes", poor: Study, good: Study) -> None:
    x, risk = np.linspace(-3, 9, 400), poor.oracle.problem.term  # type: ignore[union-attr] - its coordinates are separate
    ax.plot(x, risk(x), color="0.6", linewidth=1)
    for study, colour in ((poor, style.COLOURS[1]), (good, style.COLOURS[2])):
        density = theory.markov_kernel(study).density(x, study.steps).values
        ax.fill_between(x, 0, 2 * density, color=colour, alpha=0.35, linewidth=0)
        start = float(np.ravel(study.x0)[0])
        at = start, float(risk(start))
        ax.plot(*at, "o", color=colour, markersize=5)
        ax.annotate(f"start {start:g}", at, (6, -10), textcoords="offset points", fontsize="small", color=colour)
    ax.set(xlabel="x", ylabel="risk R(x)", ylim=(0, 8))
    shaded = f"shaded: the exact density of $x_{{{poor.steps}}}$ from each start"
    ax.text(0, 1.0, shaded, transform=ax.transAxes, va="bottom", fontsize="x-small")
    ax.spines[["top", "right"]].set_visible(False)
