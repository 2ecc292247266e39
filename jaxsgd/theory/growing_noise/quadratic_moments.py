"""Exact moments of linear methods on a quadratic whose noise grows with the gradient."""

import numpy as np
import xarray as xr

from jaxsgd.oracles import Oracle
from jaxsgd.structure import flat
from jaxsgd.study import Study
from jaxsgd.theory.finite_sums.growth_of_second_moments import unstable
from jaxsgd.theory.finite_sums.sampled_gradients import with_noise
from jaxsgd.theory.finite_sums.sampled_quadratics import beyond, tabulated
from jaxsgd.theory.growing_noise.noise_of_gradient import CentredQuadratic, GrowingNoise, stated_growth
from jaxsgd.theory.growing_noise.settling import limit_of
from jaxsgd.theory.linear import not_linear
from jaxsgd.theory.route import Route
from jaxsgd.theory.starts import unknown_start


class QuadraticWithGrowingNoise(Route):
    """Means of observables, and mean and covariance of x, where Cov(g | x) = diag(r (A e)^2) + C."""

    title = "a quadratic with noise that grows with the gradient"
    sentence = "The second moments of a linear method follow a recursion where noise is proportional to the gradient."
    reference = "theory.exact; Bottou, Curtis and Nocedal (2018), arXiv 1606.04838, for such noise"
    slow = True

    def applies(self, study: Study) -> str | None:
        return not_linear(study) or why_not(study.oracle, study.steps + 1) or unknown_start(study)

    def moments(self, study: Study) -> xr.Dataset:
        quadratic = CentredQuadratic.of(study.oracle)
        noise = GrowingNoise(quadratic, study.oracle, study.steps + 1)
        found = tabulated(quadratic, study, with_noise(quadratic, noise, study), {})
        plain = study.method.plain
        return found.assign_attrs(
            beyond(limit_of(quadratic, noise), study) if plain else unstable(quadratic, noise, study)
        )


def why_not(oracle: Oracle, updates: int | None = None) -> str | None:
    """Why an oracle is not known to be a quadratic whose noise grows with its gradient; None where it is.

    With a number of `updates` the noise may have one factor in all of them.
    """
    problem, name = oracle.problem, f"oracles.{type(oracle).__name__}"
    if problem is None or problem.hessian is None or problem.minimiser is None or problem.minimum is None:
        return "the problem does not state a constant Hessian, a minimiser and a minimum"
    if not oracle.unbiased:
        return f"{name} does not state that its gradients are unbiased"
    d = len(flat(problem.minimiser))
    stated = stated_growth(oracle, d, updates)
    if stated is None:
        return f"{name} does not state how the covariance of the gradient grows with it"
    if np.shape(stated.relative) != (d,) or np.shape(stated.at_rest) not in ((d,), (d, d)):
        return f"the growing_covariance that {name} states does not fit {d} coordinates"
    return None
