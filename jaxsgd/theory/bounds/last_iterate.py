"""The last iterate, for any schedule, with a free parameter that is tuned in advance."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from jaxsgd.errors import scalar
from jaxsgd.study import Study
from jaxsgd.theory.bounds import assumption
from jaxsgd.theory.bounds.bound import Bound, Coefficients
from jaxsgd.theory.bounds.geometry import distance_squared
from jaxsgd.theory.bounds.gradient_second_moments import in_advance


@dataclasses.dataclass(frozen=True, repr=False)
class LastIterate(Bound):
    """A bound of x_{T-1}, the last point at which a gradient was taken, for any eta_0 .. eta_{T-2}.

    For any s_{T-1} > 0, and s_t = s_{t+1} + eta_t / s_{t+1} from there down to s_0,

        E R(x_{T-1}) - R* <= r^2 / (2 s_0^2) + sum_{t < T-1} eta_t^2 G_t^2 / (2 s_{t+1}^2) + s_{T-1}^2 G_{T-1}^2 / 2.

    With G_t = G it is r^2 / (2 S) + G^2 (S/2 - sum_{t < T-1} eta_t), S = s_0^2, so S = r / G is best, or the
    least S that can be had if that is larger. With eta_t = r / (G sqrt T) (1 - (t + 1) / T), linear decay, it
    is r G / sqrt T, the best that a method with T gradients can guarantee for all G-Lipschitz convex risks.

    Proof: let c_{-1} = x* and c_t = (s_{t+1} / s_t) c_{t-1} + (1 - s_{t+1} / s_t) x_t, C_t the same convex
    combination of R* and R(x_0) .. R(x_t), and d_t = ||x_t - c_{t-1}||^2 / s_t^2. The step from x_t, measured
    from c_t, is 2 (C_t - C_{t-1}) <= d_t - d_{t+1} + eta_t^2 ||g_t||^2 / s_{t+1}^2 in expectation, since
    C_t >= R(c_t); and 2 (R(x_{T-1}) - C_{T-2}) <= d_{T-1} + s_{T-1}^2 ||g_{T-1}||^2. Their sum telescopes.

    **Arguments**

    - `gradient_bound`: G, from which s_{T-1} is chosen. The theorem holds for any, if it was fixed before the
      run; the default is the best bound of E||g_t||^2 known in advance, otherwise E||g_0||^2.
    """

    name = "last_iterate"
    title = "the last iterate, R convex, any schedule"
    statement = (
        r"\mathbb{E} R(x_{T-1}) - R^* \le \frac{r^2}{2 s_0^2} + \sum_{t<T-1} \frac{\eta_t^2 G_t^2}{2 s_{t+1}^2}"
        r" + \frac{s_{T-1}^2 G_{T-1}^2}{2}, \qquad s_t = s_{t+1} + \frac{\eta_t}{s_{t+1}}, \quad s_{T-1} > 0"
    )
    reference = (
        "Zamani and Glineur (2023), arXiv 2307.11134, for the proof with constant steps; Defazio, Cutkosky, Mehta "
        "and Mishchenko (2023), arXiv 2310.07831, for weights and linear decay; written out here for any schedule"
    )

    gradient_bound: float | None = None

    def __post_init__(self) -> None:
        if self.gradient_bound is not None:
            scalar("gradient_bound", self.gradient_bound, above=0.0)

    def assumptions(self, study: Study) -> tuple[assumption.Assumption, ...]:
        return assumption.convex(study), *assumption.sgd(study, start_inside=True)

    def point(self, study: Study) -> None:
        return None

    def coefficients(self, study: Study) -> Coefficients:
        eta = study.learning_rates[: study.steps - 1]
        G = np.sqrt(in_advance(study)) if self.gradient_bound is None else self.gradient_bound
        s = _backwards(eta.tolist(), _last(eta.tolist(), np.sqrt(distance_squared(study)) / G if G > 0 else 0.0))
        return Coefficients(1 / (2 * s[0] ** 2), np.append(eta**2 / s[1:] ** 2, s[-1] ** 2) / 2)


def _backwards(eta: Sequence[float], last: float) -> np.ndarray:
    """s_0 .. s_{T-1} (T,)."""
    s = [last]
    for rate in reversed(eta):
        s.append(s[-1] + rate / s[-1])
    return np.array(s[::-1])


def _last(eta: Sequence[float], S: float) -> float:
    """The s_{T-1} that makes s_0^2 the larger of S and its least value."""
    largest = max([S, *eta])
    if largest == 0:
        return 1.0  # x_{T-1} = x_0, and nothing is known of r / G: any number is right
    low, high = 0.0, float(np.sqrt(largest))
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if _large_enough(eta, middle, S) else (middle, high)
    return high


def _large_enough(eta: Sequence[float], last: float, S: float) -> bool:
    """Whether s_0 increases with s_{T-1} from here on, and s_0^2 >= S."""
    s = last
    for rate in reversed(eta):
        if s * s < rate:  # ds_t / ds_{t+1} = 1 - eta_t / s_{t+1}^2 is negative
            return False
        s += rate / s
    return s * s >= S
