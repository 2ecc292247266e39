"""Examples drawn afresh for every batch: the covariance of their gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxsgd.oracles import Oracle
from jaxsgd.theory.finite_sums.quadratic_examples import LARGEST_TABLE, QuadraticExamples
from jaxsgd.theory.noise_at_point import NoiseAtPoint
from jaxsgd.theory.recursion import MeanAndCovariance


class Draws(NoiseAtPoint):
    """The noise of the gradient of independent batches, whose covariance given x depends on x.

    With z = (e, 1), Z = E zz' and G the mean of the G_i, one example drawn with probability p_i and weight
    1 / (n p_i) has E Cov(g | x) = sum_i rho_i G_i Z G_i' - G Z G' with rho_i = 1 / (n^2 p_i); a batch has a
    share of it, 1/b for independent draws, and (n - b) / (b (n - 1)) for b different examples.

    - `times`: how often the noise will be asked for, about.
    - `overhead`: what each time costs besides without the table, in multiplications.
    """

    def __init__(self, examples: QuadraticExamples, oracle: Oracle, times: int, overhead: float = 0.0) -> None:
        weights, self.share = _weights_and_share(oracle, len(examples.gradients))
        self.mean_map = np.column_stack([np.diag(examples.eigenvalues), examples.drift])
        self.second_moment, self._table, self.multiplications = _second_moment(examples, weights, times, overhead)

    @property
    def matrix(self) -> np.ndarray | None:
        """K (d^2, (d + 1)^2) with E Cov(g_t | x_t) = K Z as vectors, where that is the cheaper way."""
        if self._table is None:
            return None
        return self.share * (self._table - np.kron(self.mean_map, self.mean_map))

    def noise(self, x: MeanAndCovariance) -> np.ndarray:
        """E Cov(g_t | x_t) (d, d), for a law of e."""
        if self.share == 0:
            return np.zeros_like(x.covariance)
        z = np.append(x.mean, 1.0)
        Z = np.outer(z, z)
        Z[:-1, :-1] += x.covariance
        return self.share * (self.second_moment(Z) - self.mean_map @ Z @ self.mean_map.T)

    def hessian_noise(self, X: np.ndarray) -> np.ndarray:
        """The part of it that is linear in the second moment X of e (d, d)."""
        H, Z = self.mean_map[:, :-1], np.zeros((len(X) + 1,) * 2)
        Z[:-1, :-1] = X
        return self.share * (self.second_moment(Z) - H @ X @ H)


def drawn_afresh(oracle: Oracle) -> bool:
    """Whether batches are known to be independent and unbiased, of known p_i and with the weights 1 / (n p_i)."""
    order, problem = oracle.order, oracle.problem
    if order is None or problem is None or not order.unbiased:
        return False
    known = order.weights == "inverse" or (order.weights == "equal" and order.uniform)
    return bool(known and order.independent(problem.examples, oracle.batch))


def _weights_and_share(oracle: Any, n: int) -> tuple[np.ndarray, float]:
    """The rho_i (n,), and the share of a batch; gradient descent has all examples in each."""
    if oracle.full_gradient:
        return np.full(n, 1 / n), 0.0
    order, b = oracle.order, oracle.batch
    if order.uniform:
        different = order.distinct and n > 1
        return np.full(n, 1 / n), (n - b) / (b * (n - 1)) if different else 1 / b
    p = order.probabilities_of(n)
    return np.divide(1, n**2 * p, out=np.zeros(n), where=p > 0), 1 / b


def _second_moment(
    examples: QuadraticExamples, weights: np.ndarray, times: int, overhead: float
) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray | None, float]:
    """Z -> sum_i weights_i G_i Z G_i' in the cheaper of two ways, O(n d^2) or by a table O(d^4); that, and its cost."""
    n, d = examples.gradients.shape
    size = (d * (d + 1)) ** 2
    if size > LARGEST_TABLE or size * (times + n / 8) > (examples.multiplications + overhead) * times:
        return lambda Z: examples.second_moment(weights, Z), None, examples.multiplications
    table = _table(examples, weights)
    return lambda Z: (table @ Z.ravel()).reshape(d, d), table, float(size)


def _table(examples: QuadraticExamples, weights: np.ndarray) -> np.ndarray:
    """sum_i weights_i G_i (x) G_i (d^2, (d + 1)^2), which takes a vector of Z to one of the second moment."""
    n, d = examples.gradients.shape
    total = np.zeros((d * (d + 1),) * 2)
    chunk = max(1, 10**6 // (d * (d + 1)))
    for first in range(0, n, chunk):
        some = slice(first, first + chunk)
        rows = examples.maps(some).reshape(-1, d * (d + 1))
        total += (weights[some, None] * rows).T @ rows
    return total.reshape(d, d + 1, d, d + 1).transpose(0, 2, 1, 3).reshape(d**2, (d + 1) ** 2)
