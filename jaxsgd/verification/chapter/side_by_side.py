"""Several methods in one study, each on a copy of the same quadratic: one program runs and compares all of them."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import noise, oracles, problems, schedules
from jaxsgd.errors import InvalidInput
from jaxsgd.folds import PathFold
from jaxsgd.methods import Draw, Method
from jaxsgd.state import State, Update
from jaxsgd.study import Study


class SideBySide(Method):
    """x consists of parts of equal size, and each method updates its own, with the learning rate eta_t r_i."""

    methods: tuple[Method, ...]
    rates: np.ndarray  # r (parts,)

    def init(self, x0: Any) -> Any:
        return tuple(each.init(part) for each, part in zip(self.methods, self._parts(x0), strict=True))

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        seen = zip(self.methods, self.rates, self._parts(x), state, self._parts(draw.gradient(x)), strict=True)
        moved = [
            each.step(part, learning_rate * rate, t, own, Draw(lambda _, g=g: g, _no_loss, _no_loss))
            for each, rate, part, own, g in seen
        ]
        parts, states = zip(*moved, strict=True)
        return jnp.concatenate(parts), states

    def _parts(self, x: Any) -> Any:
        return x.reshape(len(self.methods), -1)


def _no_loss(x: Any) -> Any:
    raise InvalidInput("a method that is run side by side with others is one of gradients alone")


class RiskOfParts(PathFold):
    """1/2 ||F x||^2 of each part x of the iterate, (parts,), with F'F = A: as a sum of squares it loses no digits.

    It is a fold so that F is a number of the program, not a part of it.
    """

    factor: np.ndarray  # F (d, d)

    def begin(self, state: State, update: Update) -> Any:
        return self._risks(state.x)

    def take(self, carry: Any, update: Update) -> Any:
        return self._risks(update.x_next)

    def _risks(self, x: Any) -> jax.Array:
        images = jnp.matmul(x.reshape(-1, len(self.factor)), self.factor.T, precision=jax.lax.Precision.HIGHEST)
        return 0.5 * jnp.sum(images**2, axis=-1)


def side_by_side(studies: Mapping[str, Study]) -> Study:
    """Studies of one quadratic that differ in method and in the size of the learning rate, as one study.

    Their risks are its folds "risks", in this order. The noise of the parts is independent.
    """
    first, *_ = studies.values()
    oracle: Any = first.oracle
    k, A, old = len(studies), oracle.problem.hessian, oracle.noise
    if old.covariance is None:
        copied = noise.Gaussian(std=_copies(old.std, k))
    else:
        copied = noise.Gaussian(covariance=_copies(old.covariance, k))
    return first.replace(
        oracle=oracles.AdditiveNoise(problems.Quadratic(_copies(A, k)), copied),
        x0=np.tile(np.asarray(first.x0), k),
        method=SideBySide(
            tuple(study.method for study in studies.values()),
            np.array([study.learning_rates[0] for study in studies.values()]),
        ),
        schedule=schedules.cosine(1.0, first.steps),
        folds={"risks": RiskOfParts(np.linalg.cholesky(np.diag(A) if A.ndim == 1 else A).T)},
    )


def _copies(diagonal_or_matrix: np.ndarray, count: int) -> np.ndarray:
    if diagonal_or_matrix.ndim == 1:
        return np.tile(diagonal_or_matrix, count)
    return np.kron(np.eye(count), diagonal_or_matrix)
