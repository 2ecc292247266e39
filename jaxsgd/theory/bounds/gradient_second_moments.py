"""The legal choices of G_t^2 = E||g_t||^2 in a bound: exact, measured, or bounded before the run."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr

from jaxsgd.averages import Average
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.module import with_own_arrays
from jaxsgd.record import every
from jaxsgd.results.result import Result
from jaxsgd.results.same_study import check_is_of
from jaxsgd.start import Start
from jaxsgd.structure import flat
from jaxsgd.study import Study
from jaxsgd.theory.bounds.geometry import contains, minimiser
from jaxsgd.theory.eigenbasis import stated_covariances
from jaxsgd.theory.exact_moments import exact


class SecondMoments(NamedTuple):
    """G_t^2 (T,) and its standard error (T,), 0 where G_t^2 is exact."""

    mean: np.ndarray
    standard_error: np.ndarray


def exact_moments(study: Study, averages: Mapping[str, Average]) -> xr.Dataset:
    """Exact moments at every step, with these averages in place of the study's own; or `NoExactSolution`."""
    moments = moments_at_every_step(study, averages)
    if any(of_average(name) not in moments for name in averages):
        raise NoExactSolution("the exact moments of averages are needed, and only those of the last iterate are known")
    return moments


def moments_at_every_step(study: Study, averages: Mapping[str, Average]) -> xr.Dataset:
    """As `exact_moments`, but without those averages of which there are no exact moments."""
    plain = {"observe": None, "observables": {}, "path_sums": {}}
    return exact(study.replace(record=every(1), averages=averages, **plain))


def of_average(name: str) -> str:
    """The variable that is the expected risk of an average."""
    return f"risk_of_{name}_mean"


def along_the_run(moments: xr.Dataset) -> SecondMoments:
    """Exact G_t^2, from exact moments at every step."""
    G2 = moments["gradient_norm_squared_mean"].values[:-1]
    return SecondMoments(G2, np.zeros_like(G2))


def measured(study: Study, result: Result) -> SecondMoments:
    """G_t^2 as estimated by a result of this study that recorded it at every step."""
    if not isinstance(result, Result):
        raise InvalidType(f"result must be what simulate returns, got {result!r}")
    dataset, T = result.dataset, study.steps
    if "gradient_norm_squared_mean" not in dataset or not np.array_equal(dataset["step"], np.arange(T + 1)):
        raise InvalidInput(
            f"the result must hold gradient_norm_squared at every step 0..{T}: run the study with "
            'record=js.record.every(1), and with "gradient_norm_squared" in observe where that is given'
        )
    check_is_of(study, result)
    return SecondMoments(
        dataset["gradient_norm_squared_mean"].values[:T], dataset["gradient_norm_squared_sem"].values[:T]
    )


def a_priori(study: Study) -> float | None:
    """L^2 >= E||g_t||^2 for every t, known before the run; None where there is none.

    With additive noise it is sup ||grad R||^2 + tr Cov xi. The supremum is at most G^2 for a G-Lipschitz
    risk, and at most h^2 max ||x - x*||^2 over the set on which SGD is projected, h the smoothness.
    """
    problem, x_star, trace = study.oracle.problem, minimiser(study), _noise_trace(study)
    if problem is None or trace is None:
        return None
    slopes = [] if problem.lipschitz is None else [problem.lipschitz]
    onto, h = study.method.projection, problem.smoothness
    # x_0 is not projected: unless it is in the set, not all iterates are.
    starts_inside = onto is not None and not isinstance(study.x0, Start) and contains(onto, flat(study.x0))
    if onto is not None and x_star is not None and h is not None and starts_inside:
        slopes.append(h * onto.farthest(x_star))
    largest = min(slopes, default=np.inf) ** 2 + trace
    return float(largest) if np.isfinite(largest) else None


def in_advance(study: Study) -> float:
    """A guess of G^2 made before the run: `a_priori`, or else E||g_0||^2, as far as it is known."""
    largest, problem = a_priori(study), study.oracle.problem
    if largest is not None or problem is None:
        return largest or 0.0
    with jax.enable_x64(True):
        own, starts = with_own_arrays(problem), map(study.point.unravel, study.starting_points)
        largest = max(float(np.sum(flat(own.gradient(x_0)) ** 2)) for x_0 in starts)
    return largest + (_noise_trace(study) or 0.0)


def _noise_trace(study: Study) -> float | None:
    """The largest tr Cov(g_t | x_t) of the updates, where it is the same at every x."""
    stated = stated_covariances(study.oracle, study.dimension, study.steps)
    if stated is None:
        return None
    covariance, factors = stated
    return float((covariance.sum() if covariance.ndim == 1 else np.trace(covariance)) * factors.max())
