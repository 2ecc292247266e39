"""Exact moments of SGD: in closed form on a quadratic with Gaussian gradient noise."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidType, NoExactSolution
from jaxsgd.methods import Sgd
from jaxsgd.problems import Quadratic
from jaxsgd.study import Study
from jaxsgd.theory import one_dimension
from jaxsgd.theory.eigenbasis import Eigenbasis, labelled

_EPS = np.finfo(float).eps
_DIGITS = 1e-6  # relative error from which on a moment is not known


class Law(NamedTuple):
    """Mean (d,) and covariance (d,) or (d, d) of a Gaussian vector in the eigenbasis, if rounding leaves them known."""

    mean: np.ndarray
    covariance: np.ndarray
    known: np.ndarray | bool = True


class AverageLaw(NamedTuple):
    """The law of an average xbar, C = Cov(x, xbar), and how far rounding may have moved mean and covariance."""

    law: Law
    cross: np.ndarray
    lost: Law


def exact(study: Study) -> xr.Dataset:
    """Exact moments of SGD on R(x) = 1/2 (x - x*)' A (x - x*) with Gaussian gradient noise; others in one dimension.

    With e = x - x*, S = Cov xi_t and K = I - eta_t A, for any schedule,

        E e_{t+1} = K E e_t,    Cov x_{t+1} = K Cov(x_t) K' + eta_t^2 S;

    an average xbar <- xbar + c_t (x_t - xbar) has its own mean, C = Cov(x, xbar) and U = Cov xbar,

        C_{t+1} = K ((1 - c) C_t + c Cov x_t),
        U_{t+1} = (1 - c)^2 U_t + c (1 - c) (C_t + C_t') + c^2 Cov x_t.

    All are Gaussian, so that E e'Me = tr MV + m'Mm and Var e'Me = 2 tr(MVMV) + 4 m'MVMm give the risk
    (M = A/2), the squared distance (M = I) and the norm of the drawn gradient, N(A E e, A V A + S).

    The cost is O(T d) if A and S are diagonal or S is a multiple of the identity, otherwise O(T d^2).

    For any other risk of one coordinate the density of x_{t+1} = x_t - eta_t (R'(x_t) + xi_t) is found step by
    step by quadrature, see `jaxsgd.theory.density`. Then averages have no moments, and the attribute
    `quadrature_error` of what is returned estimates the largest relative error; above 1e-6 it is not returned.
    It takes some seconds for thousands of steps.

    **Arguments**

    - `study`: with method `Sgd` and oracle `AdditiveNoise(Quadratic, Gaussian)`, `FullGradient(Quadratic)`, or, of
      one coordinate, `AdditiveNoise(problem, Gaussian)`.

    **Returns** the variables of a simulation along `step`, the recorded steps: `o_mean` and `o_variance`
    of each built-in observable o, `x_mean`, `x_covariance` (unless it would hold over 10^7 numbers) and
    `learning_rate`. NaN where an average has no value, and where iterates grew so much before they returned that
    rounding leaves less than six digits of it. After an overflow the moments of observables are
    inf, those of x inf or NaN.

    **Raises** `NoExactSolution` with the reason for any other study, and where quadrature does not reach 1e-6.

    Source: Bach and Moulines (2013), arXiv 1306.2119, for the recursion; Mathai and Provost (1992),
    "Quadratic Forms in Random Variables", for their variances.

    >>> from jaxsgd import chapter
    >>> moments = exact(chapter.study("constant"))
    >>> round(float(moments.risk_mean.sel(step=50)), 10)
    0.0590277829

    With a constant learning rate on |x| the balance of squared distances gives E|x| = eta (1 + sigma^2) / 2.

    >>> from jaxsgd import noise, oracles, problems, schedules
    >>> oracle = oracles.AdditiveNoise(problems.AbsoluteValue(), noise.Gaussian(std=1.0))
    >>> study = Study(oracle=oracle, schedule=schedules.constant(0.1), steps=300)
    >>> round(float(exact(study).risk_mean[-1]), 10)
    0.1
    """
    if not isinstance(study, Study):
        raise InvalidType(f"exact(study) needs a jaxsgd.Study, got {study!r}")
    if not isinstance(study.method, Sgd):
        raise NoExactSolution(f"exact moments need methods.Sgd, got {type(study.method).__name__}")
    if one_dimension.applies(study) and not isinstance(study.oracle.problem, Quadratic):
        return one_dimension.by_quadrature(study)
    basis = Eigenbasis.of(study.oracle)
    with np.errstate(over="ignore", invalid="ignore"):
        x, *averages = _recorded(study, basis)
        observables = basis.observables(x.mean, x.covariance) | basis.gradient_norm(x.mean, x.covariance)
        for (name, average), law in zip(study.averages.items(), averages, strict=True):
            unknown = average.undefined(study.recorded_steps, study.steps) | ~law.known
            for variable, values in basis.observables(law.mean, law.covariance, of=f"_of_{name}").items():
                observables[variable] = np.where(unknown, np.nan, values)
        moments = observables | basis.x_moments(x.mean, x.covariance)
    moments["learning_rate"] = study.learning_rates[study.recorded_steps]
    return labelled(moments, study.coordinates, step=study.recorded_steps)


def _recorded(study: Study, basis: Eigenbasis) -> list[Law]:
    """The laws of x and of each average, every array with a leading axis of recorded steps."""
    rates = study.learning_rates[: study.steps]
    mixings = [average.mixing(rates) for average in study.averages.values()]
    wanted = set(study.recorded_steps.tolist())
    laws = _laws(basis, basis.enter(study.x0), rates[: max(wanted)], mixings)
    kept = [law for step, law in enumerate(laws) if step in wanted]
    return [Law(*map(np.stack, zip(*of_one, strict=True))) for of_one in zip(*kept, strict=True)]


def _laws(
    basis: Eigenbasis, start: np.ndarray, rates: np.ndarray, mixings: Sequence[np.ndarray]
) -> Iterator[tuple[Law, ...]]:
    """The law of x_s and those of its averages, for s = 0, 1, ..."""
    zero = np.zeros_like(basis.noise)
    lost = Law(np.zeros_like(start), zero)
    x, averages = Law(start, zero), [AverageLaw(Law(start, zero), zero, lost)] * len(mixings)
    yield x, *(_known(average) for average in averages)
    for t, eta in enumerate(rates.tolist()):
        k = 1 - eta * basis.eigenvalues
        K = basis.columns(k)
        averages = [_mixed(average, x, mixing[t], K) for average, mixing in zip(averages, mixings, strict=True)]
        x = Law(k * x.mean, K * K.T * x.covariance + eta**2 * basis.noise)
        yield x, *(_known(average) for average in averages)


def _known(average: AverageLaw) -> Law:
    """The law of an average; known where rounding leaves six digits of E e'e."""
    (mean, U, _), lost = average.law, average.lost
    variance, lost_variance = (each if each.ndim == 1 else np.diag(each) for each in (U, lost.covariance))
    size = np.sum(variance + mean**2)
    error = np.sum(lost_variance + 2 * np.abs(mean) * lost.mean)
    return Law(mean, U, not error > _DIGITS * size)


def _mixed(average: AverageLaw, x: Law, c: float, K: np.ndarray) -> AverageLaw:
    """The law of xbar + c (x_t - xbar), and its cross-covariance with x_{t+1}, where e_{t+1} = K e_t - eta_t xi_t."""
    (mean, U, _), C, lost = average
    law = Law((1 - c) * mean + c * x.mean, (1 - c) ** 2 * U + c * (1 - c) * (C + C.T) + c**2 * x.covariance)
    of_mean = abs(1 - c) * np.abs(mean) + abs(c) * np.abs(x.mean)
    of_covariance = (1 - c) ** 2 * np.abs(U) + abs(c * (1 - c)) * np.abs(C + C.T) + c**2 * np.abs(x.covariance)
    lost = Law(abs(1 - c) * lost.mean + _EPS * of_mean, (1 - c) ** 2 * lost.covariance + _EPS * of_covariance)
    return AverageLaw(law, K * ((1 - c) * C + c * x.covariance), lost)
