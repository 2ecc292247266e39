"""Bias and variance of the last iterate."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.plot import style
from jaxsgd.plot.estimates_over_steps import thinned
from jaxsgd.problems import Problem
from jaxsgd.results.result import Result
from jaxsgd.structure import flat
from jaxsgd.study import Study
from jaxsgd.theory import exact
from jaxsgd.theory.starts import law_of_start

_LABELS = ("sum, the expected risk", "risk of the mean (bias)", "risk of the spread (variance)")
_LINES = ("-", "--", "-.")
_COLOURS = ("black", *style.COLOURS)
_DEEPEST = 1e-3  # of the least sum: what is smaller no longer matters, and its estimates are noise


def frozen_bias(study: Study, result: Result | None = None, ax: Axes | None = None) -> Axes:
    """The two parts of E R(x_s) - R* = 1/2 (m - x*)' A (m - x*) + 1/2 tr A V over steps, m = E x_s, V = Cov x_s.

    The first is the risk of the mean (bias), the second what the spread adds (variance). Lines are exact;
    the legend states the share of each at the last recorded step.

    **Arguments**

    - `study`: a quadratic with additive gradient noise under a linear method, such as plain SGD.
    - `result`: of this study; its estimates are points, those of the two parts where noise and start are normal and
      the result holds x_covariance.

    **Raises** `NoExactSolution` for any other study, `InvalidInput` if its risk overflows or
    the result is of another one.
    """
    if not isinstance(study, Study):
        raise InvalidType(f"frozen_bias(study) needs a jaxsgd.Study, got {study!r}")
    problem = study.oracle.problem
    if problem is None or problem.hessian is None or problem.minimiser is None or problem.minimum is None:
        name = f"problems.{type(problem).__name__}"
        raise NoExactSolution(f"bias and variance are parts of a quadratic, and {name} does not state that it is one")
    moments = exact(study.replace(observe=None, observables={}, path_sums={}, averages={}))
    estimated = [] if result is None else _estimated(study, problem, result)
    steps, risk = moments["step"].values, moments["risk_mean"].values - problem.minimum
    if not (np.isfinite(risk).all() and risk[-1] > 0):
        raise InvalidInput(
            "the risk must be finite, and positive at the end: take smaller learning rates or fewer steps"
        )
    ax = style.axes(ax)
    bias = _risk_of(problem, moments["x_mean"].values)
    floor = _DEEPEST * risk[risk > 0].min()
    for index, values in enumerate((risk, bias, risk - bias)):
        label = _LABELS[index] + (f", {values[-1] / risk[-1]:.1%} at the end" if index else "")
        shown = np.where(values > _DEEPEST * floor, values, np.nan)
        ax.plot(steps, shown, _LINES[index], color=_COLOURS[index], label=label)
    for index, part in enumerate(estimated):
        hollow = {"fmt": style.MARKERS[index], "markersize": 7, "markerfacecolor": "none"} if index else {}
        style.points(ax, **part, color=_COLOURS[index], **hollow)
    ax.set_yscale("log")
    ax.set_ylim(floor, 2 * risk.max())
    style.over_steps(ax, steps)
    ax.set_ylabel("expected excess risk" if problem.minimum else "expected risk")
    style.legend(ax)
    return ax


def _risk_of(problem: Problem, x: np.ndarray) -> np.ndarray:
    """R(x) - R* of points x (..., d), in float64."""
    e, A = x - flat(problem.minimiser), np.asarray(problem.hessian)
    return 0.5 * (e * (A * e if A.ndim == 1 else e @ A)).sum(-1)


def _estimated(study: Study, problem: Problem, result: Result) -> list[dict[str, Any]]:
    """Points of the sum, and of the bias and the variance where x is normal and its covariance is estimated.

    The mean of N iterates has the risk of m plus 1/2 tr A V / N, which is taken off, and the standard error
    of (m - x*)' A (mean of x); 1/2 tr A V has the variance 1/2 tr A V A V / N, as x is Gaussian.
    """
    dataset, N = thinned(study, result, ["risk"]), result.trajectories
    risk = dataset["risk_mean"].values - problem.minimum
    parts = [(risk, dataset["risk_sem"].values, style.sample(N))]
    if "x_covariance" in dataset and study.oracle.normal and law_of_start(study).normal:
        hessian = np.asarray(problem.hessian)
        A = np.diag(hessian) if hessian.ndim == 1 else hessian
        mean, V = dataset["x_mean"].values, dataset["x_covariance"].values
        slope, AV = (mean - flat(problem.minimiser)) @ A, A @ V
        variance = np.trace(AV, axis1=-2, axis2=-1) / 2
        parts += [
            (_risk_of(problem, mean) - variance / N, np.sqrt(np.einsum("si,sij,sj->s", slope, V, slope) / N), None),
            (variance, np.sqrt(np.einsum("sij,sji->s", AV, AV) / (2 * N)), None),
        ]
    names = ("estimates", "standard_errors", "label")
    return [{"x": dataset["step"].values, **dict(zip(names, part, strict=True))} for part in parts]
