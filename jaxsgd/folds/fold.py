"""The interface of a fold, and a fold of functions."""

import abc
from collections.abc import Callable
from typing import Any

from jaxsgd.errors import InvalidType
from jaxsgd.module import Module, brief
from jaxsgd.state import State, Update


class PathFold(Module):
    """What is carried along a trajectory: a pytree of arrays, a function of the updates so far.

    A record at step s sees what `value` makes of it after the updates 0 .. s-1, as ``state.folds["name"]``. A
    trajectory in which it is not finite does not count as diverged: x may well be finite.

    - `may_be_infinite`: whether inf is one of its values, such as a first time that has not come; an event that reads
      it then has an answer where it is infinite.
    - `is_sum`: whether it is a sum over the updates.
    """

    may_be_infinite = False
    is_sum = False

    @abc.abstractmethod
    def begin(self, state: State, update: Update) -> Any:
        """What is carried before the first update, from the state at step 0.

        ``update`` has shapes and types in place of numbers.
        """

    @abc.abstractmethod
    def take(self, carry: Any, update: Update) -> Any:
        """What is carried after an update: of the same structure, shapes and types."""

    def value(self, carry: Any) -> Any:
        """What is seen of it at a record."""
        return carry


class Fold(PathFold):
    """A fold of one's own, of functions.

    **Arguments**

    - `init`: a number or a pytree of arrays; or a function of the [`jaxsgd.State`][] at step 0 that returns one.
    - `update`: a function of what is carried and of an [`jaxsgd.Update`][], which returns what is carried on: of the
      same structure, shapes and types.
    - `finish`: a function of what is carried, which returns what is seen at a record; default all of it.

    For example the largest step that a trajectory has made:

    >>> import jax.numpy as jnp
    >>> largest = Fold(0.0, lambda most, update: jnp.maximum(most, jnp.linalg.norm(update.x_next - update.x)))
    """

    init: Any
    update: Callable[[Any, Update], Any]
    finish: Callable[[Any], Any] | None = None

    def __check_init__(self) -> None:
        for name, function in (("update", self.update), ("finish", self.finish)):
            if not (callable(function) or (name == "finish" and function is None)):
                raise InvalidType(f"{name} of a fold must be a function, got {brief(function)}")

    def begin(self, state: State, update: Update) -> Any:
        return self.init(state) if callable(self.init) else self.init

    def take(self, carry: Any, update: Update) -> Any:
        return self.update(carry, update)

    def value(self, carry: Any) -> Any:
        return carry if self.finish is None else self.finish(carry)
