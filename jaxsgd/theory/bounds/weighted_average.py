"""The bound of the chapter, for the eta-weighted average."""

import dataclasses
from typing import Any, cast

import numpy as np

from jaxsgd.averages import StepSizeWeighted
from jaxsgd.errors import InvalidInput, InvalidType, integer, scalar
from jaxsgd.problems import Problem
from jaxsgd.study import Study
from jaxsgd.theory.bounds import assumption
from jaxsgd.theory.bounds.bound import Bound, Coefficients
from jaxsgd.theory.bounds.gradient_second_moments import along_the_run, exact_moments


class WeightedAverage(Bound):
    """E R(xbar) - R* <= (r^2 + sum eta_t^2 G_t^2) / (2 sum eta_t), xbar = sum eta_t x_t / sum eta_t.

    Proof: d_t = E||x_t - x*||^2 has d_{t+1} <= d_t - 2 eta_t E<grad R(x_t), x_t - x*> + eta_t^2 G_t^2, with
    equality where nothing is projected. The inner product is at least R(x_t) - R*, by convexity. Sum over
    t, drop d_T >= 0, and use R(xbar) <= sum eta_t R(x_t) / sum eta_t (Jensen).
    """

    name = "weighted_average"
    title = "the eta-weighted average, R convex"
    statement = (
        r"\mathbb{E} R(\bar x) - R^* \le \frac{r^2 + \sum_{t<T} \eta_t^2 G_t^2}{2 \sum_{t<T} \eta_t}, \qquad"
        r" \bar x = \frac{\sum_{t<T} \eta_t x_t}{\sum_{t<T} \eta_t}"
    )
    reference = (
        "Nesterov and Vial (2008), Automatica 44(6); Nemirovski, Juditsky, Lan and Shapiro (2009), SIAM J. Optim. 19(4)"
    )

    def assumptions(self, study: Study) -> tuple[assumption.Assumption, ...]:
        return assumption.convex(study), *assumption.sgd(study), assumption.moves(study)

    def point(self, study: Study) -> StepSizeWeighted:
        return StepSizeWeighted()

    def coefficients(self, study: Study) -> Coefficients:
        eta = study.learning_rates[: study.steps]
        return Coefficients(1 / (2 * eta.sum()), eta**2 / (2 * eta.sum()))


@dataclasses.dataclass(frozen=True)
class Slack:
    """Where a bound is loose: bound - gap = distance + convexity + jensen, each of them not negative.

    - `bound`, `gap`: the right and the left side of the inequality, with G_t^2 along the run.
    - `distance`: E||x_T - x*||^2 / (2 H), H = sum eta_t: the final distance, which the proof drops.
    - `convexity`: sum eta_t (E<x_t - x*, grad R(x_t)> - (E R(x_t) - R*)) / H.
    - `jensen`: sum eta_t E R(x_t) / H - E R(xbar).
    """

    bound: float
    gap: float
    distance: float
    convexity: float
    jensen: float


def slack(study: Study) -> Slack:
    """What each step of the proof of [`jaxsgd.theory.bounds.WeightedAverage`][] gives away, exactly.

    **Raises** `NoExactSolution` where `jaxsgd.theory.exact` does, `InvalidInput` where the bound does not apply.

    >>> from jaxsgd import chapter
    >>> parts = slack(chapter.study("constant"))
    >>> round(parts.bound - parts.gap, 5), round(parts.distance + parts.convexity + parts.jensen, 5)
    (3.11854, 3.11854)
    """
    if not isinstance(study, Study):
        raise InvalidType(f"slack(study) needs a jaxsgd.Study, got {study!r}")
    moments = exact_moments(study, {"xbar": StepSizeWeighted()})
    bound = WeightedAverage().value(study, along_the_run(moments).mean)
    eta = study.learning_rates[: study.steps]
    minimum = cast(Problem, study.oracle.problem).minimum
    if minimum is None:
        raise InvalidInput("the gap needs the minimum R*, which the problem does not state")
    gap = float(moments["risk_of_xbar_mean"][-1]) - minimum
    excess = float(eta @ (moments["risk_mean"].values[:-1] - minimum) / eta.sum())
    distance = float(moments["distance_squared_mean"][-1] / (2 * eta.sum()))
    # A quadratic, the only risk with exact moments of averages, has <x - x*, grad R(x)> = 2 (R(x) - R*).
    return Slack(bound, gap, distance, convexity=excess, jensen=excess - gap)


def tuned_value(distance: Any, gradient_bound: Any, steps: int) -> float:
    """r L / sqrt T, the least value of (r^2 + L^2 T eta^2) / (2 T eta), at eta = r / (L sqrt T).

    That is the learning rate of [`jaxsgd.schedules.tuned_constant`][], and the arguments are the same.

    >>> tuned_value(distance=2.0, gradient_bound=1.0, steps=100)
    0.2
    """
    r, L = scalar("distance", distance, at_least=0.0), scalar("gradient_bound", gradient_bound, at_least=0.0)
    return float(r * L / np.sqrt(integer("steps", steps, at_least=1)))
