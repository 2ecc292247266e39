"""Linear methods on a quadratic with a diagonal Hessian and additive noise: what adds up over the updates."""

from collections.abc import Callable

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidType, NoExactSolution
from jaxsgd.oracles import FullGradient, NoiseOverTime
from jaxsgd.problems import Problem
from jaxsgd.structure import flat
from jaxsgd.study import Study
from jaxsgd.theory import linear
from jaxsgd.theory.eigenbasis import Eigenbasis, is_negative, stated_hessian, why_none
from jaxsgd.theory.linear import Summed, not_linear, setting_of
from jaxsgd.theory.recursion import MeanAndCovariance
from jaxsgd.theory.starts import drawn_start, law_of_start


def noise_over_time(study: Study, function: str) -> NoiseOverTime:
    """The noise of a study, with g_t = grad R(x_t) + c_t xi_t; NoExactSolution where there is none."""
    if not isinstance(study, Study):
        raise InvalidType(f"{function}(study) needs a jaxsgd.Study, got {study!r}")
    given = study.oracle.noise_over_time(study.steps)
    if given is None:
        raise NoExactSolution(f"oracles.{type(study.oracle).__name__} does not state a noise of its gradients")
    if not given.noise.is_additive:
        raise NoExactSolution(f"noise.{type(given.noise).__name__} is not additive: its law depends on x")
    return given


def added_up(study: Study, function: Callable[[np.ndarray], np.ndarray], weights: np.ndarray) -> Summed:
    """m_s and sum_t sum_i f(C_{s,t,i}) w_{t,i}, with x_s - x* = m_s + sum_t C_{s,t} xi_t, of x_s and each average.

    It is for what independent variables add up. Where a coordinate of x_s depends on several coordinates of the noise,
    which is so if the method mixes them, these must be independent.

    **Raises** `NoExactSolution` for other problems, methods and starts.
    """
    reason = not_linear(study) or drawn_start(study)
    if reason:
        raise NoExactSolution(f"x is a sum of noise with a linear method from one start: {reason}")
    basis = diagonal_basis(study.oracle.problem)
    start = MeanAndCovariance(*law_of_start(study)[:2])
    maps = setting_of(study.method, study.point, basis, start, study.learning_rates).maps
    if len(maps.start.mean) < study.dimension and not study.oracle.independent:
        raise NoExactSolution(
            f"methods.{type(study.method).__name__} mixes the coordinates of the noise, which "
            f"oracles.{type(study.oracle).__name__} does not state to be independent"
        )
    rates = study.learning_rates[: study.steps]
    mixings = [average.mixing(rates) for average in study.averages.values()]
    with np.errstate(over="ignore", invalid="ignore"):
        means, totals = linear.added_up(maps, mixings, study.recorded_steps, function, weights)
    for number, average in enumerate(study.averages.values(), start=1):
        undefined = average.undefined(study.recorded_steps, study.steps)
        means[number, undefined] = totals[number, undefined] = np.nan
    count = 1 + len(study.averages)  # without further points of the method
    return Summed(means[:count] + basis.minimiser, totals[:count])


def per_variable(study: Study, **values: np.ndarray) -> xr.Dataset:
    """Values (1 + averages, steps, d) as variables: `name` of x_s, and `name_of_average`."""
    suffixes = ["", *(f"_of_{name}" for name in study.averages)]
    found = {
        f"{name}{suffix}": (("step", "coordinate"), of_one)
        for name, of_all in values.items()
        for suffix, of_one in zip(suffixes, of_all, strict=True)
    }
    return xr.Dataset(found, coords={"step": study.recorded_steps, "coordinate": list(study.coordinates)})


def diagonal_basis(problem: Problem | None) -> Eigenbasis:
    """That of a quadratic with a diagonal Hessian, without noise."""
    reason = "there is no problem" if problem is None else why_none(FullGradient(problem), 1)
    if problem is None or reason:
        raise NoExactSolution(f"the law of x is that of a sum on a quadratic: {reason}")
    A = stated_hessian(problem)
    h = A if A.ndim == 1 else np.diagonal(A)
    if A.ndim == 2 and np.any(np.diag(h) != A):
        raise NoExactSolution("the Hessian is not a diagonal: each coordinate of x depends on several of the noise")
    if is_negative(h):
        raise NoExactSolution(f"the Hessian has the negative eigenvalue {h.min():g}, so that R has no minimum")
    x_star = flat(problem.minimiser)
    return Eigenbasis(float(problem.minimum or 0.0), x_star, h, None, np.zeros(len(x_star)), False)
