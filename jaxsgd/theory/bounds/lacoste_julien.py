"""The weights t + 1, which take the logarithm out of the rate of strongly convex risks."""

import numpy as np

from jaxsgd.averages import Polynomial
from jaxsgd.study import Study
from jaxsgd.theory.bounds import assumption
from jaxsgd.theory.bounds.bound import Bound, Coefficients


class LacosteJulien(Bound):
    """E R(xbar) - R* <= 2 / (T (T + 1)) sum (t + 1) G_t^2 / (mu (t + 2)), with eta_t = 2 / (mu (t + 2)).

    xbar = 2 / (T (T + 1)) sum (t + 1) x_t. It is at most 2 G^2 / (mu (T + 1)), and does not depend on r.
    mu is that of the schedule, and may be smaller than that of the problem.

    Proof: E R(x_t) - R* <= (d_t - d_{t+1}) / (2 eta_t) + eta_t G_t^2 / 2 - mu d_t / 2, as for the uniform
    average. Times t + 1, the terms in d = E||x - x*||^2 are mu/4 (t (t + 1) d_t - (t + 1) (t + 2) d_{t+1}),
    which telescope; the left-over, mu/2 E||x_T - x*||^2 on the smaller side, is dropped. Then Jensen.
    """

    name = "lacoste_julien"
    title = "the average with weights t + 1, R strongly convex, eta_t = 2 / (mu (t + 2))"
    statement = (
        r"\mathbb{E} R(\bar x) - R^* \le \frac{2}{T (T+1)} \sum_{t<T} \frac{(t+1)\, G_t^2}{\mu (t+2)}, \qquad"
        r" \bar x = \frac{2}{T (T+1)} \sum_{t<T} (t+1)\, x_t, \quad \eta_t = \frac{2}{\mu (t+2)}"
    )
    reference = "Lacoste-Julien, Schmidt and Bach (2012), arXiv 1212.2002"

    def assumptions(self, study: Study) -> tuple[assumption.Assumption, ...]:
        mu, counts = assumption.mu_of_schedule(study), np.arange(2, study.steps + 2)
        form = assumption.learning_rates_are(study, "2 / (mu (t + 2))", 2 / (mu * counts))
        return assumption.strongly_convex(study, mu), *assumption.sgd(study), form

    def point(self, study: Study) -> Polynomial:
        return Polynomial(1)

    def coefficients(self, study: Study) -> Coefficients:
        T = study.steps
        counts = np.arange(1, T + 1)
        return Coefficients(0.0, 2 * counts / (T * (T + 1) * assumption.mu_of_schedule(study) * (counts + 1)))
