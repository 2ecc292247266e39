"""The stationary law of SGD with a constant learning rate on a quadratic with Gaussian gradient noise."""

from typing import Any

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidInput, NoExactSolution, scalar
from jaxsgd.oracles import Oracle
from jaxsgd.problems import Problem, Quadratic
from jaxsgd.theory.eigenbasis import Eigenbasis, labelled, rounding


def stationary(oracle: Oracle, learning_rate: Any) -> xr.Dataset:
    """The law N(x*, V) that x_t approaches with a constant learning rate eta.

        A V + V A - eta A V A = eta S,    v_ij = eta s_ij / (h_i + h_j - eta h_i h_j)

    in the eigenbasis of A, with eigenvalues h and S = Cov xi_t there.

    **Arguments**

    - `oracle`: `AdditiveNoise(Quadratic, Gaussian)` or `FullGradient(Quadratic)`.
    - `learning_rate`: eta, in (0, 2 / lambda_max).

    **Returns** `x_mean (coordinate)`, `x_covariance (coordinate, coordinate_2)` unless it would hold over
    10^7 numbers, and the mean and variance of `risk`, `distance_squared` and `gradient_norm_squared`.

    **Raises** `InvalidInput` if there is no stationary law, `NoExactSolution` for any other oracle.

    Source: Mandt, Hoffman and Blei (2017), arXiv 1704.04289, for small eta; Liu, Ziyin and Ueda (2021),
    arXiv 2012.03636, for any eta.

    >>> from jaxsgd import noise, oracles
    >>> oracle = oracles.AdditiveNoise(Quadratic([2.0, 4.0]), noise.Gaussian(std=1.0))
    >>> round(float(stationary(oracle, learning_rate=0.1).risk_mean), 10)
    0.0590277778
    """
    basis = Eigenbasis.of(oracle)
    eta = float(scalar("learning_rate", learning_rate, above=0.0))
    limit = _limit(basis.eigenvalues.max())
    if eta >= limit:
        raise InvalidInput(f"learning_rate must be below 2 / lambda_max = {limit:g}, got {eta:g}: x_t would not settle")
    _check_flat_directions(basis)
    h = basis.columns(basis.eigenvalues)
    restoring = h + h.T - eta * h * h.T
    # Where nothing pulls back there is no noise either, and the variance stays 0.
    V = np.divide(eta * basis.noise, restoring, out=np.zeros_like(restoring), where=restoring > 0)
    mean = np.zeros_like(basis.eigenvalues)
    moments = basis.observables(mean, V) | basis.gradient_norm(mean, V) | basis.x_moments(mean, V)
    return labelled(moments, [f"x[{i}]" for i in range(len(mean))])


def stability_limit(problem: Problem) -> float:
    """2 / lambda_max(A): with a constant learning rate, SGD on a quadratic is stable below it only.

    **Arguments**

    - `problem`: a `Quadratic`.

    **Returns** the limit; inf for a quadratic that is constant.

    **Raises** `NoExactSolution` for any other problem, where 2 / smoothness is sufficient, not necessary.

    >>> stability_limit(Quadratic([2.0, 4.0]))
    0.5
    """
    if not isinstance(problem, Quadratic):
        raise NoExactSolution(f"the stability limit needs problems.Quadratic, got {type(problem).__name__}")
    return _limit(problem.smoothness)


def _limit(largest: float) -> float:
    return 2 / largest if largest > 0 else np.inf


def _check_flat_directions(basis: Eigenbasis) -> None:
    variances = basis.noise if basis.noise.ndim == 1 else np.diagonal(basis.noise)
    if np.any((basis.eigenvalues == 0) & (variances > rounding(variances))):
        raise InvalidInput(
            "there is no stationary law: the curvature has a zero eigenvalue, and along it the noise makes x_t "
            "a random walk; use a curvature without zero eigenvalues, or noise that spares these directions"
        )
