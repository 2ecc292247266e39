"""One update of one trajectory: oracle and method put together."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsgd.errors import InvalidInput
from jaxsgd.methods import Draw, Method
from jaxsgd.oracles import Oracle
from jaxsgd.structure import Structure


class OneUpdate(NamedTuple):
    """How a method moves one trajectory. ``x`` here is in the form that the method sees, see `as_seen`.

    - `point`: the structure of x0.
    """

    oracle: Oracle
    method: Method
    point: Structure

    def as_seen(self, x: Any) -> Any:
        """A pytree x in the form that the method sees."""
        return x if self.method.sees_pytree else self.point.ravel(x)

    def as_pytree(self, x: Any) -> Any:
        """What the method sees, as a pytree."""
        return x if self.method.sees_pytree else self.point.unravel(x)

    def gradient(self, x: Any, sample: Any) -> Any:
        """g_t at a pytree x."""
        return self.oracle.gradient(x, sample)

    def draw(self, sample: Any) -> Draw:
        """What the method sees of xi_t."""
        oracle, method, problem = self.oracle, f"methods.{type(self.method).__name__}", self.oracle.problem

        def loss(x: Any) -> Any:
            try:
                return oracle.drawn_loss(self.as_pytree(x), sample)
            except InvalidInput as error:
                raise InvalidInput(f"{method} needs the loss of a draw, draw.loss(x), and {error}") from None

        def full_gradient(x: Any) -> Any:
            if problem is None:
                raise InvalidInput(
                    f"{method} needs the gradient of the risk, draw.full_gradient(x), and the oracle knows no problem: "
                    "give it problem="
                )
            return self.as_seen(problem.gradient(self.as_pytree(x)))

        return Draw(lambda x: self.as_seen(self.gradient(self.as_pytree(x), sample)), loss, full_gradient)


def moved_by(method: Method, x: Any, gradient: Any, learning_rate: Any) -> Any:
    """x_1 from x_0 = x, in the form that the method sees, with this gradient wherever it is taken."""
    draw = affine_draw(0.0, gradient)
    return method.step(x, jnp.asarray(learning_rate), jnp.int32(0), method.init(x), draw)[0]


def affine_draw(curvature: Any, noise: Any) -> Draw:
    """That of the loss f(x) = curvature ||x||^2 / 2 + <noise, x>; R is the same without the noise."""

    def inner(one: Any, other: Any) -> jax.Array:
        products = jax.tree.map(lambda a, b: jnp.sum(a * b), one, other)
        return jax.tree.reduce(jnp.add, products)

    return Draw(
        lambda x: jax.tree.map(lambda leaf, xi: curvature * leaf + xi, x, noise),
        lambda x: curvature * inner(x, x) / 2 + inner(noise, x),
        lambda x: jax.tree.map(lambda leaf: curvature * leaf, x),
    )
