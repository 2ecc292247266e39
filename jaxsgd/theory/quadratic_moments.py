"""Exact moments of linear methods on a quadratic with additive noise, of any law with a known covariance."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import Eigenbasis, HigherCumulants, labelled, stated_covariances, why_none
from jaxsgd.theory.finite_sums.cost_limit import MOST
from jaxsgd.theory.linear import Setting, added_up, cost_of_adding_up, not_linear, propagation, setting_of
from jaxsgd.theory.recursion import MeanAndCovariance
from jaxsgd.theory.route import Route
from jaxsgd.theory.starts import law_of_start, unknown_start
from jaxsgd.tracing import traced

_MOST = MOST / 30  # two seconds for variances


class QuadraticWithAdditiveNoise(Route):
    """E z_{t+1} = M_t E z_t + c_t and Cov z_{t+1} = M_t Cov(z_t) M_t' + N_t S_t N_t', with z = (x - x*, state).

    Of plain SGD z is x - x*, M = I - eta_t A and N = -eta_t I; of any other method M, N and c are read off its code.
    """

    title = "a quadratic with additive noise"
    sentence = "The moments of a linear method, such as SGD, on a quadratic with additive noise follow a recursion."
    reference = "Bach and Moulines (2013), arXiv 1306.2119, for the recursion of the moments"
    slow = False

    def applies(self, study: Study) -> str | None:
        return not_linear(study) or why_none(study.oracle, study.steps + 1) or unknown_start(study)

    def moments(self, study: Study) -> xr.Dataset:
        basis, _ = Eigenbasis.of(study.oracle, study.steps + 1).with_start(study)
        start, factors = MeanAndCovariance(*law_of_start(study)[:2]), _factors(study)
        setting = setting_of(study.method, study.point, basis, start, study.learning_rates)
        basis = setting.basis
        with np.errstate(over="ignore", invalid="ignore"):
            x, others = _laws(study, setting, factors)
            steps = study.recorded_steps
            higher = _higher(study, setting)
            observables = basis.observables(x.mean, x.covariance, higher=higher.get("x"))
            observables |= basis.gradient_norm(x.mean, x.covariance, factors[steps], higher.get("gradient"))
            observables = {name: np.where(x.known, values, np.nan) for name, values in observables.items()}
            for name, law in others.items():
                average = study.averages.get(name)
                unknown = ~law.known | (False if average is None else average.undefined(steps, study.steps))
                found = basis.observables(law.mean, law.covariance, f"_of_{name}", higher.get(f"of {name}"))
                for variable, values in found.items():
                    observables[variable] = np.where(unknown, np.nan, values)
            moments = observables | basis.x_moments(x.mean, x.covariance)
        moments["learning_rate"] = study.learning_rates[steps]
        return labelled(moments, study.coordinates, step=steps)


def _laws(
    study: Study, setting: Setting, factors: np.ndarray
) -> tuple[MeanAndCovariance, dict[str, MeanAndCovariance]]:
    """That of x, and those of averages and further points by name; every array has a leading axis of recorded steps."""
    rates = study.learning_rates[: study.steps]
    mixings = [average.mixing(rates) for average in study.averages.values()]
    noise = propagation.FixedNoise(setting.noise, factors)
    found = list(propagation.recorded(setting.maps, noise, mixings, study.recorded_steps))
    names = (*study.averages, *traced(study).points)
    others = zip(*[[*at_step.averages, *at_step.points] for at_step in found], strict=True)
    return (
        _stacked([at_step.x for at_step in found], setting),
        {name: _stacked(of_name, setting) for name, of_name in zip(names, others, strict=True)},
    )


def _higher(study: Study, setting: Setting) -> dict[str, HigherCumulants]:
    """Those of "x", of the "gradient" h e + xi drawn there, and "of NAME" for averages and points: (steps, d) each.

    None at all where e is normal, and where they are not known: they need a diagonal Hessian, a method that treats
    every coordinate for itself, and noise of independent coordinates with cumulants up to order 4.
    """
    oracle, basis, steps, d = study.oracle, setting.basis, study.recorded_steps, study.dimension
    diagonal = basis.vectors is None and basis.noise.ndim == 1 and setting.noise.shape[-1] == 1
    if basis.normal or not (diagonal and oracle.independent and law_of_start(study).normal):
        return {}
    if cost_of_adding_up(setting.maps, len(study.averages), steps) > _MOST:
        return {}
    mixings = [average.mixing(study.learning_rates[: study.steps]) for average in study.averages.values()]
    names, found = ["x", *(f"of {name}" for name in (*study.averages, *traced(study).points)), "gradient"], []
    for order in (3, 4):
        entering = oracle.gradient_cumulants(order, d, study.steps + 1)
        if entering is None:
            return {}
        of_each = added_up(setting.maps, mixings, steps, lambda C, k=order: C**k, entering).totals
        found.append([*of_each, basis.eigenvalues**order * of_each[0] + entering[steps]])
    return {name: HigherCumulants(*both) for name, *both in zip(names, *found, strict=True)}


def _stacked(laws: Sequence[MeanAndCovariance], setting: Setting) -> MeanAndCovariance:
    """The laws (B, r) of all recorded steps in the eigenbasis, (steps, d)."""
    mean, covariance, known = map(np.array, zip(*laws, strict=True))
    return MeanAndCovariance(*setting.in_eigenbasis(mean, covariance), known)


def _factors(study: Study) -> np.ndarray:
    """c_t of Cov g_t = c_t S, t = 0 .. T."""
    stated = stated_covariances(study.oracle, study.dimension, study.steps + 1)
    assert stated is not None  # otherwise the route does not apply
    return stated.factors
