"""Noise that is added to a gradient: mean zero, independent between steps."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, finite_array, semidefinite
from jaxsgd.module import Facts, Module
from jaxsgd.streams import Stream


class NoiseFacts(Facts):
    """What may be known of the law of a noise xi. None stands for not known.

    - `normal`: whether xi is normal. With it the variances of observables are exact on a quadratic.
    - `symmetric`: whether xi and -xi have one law.
    - `bounded`: whether ||xi|| is at most some number.
    - `tail_index`: alpha, with which E||xi||^k is finite for k < alpha and infinite for k >= alpha; inf where all
      moments are finite. Of Student's t it is the degrees of freedom, of a stable law its exponent below 2.
    """

    normal: bool | None = None
    symmetric: bool | None = None
    bounded: bool | None = None
    tail_index: float | None = None

    def covariance_matrix(self, dimension: int) -> np.ndarray | None:
        """Cov xi, (d, d) in ``jax.flatten_util`` order; (d,) where it is diagonal. None: infinite, or not known."""
        return None


class Noise(NoiseFacts, Module):
    """The law of the noise xi in g = grad R(x) + xi, of mean zero and independent of everything before.

    A noise of one's own gives `sample`, and declares what is known of its law. With the covariance
    [`jaxsgd.theory.exact`][] knows means and covariances, and bounds have values before the run. Mean and covariance
    are checked against 4096 draws when a study is made; a variance that is too large passes where extreme draws show
    tails that these lack. Whether the law is normal, symmetric or bounded is not checked.

    >>> class Uniform(Noise):
    ...     half: float
    ...     symmetric, bounded, tail_index = True, True, np.inf
    ...
    ...     def sample(self, stream, like):
    ...         return jax.tree.map(lambda leaf: self.half * (2 * stream.uniform(leaf.shape) - 1), like)
    ...
    ...     def covariance_matrix(self, dimension):
    ...         return np.full(dimension, self.half**2 / 3)
    """

    @abc.abstractmethod
    def sample(self, stream: Stream, like: Any) -> Any:
        """One draw of xi in the structure of ``like``."""

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        """An error unless the noise fits parameters whose leaves have these shapes; most noise fits all."""


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
    normal = True
    symmetric = True
    tail_index = np.inf

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

    @property
    def bounded(self) -> bool:
        """A normal law is bounded only if it has no spread at all."""
        spread = self.std if self.covariance is None else self.covariance
        return not np.any(spread)

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
