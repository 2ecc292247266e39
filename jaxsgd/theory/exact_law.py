"""The law of the iterate where noise is stable: sums of independent stable variables are stable."""

import numpy as np
import xarray as xr

from jaxsgd.errors import NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory.added_noise import added_up, noise_over_time, per_variable


def exact_law(study: Study) -> xr.Dataset:
    """The law of each coordinate of x_s and of averages, where the noise is symmetric stable or normal.

    A linear method, such as SGD, makes x_s - x* = m_s + sum_{t < s} C_{s,t} xi_t of a quadratic, with numbers C_{s,t}.
    If the xi_t are independent with E exp(iu xi_t) = exp(-|c_t u|^alpha), then

        E exp(iu (x_s - x* - m_s)) = prod_t exp(-|C_{s,t} c_t u|^alpha) = exp(-|c u|^alpha),
        c = (sum_{t < s} |C_{s,t} c_t|^alpha)^(1/alpha).

    So x_s is stable with the same alpha, whatever the schedule. Of plain SGD C_{s,t} = -eta_t (1 - eta_{t+1} h) ..
    (1 - eta_{s-1} h), and with a constant rate c = c_0 eta ((1 - a^(alpha s)) / (1 - a^alpha))^(1/alpha),
    a = |1 - eta h|. For alpha < 2 variances are infinite, and so is E R(x_s) from the first update on: what can be
    tested of x_s is its law, such as P(x_s <= q).

    **Arguments**

    - `study`: a linear method from one start x_0 on a quadratic with a diagonal Hessian, with noise that states its
      `stable_law`, such as `AlphaStable` or `Gaussian`, with any factor that depends on t.

    **Returns** `x_location` and `x_scale` (step, coordinate) at the recorded steps, `x_location_of_<name>` and
    `x_scale_of_<name>` of each average, NaN where it has no value, and the attribute `alpha`: what
    [`jaxsgd.theory.SymmetricStable`][] makes quantiles, probabilities and moments of. Coordinates of one x_s need not
    be independent.

    **Raises** `NoExactSolution` with the reason for any other study.

    Source: Samorodnitsky and Taqqu (1994), "Stable non-Gaussian random processes", property 1.2.1, for sums.

    >>> from jaxsgd import noise, oracles, problems, schedules
    >>> oracle = oracles.AdditiveNoise(problems.Quadratic([2.0]), noise.AlphaStable(alpha=1.5))
    >>> law = exact_law(Study(oracle=oracle, schedule=schedules.constant(0.1), steps=50))
    >>> round(law.x_scale.item(-1), 10), law.alpha
    (0.2311998944, 1.5)
    """
    given = noise_over_time(study, "exact_law")
    stable = given.noise.stable_law(study.dimension)
    if stable is None:
        name = type(given.noise).__name__
        raise NoExactSolution(f"noise.{name} does not state that its coordinates are symmetric stable")
    alpha = float(stable.alpha)
    means, totals = added_up(
        study, lambda C: np.abs(C) ** alpha, np.abs(np.outer(given.factors, stable.scales)) ** alpha
    )
    law = per_variable(study, x_location=means, x_scale=totals ** (1 / alpha))
    return law.assign_attrs(
        alpha=alpha,
        sentence="A linear method on a quadratic adds up independent noise, and sums of stable variables are stable.",
        reference='Samorodnitsky and Taqqu (1994), "Stable non-Gaussian random processes", property 1.2.1',
    )
