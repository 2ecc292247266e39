"""A quadratic with additive gradient noise in the eigenbasis of its Hessian.

There e = Q'(x - x*), I - eta A is a diagonal, and risk, distance and gradient norm are weighted sums
of squares.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidInput, NoExactSolution
from jaxsgd.oracles import CovarianceOverTime, Oracle
from jaxsgd.problems import Problem
from jaxsgd.structure import flat
from jaxsgd.study import Study
from jaxsgd.theory.recursion import MeanAndCovariance, columns
from jaxsgd.theory.starts import law_of_start

NEGATIVE = 1e-12
"""Eigenvalues of a Hessian below this share of the largest, with a minus sign, are not the rounding of 0."""

LARGEST_COVARIANCE = 10**7
"""An x_covariance of more numbers than this, 80 MB, is left out."""


class HigherCumulants(NamedTuple):
    """kappa_3 and kappa_4 (.., d) of the coordinates of e, which are independent; 0 of a normal law."""

    third: np.ndarray
    fourth: np.ndarray


@dataclasses.dataclass(frozen=True)
class Eigenbasis:
    """A = Q diag(h) Q' and S = Cov xi, rotated. Covariances are (d,) while they are all diagonal.

    - `minimum`, `minimiser`: R* and x* (d,).
    - `eigenvalues`: h (d,).
    - `vectors`: Q (d, d), or None for the identity.
    - `noise`: Q'SQ (d, d), or its diagonal (d,) where nothing else is left.
    - `normal`: whether xi_t is normal; with it e is, and variances of its squares are known.
    """

    minimum: float
    minimiser: np.ndarray
    eigenvalues: np.ndarray
    vectors: np.ndarray | None
    noise: np.ndarray
    normal: bool

    @classmethod
    def of(cls, oracle: Oracle, updates: int | None = None) -> Self:
        """The eigenbasis of an oracle, or NoExactSolution where it has none.

        With a number of `updates` that of the C with Cov g_t = c_t C in these.
        """
        reason = why_none(oracle, updates)
        if reason:
            raise NoExactSolution(f"exact moments need a quadratic with additive noise: {reason}")
        problem: Any = oracle.problem
        x_star, A, normal = flat(problem.minimiser), stated_hessian(problem), bool(oracle.normal)
        d = len(x_star)
        S: Any = stated_covariance(oracle, d) if updates is None else stated_covariances(oracle, d, updates)[0]  # type: ignore[index]
        h, Q = (A, None) if A.ndim == 1 else np.linalg.eigh(A)
        if is_negative(h):
            raise NoExactSolution(f"the Hessian has the negative eigenvalue {h.min():g}, so that R has no minimum")
        if Q is None:
            return cls(float(problem.minimum), x_star, np.maximum(h, 0), None, S, normal)
        h[h < rounding(h)] = 0
        isotropic = S.ndim == 1 and np.ptp(S) == 0
        if not isotropic:
            S = Q.T @ (np.diag(S) if S.ndim == 1 else S) @ Q
        return cls(float(problem.minimum), x_star, h, Q, S, normal)

    def enter(self, x: Any) -> np.ndarray:
        """e = Q'(x - x*), of x in the structure of the parameters."""
        error = flat(x) - self.minimiser
        return error if self.vectors is None else error @ self.vectors

    def with_start(self, study: Study) -> tuple[Self, MeanAndCovariance]:
        """The law of e_0, and the basis with covariances as full as that of x_0 is, normal if x_0 is, too."""
        mean, C, normal = law_of_start(study)
        Q, noise = self.vectors, self.noise
        full = noise.ndim == 2 or C.ndim == 2 or (Q is not None and np.ptp(C) > 0)
        if full:
            noise = np.diag(noise) if noise.ndim == 1 else noise
            C = np.diag(C) if C.ndim == 1 else C
            C = C if Q is None else Q.T @ C @ Q
        basis = dataclasses.replace(self, noise=noise, normal=self.normal and normal)
        return basis, MeanAndCovariance(self.enter(study.point.unravel(mean)), C)

    def x_moments(self, mean: np.ndarray, covariance: np.ndarray) -> dict[str, np.ndarray]:
        """x_mean (..., d) and, up to `LARGEST_COVARIANCE` numbers, x_covariance (..., d, d)."""
        Q = self.vectors
        moments = {"x_mean": self.minimiser + (mean if Q is None else mean @ Q.T)}
        if mean.size * mean.shape[-1] <= LARGEST_COVARIANCE:
            if covariance.ndim == mean.ndim:
                covariance = covariance[..., None] * np.eye(mean.shape[-1])
            moments["x_covariance"] = covariance if Q is None else Q @ covariance @ Q.T
        return moments

    def observables(
        self, mean: np.ndarray, covariance: np.ndarray, of: str = "", higher: HigherCumulants | None = None
    ) -> dict[str, np.ndarray]:
        """Means of risk and squared distance for e of this mean and covariance; variances if e is normal, or `higher`.

        These are the cumulants of a law that is not normal.
        """
        return {
            **self._form(f"risk{of}", self.eigenvalues / 2, mean, covariance, higher, self.minimum),
            **self._form(f"distance_squared{of}", np.ones_like(self.eigenvalues), mean, covariance, higher),
        }

    def gradient_norm(
        self,
        mean: np.ndarray,
        covariance: np.ndarray,
        factors: np.ndarray | float = 1.0,
        higher: HigherCumulants | None = None,
    ) -> dict[str, np.ndarray]:
        """Mean of ||g||^2, where g has the mean A m and the covariance A V A + c S; and its variance.

        That needs a normal g, or `higher` cumulants of g.
        """
        h = columns(self.eigenvalues, self.noise)
        c = np.reshape(factors, np.shape(factors) + (1,) * self.noise.ndim)
        gradient = self.eigenvalues * mean, h * h.T * covariance + c * self.noise
        return self._form("gradient_norm_squared", np.ones_like(self.eigenvalues), *gradient, higher)

    def _form(
        self,
        name: str,
        w: np.ndarray,
        mean: np.ndarray,
        covariance: np.ndarray,
        higher: HigherCumulants | None,
        offset: float = 0.0,
    ) -> dict[str, np.ndarray]:
        expectation, variance = quadratic_form(w, mean, covariance)
        found = {f"{name}_mean": offset + expectation}
        if higher is not None:
            variance = overflowed(variance + (w**2 * (higher.fourth + 4 * higher.third * mean)).sum(-1))
        return found | ({f"{name}_variance": variance} if self.normal or higher is not None else {})


