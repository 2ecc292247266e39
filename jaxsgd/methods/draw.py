"""What a method sees of the draw of its update."""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.extend.core import get_opaque_trace_state

Function = Callable[[Any], Any]


class Gradients(NamedTuple):
    """How many gradients are taken: stochastic ones, and gradients of the risk."""

    drawn: Any
    full: Any


class Draw:
    """The draw of one update of one trajectory: its stochastic functions, at any point.

    A method asks it for what it needs, at x_t and wherever else: what is not asked for is not computed, and what is
    asked for twice at the same array is computed once.

    A method that wraps another one hands it a changed draw, see `with_gradient`.
    """

    def __init__(self, gradient: Function, loss: Function, full_gradient: Function) -> None:
        self._gradient, self._loss, self._full_gradient = map(_Once, (gradient, loss, full_gradient))

    def gradient(self, x: Any) -> Any:
        """The stochastic gradient of this update at x: of the same noise, random loss or examples wherever x is."""
        return self._gradient(x)

    def loss(self, x: Any) -> jax.Array:
        """The drawn loss at x, whose gradient that is: f(xi_t, x), or the mean loss of the drawn examples.

        An error where the oracle has none, such as `AdditiveNoise`: noise is added to a gradient.
        """
        return self._loss(x)

    def full_gradient(self, x: Any) -> Any:
        """The gradient of the risk R at x; an error where the problem is not known."""
        return self._full_gradient(x)

    def with_gradient(self, gradient: Function) -> "Draw":
        """The same draw with another stochastic gradient, a function of x."""
        return Draw(gradient, self._loss, self._full_gradient)

    @property
    def taken(self) -> Gradients:
        """At how many points gradients have been asked for so far."""
        return Gradients(self._gradient.count, self._full_gradient.count)


class _Once:
    """A function, computed once for the same array or pytree of arrays; anew inside a branch or a loop.

    It keeps leaves, not pytrees: these may be changed in place.
    """

    def __init__(self, function: Function) -> None:
        self._function, self._known = function, list[tuple[Any, Any, list[Any], Any, list[Any]]]()

    def __call__(self, x: Any) -> Any:
        trace, (leaves, structure) = get_opaque_trace_state(), jax.tree.flatten(x)
        for where, of, known, made, values in self._known:
            if where == trace and of == structure and all(map(operator.is_, known, leaves)):
                return jax.tree.unflatten(made, values)
        values, made = jax.tree.flatten(self._function(x))
        self._known.append((trace, structure, leaves, made, values))
        return jax.tree.unflatten(made, values)

    @property
    def count(self) -> int:
        """At how many points it has been computed."""
        return len(self._known)
