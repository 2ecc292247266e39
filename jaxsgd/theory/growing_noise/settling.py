"""Noise that grows with the gradient, and a constant learning rate: up to which one moments settle, and where."""

from collections.abc import Callable

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidInput, NoExactSolution
from jaxsgd.oracles import Oracle
from jaxsgd.theory.eigenbasis import labelled, rounding
from jaxsgd.theory.growing_noise.noise_of_gradient import CentredQuadratic, GrowingNoise
from jaxsgd.theory.recursion import MeanAndCovariance

_LARGEST = 20
"""Coordinates up to which the map of second moments of a Hessian that is no diagonal is a matrix."""


def mean_square_limit(oracle: Oracle) -> float:
    """The learning rate below which, kept constant, second moments of SGD settle."""
    quadratic = CentredQuadratic.of(oracle)
    return limit_of(quadratic, GrowingNoise(quadratic, oracle))


def limit_of(quadratic: CentredQuadratic, noise: GrowingNoise) -> float:
    """The same.

    X = E ee' passes to X - eta T X + eta^2 N X + eta^2 C with T X = H X + X H and N X = E Cov + H X H, in the
    directions that are curved: in the others the gradient has no mean, and nothing of X returns to the noise. As T^-1
    and N take positive matrices to such, the map has a spectral radius below 1 if and only if eta T^-1 N has.
    """
    h = quadratic.eigenvalues
    curved = h > 0
    if not curved.any():
        return np.inf
    if _is_diagonal(quadratic):
        return float(1 / (h * (1 + noise.relative) / 2).max())
    _check_size(h)
    places = np.ix_(curved, curved)
    D = (h[:, None] + h)[places]

    def relative(X: np.ndarray) -> np.ndarray:
        whole = np.zeros((len(h),) * 2)
        whole[places] = X
        return _quadratic_part(noise, h, whole)[places] / D

    return 1 / float(np.abs(np.linalg.eigvals(_matrix(relative, int(curved.sum())))).max())


def stationary_moments(oracle: Oracle, eta: float) -> xr.Dataset:
    """Mean and covariance of the stationary law and means of observables; [`jaxsgd.theory.stationary`][] says more.

    V = Cov x solves T V - eta N V = eta C.
    """
    quadratic = CentredQuadratic.of(oracle)
    noise, h, d = GrowingNoise(quadratic, oracle), quadratic.eigenvalues, len(quadratic.eigenvalues)
    limit = limit_of(quadratic, noise)
    if eta >= limit:
        raise InvalidInput(
            f"learning_rate must be below {limit:g}, from which on the second moment of x_t grows without bound, got "
            f"{eta:g}"
        )
    _check_flat_directions(quadratic, noise)
    C, D = noise.at_rest, h[:, None] + h
    if _is_diagonal(quadratic):
        restoring = D - eta * (np.outer(h, h) + np.diag(noise.relative * h**2))
        V = np.divide(eta * C, restoring, out=np.zeros_like(C), where=restoring > 0)
    else:
        operator = _matrix(lambda X: D * X - eta * _quadratic_part(noise, h, X), d)
        V = np.linalg.solve(operator, eta * C.ravel()).reshape(d, d)
    mean, Q = np.zeros(d), quadratic.vectors
    moments = {
        "risk_mean": np.array(quadratic.value + h @ np.diag(V) / 2),
        "distance_squared_mean": np.array(np.trace(V)),
        "gradient_norm_squared_mean": np.array(h**2 @ np.diag(V) + np.trace(noise.noise(MeanAndCovariance(mean, V)))),
        "x_mean": quadratic.centre,
        "x_covariance": Q @ V @ Q.T,
    }
    return labelled(moments, [f"x[{i}]" for i in range(d)])


def _is_diagonal(quadratic: CentredQuadratic) -> bool:
    return bool(np.array_equal(quadratic.vectors, np.eye(len(quadratic.vectors))))


def _quadratic_part(noise: GrowingNoise, h: np.ndarray, X: np.ndarray) -> np.ndarray:
    """N X."""
    return noise.growing(X) + np.outer(h, h) * X


def _matrix(operator: Callable[[np.ndarray], np.ndarray], d: int) -> np.ndarray:
    """That of an operator on matrices (d, d), as vectors."""
    return np.array([operator(unit.reshape(d, d)).ravel() for unit in np.eye(d * d)]).T


def _check_size(h: np.ndarray) -> None:
    if len(h) > _LARGEST:
        raise NoExactSolution(
            f"where noise grows with the gradient of a quadratic that mixes coordinates, the limit of learning rates "
            f"is known up to {_LARGEST} coordinates, not {len(h)}"
        )


def _check_flat_directions(quadratic: CentredQuadratic, noise: GrowingNoise) -> None:
    flat = quadratic.eigenvalues == 0
    variances = np.diag(noise.at_rest)
    if np.any(variances[flat] > rounding(variances)):
        raise InvalidInput(
            "there is no stationary law: the curvature has a zero eigenvalue, and along it the noise makes x_t "
            "a random walk; use a curvature without zero eigenvalues, or noise that spares these directions"
        )
    if flat.any() and not _is_diagonal(quadratic):
        raise InvalidInput(
            "there is no one stationary law: the curvature has a zero eigenvalue, and noise that grows with the "
            "gradient moves x_t along it until the gradient is 0; use a curvature without zero eigenvalues"
        )
