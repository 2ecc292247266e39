"""Noise that grows with the gradient."""

from typing import Any

import jax
import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.noise.noise import Noise, non_negative, per_coordinate
from jaxsgd.streams import Stream


class Multiplicative(Noise):
    """g_j = (grad R)_j (1 + std_j z_j) + xi_j, with independent standard normals z_j, and xi from another noise.

    Given x its covariance is diag(std^2 (grad R)^2) + Cov xi. On a quadratic in one coordinate, of curvature h, second
    moments of SGD with the constant learning rate eta settle if and only if (1 - eta h)^2 + (eta h std)^2 < 1.

    **Arguments**

    - `std`: the standard deviation of the factor, one number or one for each coordinate (d,).
    - `additive`: a noise that is added, such as `Gaussian(1.0)`; None for none.

    >>> Multiplicative(std=0.5, additive=None)
    Multiplicative(std=0.5)
    """

    std: np.ndarray
    additive: Noise | None
    is_additive = False

    def __init__(self, std: Any, additive: Noise | None = None) -> None:
        self.std, self.additive = non_negative("std", std), additive
        if not (additive is None or isinstance(additive, Noise)):
            raise InvalidType(f"additive must be one of jaxsgd.noise, got {additive!r}")
        if additive is not None and not additive.is_additive:
            raise InvalidInput(f"additive must be a noise whose law does not depend on x, got {additive!r}")

    @property
    def normal(self) -> bool | None:
        return True if self.additive is None else self.additive.normal

    @property
    def symmetric(self) -> bool | None:
        return True if self.additive is None else self.additive.symmetric

    @property
    def bounded(self) -> bool | None:
        """A normal factor is bounded only if it has no spread at all."""
        if np.any(self.std):
            return False
        return True if self.additive is None else self.additive.bounded

    @property
    def independent(self) -> bool | None:
        return True if self.additive is None else self.additive.independent

    @property
    def tail_index(self) -> float | None:
        return np.inf if self.additive is None else self.additive.tail_index

    def sample(self, stream: Stream, like: Any) -> Any:
        """std z, in the structure of ``like``, or a pair of that and of a draw of what is added."""
        factor = jax.tree.map(lambda z: self.std * z, stream.normal_like(like))
        return factor if self.additive is None else (factor, self.additive.sample(stream, like))

    def perturbed(self, gradient: Any, xi: Any) -> Any:
        factor, added = (xi, None) if self.additive is None else xi
        scaled = jax.tree.map(lambda g, z: g + g * z, gradient, factor)
        return scaled if self.additive is None else self.additive.perturbed(scaled, added)

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        per_coordinate("std", self.std, shapes)
        if self.additive is not None:
            self.additive.check(shapes)

    def relative_marginal(self, dimension: int) -> Any:
        from scipy import stats

        return stats.norm(scale=np.broadcast_to(self.std, (dimension,)))

    def relative_variance(self, dimension: int) -> np.ndarray:
        return np.broadcast_to(self.std**2, (dimension,))

    def covariance_at_rest(self, dimension: int) -> np.ndarray | None:
        return np.zeros(dimension) if self.additive is None else self.additive.covariance_matrix(dimension)
