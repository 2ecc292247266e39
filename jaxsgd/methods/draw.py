"""What a method sees of the draw of its update."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import get_opaque_trace_state

Function = Callable[[Any], Any]


class Draw:
    """The draw of one update of one trajectory: its stochastic functions, at any point.

    A method asks it for what it needs, at x_t and wherever else: what is not asked for is not computed, and what is
    asked for twice at the same array is computed once.

    A method that wraps another one hands it a changed draw, see `with_gradient`.
    """

    def __init__(self, gradient: Function, loss: Function, full_gradient: Function) -> None:
        self._gradient, self._loss, self._full_gradient = map(_once, (gradient, loss, full_gradient))

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


def _once(function: Function) -> Function:
    """The function, computed once for the same array or pytree; anew inside a branch or a loop, which keeps its own."""
    known: list[tuple[Any, Any, Any]] = []

    def of(x: Any) -> Any:
        trace = get_opaque_trace_state()
        for point, where, value in known:
            if point is x and where == trace:
                return value
        known.append((x, trace, function(x)))
        return known[-1][2]

    return of
