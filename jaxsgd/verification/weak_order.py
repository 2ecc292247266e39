"""How fast expectations of SGD approach those of a diffusion as the learning rate falls, measured."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxsgd import theory
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution, integer
from jaxsgd.inference import Judgement, Measurement, Slope, fit_slope, judge
from jaxsgd.record import at
from jaxsgd.runs import simulation
from jaxsgd.schedules import constant
from jaxsgd.study import Study
from jaxsgd.theory.diffusion import constant_rate
from jaxsgd.verification.simulated_diffusion import MeanRisk, simulated_diffusion

_RESOLVED = 0.1  # relative standard errors up to which the logarithm of an error is nearly normal


@dataclass(frozen=True)
class WeakOrder:
    """Errors E R(x_T) - E R(X_s) at one time s = eta T, over the learning rate; what `weak_order` returns.

    - `order`: that of the diffusion, and of what is claimed.
    - `rates`, `errors`, `standard_errors`: eta, the errors, and their standard errors, independent of each other, (k,).
    - `fit`: the exponent of |error| over eta, local to these rates, with its lack of fit.
    - `trajectories`: how many at each rate.
    """

    order: int
    rates: np.ndarray
    errors: np.ndarray
    standard_errors: np.ndarray
    fit: Slope
    trajectories: int

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Confidence limits of the exponent."""
        return self.fit.interval(confidence)

    def judged(self, margin: float = 0.25, alpha: float = 0.05) -> Judgement:
        """The claim that the exponent is the order, up to a margin: consistent, refuted or inconclusive.

        The margin is for what the exponent departs from the order at rates that are not infinitely small, by O(eta).
        """
        measurement = Measurement(
            "within", float(self.order), self.fit.slope, self.fit.standard_error, self.trajectories, margin
        )
        return judge([measurement], alpha)[0]


def weak_order(
    study: Study,
    order: int,
    halvings: int = 2,
    trajectories: int = 2**18,
    seed: int = 0,
    diffusion: Callable[[Study, int, int, int], MeanRisk] = simulated_diffusion,
) -> WeakOrder:
    """The weak order of a diffusion: SGD at the rates eta, eta / 2, .., at one time, and the exponent of its errors.

    At each rate other trajectories of SGD are simulated, T, 2 T, .. updates of them. The expectation of the diffusion,
    which depends on eta too, is exact on quadratics ([`jaxsgd.theory.diffusion`][]); for other risks it is simulated,
    as often, and its standard error is part of that of the error.

    **Arguments**

    - `study`: at the largest learning rate eta, for T updates.
    - `order`: of the diffusion, 1 or 2.
    - `halvings`: how often eta is halved, at least 1.
    - `trajectories`: how many at each rate; errors of less than ten standard errors are an error, which says so.
    - `seed`: of all runs.
    - `diffusion`: simulates the diffusion where it has no exact moments; the default needs diffrax.

    **Returns** a `WeakOrder`.

    **Raises** `InvalidInput` where errors are not resolved or change their sign; `NoExactSolution` where there is no
    diffusion of this study.

    Source: Li, Tai and E (2019), arXiv 1811.01558, for what is measured; Kloeden and Platen (1992), Numerical Solution
    of Stochastic Differential Equations, chapter 9, for how.
    """
    if not isinstance(study, Study):
        raise InvalidType(f"weak_order(study, order) needs a jaxsgd.Study, got {study!r}")
    eta, count = constant_rate(study, order), integer("trajectories", trajectories, at_least=2)
    rates = eta / 2.0 ** np.arange(integer("halvings", halvings, at_least=1) + 1)
    differences = []
    for i, rate in enumerate(rates):
        steps = study.steps * 2**i
        finer = study.replace(
            schedule=constant(rate), steps=steps, record=at([steps]), observe=("risk",), observables={}, averages={}
        )
        found = simulation.simulate(
            finer, count, seed, first_trajectory=i * count, statistics=(), progress=False
        ).dataset.isel(step=0)
        exact = _of_diffusion(finer, order, count, seed + i, diffusion)
        error = float(found["risk_mean"]) - exact.mean
        differences.append((error, np.hypot(float(found["risk_sem"]), exact.standard_error)))
    errors, standard_errors = np.array(differences).T
    _check(rates, errors, standard_errors)
    fit = fit_slope(rates, np.abs(errors), standard_error=standard_errors)
    return WeakOrder(order, rates, errors, standard_errors, fit, count)


def _of_diffusion(
    study: Study, order: int, count: int, seed: int, simulated: Callable[[Study, int, int, int], MeanRisk]
) -> MeanRisk:
    try:
        return MeanRisk(float(theory.diffusion(study, order)["risk_mean"][-1]), 0.0)
    except NoExactSolution:
        return simulated(study, order, count, seed)


def _check(rates: np.ndarray, errors: np.ndarray, standard_errors: np.ndarray) -> None:
    for rate, error, deviation in zip(rates, errors, standard_errors, strict=True):
        if not abs(error) * _RESOLVED >= deviation:
            raise InvalidInput(
                f"the error at the rate {rate:g} is {error:.3g} +- {deviation:.2g}, too uncertain for an exponent: use "
                "more trajectories, larger rates or fewer halvings"
            )
    if errors.min() < 0 < errors.max():
        raise InvalidInput(f"errors change their sign over the rates, and follow no power law: {errors.tolist()}")
