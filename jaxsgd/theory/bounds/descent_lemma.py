"""Theorems about one step of the risk of a smooth problem, convex or not."""

import abc
from typing import NamedTuple, cast

import jax
import numpy as np

from jaxsgd.module import with_own_arrays
from jaxsgd.problems import Problem
from jaxsgd.study import Study
from jaxsgd.theory.bounds import assumption
from jaxsgd.theory.bounds.bound import Bound, Coefficients
from jaxsgd.theory.bounds.gradient_variances import gradient_variances


class Descent(NamedTuple):
    """E R(x_{t+1}) <= E R(x_t) - w_t E||grad R(x_t)||^2 + n_t, for t < T.

    - `excess`: R(x_0) - R*.
    - `decrease`: w_t = eta_t - L eta_t^2 / 2 (T,), not negative.
    - `noise`: n_t = L eta_t^2 s_t^2 / 2 (T,).
    """

    excess: float
    decrease: np.ndarray
    noise: np.ndarray


class DescentLemma(Bound):
    """A theorem that follows from how much the risk falls in one step, at least, in expectation.

        E R(x_{t+1}) <= E R(x_t) - (eta_t - L eta_t^2 / 2) E||grad R(x_t)||^2 + L eta_t^2 s_t^2 / 2,

    where R is L-smooth, convex or not, E||g_t - grad R(x_t)||^2 <= s_t^2, and eta_t <= 2 / L.

    Proof: smoothness gives R(y) <= R(x) + <grad R(x), y - x> + L/2 ||y - x||^2 for any x and y. Take x = x_t and
    y = x_t - eta_t g_t: given x_t the mean of g_t is grad R(x_t), and that of ||g_t||^2 at most
    ||grad R(x_t)||^2 + s_t^2. It is an equality if R is a quadratic of one curvature L in all directions and s_t^2 is
    the variance.
    """

    def assumptions(self, study: Study) -> tuple[assumption.Assumption, ...]:
        smooth = assumption.smooth(study)
        rates = (assumption.rates_below(study, 2.0, _smoothness(study), "2 / L"),) if smooth.holds else ()
        return (
            smooth, assumption.minimum_known(study), assumption.one_start(study), assumption.unbiased(study),
            assumption.plain(study), _variance_known(study), *rates,
        )  # fmt: skip

    def point(self, study: Study) -> None:
        return None

    def coefficients(self, study: Study) -> Coefficients:
        return Coefficients(0.0, np.zeros(study.steps))

    @abc.abstractmethod
    def constant(self, study: Study) -> float:
        """The whole right side: all that it needs is known before the run."""

    def descent(self, study: Study) -> Descent:
        """What the lemma says, for a study of which no assumption is known to fail."""
        problem, eta = cast(Problem, study.oracle.problem), study.learning_rates[: study.steps]
        L, variances = _smoothness(study), gradient_variances(study)
        with jax.enable_x64(True):
            at_start = float(with_own_arrays(problem).value(study.point.unravel(study.starting_points[0])))
        decrease = np.maximum(eta - L * eta**2 / 2, 0.0)  # below 0 it is the rounding of 2 / L
        return Descent(at_start - cast(float, problem.minimum), decrease, L * eta**2 / 2 * cast(np.ndarray, variances))


def _smoothness(study: Study) -> float:
    return float(cast(Problem, study.oracle.problem).smoothness)  # type: ignore[arg-type]


def _variance_known(study: Study) -> assumption.Assumption:
    found, text = gradient_variances(study), "E||g_t - grad R(x_t)||^2 is at most s_t^2, wherever x_t is"
    if isinstance(found, str):
        return assumption.Assumption(text, False, found)
    return assumption.Assumption(text, bool(np.isfinite(found).all()), f"the largest s_t^2 is {found.max():.4g}")
