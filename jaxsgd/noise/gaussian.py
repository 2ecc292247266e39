"""Normal noise."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, finite_array, semidefinite
from jaxsgd.noise.noise import Noise, Stable, non_negative, per_coordinate
from jaxsgd.streams import Stream


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
            self.std = non_negative("std", 1.0 if std is None else std)
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
        per_coordinate(name, own, shapes)  # type: ignore[arg-type]

    def covariance_matrix(self, dimension: int) -> np.ndarray:
        if self.covariance is not None:
            return self.covariance
        return np.broadcast_to(np.square(self.std), (dimension,))  # type: ignore[arg-type]

    @property
    def independent(self) -> bool:
        """Normal coordinates are independent if they are not correlated."""
        return self.covariance is None or not np.any(self.covariance - np.diag(np.diag(self.covariance)))

    def cumulants(self, order: int, dimension: int) -> np.ndarray:
        return self._variances(dimension) if order == 2 else np.zeros(dimension)

    def stable_law(self, dimension: int) -> Stable:
        return Stable(2.0, np.sqrt(self._variances(dimension) / 2))

    def marginal(self, dimension: int) -> Any:
        from scipy import stats

        variances = self._variances(dimension)
        return stats.norm(scale=np.sqrt(variances)) if variances.all() else None

    def _variances(self, dimension: int) -> np.ndarray:
        covariance = self.covariance_matrix(dimension)
        return covariance if covariance.ndim == 1 else np.diag(covariance)
