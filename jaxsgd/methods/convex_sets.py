"""Closed convex sets, and projections on them."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, finite_array, scalar
from jaxsgd.module import Module, brief


class ConvexSet(Module):
    """A closed convex set on which iterates are projected."""

    @abc.abstractmethod
    def project(self, x: jax.Array) -> jax.Array:
        """The point of the set that is nearest to x (d,)."""

    @abc.abstractmethod
    def check(self, dimension: int) -> None:
        """An error unless the set lies in a space of this dimension."""

    def farthest(self, point: np.ndarray) -> float:
        """The largest distance from a point (d,) to one of the set; inf where the set is unbounded or not known."""
        return np.inf


class Ball(ConvexSet):
    """{x : ||x - centre|| <= radius}.

    **Arguments**

    - `radius`: greater than 0.
    - `centre`: one number or (d,).
    """

    radius: np.ndarray
    centre: np.ndarray

    def __init__(self, radius: Any, centre: Any = 0.0) -> None:
        self.radius = scalar("radius", radius, above=0.0)
        self.centre = finite_array("centre", centre)
        if self.centre.ndim > 1:
            raise InvalidInput(f"centre must be one number or a vector (d,), got shape {self.centre.shape}")

    def project(self, x: jax.Array) -> jax.Array:
        offset = x - self.centre
        # Where it is differentiated, XLA may compute the maximum and what it is compared with in different roundings:
        # then no entry is the largest, and its derivative is infinite. The projection does not depend on it.
        largest = jax.lax.stop_gradient(jnp.max(jnp.abs(offset)))
        unit = offset / largest  # so that no square overflows: 0/0 at the centre, which is inside
        norm = jnp.sqrt(jnp.sum(unit * unit))
        return jnp.where(largest * norm > self.radius, self.centre + unit * (self.radius / norm), x)

    def check(self, dimension: int) -> None:
        _fits("centre", self.centre, dimension)

    def farthest(self, point: np.ndarray) -> float:
        return float(self.radius + np.linalg.norm(self.centre - point))


class Box(ConvexSet):
    """{x : lower <= x <= upper, coordinate by coordinate}.

    **Arguments**

    - `lower`, `upper`: one number or (d,).
    """

    lower: np.ndarray
    upper: np.ndarray

    def __init__(self, lower: Any, upper: Any) -> None:
        self.lower, self.upper = finite_array("lower", lower), finite_array("upper", upper)
        shapes = {self.lower.shape, self.upper.shape} - {()}
        if len(shapes) > 1 or any(len(shape) > 1 for shape in shapes):
            raise InvalidInput(
                "lower and upper must each be one number or a vector (d,) of the same length, "
                f"got shapes {self.lower.shape} and {self.upper.shape}"
            )
        if np.any(self.lower > self.upper):
            raise InvalidInput(f"lower must not exceed upper, got {brief(self.lower)} and {brief(self.upper)}")

    def project(self, x: jax.Array) -> jax.Array:
        return jnp.clip(x, self.lower, self.upper)

    def check(self, dimension: int) -> None:
        _fits("lower", self.lower, dimension)
        _fits("upper", self.upper, dimension)

    def farthest(self, point: np.ndarray) -> float:
        return float(np.linalg.norm(np.maximum(np.abs(self.lower - point), np.abs(self.upper - point))))


def _fits(name: str, value: np.ndarray, dimension: int) -> None:
    if value.shape not in ((), (dimension,)):
        raise InvalidInput(f"{name} must be one number or have {dimension} coordinates, got shape {value.shape}")
