"""Examples whose losses are quadratic, in the eigenbasis of their mean Hessian."""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxsgd import compiler
from jaxsgd.errors import NoExactSolution
from jaxsgd.problems import EmpiricalRisk, SquaredResiduals
from jaxsgd.remembering import remember
from jaxsgd.structure import Structure, flat, whole
from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import rounding
from jaxsgd.theory.finite_sums.polynomial_degree import degree
from jaxsgd.theory.recursion import MeanAndCovariance
from jaxsgd.theory.starts import law_of_start

LARGEST_TABLE = 3 * 10**7
"""The most numbers that Hessians of all examples, or a table of their products, may hold: 240 MB."""


@dataclasses.dataclass(frozen=True)
class ShiftedQuadratic(abc.ABC):
    """R = R(c) + drift'e + e'diag(h) e / 2 with e = Q'(x - c).

    - `centre`: c (d,), the minimiser that the problem states; otherwise one that is computed.
    - `value`: R(c).
    - `eigenvalues`, `vectors`: h (d,) and Q (d, d).
    """

    centre: np.ndarray
    value: float
    eigenvalues: np.ndarray
    vectors: np.ndarray

    @property
    @abc.abstractmethod
    def drift(self) -> np.ndarray:
        """The gradient of R at c (d,), 0 to rounding where that is a minimiser."""

    def enter(self, x: Any) -> np.ndarray:
        """e = Q'(x - c), of x in the structure of the parameters."""
        return (flat(x) - self.centre) @ self.vectors

    def start_of(self, study: Study) -> MeanAndCovariance:
        """The law of e_0, with a covariance (d, d)."""
        mean, C, _ = law_of_start(study)
        C = np.diag(C) if C.ndim == 1 else C
        return MeanAndCovariance((mean - self.centre) @ self.vectors, self.vectors.T @ C @ self.vectors)


@dataclasses.dataclass(frozen=True)
class QuadraticExamples(ShiftedQuadratic):
    """f_i = f_i(c) + g_i'e + e'H_i e / 2, where the mean of the H_i is diag(h).

    - `gradients`: the g_i (n, d).
    """

    gradients: np.ndarray

    @property
    def drift(self) -> np.ndarray:
        return self.gradients.mean(0)

    @property
    @abc.abstractmethod
    def common_hessian(self) -> bool:
        """Whether all H_i are equal, to rounding."""

    @abc.abstractmethod
    def maps(self, some: slice = slice(None)) -> np.ndarray:
        """G_i = (H_i, g_i), so that G_i (e, 1) is the gradient of f_i (n, d, d + 1)."""

    @abc.abstractmethod
    def batch_gradients(self, indices: np.ndarray, e: np.ndarray) -> np.ndarray:
        """The mean gradient at e (p, d) of the examples with these indices (p, b): (p, d)."""

    @abc.abstractmethod
    def second_moment(self, weights: np.ndarray, Z: np.ndarray) -> np.ndarray:
        """sum_i weights_i G_i Z G_i' (d, d), for a second moment Z of (e, 1)."""

    @property
    @abc.abstractmethod
    def multiplications(self) -> float:
        """What `second_moment` costs; a multiplication in a product of large matrices counts as an eighth of one."""


@dataclasses.dataclass(frozen=True)
class RankOne(QuadraticExamples):
    """H_i = a_i a_i' + l I and g_i = r_i a_i + q: least squares."""

    features: np.ndarray
    residuals: np.ndarray
    ridge: float
    offset: np.ndarray

    @property
    def common_hessian(self) -> bool:
        a = self.features
        signs = np.where(a @ a[0] >= 0, 1.0, -1.0)
        return _equal(a * signs[:, None])

    def maps(self, some: slice = slice(None)) -> np.ndarray:
        a = self.features[some]
        return a[:, :, None] * np.column_stack([a, self.residuals[some]])[:, None, :] + self._common

    @property
    def _common(self) -> np.ndarray:
        """(l I, q)."""
        return np.column_stack([self.ridge * np.eye(len(self.offset)), self.offset])

    def batch_gradients(self, indices: np.ndarray, e: np.ndarray) -> np.ndarray:
        a = self.features[indices]
        slopes = np.einsum("pbd,pd->pb", a, e) + self.residuals[indices]
        return np.einsum("pbd,pb->pd", a, slopes) / indices.shape[1] + self.ridge * e + self.offset

    def second_moment(self, weights: np.ndarray, Z: np.ndarray) -> np.ndarray:
        a, L = self.features, self._common
        extended = np.column_stack([a, self.residuals])
        squares = np.einsum("ik,ik->i", extended @ Z, extended)
        moment = a.T @ ((weights * squares)[:, None] * a)
        if not L.any():
            return moment
        cross = (a * weights[:, None]).T @ extended @ Z @ L.T
        return moment + cross + cross.T + weights.sum() * L @ Z @ L.T

    @property
    def multiplications(self) -> float:
        n, d = self.gradients.shape
        return n * (d + 1) ** 2 * (0.5 if self._common.any() else 0.25)


