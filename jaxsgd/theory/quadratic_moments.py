"""Exact moments of plain SGD on a quadratic with additive noise, of any law with a known covariance."""

import numpy as np
import xarray as xr

from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import Eigenbasis, labelled, stated_covariances, why_none
from jaxsgd.theory.recursion import MeanAndCovariance, recursion
from jaxsgd.theory.route import Route, not_plain
from jaxsgd.theory.starts import unknown_start


class QuadraticWithAdditiveNoise(Route):
    """E e_{t+1} = K E e_t and Cov x_{t+1} = K Cov(x_t) K' + eta_t^2 S_t, with K = I - eta_t A and S_t = Cov xi_t."""

    title = "a quadratic with additive noise"
    sentence = "The moments of SGD on a quadratic with additive noise follow a recursion."
    reference = "Bach and Moulines (2013), arXiv 1306.2119, for the recursion of the moments"
    slow = False

    def applies(self, study: Study) -> str | None:
        return not_plain(study) or why_none(study.oracle, study.steps + 1) or unknown_start(study)

    def moments(self, study: Study) -> xr.Dataset:
        basis, start = Eigenbasis.of(study.oracle, study.steps + 1).with_start(study)
        factors = _factors(study)
        with np.errstate(over="ignore", invalid="ignore"):
            x, *averages = _recorded(study, basis, start, factors)
            observables = basis.observables(x.mean, x.covariance)
            observables |= basis.gradient_norm(x.mean, x.covariance, factors[study.recorded_steps])
            for (name, average), found in zip(study.averages.items(), averages, strict=True):
                unknown = average.undefined(study.recorded_steps, study.steps) | ~found.known
                for variable, values in basis.observables(found.mean, found.covariance, of=f"_of_{name}").items():
                    observables[variable] = np.where(unknown, np.nan, values)
            moments = observables | basis.x_moments(x.mean, x.covariance)
        moments["learning_rate"] = study.learning_rates[study.recorded_steps]
        return labelled(moments, study.coordinates, step=study.recorded_steps)


def _factors(study: Study) -> np.ndarray:
    """c_t of Cov g_t = c_t S, t = 0 .. T."""
    stated = stated_covariances(study.oracle, study.dimension, study.steps + 1)
    assert stated is not None  # otherwise the route does not apply
    return stated.factors


def _recorded(
    study: Study, basis: Eigenbasis, start: MeanAndCovariance, factors: np.ndarray
) -> list[MeanAndCovariance]:
    """Those of x and of each average, every array with a leading axis of recorded steps."""
    rates = study.learning_rates[: study.steps]
    mixings = [average.mixing(rates) for average in study.averages.values()]
    wanted = set(study.recorded_steps.tolist())
    found = recursion(basis.eigenvalues, start, lambda _, t: factors[t] * basis.noise, rates[: max(wanted)], mixings)
    kept = [moments for step, moments in enumerate(found) if step in wanted]
    return [MeanAndCovariance(*map(np.stack, zip(*of_point, strict=True))) for of_point in zip(*kept, strict=True)]
