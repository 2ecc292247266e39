"""How far what is quadratic in x is spread on random affine recursions: E q^2 / (E q)^2 at every recorded step."""

import math
import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.known_tails import least_of_coordinates
from jaxsgd.problems import EmpiricalRisk
from jaxsgd.structure import flat
from jaxsgd.study import Study
from jaxsgd.theory.finite_sums.cost_limit import MOST
from jaxsgd.theory.finite_sums.fresh_batches import drawn_afresh
from jaxsgd.theory.finite_sums.quadratic_examples import QuadraticExamples, examples_of
from jaxsgd.theory.starts import drawn_start
from jaxsgd.theory.tails.moments_of_maps import Shares, raw_moments
from jaxsgd.theory.tails.moments_of_maps import multiplications as multiplications_of_moments
from jaxsgd.theory.tails.quartic_recursion import QuarticRecursion, multiplications
from jaxsgd.theory.tails.random_maps import drawn_maps
from jaxsgd.theory.tails.repeated_examples import least_by_repetition

GROUPS, DRAWS = 16, 2**16
"""Draws of a law that is not finite are cut into so many groups, each of which gives an estimate."""

_MOST = MOST / 30  # two seconds: it is asked of every study
_LARGEST = 6  # coordinates
_HARMLESS = 3.0  # no more than that of the square of a normal variable

_FOUND: "weakref.WeakKeyDictionary[Study, Mapping[str, np.ndarray] | None]" = weakref.WeakKeyDictionary()


def relative_second_moments(study: Study) -> Mapping[str, np.ndarray] | None:
    """kappa_s = E q^2 / (E q)^2 at the recorded steps, where x_{t+1} = x_t - eta_t g_t with g_t affine in x_t.

    With e = x - x*, examples drawn afresh and quadratic losses g = H_i e + g_i: a random affine recursion, whose
    moments of order k grow like those of products of I - eta H_i, in one coordinate like (E|1 - eta h_i|^k)^t. For
    q = ||e||^2 the second moment is of order 4. Where E|1 - eta h|^4 > (E|1 - eta h|^2)^2, kappa grows with s, and
    where E|1 - eta h|^4 > 1 it does so although the mean of q settles: q then has a law with a tail so heavy that
    its mean is made by trajectories which no sample of a feasible size contains. Moments up to order 4 follow a
    linear recursion of their own, see `QuarticRecursion`: exact for batches of any size, in up to 6 coordinates, and
    as far as it takes no more than about two seconds. Beyond that it is a lower bound, see `least_by_repetition`.

    Where gradients are drawn from a law that is not finite, as with ``RandomLoss``, independently and affine in x, the
    recursion is that of draws of it, in 16 groups, and kappa the least of 16 estimates. Estimates of moments of heavy
    tails lie below them more often than above, so that the least is below kappa but with probability 2^-16. No more are
    made once all are at most 3. In more than 6 coordinates kappa is known where noise multiplies each coordinate of
    the gradient, see `least_of_coordinates`.

    **Returns** kappa (steps,) of q = R(x_s) - R* and of q = ||x_s - x*||^2 under the names of these observables, and
    of the same of averages where that does not take longer; inf after an overflow. None where it is not known. Found
    once for each study object.

    Source: Kesten (1973), "Random difference equations and renewal theory for products of random matrices", Acta
    Math. 131; of SGD Gurbuzbalaban, Simsekli and Zhu (2021), "The heavy-tail phenomenon in SGD", arXiv 2006.04740.

    >>> from jaxsgd import oracles, problems, schedules
    >>> problem = problems.LeastSquares([[1.0]] * 49 + [[7.0]], [0.0] * 50)
    >>> oracle = oracles.ExampleSampling(problem)
    >>> study = Study(oracle=oracle, schedule=schedules.constant(0.076), steps=200, x0=[1.0])
    >>> second, fourth = (49 / 50 * (1 - 0.076) ** k + (1 - 49 * 0.076) ** k / 50 for k in (2, 4))
    >>> bool(np.isclose(relative_second_moments(study)["risk"][-1], (fourth / second**2) ** 200))
    True
    """
    if study not in _FOUND:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            _FOUND[study] = _found(study)
    return _FOUND[study]


