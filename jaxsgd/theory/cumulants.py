"""Skewness and excess kurtosis of the iterate: cumulants of independent variables add up."""

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidType, NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory.added_noise import added_up, per_variable


def cumulants(study: Study) -> xr.Dataset:
    """Mean, variance, skewness and excess kurtosis of each coordinate of x_s and of averages.

    A linear method makes x_s - x* = m_s + sum_{t < s} C_{s,t} xi_t of a quadratic. Cumulants of independent variables
    add up, and kappa_k(c xi) = c^k kappa_k(xi), so that

        kappa_k(x_s) = sum_{t < s} C_{s,t}^k kappa_k(xi_t),

    of plain SGD kappa_k(x_{t+1}) = (1 - eta h)^k kappa_k(x_t) + (-eta)^k kappa_k(xi_t). The skewness is kappa_3 /
    kappa_2^(3/2), and the excess kurtosis kappa_4 / kappa_2^2; both are 0 of a normal law.

    **Arguments**

    - `study`: a linear method from one start x_0 on a quadratic with a diagonal Hessian, with additive noise that
      states its cumulants of order 2, and 3 or 4.

    **Returns** `x_mean`, `x_variance`, `x_skewness`, `x_excess_kurtosis` (step, coordinate) at the recorded steps, the
    last two as far as the noise has these moments and states them, and the same of each average with the suffix
    `_of_<name>`. Skewness and excess kurtosis are NaN where there is no variance.

    **Raises** `NoExactSolution` with the reason for any other study.

    Source: McCullagh (1987), "Tensor Methods in Statistics", section 2.4, for cumulants of sums.

    >>> from jaxsgd import noise, oracles, problems, schedules
    >>> oracle = oracles.AdditiveNoise(problems.Quadratic([2.0]), noise.CenteredExponential())
    >>> found = cumulants(Study(oracle=oracle, schedule=schedules.constant(0.1), steps=1))
    >>> found.x_skewness.values[:, 0].round(9).tolist(), round(found.x_excess_kurtosis.item(1), 9)
    ([nan, -2.0], 6.0)
    """
    if not isinstance(study, Study):
        raise InvalidType(f"cumulants(study) needs a jaxsgd.Study, got {study!r}")
    oracle = study.oracle
    stated = {order: oracle.gradient_cumulants(order, study.dimension, study.steps) for order in (2, 3, 4)}
    known = {order: kappa for order, kappa in stated.items() if kappa is not None}
    if 2 not in known or len(known) == 1:
        missing = "a variance" if 2 not in known else "cumulants of order 3 or 4"
        raise NoExactSolution(f"{oracle!r} does not state {missing} of its gradients: infinite, or not known")
    found = {order: added_up(study, lambda C, k=order: C**k, kappa) for order, kappa in known.items()}
    means, variance = found[2]
    values = {"x_mean": means, "x_variance": variance}
    for order, name in ((3, "x_skewness"), (4, "x_excess_kurtosis")):
        if order in found:
            total = found[order].totals
            values[name] = np.divide(total, variance ** (order / 2), out=total * np.nan, where=variance > 0)
    return per_variable(study, **values)
