"""The last iterate, for any schedule, in closed form."""

import dataclasses

import numpy as np

from jaxsgd.errors import scalar
from jaxsgd.study import Study
from jaxsgd.theory.bounds import assumption
from jaxsgd.theory.bounds.bound import Bound, Coefficients


@dataclasses.dataclass(frozen=True, repr=False)
class LastIterateAnySchedule(Bound):
    """E R(x_{T-1}) - R* <= r^2 / (2 H_0) + sum_t eta_t^2 G_t^2 / (2 H_{t+1}), H_t = eta_t + ... + eta_{T-1}.

    The last term of the sum, t = T-1, is eta_{T-1} G_{T-1}^2 / 2. Since eta_{T-1} does not move x_{T-1}, it
    may be any positive number in this formula.

    This is the published Omega_T = r^2 / (2 H_0) + sum_t eta_t^2 G_t^2 / (2 H_0)
    + 1/2 sum_{k < T-1} (eta_k / H_{k+1}) (sum_{t >= k} eta_t^2 G_t^2) / H_k: there the coefficients of G_t^2
    telescope, for eta_k / (H_{k+1} H_k) = 1 / H_{k+1} - 1 / H_k.

    Proof: it follows from [`jaxsgd.theory.bounds.LastIterate`][] with s_{T-1}^2 = eta_{T-1}, because
    s_t^2 = s_{t+1}^2 + 2 eta_t + eta_t^2 / s_{t+1}^2 >= H_t: with this choice, that bound is never the larger
    one. The published proof sums the descent step from each x_k on, with x_k in the place of x*.

    **Arguments**

    - `final_rate`: eta_{T-1} in the formula, fixed before the run; default the last positive one of the schedule.
    """

    name = "last_iterate_any_schedule"
    title = "the last iterate, R convex, any schedule, in closed form"
    statement = (
        r"\mathbb{E} R(x_{T-1}) - R^* \le \frac{r^2}{2 H_0} + \sum_{t<T-1} \frac{\eta_t^2 G_t^2}{2 H_{t+1}}"
        r" + \frac{\eta_{T-1} G_{T-1}^2}{2}, \qquad H_t = \sum_{k=t}^{T-1} \eta_k"
    )
    reference = (
        "Defazio, Cutkosky, Mehta and Mishchenko (2023), arXiv 2310.07831, Theorem 10; Schaipp, Haegele, Taylor, "
        "Simsekli and Bach (2025), arXiv 2501.18965, Theorem 1"
    )

    final_rate: float | None = None

    def __post_init__(self) -> None:
        if self.final_rate is not None:
            scalar("final_rate", self.final_rate, above=0.0)

    def assumptions(self, study: Study) -> tuple[assumption.Assumption, ...]:
        return assumption.convex(study), *assumption.sgd(study, start_inside=True), assumption.moves(study)

    def point(self, study: Study) -> None:
        return None

    def coefficients(self, study: Study) -> Coefficients:
        eta = study.learning_rates[: study.steps].copy()
        eta[-1] = eta[eta > 0][-1] if self.final_rate is None else self.final_rate
        H = np.cumsum(eta[::-1])[::-1]
        return Coefficients(1 / (2 * H[0]), np.append(eta[:-1] ** 2 / H[1:], eta[-1]) / 2)