def _found(study: Study) -> Mapping[str, np.ndarray] | None:
    oracle, d = study.oracle, study.dimension
    if not study.method.plain or oracle.full_gradient or drawn_start(study):
        return None
    if isinstance(oracle.problem, EmpiricalRisk) and oracle.averages_examples and drawn_afresh(oracle):
        costs = multiplications_of_moments(oracle.problem.examples, d * (d + 1))
        fits = d <= _LARGEST and costs + _cost(study, None) <= _MOST
        return _of_examples(study) if fits else least_by_repetition(study)
    if d > _LARGEST:
        return least_of_coordinates(study)
    # Noise of one law at every x is only added to x, and does not grow.
    if oracle.order is not None or oracle.gradient_covariances(d, 1) is not None or (oracle.tail_index or math.inf) < 4:
        return None
    costs = multiplications_of_moments(DRAWS, d * (d + 1)) + GROUPS * _cost(study, None)
    return _of_draws(study) if costs <= _MOST else None


def _of_examples(study: Study) -> Mapping[str, np.ndarray] | None:
    try:
        examples: QuadraticExamples = examples_of(study.oracle.problem, study.x0)  # type: ignore[arg-type]
    except NoExactSolution:
        return None
    n, b = len(examples.gradients), study.oracle.batch
    order: Any = study.oracle.order
    p = order.probabilities_of(n)
    weights = np.divide(1, n * p, out=np.zeros(n), where=p > 0)
    shares = Shares.of_distinct(b, n) if b > 1 and order.distinct else Shares.of_independent(b)
    raw = raw_moments((weights[:, None, None] * examples.maps()).reshape(n, -1), p, shares)
    return _kappa(study, raw, examples.enter(study.x0), np.diag(examples.eigenvalues))


def _of_draws(study: Study) -> Mapping[str, np.ndarray] | None:
    drawn = drawn_maps(study, DRAWS)
    d = study.dimension
    if drawn is None:
        return None
    hessian = drawn.maps[:, :, :d].mean(0)
    start, hessian = flat(study.x0) - drawn.centre, (hessian + hessian.T) / 2
    equal = np.full(DRAWS // GROUPS, GROUPS / DRAWS)
    least: dict[str, np.ndarray] = {}
    for group in drawn.maps.reshape(GROUPS, DRAWS // GROUPS, -1):
        found = _kappa(study, raw_moments(group, equal, Shares.of_independent(1)), start, hessian)
        least = {name: np.minimum(kappa, least.get(name, np.inf)) for name, kappa in found.items()}
        if all(kappa.max() <= _HARMLESS for kappa in least.values()):
            break
    return least


def _kappa(study: Study, raw: list[np.ndarray], start: np.ndarray, hessian: np.ndarray) -> dict[str, np.ndarray]:
    """Of the iterate, and of those averages of which it does not cost too much."""
    recursion = QuarticRecursion(raw, study.dimension)
    found = _of_one(study, recursion, start, hessian, None)
    cheap = [average for average in study.averages if _cost(study, average) <= _MOST]
    if cheap:
        recursion = QuarticRecursion(raw, study.dimension, averaged=True)
    for average in cheap:
        of_average = _of_one(study, recursion, start, hessian, average)
        found |= {f"{name}_of_{average}": kappa for name, kappa in of_average.items()}
    return found


def _of_one(
    study: Study, recursion: QuarticRecursion, start: np.ndarray, hessian: np.ndarray, average: str | None
) -> dict[str, np.ndarray]:
    moments = np.array(list(recursion.moments(start, _moves(study, average), study.recorded_steps)))
    weights = {"risk": hessian / 2, "distance_squared": np.eye(len(start))}
    return {name: _ratio(moments @ recursion.second(W), moments @ recursion.fourth(W)) for name, W in weights.items()}


def _cost(study: Study, average: str | None) -> float:
    return multiplications(study.dimension, average is not None, _moves(study, average), study.recorded_steps)


def _moves(study: Study, average: str | None) -> np.ndarray:
    """eta_t (T, 1), or eta_t and c_t (T, 2)."""
    rates = study.learning_rates[: study.steps]
    return np.column_stack([rates] if average is None else [rates, study.averages[average].mixing(rates)])


def _ratio(mean: np.ndarray, second: np.ndarray) -> np.ndarray:
    """E q^2 / (E q)^2; 1 where q is 0, inf after an overflow."""
    ratio = np.divide(second / np.abs(mean), np.abs(mean), out=np.ones_like(mean), where=mean != 0)
    return np.maximum(np.where(np.isnan(ratio), np.inf, ratio), 1.0)
