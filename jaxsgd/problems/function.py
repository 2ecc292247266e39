"""Any JAX function as a problem."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxsgd import compiler
from jaxsgd.errors import InvalidInput, InvalidType, finite_array, scalar
from jaxsgd.module import brief
from jaxsgd.problems.problem import Problem
from jaxsgd.structure import whole


class Function(Problem):
    """R(x) = f(x) for a JAX function f of an array or pytree, with what is known of it.

    **Arguments**

    - `f`: a function of one x that returns a scalar and that ``jax.grad`` can differentiate.
    - `minimiser`: x*, in the structure of x; with it, distances are recorded.
    - `minimum`: R*. If it is not given and `minimiser` is, it is f(x*).
    - `strong_convexity`, `smoothness`, `lipschitz`, `convex`: mu, L, G and convexity, as stated by you.

    What you state is checked at a handful of points when a study is made, see [`jaxsgd.problems.Problem`][].

    >>> import jax.numpy as jnp
    >>> Function(lambda x: jnp.sum(x**4), minimiser=[0.0], convex=True).convex
    True
    """

    f: Callable[[Any], jax.Array]
    minimiser: Any
    minimum: Any
    strong_convexity: Any
    smoothness: Any
    lipschitz: Any
    convex: bool | None

    def __init__(
        self,
        f: Callable[[Any], jax.Array],
        minimiser: Any = None,
        minimum: float | None = None,
        strong_convexity: float | None = None,
        smoothness: float | None = None,
        lipschitz: float | None = None,
        convex: bool | None = None,
    ) -> None:
        if not callable(f):
            raise InvalidType(f"f must be a function of x, got {f!r}")
        self.f = f
        self.minimiser = as_point("minimiser", minimiser)
        if minimum is None and self.minimiser is not None:
            minimum = value_at("f", f, self.minimiser)
        self.minimum = None if minimum is None else float(scalar("minimum", minimum))
        self.strong_convexity = constant("strong_convexity", strong_convexity)
        self.smoothness = constant("smoothness", smoothness)
        self.lipschitz = constant("lipschitz", lipschitz)
        if convex is False and self.strong_convexity:
            raise InvalidInput("a strongly convex function is convex: convex=False contradicts strong_convexity")
        self.convex = True if self.strong_convexity else convex

    def value(self, x: Any) -> jax.Array:
        return self.f(whole(x))


def value_at(name: str, f: Callable[[Any], jax.Array], minimiser: Any) -> float:
    """f at the minimiser in float64, or an error, which names it, unless it is one finite number."""
    try:
        with jax.enable_x64(True):
            value = np.asarray(compiler.jit(lambda x: f(x))(minimiser), np.float64)
    except Exception as error:
        raise InvalidType(
            f"{name} cannot be computed at the minimiser: {type(error).__name__}: {error}; "
            "a minimiser has the structure and the shapes of x"
        ) from error
    if value.shape or not np.isfinite(value):
        raise InvalidInput(
            f"{name} must be one finite number at the minimiser, got {brief(value)}; or give the minimum"
        )
    return float(value)


def constant(name: str, value: float | None) -> float | None:
    """A constant as the user states it, finite and not negative; None stays None."""
    return None if value is None else float(scalar(name, value, at_least=0.0))


def as_point(name: str, value: Any) -> Any:
    """A point of the parameter space as a pytree of float64 arrays; None stays None.

    A list or tuple of numbers (nested or not) is one array; dicts, and lists of arrays, are pytrees.
    """

    def checked(path: Any, leaf: Any) -> np.ndarray:
        return finite_array(name + jax.tree_util.keystr(path), leaf)

    return jax.tree_util.tree_map_with_path(checked, value, is_leaf=only_numbers)


def only_numbers(value: Any) -> bool:
    """Whether a value is a number, or a list of numbers, nested or not."""
    if isinstance(value, list | tuple) and value:
        return all(only_numbers(item) for item in value)
    return isinstance(value, int | float | np.generic)
