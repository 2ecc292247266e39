"""The stochastic differential equations that SGD with a small constant learning rate approaches, on quadratics."""

import dataclasses

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution, integer
from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import Eigenbasis, labelled, why_none
from jaxsgd.theory.recursion import columns
from jaxsgd.theory.starts import law_of_start, unknown_start


def diffusion(study: Study, order: int = 1) -> xr.Dataset:
    """Exact moments of a diffusion whose expectations are those of SGD up to O(eta^order), at the times s = eta t.

        order 1: dX = -grad R(X) ds + eta^(1/2) C^(1/2) dW,
        order 2: dX = -grad (R + eta/4 ||grad R||^2)(X) ds + eta^(1/2) C^(1/2) dW,    X_0 = x_0,

    with C = Cov g_t. SGD with the constant rate eta after t updates is compared with X at time s = eta t: at a fixed
    time expectations of smooth functions differ by O(eta) from the first, and by O(eta^2) from the second. Compare with
    [`jaxsgd.theory.exact`][], which has SGD itself; [`jaxsgd.weak_order`][] measures the order.

    On a quadratic of Hessian A it is seen directly: with an eigenvalue h the mean of SGD has the factor
    (1 - eta h)^t = exp(-s (h + eta h^2 / 2 + O(eta^2))), and the stationary variance eta c / (2 h - eta h^2) is that of
    the second diffusion, eta c / (2 h + eta h^2), up to O(eta^2). Both diffusions are Ornstein-Uhlenbeck processes, of
    drift -B (X - x*) with B = A or A + eta A^2 / 2. In the eigenbasis of A, with b the eigenvalues of B,

        E e_i(s) = exp(-b_i s) e_i(0),
        v_ij(s) = exp(-(b_i + b_j) s) v_ij(0) + eta c_ij (1 - exp(-(b_i + b_j) s)) / (b_i + b_j).

    **Arguments**

    - `study`: of plain SGD at one constant learning rate, on a quadratic with additive noise of constant covariance.
    - `order`: 1 or 2.

    **Returns** what `theory.exact` does of the last iterate, at the recorded steps, with their `time`: the means of
    risk and squared distance, with variances if x_0 is a point or normal, `x_mean` and `x_covariance`.

    **Raises** `NoExactSolution` for another problem, oracle, method or schedule.

    Source: Li, Tai and E (2017), arXiv 1511.06251, Theorem 1, and (2019), arXiv 1811.01558, for any smooth risk.

    >>> from jaxsgd import noise, oracles, problems, schedules, theory
    >>> oracle = oracles.AdditiveNoise(problems.Quadratic([1.0]), noise.Gaussian(1.0))
    >>> study = Study(oracle=oracle, schedule=schedules.constant(0.1), steps=10, x0=[1.0])
    >>> sgd = theory.exact(study).risk_mean[-1]
    >>> [round(float(diffusion(study, order).risk_mean[-1] - sgd), 9) for order in (1, 2)]
    [0.005379528, -0.001782622]
    """
    if not isinstance(study, Study):
        raise InvalidType(f"diffusion(study) needs a jaxsgd.Study, got {study!r}")
    eta = constant_rate(study, order)
    reason = why_none(study.oracle) or unknown_start(study)
    if reason:
        raise NoExactSolution(f"the diffusion has exact moments on a quadratic with additive noise: {reason}")
    basis, start = Eigenbasis.of(study.oracle).with_start(study)
    basis = dataclasses.replace(basis, normal=law_of_start(study).normal)
    times = eta * study.recorded_steps
    h = basis.eigenvalues
    b = h + (eta / 2 * h**2 if order == 2 else 0.0)
    rates = columns(b, basis.noise) + columns(b, basis.noise).T
    s = times.reshape(-1, *(1,) * basis.noise.ndim)
    # Where nothing pulls back, variances grow like the time.
    grown = np.where(rates > 0, -np.expm1(-rates * s) / np.where(rates > 0, rates, 1.0), s)
    mean = np.exp(-np.outer(times, b)) * start.mean
    covariance = np.exp(-rates * s) * start.covariance + eta * basis.noise * grown
    moments = basis.observables(mean, covariance) | basis.x_moments(mean, covariance)
    found = labelled(moments, study.coordinates, step=study.recorded_steps)
    return found.assign_coords(time=("step", times))


def constant_rate(study: Study, order: int) -> float:
    """eta of a study that has a diffusion of an order; an error where it has none."""
    if integer("order", order, at_least=1) > 2:
        raise InvalidInput(f"order must be 1 or 2, got {order}")
    method, rates = study.method, study.learning_rates[: study.steps]
    if not method.plain:
        raise NoExactSolution(f"methods.{type(method).__name__} does not state that it is plain SGD")
    if np.ptp(rates) > 0 or not rates[0] > 0:
        raise NoExactSolution(
            f"the diffusion is that of one constant positive learning rate, got {rates.min():g} to {rates.max():g}"
        )
    return float(rates[0])