@dataclasses.dataclass(frozen=True)
class Dense(QuadraticExamples):
    """Any H_i (n, d, d)."""

    hessians: np.ndarray

    @property
    def common_hessian(self) -> bool:
        return _equal(self.hessians)

    def maps(self, some: slice = slice(None)) -> np.ndarray:
        return np.concatenate([self.hessians[some], self.gradients[some, :, None]], axis=2)

    def batch_gradients(self, indices: np.ndarray, e: np.ndarray) -> np.ndarray:
        return np.einsum("pbkl,pl->pk", self.hessians[indices], e) / indices.shape[1] + self.gradients[indices].mean(1)

    def second_moment(self, weights: np.ndarray, Z: np.ndarray) -> np.ndarray:
        G = self.maps()
        return np.tensordot((weights[:, None, None] * G) @ Z, G, ((0, 2), (0, 2)))

    @property
    def multiplications(self) -> float:
        n, d = self.gradients.shape
        return 0.25 * n * d * (d + 1) ** 2


def examples_of(problem: EmpiricalRisk, like: Any) -> QuadraticExamples:
    """The examples of a problem, for parameters of the structure of `like`; or NoExactSolution with the reason."""
    squares, minimum = problem.squared_residuals, problem.minimum
    if squares is None or minimum is None or problem.minimiser is None:
        return _of_any_loss(problem, like)
    return _least_squares(flat(problem.minimiser), minimum, squares)


def _least_squares(centre: np.ndarray, minimum: float, squares: SquaredResiduals) -> RankOne:
    features, targets, ridge = squares
    h, Q = _eigenvalues(features.T @ features / len(features) + ridge * np.eye(len(centre)))
    a, residuals, offset = features @ Q, features @ centre - targets, ridge * centre @ Q
    gradients = residuals[:, None] * a + offset
    return RankOne(centre, float(minimum), h, Q, gradients, a, residuals, ridge, offset)


def _of_any_loss(problem: EmpiricalRisk, like: Any) -> Dense:
    loss, n, d = problem.example_value, problem.examples, len(flat(like))
    if loss is None:
        raise NoExactSolution(f"problems.{type(problem).__name__} does not state the loss of an example, example_value")
    if n * d**2 > LARGEST_TABLE:
        raise NoExactSolution(
            f"exact moments need the Hessians of all examples, and {n} of {d} x {d} take more than 240 MB"
        )
    first = jax.tree.map(lambda leaf: leaf[0], problem.data)
    found = degree(loss, like, first)
    if found > 2:
        raise NoExactSolution(
            "the loss is not recognised as quadratic: exact moments need one that is computed from x by sums and "
            "products alone" + (f", with at most two factors x, not {found}" if np.isfinite(found) else "")
        )
    known = problem.minimiser is not None
    centre = flat(problem.minimiser) if known else np.zeros(d)
    values, gradients, hessians = _derivatives(loss, problem.data, like, centre)
    hessians = (hessians + hessians.transpose(0, 2, 1)) / 2
    value = float(values.mean())
    if not known:
        mean, H = gradients.mean(0), hessians.mean(0)
        shift = -np.linalg.lstsq(H, mean, rcond=None)[0]
        value += float(mean @ shift + shift @ H @ shift / 2)
        centre, gradients = centre + shift, gradients + hessians @ shift
    h, Q = _eigenvalues(hessians.mean(0))
    return Dense(centre, value, h, Q, gradients @ Q, Q.T @ hessians @ Q)


def _eigenvalues(H: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    h, Q = np.linalg.eigh(H)
    h[np.abs(h) < rounding(h)] = 0
    return h, Q


def _derivatives(loss: Callable, data: Any, like: Any, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The f_i (n,), their gradients (n, d) and Hessians (n, d, d) at a point, in float64."""
    compiled = _compiled(loss, Structure.of(like))
    with jax.enable_x64(True):
        # Copies, as JAX 0.10 remembers an array that it was given in one precision, and returns it in another.
        values, gradients, hessians = compiled(at.copy(), jax.tree.map(np.array, data))
        return np.asarray(values), np.asarray(gradients), np.asarray(hessians)


@remember(maxsize=32)
def _compiled(loss: Callable, point: Structure) -> Callable:
    """Values and derivatives of a loss, a function of a flat point and of the examples."""
    with jax.enable_x64(True):
        zeros = [jnp.zeros(shape) for shape in point.shapes]
        _, unflatten = ravel_pytree(jax.tree.unflatten(point.treedef, zeros))

    def of_example(x: jax.Array, example: Any) -> Any:
        def flat_loss(x: jax.Array) -> jax.Array:
            return loss(whole(unflatten(x)), example)

        return flat_loss(x), jax.grad(flat_loss)(x), jax.hessian(flat_loss)(x)

    return compiler.jit(jax.vmap(of_example, (None, 0)))


def _equal(tables: np.ndarray) -> bool:
    """Whether tables (n, ...) are equal to rounding."""
    return bool(np.abs(tables - tables[0]).max() <= 16 * np.finfo(float).eps * np.abs(tables).max())
