"""Stationarity of smooth risks: the mean of squared gradients along the run."""

import numpy as np

from jaxsgd.study import Study
from jaxsgd.theory.bounds.assumption import Assumption
from jaxsgd.theory.bounds.descent_lemma import DescentLemma


class GhadimiLan(DescentLemma):
    """sum_t w_t E||grad R(x_t)||^2 <= (R(x_0) - R* + L/2 sum_t eta_t^2 s_t^2) / W, a mean with weights that sum to 1.

    The weights are w_t = (eta_t - L eta_t^2 / 2) / W, W = sum_t (eta_t - L eta_t^2 / 2), t = 0 .. T-1. R is L-smooth
    and need not be convex; E||g_t - grad R(x_t)||^2 <= s_t^2. It says that SGD finds points that are nearly stationary:
    a random one of x_0 .. x_{T-1}, drawn with these weights, has this mean squared gradient. It says nothing of the
    value there. With one eta <= 1 / L and s it is at most 2 (R(x_0) - R*) / (eta T) + L eta s^2, which
    eta = min(1 / L, sqrt(2 (R(x_0) - R*) / (L s^2 T))) makes of order 1 / sqrt T.

    Proof: sum (eta_t - L eta_t^2 / 2) E||grad R(x_t)||^2 <= E R(x_t) - E R(x_{t+1}) + L eta_t^2 s_t^2 / 2 over t, see
    [`jaxsgd.theory.bounds.DescentLemma`][]. The risks telescope to R(x_0) - E R(x_T), and R(x_T) >= R*. Divide by W.
    """

    name = "ghadimi_lan"
    title = "the mean of ||grad R(x_t)||^2 along the run, R smooth, convex or not, eta_t <= 2 / L"
    quantity = "true_gradient_squared"
    statement = (
        r"\sum_{t<T} w_t\, \mathbb{E} \|\nabla R(x_t)\|^2 \le \frac{R(x_0) - R^* + \frac{L}{2} \sum_{t<T} \eta_t^2"
        r" s_t^2}{W}, \qquad w_t = \frac{\eta_t - L \eta_t^2 / 2}{W}, \quad \sum_{t<T} w_t = 1"
    )
    reference = "Ghadimi and Lan (2013), SIAM J. Optim. 23(4), Theorem 2.1, arXiv 1309.5549"

    def assumptions(self, study: Study) -> tuple[Assumption, ...]:
        found = super().assumptions(study)
        if any(each.holds is False for each in found):
            return found
        total = self.descent(study).decrease.sum()
        return *found, Assumption("some eta_t lies between 0 and 2 / L", bool(total > 0), f"W = {total:.4g}")

    def weights(self, study: Study) -> np.ndarray:
        decrease = self.descent(study).decrease
        return decrease / decrease.sum()

    def constant(self, study: Study) -> float:
        excess, decrease, noise = self.descent(study)
        return float((excess + noise.sum()) / decrease.sum())
