"""Noise that is added to a gradient: mean zero, independent between steps."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, finite_array, semidefinite
from jaxsgd.module import Module
from jaxsgd.streams import Stream


class Noise(Module):
    """The law of the noise xi in g = grad R(x) + xi."""

    @abc.abstractmethod
    def sample(self, stream: Stream, like: Any) -> Any:
        """One draw of xi in the structure of ``like``."""

    @abc.abstractmethod
    def check(self, shapes: list[tuple[int, ...]]) -> None:
        """An error unless the noise fits parameters whose leaves have these shapes."""

    @abc.abstractmethod
    def covariance_matrix(self, dimension: int) -> np.ndarray:
        """Cov xi, (d, d) in ``jax.flatten_util`` order; (d,) where it is diagonal."""


class Gaussian(Noise):
    """xi ~ N(0, diag(std^2)) or N(0, covariance).

    **Arguments**

    - `std`: standard deviation, one number or one for each coordinate (d,).
    - `covariance`: Cov xi (d, d), in place of `std`; symmetric, no negative eigenvalue.

    >>> Gaussian(std=1.0)
    Gaussian(std=1)
    """

    std: np.ndarray | None
    covariance: np.ndarray | None
    _root: np.ndarray | None  # B with B B' = covariance

    def __init__(self, std: Any = None, covariance: Any = None) -> None:
        if covariance is None:
            self.std = finite_array("std", 1.0 if std is None else std)
            if self.std.ndim > 1 or self.std.size == 0:
                raise InvalidInput(
                    f"std must be one number or one for each coordinate (d,), got shape {self.std.shape}; "
                    "a matrix is a covariance"
                )
            if self.std.min() < 0:
                raise InvalidInput(f"std must not be negative, got {self.std.min():g}")
            self.covariance = self._root = None
            return
        if std is not None:
            raise InvalidInput("give std or covariance, not both; pass None for the other")
        self.std = None
        self.covariance = finite_array("covariance", covariance)
        shape = self.covariance.shape
        if len(shape) != 2 or shape[0] != shape[1] or 0 in shape:
            raise InvalidInput(f"covariance must be a matrix (d, d), got shape {shape}")
        semidefinite("covariance", self.covariance, "no noise has a negative variance")
        values, vectors = np.linalg.eigh(self.covariance)
        self._root = vectors * np.sqrt(np.maximum(values, 0))

    def sample(self, stream: Stream, like: Any) -> Any:
        z = stream.normal_like(like)
        if self._root is not None:
            return jnp.matmul(self._root, z, precision=jax.lax.Precision.HIGHEST)
        return jax.tree.map(lambda leaf: self.std * leaf, z)

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        name, own = ("std", self.std) if self.covariance is None else ("covariance", self.covariance)
        shape = np.shape(own)  # type: ignore[arg-type]
        if shape and shapes != [shape[:1]]:
            raise InvalidInput(
                f"{name} of shape {shape} needs x to be one vector of length {shape[0]}, "
                f"but x has leaves of shapes {shapes}"
            )

    def covariance_matrix(self, dimension: int) -> np.ndarray:
        if self.covariance is not None:
            return self.covariance
        return np.broadcast_to(np.square(self.std), (dimension,))  # type: ignore[arg-type]
