"""Plain stochastic gradient descent, and its projection on a convex set."""

from typing import Any

import jax

from jaxsgd.errors import InvalidType
from jaxsgd.methods.convex_sets import ConvexSet
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.method import Method


class Sgd(Method):
    """x_{t+1} = x_t - eta_t g_t (Robbins and Monro, 1951)."""

    plain = True
    linear = True

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        return x - learning_rate * draw.gradient(x), state


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

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        return self.onto.project(x - learning_rate * draw.gradient(x)), state

    def check(self, dimension: int) -> None:
        self.onto.check(dimension)
