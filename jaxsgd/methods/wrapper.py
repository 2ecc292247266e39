"""Methods around another one."""

import abc
import importlib
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax

from jaxsgd.errors import InvalidType
from jaxsgd.methods.draw import Draw, Gradients
from jaxsgd.methods.method import Method
from jaxsgd.methods.transformations import is_transformation
from jaxsgd.module import brief


class Wrapper(Method):
    """A method that changes what another one, `method`, sees of an update, and leaves the update to it.

    It sees x as `method` does, a vector or a pytree, and passes on its state and its points. A wrapper of one's own
    gives `step`; one with a state of its own gives `init` and `points` as well.
    """

    method: eqx.AbstractVar[Method]

    @property
    def sees_pytree(self) -> bool:  # type: ignore[override]
        return self.method.sees_pytree

    @property
    def has_own_learning_rate(self) -> bool:  # type: ignore[override]
        return self.method.has_own_learning_rate

    def init(self, x0: Any) -> Any:
        return self.method.init(x0)

    def points(self, x: Any, state: Any) -> Mapping[str, Any]:
        return self.method.points(x, state)

    def gradients(self, updates: Any, in_each: Gradients) -> Gradients:
        return self.method.gradients(updates, in_each)

    def check(self, dimension: int) -> None:
        self.method.check(dimension)


class ChangedGradient(Wrapper):
    """Another method with changed gradients: it sees `gradient(x, draw)` in place of the drawn g_t(x), wherever x is.

    >>> class Halved(ChangedGradient):
    ...     method: Method
    ...
    ...     def gradient(self, x, draw):
    ...         return jax.tree.map(lambda leaf: leaf / 2, draw.gradient(x))
    """

    @abc.abstractmethod
    def gradient(self, x: Any, draw: Draw) -> Any:
        """What `method` sees as the gradient at x, in the form of x."""

    def step(self, x: Any, learning_rate: jax.Array, t: jax.Array, state: Any, draw: Draw) -> tuple[Any, Any]:
        changed = draw.with_gradient(lambda at: self.gradient(at, draw))
        return self.method.step(x, learning_rate, t, state, changed)


def as_method(method: Any) -> Method:
    """What is wrapped; an error unless it is a method, or a finished transformation of optax."""
    if is_transformation(method):
        return importlib.import_module("jaxsgd.methods.optax_method").Optax(method)
    if not isinstance(method, Method):
        hint = "; call it" if callable(method) else ""
        raise InvalidType(f"method must be one of jaxsgd.methods, got {brief(method)}{hint}")
    return method
