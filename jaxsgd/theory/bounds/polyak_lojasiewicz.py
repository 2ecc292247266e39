"""The value of risks that need not be convex, but have no stationary point above the minimum."""

from typing import cast

from jaxsgd.problems import Problem
from jaxsgd.study import Study
from jaxsgd.theory.bounds import assumption
from jaxsgd.theory.bounds.descent_lemma import DescentLemma
from jaxsgd.theory.bounds.distance_recursion import Recursion


class PolyakLojasiewicz(DescentLemma):
    """E R(x_T) - R* <= d_T, d_0 = R(x_0) - R* and d_{t+1} = q_t d_t + L eta_t^2 s_t^2 / 2.

    Here q_t = 1 - 2 mu (eta_t - L eta_t^2 / 2), eta_t <= 2 / L, R is L-smooth, E||g_t - grad R(x_t)||^2 <= s_t^2 and
    ||grad R(x)||^2 >= 2 mu (R(x) - R*) for all x. The last is the condition of Polyak and Lojasiewicz, which every
    mu-strongly convex R has, and which R may have without being convex. For eta_t <= 1 / L, q_t <= 1 - mu eta_t, as the
    theorem is printed; with one such eta and s

        d_T <= (1 - mu eta)^T (R(x_0) - R*) + L eta s^2 / (2 mu).

    Proof: put the condition into [`jaxsgd.theory.bounds.DescentLemma`][], E R(x_{t+1}) - R* <= E R(x_t) - R* -
    2 mu (eta_t - L eta_t^2 / 2) (E R(x_t) - R*) + L eta_t^2 s_t^2 / 2, and repeat it.
    """

    name = "polyak_lojasiewicz"
    title = "E R(x_T) - R*, R smooth with ||grad R||^2 >= 2 mu (R - R*), convex or not, eta_t <= 2 / L"
    quantity = "final_excess_risk"
    statement = (
        r"\mathbb{E} R(x_T) - R^* \le (R(x_0) - R^*) \prod_{t<T} q_t + \sum_{t<T} \frac{L \eta_t^2 s_t^2}{2}"
        r" \prod_{t<u<T} q_u, \qquad q_t = 1 - 2 \mu (\eta_t - L \eta_t^2 / 2)"
    )
    reference = (
        "Karimi, Nutini and Schmidt (2016), Theorem 4, arXiv 1608.04636; written out here for any schedule, with the "
        "variance in place of E||g_t||^2"
    )

    def assumptions(self, study: Study) -> tuple[assumption.Assumption, ...]:
        return _dominated(study), *super().assumptions(study)

    def constant(self, study: Study) -> float:
        excess, decrease, noise = self.descent(study)
        return Recursion(1 - 2 * _mu(study) * decrease, noise).end(excess)


def _mu(study: Study) -> float:
    """The stated constant; strong convexity implies the condition."""
    problem = cast(Problem, study.oracle.problem)
    stated = problem.strong_convexity if problem.polyak_lojasiewicz is None else problem.polyak_lojasiewicz
    return float(stated or 0.0)


def _dominated(study: Study) -> assumption.Assumption:
    text, problem = "||grad R(x)||^2 >= 2 mu (R(x) - R*) for all x, mu > 0", study.oracle.problem
    mu = 0.0 if problem is None else _mu(study)
    if mu > 0:
        return assumption.Assumption(text, True, f"the problem states mu = {mu:.4g}")
    why = "the problem states neither such a mu nor strong convexity"
    return assumption.Assumption(text, False, why)
