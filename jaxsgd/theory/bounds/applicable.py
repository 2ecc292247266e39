"""Every bound on one study: which apply, what they are worth, and what is exact beside them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from jaxsgd.averages import Average
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution, nearest
from jaxsgd.results.result import Result
from jaxsgd.study import Study
from jaxsgd.theory.bounds.assumption import Assumption, failing
from jaxsgd.theory.bounds.bound import Bound
from jaxsgd.theory.bounds.gradient_second_moments import (
    SecondMoments,
    a_priori,
    along_the_run,
    measured,
    moments_at_every_step,
    of_average,
)
from jaxsgd.theory.bounds.gradient_variances import gradient_variances


class Value(NamedTuple):
    """The value of a bound; the standard error is 0 where it is exact, otherwise an upper limit."""

    value: float
    standard_error: float


@dataclasses.dataclass(frozen=True, repr=False)
class Evaluation:
    """One bound on one study.

    - `assumptions`: what the theorem assumes, and whether it is so.
    - `reasons`: why it does not apply; empty where no assumption is known to fail.
    - `values`: by choice of the gradient bound: "along the run" (G_t^2 at each t), "maximum along the run"
      (L^2 = max_t G_t^2) and "a priori" (L^2 known before the run, or no need of any), as far as they are known.
    - `gap`: what is bounded, E Q of [`jaxsgd.theory.Bound`][], where [`jaxsgd.theory.exact`][] knows it.
    """

    bound: Bound
    assumptions: tuple[Assumption, ...]
    reasons: tuple[str, ...] = ()
    values: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    gap: float | None = None

    def __repr__(self) -> str:
        name = self.bound.name
        if self.reasons:
            return "\n    ".join([f"{name} does not apply; it assumes that", *self.reasons])
        lines = [f"{name}: {self.bound.title}"]
        for choice, (value, error) in self.values.items():
            lines.append(f"<= {value:.6g}" + _error(error) + f" ({choice})")
        if not self.values:
            lines.append("no value without E||g_t||^2: pass a result that recorded gradient_norm_squared at every step")
        if self.gap is not None:
            lines.append(f"exact: {self.gap:.6g}")
        lines += [f"if {each.text} ({each.why})" for each in self.assumptions if each.holds is None]
        return "\n    ".join(lines)


def _error(standard_error: float) -> str:
    """Of a value, in words; NaN where a mean of ||g_t||^2 has no standard error."""
    if np.isnan(standard_error):
        return ", without a standard error"
    return f" +- {standard_error:.2g}" if standard_error else ""


@dataclasses.dataclass(frozen=True, repr=False)
class BoundsReport:
    """What `bounds` returns; ``report["weighted_average"]`` is the evaluation of one bound."""

    evaluations: tuple[Evaluation, ...]

    @property
    def applicable(self) -> tuple[Evaluation, ...]:
        """Those of which no assumption is known to fail."""
        return tuple(each for each in self.evaluations if not each.reasons)

    @property
    def not_applicable(self) -> tuple[Evaluation, ...]:
        """The others, with their reasons."""
        return tuple(each for each in self.evaluations if each.reasons)

    def __getitem__(self, name: str) -> Evaluation:
        for evaluation in self.evaluations:
            if evaluation.bound.name == name:
                return evaluation
        raise InvalidInput(f"no bound is named {name!r}; {nearest(name, [e.bound.name for e in self.evaluations])}")

    def __repr__(self) -> str:
        header = "Bounds of E R(point) - R*, or of what else the title says"
        return "\n  ".join([header, *map(repr, (*self.applicable, *self.not_applicable))])


def evaluated(study: Study, result: Result | None, among: Sequence[Bound]) -> BoundsReport:
    """What [`jaxsgd.theory.bounds`][] returns for these bounds."""
    if not isinstance(study, Study):
        raise InvalidType(f"bounds(study) needs a jaxsgd.Study, got {study!r}")
    assumed = [bound.assumed(study) for bound in among]
    reasons = [failing(assumptions) for assumptions in assumed]
    points = {str(i): bound.point(study) for i, bound in enumerate(among) if not reasons[i]}
    moments = _moments(study, {name: point for name, point in points.items() if point is not None})
    G2 = measured(study, result) if result is not None else None if moments is None else along_the_run(moments)
    evaluations = []
    for i, bound in enumerate(among):
        values, gap = {}, None
        if not reasons[i]:
            values, gap = _values(bound, study, G2), _gap(bound, study, moments, str(i))
        evaluations.append(Evaluation(bound, assumed[i], reasons[i], values, gap))
    return BoundsReport(tuple(evaluations))


def _moments(study: Study, averages: Mapping[str, Average]) -> xr.Dataset | None:
    try:
        return moments_at_every_step(study, averages)
    except NoExactSolution:
        return None


def _values(bound: Bound, study: Study, G2: SecondMoments | None) -> dict[str, Value]:
    values, L2 = {}, a_priori(study)
    _, a = bound.coefficients(study)
    start, total = bound.without_gradients(study), a.sum()
    if total == 0:
        return {"a priori": Value(start, 0.0)}
    if G2 is not None:
        t = np.argmax(G2.mean)
        values["along the run"] = Value(float(start + a @ G2.mean), float(a @ G2.standard_error))
        values["maximum along the run"] = Value(float(start + total * G2.mean[t]), float(total * G2.standard_error[t]))
    if L2 is not None:
        values["a priori"] = Value(float(start + total * L2), 0.0)
    return values


def _gap(bound: Bound, study: Study, moments: xr.Dataset | None, average: str) -> float | None:
    """E Q, where it is known."""
    problem = study.oracle.problem
    if moments is None:
        return None
    if bound.quantity == "distance_squared":
        return float(moments["distance_squared_mean"][-1]) if "distance_squared_mean" in moments else None
    if bound.quantity == "true_gradient_squared":
        variances, G2 = gradient_variances(study), moments["gradient_norm_squared_mean"].values[:-1]
        return float(bound.weights(study) @ (G2 - variances)) if isinstance(variances, np.ndarray) else None
    if problem is None or problem.minimum is None:
        return None
    if bound.quantity == "final_excess_risk":
        return float(moments["risk_mean"][-1]) - problem.minimum
    if bound.point(study) is None:
        return float(moments["risk_mean"][-2]) - problem.minimum  # at x_{T-1}
    risk = of_average(average)
    known = risk in moments and not np.isnan(moments[risk][-1])
    return float(moments[risk][-1]) - problem.minimum if known else None
