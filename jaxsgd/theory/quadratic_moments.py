"""Exact moments of linear methods on a quadratic with additive noise, of any law with a known covariance."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import Eigenbasis, labelled, stated_covariances, why_none
from jaxsgd.theory.linear import Setting, not_linear, propagation, setting_of
from jaxsgd.theory.recursion import MeanAndCovariance
from jaxsgd.theory.route import Route
from jaxsgd.theory.starts import law_of_start, unknown_start
from jaxsgd.tracing import traced


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
            observables = basis.observables(x.mean, x.covariance)
            observables |= basis.gradient_norm(x.mean, x.covariance, factors[steps])
            observables = {name: np.where(x.known, values, np.nan) for name, values in observables.items()}
            for name, law in others.items():
                average = study.averages.get(name)
                unknown = ~law.known | (False if average is None else average.undefined(steps, study.steps))
                for variable, values in basis.observables(law.mean, law.covariance, of=f"_of_{name}").items():
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


def _stacked(laws: Sequence[MeanAndCovariance], setting: Setting) -> MeanAndCovariance:
    """The laws (B, r) of all recorded steps in the eigenbasis, (steps, d)."""
    mean, covariance, known = map(np.array, zip(*laws, strict=True))
    return MeanAndCovariance(*setting.in_eigenbasis(mean, covariance), known)


def _factors(study: Study) -> np.ndarray:
    """c_t of Cov g_t = c_t S, t = 0 .. T."""
    stated = stated_covariances(study.oracle, study.dimension, study.steps + 1)
    assert stated is not None  # otherwise the route does not apply
    return stated.factors
