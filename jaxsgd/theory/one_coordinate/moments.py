"""Moments of SGD on any one-dimensional risk with additive noise of a known density, by quadrature."""

from collections.abc import Iterator

import numpy as np
import xarray as xr

from jaxsgd.structure import flat
from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import labelled
from jaxsgd.theory.one_coordinate.density import Law
from jaxsgd.theory.one_coordinate.quadrature import Answers, Quadrature
from jaxsgd.theory.one_coordinate.update_of_density import NoiseDensity, noise_or_reason, update_of_density
from jaxsgd.theory.route import Route


class OneCoordinate(Route):
    """The density of x_{t+1} = x_t - eta_t (R'(x_t) + xi_t) from that of x_t, on any risk.

    It has the moments of x_s and of what depends on it alone. There are none of averages: x_s and its average together
    have a law in two dimensions.

    The attribute `quadrature_error` estimates the relative error: it is the largest difference from a coarser
    grid, of a mean relative to the root of the second moment, of a variance relative to itself; or the mass
    that is missing, if that is larger. Grids agree on what no node of theirs sees; therefore R and R' are also
    looked at between the nodes (`jaxsgd.theory.one_coordinate.fine_cells`), wherever x_0 .. x_T may be, once in each
    interval of the length `quadrature_spacing`. Where they vary there, panels are cut, the moments are computed again,
    and what was missed is found, or refused. What is narrower than that interval is seen with the probability of their
    ratio, unless it is near a number that stands in the program of the risk.
    """

    title = "a risk of one coordinate with noise of a known density"
    sentence = "In one dimension, with additive noise, the law of an iterate determines that of the next."
    reference = "Nystroem (1930), Acta Math. 54, for the quadrature of the density"
    slow = True

    def applies(self, study: Study) -> str | None:
        found = noise_or_reason(study)
        if isinstance(found, str):
            return found
        return None if np.isfinite(found[0].variance) else "the noise has no variance, and neither has x"

    def moments(self, study: Study) -> xr.Dataset:
        update, problem = update_of_density(study), study.oracle.problem
        minimiser = None if problem is None or problem.minimiser is None else float(flat(problem.minimiser)[0])
        steps = study.recorded_steps
        recorded = set(steps.tolist())

        def ask(laws: Iterator[Law]) -> Answers:
            kept = [(law, update.factors[step]) for step, law in enumerate(laws) if step in recorded]
            rows = [_moments(law, minimiser, update.noise, factor) for law, factor in kept]
            answers = {name: np.array([row[name] for row in rows]) for name in rows[0]}
            return {**answers, "mass": np.array([law.masses.sum() for law, _ in kept])}

        question = Quadrature(update, int(steps.max()), ask, _difference)
        found = question.agreed()
        moments = {name: values for name, values in found.answers.items() if name != "mass"}
        moments["learning_rate"] = study.learning_rates[steps]
        labels = labelled(moments, study.coordinates, step=steps)
        return labels.assign_attrs(quadrature_error=found.error, quadrature_spacing=found.spacing)


def _moments(law: Law, minimiser: float | None, noise: NoiseDensity, factor: float) -> dict[str, np.ndarray | float]:
    def mean_and_variance(values: np.ndarray) -> tuple[float, float]:
        mean = float(law.masses @ values)
        return mean, float(law.masses @ (values - mean) ** 2)

    x_mean, x_variance = mean_and_variance(law.points)
    observables = {"risk": mean_and_variance(law.risks)}
    if minimiser is not None:
        observables["distance_squared"] = mean_and_variance((law.points - minimiser) ** 2)
    moments = {f"{name}_mean": mean for name, (mean, _) in observables.items()}
    moments |= {f"{name}_variance": variance for name, (_, variance) in observables.items()}
    # g = R'(x) + c xi has E[g^2 | x] = R'^2 + c^2 v and, if xi is normal, Var(g^2 | x) = 4 c^2 v R'^2 + 2 (c^2 v)^2.
    mean, variance = mean_and_variance(law.slopes**2)
    v = factor**2 * noise.variance
    moments["gradient_norm_squared_mean"] = mean + v
    if noise.is_normal:
        moments["gradient_norm_squared_variance"] = variance + 4 * v * mean + 2 * v**2
    return {**moments, "x_mean": np.array([x_mean]), "x_covariance": np.array([[x_variance]])}


def _difference(moments: Answers, others: Answers) -> float:
    """The largest relative difference, as `OneCoordinate` defines it."""
    largest = float(np.abs(moments["mass"] - 1).max())
    for name, values in moments.items():
        scale = np.abs(values)
        if name.endswith("_mean"):
            of_x = moments["x_covariance"][..., 0]
            variance = of_x if name == "x_mean" else moments.get(name[:-5] + "_variance", np.zeros_like(values))
            scale = np.sqrt(values**2 + variance)
        difference = np.abs(values - others[name])
        largest = max(largest, float(np.divide(difference, scale, out=difference, where=scale > 0).max()))
    return largest