def why_none(oracle: Oracle, updates: int | None = None) -> str | None:
    """Why an oracle is not known to be a quadratic with noise whose covariance is the same everywhere, or None.

    With a number of `updates` it may have another factor in each.
    """
    problem, name = oracle.problem, f"oracles.{type(oracle).__name__}"
    if problem is None or problem.hessian is None or problem.minimiser is None or problem.minimum is None:
        given = "there is no problem" if problem is None else f"problems.{type(problem).__name__} does not state them"
        return f"a quadratic has a constant Hessian, a minimiser and a minimum, and {given}"
    if (oracle.tail_index or np.inf) <= 2:
        return f"{name} has no covariance: its tail index is {oracle.tail_index:g}, and variances need one above 2"
    if not oracle.unbiased:
        return f"{name} does not state that its gradients are unbiased"
    d = len(flat(problem.minimiser))
    if (stated_covariance(oracle, d) if updates is None else stated_covariances(oracle, d, updates)) is None:
        time = " and every t" if updates is None else ""
        return f"{name} does not state a covariance of the gradient that is the same at every x{time}"
    return None


def is_negative(eigenvalues: np.ndarray) -> bool:
    """Whether some eigenvalue of a Hessian is below 0 by more than rounding."""
    return bool(eigenvalues.min() < -NEGATIVE * np.abs(eigenvalues).max())


def stated_hessian(problem: Problem) -> np.ndarray:
    """The constant Hessian that a problem states, (d,) or (d, d); InvalidInput unless it is a symmetric matrix."""
    A, x_star = np.asarray(problem.hessian, np.float64), problem.minimiser
    d = len(A) if x_star is None and A.ndim else len(flat(x_star))
    if A.shape not in ((d,), (d, d)) or not np.allclose(A, A.T, rtol=1e-12, atol=0):
        raise InvalidInput(
            f"hessian of problems.{type(problem).__name__} must be a diagonal ({d},) or a symmetric matrix ({d}, {d}), "
            f"got shape {A.shape}"
        )
    return A


def stated_covariance(oracle: Oracle, dimension: int) -> np.ndarray | None:
    """The covariance of the gradient that an oracle states; InvalidInput unless it has the right shape."""
    stated = oracle.gradient_covariance(dimension)
    return None if stated is None else _checked(oracle, stated, dimension)


def stated_covariances(oracle: Oracle, dimension: int, updates: int) -> CovarianceOverTime | None:
    """The covariances of the first gradients that an oracle states, checked likewise."""
    stated = oracle.gradient_covariances(dimension, updates)
    if stated is None:
        return None
    return CovarianceOverTime(_checked(oracle, stated.covariance, dimension), np.asarray(stated.factors, np.float64))


def _checked(oracle: Oracle, stated: np.ndarray, dimension: int) -> np.ndarray:
    S = np.asarray(stated, np.float64)
    if S.shape not in ((dimension,), (dimension, dimension)):
        raise InvalidInput(
            f"the covariance that {oracle!r} states must be a diagonal ({dimension},) or a matrix ({dimension}, "
            f"{dimension}), got shape {S.shape}"
        )
    return S


def quadratic_form(w: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of sum_i w_i e_i^2, e ~ N(m, V).

    E = sum_i w_i (v_ii + m_i^2), for any law of e, and Var = sum_ij w_i w_j v_ij (2 v_ij + 4 m_i m_j). What overflows
    is inf. If e is not normal, but has independent coordinates, sum_i w_i^2 (kappa_4 + 4 kappa_3 m_i) is added.
    """
    if covariance.ndim == mean.ndim:
        variances, products, weights, axes = covariance, mean**2, w**2, (-1,)
    else:
        variances = np.diagonal(covariance, axis1=-2, axis2=-1)
        products, weights, axes = mean[..., :, None] * mean[..., None, :], np.outer(w, w), (-2, -1)
    expectation = (w * (variances + mean**2)).sum(-1)
    variance = (weights * covariance * (2 * covariance + 4 * products)).sum(axes)
    return overflowed(expectation), overflowed(variance)


def labelled(moments: dict[str, np.ndarray], coordinates: Sequence[str], **leading: np.ndarray) -> xr.Dataset:
    """Moments with the axes (*leading, coordinate, coordinate_2), or the first of them."""
    dimensions = (*leading, "coordinate", "coordinate_2")
    return xr.Dataset(
        {name: (dimensions[: values.ndim], values) for name, values in moments.items()},
        coords={**leading, "coordinate": list(coordinates), "coordinate_2": list(coordinates)},
    )


def rounding(values: np.ndarray) -> float:
    """Below this, an eigenvalue or a rotated variance is a rounding error of the largest one."""
    return len(values) * np.finfo(float).eps * np.abs(values).max()


def overflowed(values: Any) -> np.ndarray:
    """Sums in which only an overflow makes NaN, by inf - inf or 0 inf; then they are inf."""
    return np.where(np.isnan(values), np.inf, values)
