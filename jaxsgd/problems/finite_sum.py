"""The mean of any loss over examples."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from jaxsgd import compiler
from jaxsgd.errors import InvalidInput, InvalidType, scalar
from jaxsgd.module import with_own_arrays
from jaxsgd.problems.empirical_risk import EmpiricalRisk
from jaxsgd.problems.examples import (
    as_examples,
    mean_gradient,
    mean_loss,
    mean_over,
    shapes_of_one,
    total_loss,
)
from jaxsgd.problems.function import as_point, constant, value_at
from jaxsgd.problems.newton import minimise
from jaxsgd.products import LARGE, products
from jaxsgd.remembering import remember
from jaxsgd.structure import whole


class FiniteSum(EmpiricalRisk):
    """R(x) = (1/n) sum_i f(x, example i) for a JAX function f, with what is known of R.

    **Arguments**

    - `loss`: f(x, example), a scalar that ``jax.grad`` can differentiate in x, an array or a pytree.
    - `data`: the examples, a pytree of arrays whose first axis has length n; an example has its structure.
    - `test`: test data, alike; `test_risk` is their mean loss.
    - `start`: a default start, in the structure of x.
    - `minimiser`: x*, in the structure of x. Where it is not given, but `start` is and R is stated to be convex, it is
      found by Newton's method in float64 until the gradient is below 1e-10.
    - `minimum`: R*. If it is not given and x* is known, it is R(x*), in float64.
    - `strong_convexity`, `smoothness`, `convex`: mu, L and convexity of R, as stated by you.
    - `example_strong_convexity`, `example_smoothness`: every f_i is mu_min-strongly convex (0: convex), L_max-smooth.

    What you state is checked at a handful of points when a study is made, of examples for 32 of them at most, see
    [`jaxsgd.problems.Problem`][]; not of data with more than 10^6 numbers.

    >>> problem = FiniteSum(lambda x, a: (x - a) ** 2 / 2, [1.0, 2.0, 6.0], start=0.0, convex=True)
    >>> float(problem.minimiser)
    3.0
    """

    loss: Callable[[Any, Any], jax.Array]
    data: Any
    test: Any
    _computed: tuple[str, ...] = eqx.field(static=True)  # the arguments that were not given
    start: Any
    minimiser: Any
    minimum: Any
    strong_convexity: Any
    smoothness: Any
    example_smoothness: Any
    example_strong_convexity: Any
    convex: bool | None

    def __init__(
        self,
        loss: Callable[[Any, Any], jax.Array],
        data: Any,
        test: Any = None,
        start: Any = None,
        minimiser: Any = None,
        minimum: float | None = None,
        strong_convexity: float | None = None,
        smoothness: float | None = None,
        example_smoothness: float | None = None,
        example_strong_convexity: float | None = None,
        convex: bool | None = None,
    ) -> None:
        if not callable(loss):
            raise InvalidType(f"loss must be a function of (x, example), got {loss!r}")
        self.loss, self.data = loss, as_examples("data", data)
        self.test = None if test is None else as_examples("test", test)
        if test is not None and shapes_of_one(self.test) != shapes_of_one(self.data):
            given, needed = shapes_of_one(self.test), shapes_of_one(self.data)
            raise InvalidInput(f"test must hold examples of the shapes of data, {needed}, got {given}")
        self.start = as_point("start", start)
        self.strong_convexity = constant("strong_convexity", strong_convexity)
        self.smoothness = constant("smoothness", smoothness)
        self.example_smoothness = constant("example_smoothness", example_smoothness)
        self.example_strong_convexity = constant("example_strong_convexity", example_strong_convexity)
        known = self.strong_convexity or self.example_strong_convexity is not None
        if convex is False and known:
            name = "strong_convexity" if self.strong_convexity else "example_strong_convexity"
            raise InvalidInput(f"a strongly convex function is convex: convex=False contradicts {name}")
        self.convex = True if known else convex
        given = {"minimiser": minimiser, "minimum": minimum}
        self._computed = tuple(name for name, value in given.items() if value is None)
        self.minimiser = as_point("minimiser", minimiser)
        if self.minimiser is None and self.convex and self.start is not None:
            self.minimiser = self._solve()
        if minimum is None and self.minimiser is not None:
            minimum = value_at("the mean of loss", self._risk(), self.minimiser)
        self.minimum = None if minimum is None else float(scalar("minimum", minimum))

    def _arguments(self) -> dict[str, Any]:
        return {name: value for name, value in super()._arguments().items() if name not in self._computed}

    def value(self, x: Any) -> jax.Array:
        return mean_loss(self.loss, self.data, x)

    def gradient(self, x: Any) -> Any:
        return mean_gradient(self.loss, self.data, x)

    def example_gradient(self, x: Any, example: Any) -> Any:
        return jax.grad(lambda x: self.loss(whole(x), example))(x)

    def gradient_at_once(self, x: Any, examples: Any, weights: Any) -> Any:
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), examples)
        if products(self.example_gradient, x, one) * len(weights) < LARGE:
            return None
        return jax.grad(lambda x: total_loss(self.loss, x, examples, weights))(x)

    @property
    def example_value(self) -> Callable[[Any, Any], jax.Array]:
        return self.loss

    @property
    def gradient_noise(self) -> float | None:
        if self.minimiser is None:
            return None
        with jax.enable_x64(True):
            return float(_gradient_noise(self.loss)(*with_own_arrays((self.minimiser, self.data))))

    def _risk(self) -> Callable[[Any], jax.Array]:
        """R as a function for programs of their own."""
        loss, data = self.loss, with_own_arrays(self.data)
        return lambda x: mean_loss(loss, data, x)

    def _solve(self) -> Any:
        """x* in the structure of x, by differentiation in float64."""
        risk = self._risk()
        try:
            with jax.enable_x64(True):
                flat, unflatten = jax.flatten_util.ravel_pytree(self.start)

                def compiled(transform: Callable) -> Callable[[np.ndarray], np.ndarray]:
                    function = compiler.jit(transform(lambda x: risk(unflatten(x))))
                    return lambda x: np.asarray(function(x))

                value, gradient, hessian = compiled(lambda f: f), compiled(jax.grad), compiled(jax.hessian)
                start = np.asarray(flat)
                scale = float(np.linalg.norm(gradient(start)))
                found = minimise(lambda x: float(value(x)), gradient, hessian, start, scale)
                return jax.tree.map(np.asarray, unflatten(jnp.asarray(found)))
        except InvalidInput:
            raise
        except Exception as error:
            raise InvalidType(
                f"loss cannot be computed and differentiated at the start: {type(error).__name__}: {error}"
            ) from error


@remember(maxsize=32)
def _gradient_noise(loss: Callable[[Any, Any], jax.Array]) -> Callable[[Any, Any], jax.Array]:
    """The mean of ||grad f_i(x)||^2, a compiled function of x and of the examples."""

    def mean_square(x: Any, examples: Any) -> jax.Array:
        def total(part: Any, weights: jax.Array) -> jax.Array:
            gradients = jax.vmap(jax.grad(loss), (None, 0))(x, part)
            squares = [jnp.sum(leaf.reshape(len(weights), -1) ** 2, 1) for leaf in jax.tree.leaves(gradients)]
            return weights @ sum(squares[1:], squares[0])

        return mean_over(total, examples)

    return compiler.jit(mean_square)
