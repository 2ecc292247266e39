"""A quadratic in the eigenbasis of its Hessian, and noise that grows with its gradient there."""

import dataclasses
from typing import Any, Self

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.oracles import GrowingCovariance, Oracle
from jaxsgd.structure import flat
from jaxsgd.theory.eigenbasis import is_negative, rounding, stated_hessian
from jaxsgd.theory.finite_sums.quadratic_examples import ShiftedQuadratic
from jaxsgd.theory.noise_at_point import NoiseAtPoint
from jaxsgd.theory.recursion import MeanAndCovariance

_LARGEST = 12
"""Coordinates up to which the map of second moments is tabulated."""


@dataclasses.dataclass(frozen=True)
class CentredQuadratic(ShiftedQuadratic):
    """R = R* + e'diag(h) e / 2."""

    @property
    def drift(self) -> np.ndarray:
        return np.zeros_like(self.eigenvalues)

    @classmethod
    def of(cls, oracle: Oracle) -> Self:
        """That of an oracle that has one; `NoExactSolution` where it has no minimum."""
        problem: Any = oracle.problem
        A = stated_hessian(problem)
        h, Q = (A, np.eye(len(A))) if A.ndim == 1 else np.linalg.eigh(A)
        if is_negative(h):
            raise NoExactSolution(f"the Hessian has the negative eigenvalue {h.min():g}, so that R has no minimum")
        h = np.where(h < rounding(h), 0.0, h)
        return cls(flat(problem.minimiser), float(problem.minimum), h, Q)


def stated_growth(oracle: Oracle, dimension: int, updates: int | None = None) -> GrowingCovariance | None:
    """How Cov(g | x) grows, as an oracle states it; with `updates` also of noise with one factor c in all of these.

    Then it is c^2 times that of the noise.
    """
    stated = oracle.growing_covariance(dimension)
    given = oracle.noise_over_time(updates) if stated is None and updates is not None else None
    if given is None or np.ptp(given.factors) > 0:
        return stated
    relative, at_rest = given.noise.relative_variance(dimension), given.noise.covariance_at_rest(dimension)
    if relative is None or at_rest is None:
        return None
    square = given.factors[0] ** 2
    return GrowingCovariance(square * relative, square * at_rest)


class GrowingNoise(NoiseAtPoint):
    """E Cov(g | x) = Q' (diag(r diag(A E[(x - x*)(x - x*)'] A)) + C) Q.

    `relative` is r (d,), and `at_rest` Q'CQ.
    """

    def __init__(self, quadratic: CentredQuadratic, oracle: Oracle, updates: int | None = None) -> None:
        d = len(quadratic.eigenvalues)
        stated = stated_growth(oracle, d, updates)
        assert stated is not None  # otherwise its route does not apply
        Q, C = quadratic.vectors, np.asarray(stated.at_rest, np.float64)
        self.relative = np.asarray(stated.relative, np.float64)
        self.at_rest = Q.T @ (np.diag(C) if C.ndim == 1 else C) @ Q
        self._to_gradient, self._vectors = Q * quadratic.eigenvalues, Q
        self.multiplications = 3.0 * d**3

    @property
    def matrix(self) -> np.ndarray | None:
        d = len(self.relative)
        if d > _LARGEST:
            return None
        units = np.eye((d + 1) ** 2).reshape(-1, d + 1, d + 1)
        return np.array([self.growing(Z[:-1, :-1]) + Z[-1, -1] * self.at_rest for Z in units]).reshape(-1, d * d).T

    def noise(self, x: MeanAndCovariance) -> np.ndarray:
        return self.growing(x.covariance + np.outer(x.mean, x.mean)) + self.at_rest

    def growing(self, X: np.ndarray) -> np.ndarray:
        """The part of it that is linear in the second moment X of e (d, d)."""
        G = self._to_gradient
        squares = np.einsum("ji,ik,jk->j", G, X, G)
        return (self._vectors * (self.relative * squares)[:, None]).T @ self._vectors
