"""Examples drawn afresh with a constant learning rate: up to which one second moments settle, and where."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import xarray as xr

from jaxsgd.errors import InvalidInput, NoExactSolution
from jaxsgd.oracles import Oracle
from jaxsgd.problems import EmpiricalRisk
from jaxsgd.theory.eigenbasis import labelled, rounding
from jaxsgd.theory.finite_sums.cost_limit import check_cost
from jaxsgd.theory.finite_sums.fresh_batches import Draws
from jaxsgd.theory.finite_sums.quadratic_examples import QuadraticExamples, examples_of
from jaxsgd.theory.recursion import MeanAndCovariance

_DENSE = 40
"""Coordinates up to which the linear map of second moments is a matrix."""


def mean_square_limit(oracle: Oracle) -> float:
    """The learning rate below which, kept constant, the second moments of SGD on a finite sum settle.

    [`jaxsgd.theory.stability_limit`][] says more.
    """
    return limit_of(_examples(oracle), oracle)


def limit_of(examples: QuadraticExamples, oracle: Oracle) -> float:
    """The same, for the examples of the oracle.

    M = E ee' of the homogeneous part passes to L M = M - eta (H M + M H) + eta^2 N M, with N = q Q + (1 - q) H . H. It
    is self-adjoint and takes positive matrices to such, so that its spectral radius is its largest eigenvalue, and
    below 1 if and only if eta N < H . + . H: the limit is 1 over the largest eigenvalue of N relative to H . + . H.
    """
    order = oracle.order
    h = examples.eigenvalues
    if order is not None and order.shuffled is not None:
        if not examples.common_hessian:
            raise NoExactSolution(
                f"with orders.{type(order).__name__} and examples of different Hessians it is not known from which "
                "learning rate on moments grow"
            )
        return _mean_limit(h)
    if h.min() < 0:
        return 0.0
    d = len(h)
    draws = Draws(examples, oracle, min(200, d * (d + 1) // 2))
    check_cost(draws.multiplications * 200, "take fewer coordinates")
    flat = np.diag((h == 0).astype(float))
    scale = draws.hessian_noise(np.eye(d)).max()
    # Where the mean Hessian is 0 and those of the examples are not, any learning rate takes iterates apart.
    if np.abs(draws.hessian_noise(flat)).max() > 1e-12 * max(scale, h.max() ** 2):
        return 0.0
    largest = _largest_eigenvalue(_relative(draws, h), d)
    return 1 / largest if largest > 0 else np.inf


def stationary_moments(oracle: Oracle, eta: float) -> xr.Dataset:
    """Mean and covariance of the stationary law and means of observables; [`jaxsgd.theory.stationary`][] says more."""
    examples = _examples(oracle)
    order = oracle.order
    if order is not None and order.shuffled is not None:
        raise NoExactSolution(
            f"with orders.{type(order).__name__} the law of x_t depends on its place in the epoch: there is no "
            "stationary one; theory.exact gives the moments of every step"
        )
    h, drift, d = examples.eigenvalues, examples.drift, len(examples.eigenvalues)
    limit, of_mean = limit_of(examples, oracle), _mean_limit(h)
    if eta >= limit:
        raise InvalidInput(
            f"learning_rate must be below {limit:g}, from which on the second moment of x_t grows without bound, got "
            f"{eta:g}; 2 / lambda_max = {of_mean:g} is the limit for the mean of x_t alone"
        )
    draws = Draws(examples, oracle, d * (d + 1) // 2 if d <= _DENSE else 1000)
    check_cost(draws.multiplications * min(d * (d + 1) // 2, 1000), "take fewer coordinates")
    flat = h == 0
    gradient_scale = np.sqrt(np.mean(examples.gradients**2))
    mean = np.divide(-drift, h, out=np.zeros(d), where=~flat)
    fixed = draws.noise(MeanAndCovariance(mean, np.zeros((d, d))))
    if np.any(np.diag(fixed)[flat] > rounding(np.diag(fixed))) or np.any(np.abs(drift[flat]) > 1e-12 * gradient_scale):
        raise InvalidInput(
            "there is no stationary law: the mean Hessian has a zero eigenvalue, and along it the gradients of "
            "examples are not 0, so that x_t is a random walk there"
        )
    covariance = eta * _solve(draws, h, eta, fixed)
    law = MeanAndCovariance(mean, covariance)
    squares = mean**2 + np.diag(covariance)
    squared_norm = np.sum((h * mean + drift) ** 2) + h**2 @ np.diag(covariance) + np.trace(draws.noise(law))
    Q = examples.vectors
    moments = {
        "risk_mean": np.array(examples.value + drift @ mean + h @ squares / 2),
        "distance_squared_mean": np.array(squares.sum()),
        "gradient_norm_squared_mean": np.array(squared_norm),
        "x_mean": examples.centre + Q @ mean,
        "x_covariance": Q @ covariance @ Q.T,
    }
    if cast(EmpiricalRisk, oracle.problem).minimiser is None:
        del moments["distance_squared_mean"]
    return labelled(moments, [f"x[{i}]" for i in range(d)])


def _examples(oracle: Oracle) -> QuadraticExamples:
    problem = cast(EmpiricalRisk, oracle.problem)
    like = problem.start if problem.start is not None else problem.minimiser
    if like is None:
        raise NoExactSolution("the problem does not know its parameters: give it start= or minimiser=")
    return examples_of(problem, like)


def _mean_limit(h: np.ndarray) -> float:
    """2 / lambda_max."""
    if h.min() < 0:
        return 0.0
    return 2 / float(h.max()) if h.max() > 0 else np.inf


def _relative(draws: Draws, h: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """N relative to H . + . H: D^{-1/2} N D^{-1/2}, D = h_i + h_j."""
    D = h[:, None] + h
    root = np.divide(1, np.sqrt(D), out=np.zeros_like(D), where=D > 0)
    return lambda X: root * _quadratic_part(draws, h, root * X)


def _quadratic_part(draws: Draws, h: np.ndarray, X: np.ndarray) -> np.ndarray:
    """N X for symmetric X."""
    return draws.hessian_noise(X) + np.outer(h, h) * X


def _largest_eigenvalue(operator: Callable[[np.ndarray], np.ndarray], d: int) -> float:
    if d <= 10:
        return float(np.linalg.eigvalsh(_matrix(operator, d))[-1])

    def apply(vector: np.ndarray) -> np.ndarray:
        X = vector.reshape(d, d)
        return operator((X + X.T) / 2).ravel()

    linear = _linear(apply, d)
    # From a positive matrix, as is the eigenvector of the largest eigenvalue of a positive map.
    return float(scipy.sparse.linalg.eigsh(linear, 1, which="LA", v0=np.eye(d).ravel(), return_eigenvectors=False)[0])


def _solve(draws: Draws, h: np.ndarray, eta: float, right: np.ndarray) -> np.ndarray:
    """V with H V + V H - eta N V = right, 0 where nothing pulls back."""
    d, D = len(h), h[:, None] + h
    held = D > 0

    def operator(V: np.ndarray) -> np.ndarray:
        return np.where(held, D * V - eta * _quadratic_part(draws, h, V), V)

    right = np.where(held, right, 0)
    if d <= _DENSE:
        vector = scipy.linalg.solve(_matrix(operator, d), _vector(right), assume_a="sym")
        return _symmetric(vector, d)
    root = np.sqrt(np.where(held, D, 1.0))

    def apply(vector: np.ndarray) -> np.ndarray:
        return (operator(vector.reshape(d, d) / root) / root).ravel()

    linear = _linear(apply, d)
    found, failed = scipy.sparse.linalg.cg(linear, (right / root).ravel(), rtol=1e-13, maxiter=1000)
    if failed:
        raise NoExactSolution("the second moments are not found in 1000 iterations: the learning rate is at the limit")
    return found.reshape(d, d) / root


def _linear(apply: Callable[[np.ndarray], np.ndarray], d: int) -> Any:
    """The same for vectors of length d^2, as SciPy takes it."""
    return scipy.sparse.linalg.LinearOperator((d * d, d * d), matvec=apply, dtype=float)  # type: ignore[call-arg]


def _matrix(operator: Callable[[np.ndarray], np.ndarray], d: int) -> np.ndarray:
    """Of a self-adjoint operator on symmetric matrices, in an orthonormal basis of them."""
    count = d * (d + 1) // 2
    return np.array([_vector(operator(_symmetric(unit, d))) for unit in np.eye(count)])


def _vector(X: np.ndarray) -> np.ndarray:
    rows, columns = np.triu_indices(len(X))
    return X[rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2))


def _symmetric(vector: np.ndarray, d: int) -> np.ndarray:
    rows, columns = np.triu_indices(d)
    X = np.zeros((d, d))
    X[rows, columns] = vector / np.where(rows == columns, 1.0, np.sqrt(2))
    return X + np.triu(X, 1).T
