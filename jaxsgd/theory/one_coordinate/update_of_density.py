"""What a step does to the density of one coordinate: x_{t+1} = x_t - eta_t R'(x_t) - w_t xi_t."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.oracles import NoiseOverTime
from jaxsgd.structure import flat
from jaxsgd.study import Study
from jaxsgd.theory.one_coordinate.pointwise import Values, numbers_of, pointwise
from jaxsgd.theory.route import not_plain
from jaxsgd.theory.starts import drawn_start

OUTSIDE = 1e-16
"""The mass of the noise that is cut off at each end."""


class NoiseDensity(NamedTuple):
    """The law of xi, as quadrature needs it.

    - `density`: at points (n,).
    - `low`, `high`: all but 1e-16 of the mass at each end lies between.
    - `scale`: over which the density varies; the standard deviation of a normal law.
    - `variance`: of xi; inf where it has none.
    - `is_normal`: whether it is normal.
    """

    density: Callable[[np.ndarray], np.ndarray]
    low: float
    high: float
    scale: float
    variance: float
    is_normal: bool


class UpdateOfDensity(NamedTuple):
    """What the law of x_{t+1} given x_t is made of.

    - `start`: x_0.
    - `rates`: eta_t, (T,).
    - `factors`: c_t, (T + 1,), with which the noise of the gradient is c_t xi.
    - `noise`: the law of xi.
    - `evaluate`: R and R' at points (n,).
    - `kinks`: between them R is smooth.
    - `suspects`: numbers near which R may vary much: those that its program contains.
    """

    start: float
    rates: np.ndarray
    factors: np.ndarray
    noise: NoiseDensity
    evaluate: Callable[[np.ndarray], Values]
    kinks: np.ndarray
    suspects: np.ndarray

    @property
    def widths(self) -> np.ndarray:
        """w_t = eta_t c_t, (T,)."""
        return self.rates * self.factors[:-1]


def update_of_density(study: Study) -> UpdateOfDensity:
    """What a step of a study does; NoExactSolution where it is not known."""
    found, problem = noise_or_reason(study), study.oracle.problem
    if isinstance(found, str) or problem is None:
        raise NoExactSolution(f"the law of x is not known: {found}")
    density, factors = found
    return UpdateOfDensity(
        start=float(flat(study.x0)[0]),
        rates=study.learning_rates[: study.steps],
        factors=factors,
        noise=density,
        evaluate=pointwise(problem, study.point),
        kinks=np.unique(problem.kinks),
        suspects=numbers_of(problem, study.point),
    )


def noise_or_reason(study: Study) -> tuple[NoiseDensity, np.ndarray] | str:
    """The law of xi, and its factors (T + 1,); or why the law of x_{t+1} given x_t is not known."""
    oracle = study.oracle
    if not_plain(study) or study.dimension != 1:
        return not_plain(study) or f"x has {study.dimension} coordinates"
    if oracle.problem is None:
        return "there is no problem"
    drawn = drawn_start(study)
    if drawn:
        return drawn
    found = _stated_noise(study) if oracle.unbiased else None
    if found is None:
        return (
            f"oracles.{type(oracle).__name__} does not state that its gradients are unbiased, with noise of a density "
            "that is known and does not depend on x"
        )
    density, factors = found
    if not density.scale > 0:
        return "the gradient has no noise"
    if np.any(factors == 0):
        return "some gradients have no noise"
    return "the noise is scaled by negative numbers" if factors.min() < 0 else found


def _stated_noise(study: Study) -> tuple[NoiseDensity, np.ndarray] | None:
    """The law of xi in one coordinate, and its factors; None where the oracle does not state a density."""
    oracle, updates = study.oracle, study.steps + 1
    if oracle.normal:
        found = oracle.gradient_covariances(1, updates)
        return None if found is None else (_normal(float(np.ravel(found.covariance)[0])), np.sqrt(found.factors))
    given = oracle.noise_over_time(updates)
    density = None if given is None else _continuous(given)
    return None if given is None or density is None else (density, np.asarray(given.factors))


def _normal(variance: float) -> NoiseDensity:
    std = math.sqrt(max(variance, 0.0))

    def density(xi: np.ndarray) -> np.ndarray:
        found = xi / std
        found *= found
        found *= -0.5
        np.exp(found, out=found)
        found /= std * math.sqrt(2 * math.pi)
        return found

    reach = 8.3 * std  # beyond which 1e-16 of the mass lies
    return NoiseDensity(density, -reach, reach, std, variance, True)


def _continuous(given: NoiseOverTime) -> NoiseDensity | None:
    """Of an additive noise that states the density of one coordinate."""
    law: Any = given.noise.marginal(1) if given.noise.is_additive else None
    if law is None or not hasattr(law, "pdf"):
        return None

    def density(xi: np.ndarray) -> np.ndarray:
        return np.asarray(law.pdf(xi[..., None]))[..., 0]

    def quantile(p: float) -> float:
        return float(np.ravel(law.ppf(np.array([p])))[0])

    low, high = quantile(OUTSIDE), float(np.ravel(law.isf(np.array([OUTSIDE])))[0])
    variance = given.noise.covariance_matrix(1)
    known = math.inf if variance is None else float(np.ravel(variance)[0])
    return NoiseDensity(density, low, high, (quantile(0.84) - quantile(0.16)) / 2, known, False)
