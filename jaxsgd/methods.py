"""What is done with a stochastic gradient. Methods see x as one flat vector."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType, finite_array, scalar
from jaxsgd.module import Facts, Module, brief


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


class MethodFacts(Facts):
    """What may be known of a method.

    - `plain`: whether x_{t+1} = x_t - eta_t g_t, which is what most theory is about. A method that does not state it
      counts as another one.
    - `projection`: the set C of which x_{t+1} = P_C(x_t - eta_t g_t), P_C the projection on it; None for any other.
    - `linear`: whether x_{t+1} is an affine function of (x_t, g_t) for each eta_t. None stands for not known.
    """

    plain: bool | None = None
    projection: ConvexSet | None = None
    linear: bool | None = None


class Method(MethodFacts, Module):
    """One update of one trajectory; x (d,) is in ``jax.flatten_util`` order.

    A method of one's own gives `update`, and declares what is known of it; theory of plain SGD is said of no other:

    >>> class SignSgd(Method):
    ...     def update(self, x, gradient, learning_rate):
    ...         return x - learning_rate * jnp.sign(gradient)
    """

    @abc.abstractmethod
    def update(self, x: jax.Array, gradient: jax.Array, learning_rate: jax.Array) -> jax.Array:
        """x_{t+1} from x_t, g_t and eta_t."""

    def check(self, dimension: int) -> None:
        """An error unless the method fits parameters with this many coordinates."""


class Sgd(Method):
    """x_{t+1} = x_t - eta_t g_t (Robbins and Monro, 1951)."""

    plain = True
    linear = True

    def update(self, x: jax.Array, gradient: jax.Array, learning_rate: jax.Array) -> jax.Array:
        return x - learning_rate * gradient


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


class Projected(Method):
    """x_{t+1} = P(x_t - eta_t g_t), P the projection on a convex set.

    **Arguments**

    - `onto`: a [`jaxsgd.methods.Ball`][] or [`jaxsgd.methods.Box`][].
    """

    onto: ConvexSet
    plain = False
    linear = False

    def __check_init__(self) -> None:
        if not isinstance(self.onto, ConvexSet):
            raise InvalidType(f"onto must be methods.Ball(...) or methods.Box(...), got {self.onto!r}")

    @property
    def projection(self) -> ConvexSet:
        return self.onto

    def update(self, x: jax.Array, gradient: jax.Array, learning_rate: jax.Array) -> jax.Array:
        return self.onto.project(x - learning_rate * gradient)

    def check(self, dimension: int) -> None:
        self.onto.check(dimension)


def _fits(name: str, value: np.ndarray, dimension: int) -> None:
    if value.shape not in ((), (dimension,)):
        raise InvalidInput(f"{name} must be one number or have {dimension} coordinates, got shape {value.shape}")
