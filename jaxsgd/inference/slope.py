"""The exponent of a power law, from estimates at several numbers of steps."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc

from jaxsgd.errors import InvalidInput, finite_array, semidefinite
from jaxsgd.inference.intervals import mean_interval


@dataclass(frozen=True)
class Slope:
    """A fitted exponent.

    - `slope`, `standard_error`: the local exponent over the range of t that was fitted, never a limit.
    - `chi_squared`, `degrees_of_freedom`, `p_value`: lack of fit. A small p says that the curve is no
      power law over this range, and then the standard error means little; NaN with two points.
    """

    slope: float
    standard_error: float
    chi_squared: float
    degrees_of_freedom: int
    p_value: float

    def interval(self, confidence: float) -> tuple[float, float]:
        """Two-sided normal confidence limits of the exponent."""
        lower, upper = mean_interval(self.slope, self.standard_error, confidence)
        return float(lower), float(upper)


def fit_slope(t: Any, estimate: Any, standard_error: Any = None, covariance: Any = None) -> Slope:
    """Least squares fit of log E_j = c + slope log t_j, weighted or generalised.

    With C the covariance of the estimates, the delta method gives y_j = log(estimate_j), whose bias
    -C_jj / (2 estimate_j^2) is removed, the covariance V_ij = C_ij / (estimate_i estimate_j), and

        (c, slope) = (X' V^-1 X)^-1 X' V^-1 y,  Cov = (X' V^-1 X)^-1,  chi^2 = r' V^-1 r,  r = y - X (c, slope),

    where X has rows (1, log t_j). It takes relative errors well below 1: some 10% at most.

    **Arguments**

    - `t`: steps or sample sizes, positive, shape (k,), at least two of them different.
    - `estimate`: positive, shape (k,).
    - `standard_error`: shape (k,), positive, if the estimates are independent (other trajectories at each t).
    - `covariance`: C, shape (k, k), if they come from the same trajectories. Give one of the two.

    **Returns** a `Slope`.

    **Raises** `InvalidInput` or `InvalidType` if an argument is not as stated, or C is singular.

    Source: Aitken (1935), "On least squares and linear combination of observations", Proc. R. Soc. Edinb. 55.

    >>> fit = fit_slope([10, 100, 1000], [0.1, 0.0101, 0.001], standard_error=[1e-3, 1e-4, 1e-5])
    >>> round(fit.slope, 3), round(fit.standard_error, 3), round(fit.chi_squared, 2)
    (-1.0, 0.003, 0.67)
    """
    log_t, estimate = np.log(_positive("t", t)), _positive("estimate", estimate)
    if log_t.shape != estimate.shape:
        raise InvalidInput(f"t and estimate must have one length, got {log_t.size} and {estimate.size}")
    if np.all(log_t == log_t[0]):
        raise InvalidInput("t must hold at least two different values: one point has no slope")
    V = _covariance(estimate.size, standard_error, covariance) / np.outer(estimate, estimate)
    root = _root(V)
    X = np.stack([np.ones_like(log_t), log_t], axis=1)
    Q, R = np.linalg.qr(np.linalg.solve(root, X))
    y = np.linalg.solve(root, np.log(estimate) + np.diag(V) / 2)
    slope = (Q[:, 1] @ y) / R[1, 1]
    chi_squared, freedom = float(np.sum((y - Q @ (Q.T @ y)) ** 2)), len(y) - 2
    p_value = float(chdtrc(freedom, chi_squared)) if freedom else math.nan
    return Slope(float(slope), float(1 / abs(R[1, 1])), chi_squared, freedom, p_value)


def _positive(name: str, value: Any) -> np.ndarray:
    array = finite_array(name, value)
    if array.ndim != 1 or not array.size:
        raise InvalidInput(f"{name} must have one dimension and be no empty array, got shape {array.shape}")
    if array.min() <= 0:
        raise InvalidInput(f"{name} must be positive, since its logarithm is fitted, got {array.min():g}")
    return array


def _covariance(size: int, standard_error: Any, covariance: Any) -> np.ndarray:
    if (standard_error is None) == (covariance is None):
        raise InvalidInput(
            "give either standard_error, for estimates from different trajectories, or covariance, for estimates "
            "from the same ones"
        )
    if covariance is None:
        errors = _positive("standard_error", standard_error)
        if errors.size != size:
            raise InvalidInput(f"standard_error must have the length {size} of estimate, got {errors.size}")
        return np.diag(errors**2)
    matrix = finite_array("covariance", covariance)
    if matrix.shape != (size, size):
        raise InvalidInput(f"covariance must have shape {(size, size)}, got {matrix.shape}")
    semidefinite("covariance", matrix, "it is no covariance matrix")
    return matrix


def _root(V: np.ndarray) -> np.ndarray:
    """The lower triangular L with L L' = V."""
    scale = np.sqrt(np.diag(V))
    correlation = V / np.outer(scale, scale) if scale.min() > 0 else np.zeros_like(V)
    if np.linalg.eigvalsh(correlation).min() < 1e-12:
        raise InvalidInput("covariance must not be singular: use fewer steps, spaced more widely")
    return scale[:, None] * np.linalg.cholesky(correlation)
