"""A lower bound of fourth moments in any number of coordinates: one example of least squares, drawn again and again."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from jaxsgd.study import Study
from jaxsgd.theory.exact_moments import known
from jaxsgd.theory.finite_sums.quadratic_examples import RankOne, examples_of


def least_by_repetition(study: Study) -> Mapping[str, np.ndarray] | None:
    """Lower bounds of E q^2 / (E q)^2 at the recorded steps, for the risk and the squared distance.

    Example i of least squares, with the feature vector a and weight w, takes u = v'e along v = a / ||a|| to
    (1 - eta w (||a||^2 + l)) u - eta w v'g_i. Its being drawn at all of the last k updates has probability p_i^k, and
    given that E u_s^4 >= (E u_s^2)^2, which is known from mean and covariance of x_{s-k}. With ||e||^2 >= u^2 and
    e'He >= u^2 / (v'H^+ v) this bounds both. It grows where p_i (1 - eta w (||a||^2 + l))^4 > 1 for some example, and
    only then is it computed: with the example of which this is largest, and k back to all recorded steps before s.

    None where it does not grow, or means and covariances are not known. Batches are of one example drawn afresh.
    """
    problem: Any = study.oracle.problem
    order: Any = study.oracle.order
    stated = (problem.squared_residuals, problem.minimiser, problem.minimum)
    if any(fact is None for fact in stated) or study.oracle.batch > 1:
        return None
    examples = cast(RankOne, examples_of(problem, study.near_start))
    n, rates = len(examples.features), study.learning_rates[: study.steps]
    p = order.probabilities_of(n)
    weights = np.divide(1, n * p, out=np.zeros(n), where=p > 0)
    lengths = np.linalg.norm(examples.features, axis=1)
    slopes = weights * (lengths**2 + examples.ridge)
    growth = p * (1 - rates.max() * slopes) ** 4
    i = int(growth.argmax())
    if growth[i] <= 1 or lengths[i] == 0:
        return None
    moments = known(study)
    if moments is None or "x_covariance" not in moments:
        return None
    v = examples.features[i] / lengths[i]
    direction = examples.vectors @ v
    mean = (moments.x_mean.values - examples.centre) @ direction
    square = mean**2 + moments.x_covariance.values @ direction @ direction
    shares = (1 - rates * slopes[i]) * p[i] ** 0.25, rates * weights[i] * (v @ examples.gradients[i])
    fourth = _of_repeated(mean, square, study.recorded_steps, *shares, p[i] ** 0.25)
    h = examples.eigenvalues
    risk_share = 1 / (2 * np.sum(np.divide(v**2, h, out=np.zeros_like(h), where=h > 0)))
    distance = np.trace(moments.x_covariance.values, axis1=1, axis2=2)
    distance = distance + ((moments.x_mean.values - examples.centre) ** 2).sum(1)
    return {
        "risk": _ratio(risk_share**2 * fourth, moments.risk_mean.values - examples.value),
        "distance_squared": _ratio(fourth, distance),
    }


def _of_repeated(
    mean: np.ndarray, square: np.ndarray, steps: np.ndarray, factors: np.ndarray, constants: np.ndarray, root: float
) -> np.ndarray:
    """The largest p^k (E u_s^2)^2 at each recorded step s, over the recorded steps s - k from which example i repeats.

    With A, B of u_s = A u_{s-k} + B, both times p^{k/4}, so that neither over- nor underflows before the product does.
    """
    A, B, found, at = np.zeros(len(steps)), np.zeros(len(steps)), np.zeros(len(steps)), 0
    scale = np.zeros(len(steps))
    for j, step in enumerate(steps.tolist()):
        for t in range(at, step):
            scale[:j] *= root
            A[:j], B[:j] = factors[t] * A[:j], factors[t] * B[:j] - constants[t] * scale[:j]
        at = step
        A[j], scale[j] = 1.0, 1.0
        some = slice(j + 1)
        found[j] = np.max(A[some] ** 2 * square[some] + 2 * A[some] * B[some] * mean[some] + B[some] ** 2) ** 2
    return found


def _ratio(second: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """second / mean^2, at least 1; 1 where the mean is 0 or not known."""
    ratio = np.divide(second / np.abs(mean), np.abs(mean), out=np.ones_like(mean), where=mean != 0)
    return np.fmax(ratio, 1.0)
