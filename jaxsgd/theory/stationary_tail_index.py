"""How heavy the tails of the stationary law of SGD are."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.optimize import root_scalar

from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.oracles import NoiseOverTime
from jaxsgd.study import Study
from jaxsgd.theory.added_noise import diagonal_basis
from jaxsgd.theory.finite_sums.fresh_batches import drawn_afresh
from jaxsgd.theory.finite_sums.quadratic_examples import examples_of
from jaxsgd.theory.route import not_plain

_LARGEST = 64.0
_ERROR = 1e-9


def stationary_tail_index(study: Study) -> float:
    """The tail index k of the stationary law of SGD: E||x||^p is finite for p < k, and infinite for p >= k.

    With a constant learning rate and a gradient that is affine in x, x_{t+1} - x* = A_t (x_t - x*) + B_t with
    independent (A_t, B_t) of one law. If E log|A| < 0 there is a stationary law; if A exceeds 1 now and then, and noise
    is left at x*, its tail P(|x| > r) falls like r^-k however light the tails of A and B are, where k > 0 solves

        E|A|^k = 1.

    Of multiplicative noise, g = h (x - x*) (1 + zeta) + xi, it is A = 1 - eta h (1 + zeta); of sampled examples in one
    coordinate A = 1 - eta w_i h_i. E|A|^p is convex in p and 1 at p = 0, so that there is one such k. Noise with a tail
    index below k gives x its own. Of noise that does not depend on x, A is a number, and the index that of the noise.

    An estimated mean of the excess risk has a standard error in the long run only for k > 4, and the mean exists for
    k > 2 alone: second moments settle below [`jaxsgd.theory.stability_limit`][] of the oracle.

    **Arguments**

    - `study`: plain SGD with a constant learning rate, of which it does not matter for how many updates; on a quadratic
      with a diagonal Hessian and additive or multiplicative noise, or with `ExampleSampling` of quadratic losses of one
      coordinate, drawn afresh one by one.

    **Returns** the least k of all coordinates; inf where all moments are finite.

    **Raises** `InvalidInput` if there is no stationary law, `NoExactSolution` for any other study.

    Source: Kesten (1973), "Random difference equations and renewal theory for products of random matrices", Acta Math.
    131; Goldie (1991), "Implicit renewal theory and tails of solutions of random equations", Ann. Appl. Probab. 1; of
    SGD Gurbuzbalaban, Simsekli and Zhu (2021), "The heavy-tail phenomenon in SGD", arXiv 2006.04740.

    >>> from jaxsgd import noise, oracles, problems, schedules
    >>> given = noise.Multiplicative(std=1.5, additive=noise.Gaussian())
    >>> oracle = oracles.AdditiveNoise(problems.Quadratic([1.0]), given)
    >>> round(stationary_tail_index(Study(oracle=oracle, schedule=schedules.constant(0.5), steps=10)), 5)
    2.67253
    """
    if not isinstance(study, Study):
        raise InvalidType(f"stationary_tail_index(study) needs a jaxsgd.Study, got {study!r}")
    reason, oracle, rates = not_plain(study), study.oracle, study.learning_rates[: study.steps]
    if reason:
        raise NoExactSolution(f"the tail index is one of plain SGD: {reason}")
    if np.ptp(rates) > 0:
        raise NoExactSolution(f"the learning rate is not constant: it goes from {rates.min():g} to {rates.max():g}")
    given = oracle.noise_over_time(study.steps)
    if given is not None:
        index = _of_noise(study, given, float(rates[0]))
    elif oracle.averages_examples and drawn_afresh(oracle):
        index = _of_examples(study, float(rates[0]))
    else:
        name = type(oracle).__name__
        raise NoExactSolution(f"oracles.{name} states neither a noise nor examples that are drawn afresh")
    if index == _LARGEST:
        raise NoExactSolution(f"the tail index is above {_LARGEST:g}")
    return index


def _of_noise(study: Study, given: NoiseOverTime, eta: float) -> float:
    """That of noise, additive or not."""
    noise, factors = given
    name, h = f"noise.{type(noise).__name__}", diagonal_basis(study.oracle.problem).eigenvalues
    if np.ptp(factors) > 0:
        raise NoExactSolution("the scale of the noise changes with t")
    at_rest = noise.covariance_matrix(len(h)) if noise.is_additive else noise.covariance_at_rest(len(h))
    if at_rest is not None and not np.any(at_rest):
        raise NoExactSolution(f"{name} leaves no noise at x*: the stationary law is that point")
    if noise.tail_index is None:
        raise NoExactSolution(f"{name} does not state a tail index")
    if noise.is_additive:
        for of_one in h.tolist():
            _check_contraction(float(np.log(np.abs(1 - eta * of_one))), eta)
        return noise.tail_index
    law = noise.relative_marginal(len(h))
    if law is None:
        raise NoExactSolution(f"{name} does not state the law of its factor")
    of_each = [_of_continuous(law, j, eta * h[j], factors[0], eta) for j in range(len(h))]
    return min(noise.tail_index, *of_each)


def _of_continuous(law: Any, j: int, step: float, scale: float, eta: float) -> float:
    """k of A = 1 - step (1 + scale zeta), where zeta has a density; step is eta h_j."""

    def at(value: Any) -> float:
        return float(np.ravel(value)[j if np.ndim(value) else 0])

    size = step * scale
    ends = [at(end) for end in law.support()]
    inner = [at(law.ppf(p)) for p in (1e-9, 1e-3, 0.5, 1 - 1e-3, 1 - 1e-9)]
    zero = [(1 - step) / size] if size > 0 else []  # where A is 0
    nodes = [ends[0], *sorted(each for each in {*inner, *zero} if ends[0] < each < ends[1]), ends[1]]

    def expectation(function: Callable[[float], float]) -> float:
        def integrand(zeta: float) -> float:
            return function(abs(1 - step - size * zeta)) * at(law.pdf(zeta))

        parts = [
            quad(integrand, low, high, epsabs=_ERROR / 10, epsrel=_ERROR / 10, full_output=1)[:2]
            for low, high in itertools.pairwise(nodes)
        ]
        return sum(part for part, _ in parts)

    largest = max(abs(1 - step - size * end) for end in ends)
    return _index(expectation, largest, eta)


def _of_examples(study: Study, eta: float) -> float:
    """k of A = 1 - eta w_i h_i, of the examples i of one coordinate."""
    problem: Any = study.oracle.problem
    order: Any = study.oracle.order
    if study.dimension != 1 or study.oracle.batch != 1:
        raise NoExactSolution(
            f"of examples the index is known in one coordinate, drawn one by one; x has {study.dimension} coordinates, "
            f"and a batch {study.oracle.batch} examples"
        )
    n = problem.examples
    maps, p = examples_of(problem, study.x0).maps()[:, 0], order.probabilities_of(n)
    weights = np.divide(1, n * p, out=np.zeros(n), where=p > 0)
    if np.ptp(weights * maps[:, 1]) <= 1e-12 * np.abs(maps).max():
        raise NoExactSolution("all examples have one minimiser: the stationary law is that point")
    A = np.abs(1 - eta * weights * maps[:, 0])

    def expectation(function: Callable[[Any], Any]) -> float:
        with np.errstate(divide="ignore"):
            return float(p[p > 0] @ function(A[p > 0]))

    return _index(expectation, float(A[p > 0].max()), eta)


def _index(expectation: Callable[[Callable[[Any], Any]], float], largest: float, eta: float) -> float:
    """The k > 0 with E|A|^k = 1, or `_LARGEST` if it is larger; inf where |A| <= 1 always."""
    _check_contraction(expectation(np.log), eta)
    if largest <= 1:
        return np.inf

    def log_moment(k: float) -> float:
        return float(np.log(expectation(lambda a: a**k)))

    high = 1.0
    while log_moment(high) <= 0:
        if high == _LARGEST:
            return _LARGEST
        high *= 2
    low = high / 2
    while log_moment(low) >= 0:
        low /= 2
    return float(root_scalar(log_moment, bracket=(low, high), xtol=1e-10).root)


def _check_contraction(mean_log: float, eta: float) -> None:
    if not mean_log < 0:
        raise InvalidInput(
            f"there is no stationary law: E log|A| = {mean_log:.3g} is not below 0 with the learning rate {eta:g}, so "
            "that x_t does not contract; use a smaller one"
        )
