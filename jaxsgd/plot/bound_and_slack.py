"""The chapter's bound, and where it is loose."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxsgd.averages import StepSizeWeighted
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.plot import style
from jaxsgd.plot.estimates_over_steps import thinned
from jaxsgd.results.result import Result
from jaxsgd.study import Study
from jaxsgd.theory.bounds.gradient_second_moments import exact_moments

_HATCHES = ("///", "\\\\\\", "...")


def bound(study: Study, result: Result | None = None, ax: Axes | None = None) -> Axes:
    """E R(xbar_s) - R* and its bound for every horizon s = 1 .. T, with the slack between them in three bands.

    With H_s = sum eta_t and xbar_s = sum eta_t x_t / H_s, all sums over t < s,

        (r^2 + sum eta_t^2 G_t^2) / (2 H_s) = E R(xbar_s) - R* + Jensen + convexity + final distance,

    each of them not negative, see [`jaxsgd.theory.slack`][]; the legend states their shares at s = T. The
    looser bound has L^2 = max G_t^2 over t < s in place of G_t^2. All lines are exact.

    **Arguments**

    - `study`: a quadratic with Gaussian gradient noise under plain SGD.
    - `result`: of this study, with a `StepSizeWeighted` average; its estimates are points.

    **Raises** `NoExactSolution` for any other study, `InvalidInput` if no learning rate is positive, the
    bound overflows, or the result lacks what is drawn.
    """
    if not isinstance(study, Study):
        raise InvalidType(f"bound(study) needs a jaxsgd.Study, got {study!r}")
    with np.errstate(over="ignore", invalid="ignore"):
        horizons, gap, parts, looser = _slack(study)
        edges = gap + np.cumsum([np.zeros_like(gap), *parts.values()], axis=0)
    if not (np.isfinite(looser).all() and edges[-1][-1] > 0):
        raise InvalidInput(
            "the bound must be finite, and positive at the end: take smaller learning rates or fewer steps"
        )
    estimated = [] if result is None else [_estimated(study, result)]
    ax = style.axes(ax)
    shares = {name: f"{part[-1] / edges[-1][-1]:.1%}" for name, part in parts.items()}
    ax.plot(horizons, looser, "-.", color="0.35", label=r"bound with $L^2 = \max\,G_t^2$")
    ax.plot(horizons, edges[-1], color="black", label="bound with $G_t^2$")
    for index in reversed(range(len(parts))):
        name, colour = list(parts)[index], style.COLOURS[index + 1]
        ax.fill_between(
            horizons,
            edges[index],
            edges[index + 1],
            facecolor=(colour, 0.3),
            edgecolor=(colour, 0.9),
            hatch=_HATCHES[index],
            linewidth=0,
            label=f"{name}, {shares[name]}",
        )
    label = rf"$\mathbb{{E}}\,R(\bar x_s) - R^*$, {gap[-1] / edges[-1][-1]:.1%}"
    ax.plot(horizons, gap, color=style.COLOURS[0], linewidth=2, label=label)
    for points in estimated:
        style.points(ax, **points)
    ax.set(xscale="log", yscale="log", xlabel="horizon $s$", ylabel="excess risk and its bound")
    style.legend(ax, title=f"shares of the bound at $s$ = {study.steps:,}", alignment="left")
    return ax


def _slack(study: Study) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Horizons s at which something has moved; there the gap, the parts of the slack, and the looser bound."""
    only = "the bound is drawn for a quadratic with Gaussian gradient noise and plain SGD only"
    if not study.method.plain:
        raise NoExactSolution(f"{only}: methods.{type(study.method).__name__} does not state that it is plain SGD")
    try:
        moments = exact_moments(study, {"xbar": StepSizeWeighted()})
    except NoExactSolution as error:
        raise NoExactSolution(f"{only}: {error}") from error
    eta = study.learning_rates[: study.steps]
    moved = np.cumsum(eta) > 0
    if not moved.any():
        raise InvalidInput("the bound needs a positive learning rate at some t, all of them are 0")
    H = np.cumsum(eta)[moved]
    # A quadratic, the only risk with exact moments of averages, has <x - x*, grad R(x)> = 2 (R(x) - R*).
    minimum = _minimum(study)
    gap = moments["risk_of_xbar_mean"].values[1:][moved] - minimum
    excess = np.cumsum(eta * (moments["risk_mean"].values[:-1] - minimum))[moved] / H
    distance = moments["distance_squared_mean"].values
    parts = {
        "Jensen": np.maximum(excess - gap, 0),  # 0 to rounding at s = 1
        "convexity": excess,
        "final distance": distance[1:][moved] / (2 * H),
    }
    largest = np.maximum.accumulate(moments["gradient_norm_squared_mean"].values[:-1])
    looser = (distance[0] + (largest * np.cumsum(eta**2))[moved]) / (2 * H)
    return np.arange(1, study.steps + 1)[moved], gap, parts, looser


def _minimum(study: Study) -> float:
    problem = study.oracle.problem
    if problem is None or problem.minimum is None:
        raise InvalidInput("the gap needs the minimum R*, which the problem does not state")
    return problem.minimum


def _estimated(study: Study, result: Result) -> dict[str, Any]:
    """Points of E R(xbar_s)."""
    rates = study.learning_rates[: study.steps]
    wanted = StepSizeWeighted().mixing(rates)
    weighted = [name for name, average in study.averages.items() if np.array_equal(average.mixing(rates), wanted)]
    if not weighted:
        raise InvalidInput(
            'the study keeps no average whose estimates could be drawn: give it averages={"eta": '
            "js.averages.StepSizeWeighted()}, or draw the bound without a result"
        )
    name = f"risk_of_{weighted[0]}"
    dataset = thinned(study, result, [name])
    return {
        "x": dataset["step"].values,
        "estimates": dataset[f"{name}_mean"].values - _minimum(study),
        "standard_errors": dataset[f"{name}_sem"].values,
        "label": style.sample(result.trajectories),
    }
