"""The classical learning rate 1 / (mu (t + 1)) of strongly convex risks."""

import numpy as np

from jaxsgd.averages import Uniform
from jaxsgd.study import Study
from jaxsgd.theory.bounds import assumption
from jaxsgd.theory.bounds.bound import Bound, Coefficients


class UniformStronglyConvex(Bound):
    """E R(xbar) - R* <= 1/T sum G_t^2 / (2 mu (t + 1)), xbar = 1/T sum x_t, with eta_t = 1 / (mu (t + 1)).

    It is at most G^2 (1 + log T) / (2 mu T), and does not depend on r. mu is that of the schedule, and may
    be smaller than that of the problem.

    Proof: with d_t = E||x_t - x*||^2, strong convexity and the descent step give
    E R(x_t) - R* <= (d_t - d_{t+1}) / (2 eta_t) + eta_t G_t^2 / 2 - mu d_t / 2, and the terms in d are
    mu/2 (t d_t - (t + 1) d_{t+1}), which telescope to -mu T d_T / 2 <= 0. Then Jensen.
    """

    name = "uniform_strongly_convex"
    title = "the uniform average, R strongly convex, eta_t = 1 / (mu (t + 1))"
    statement = (
        r"\mathbb{E} R(\bar x) - R^* \le \frac{1}{2 \mu T} \sum_{t<T} \frac{G_t^2}{t+1}, \qquad"
        r" \bar x = \frac1T \sum_{t<T} x_t, \quad \eta_t = \frac{1}{\mu (t+1)}"
    )
    reference = "Hazan, Agarwal and Kale (2007), Machine Learning 69, Theorem 1, with the regret averaged"

    def assumptions(self, study: Study) -> tuple[assumption.Assumption, ...]:
        mu, counts = assumption.mu_of_schedule(study), np.arange(1, study.steps + 1)
        form = assumption.learning_rates_are(study, "1 / (mu (t + 1))", 1 / (mu * counts))
        return assumption.strongly_convex(study, mu), *assumption.sgd(study), form

    def point(self, study: Study) -> Uniform:
        return Uniform()

    def coefficients(self, study: Study) -> Coefficients:
        T = study.steps
        return Coefficients(0.0, 1 / (2 * assumption.mu_of_schedule(study) * T * np.arange(1, T + 1)))
