"""Sums over updates."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxsgd.folds.fold import PathFold
from jaxsgd.folds.of_updates import as_float, check_function, shape_of
from jaxsgd.state import State, Update


class Sum(PathFold):
    """sum_{t < s} f(update t), of a number or an array; 0 at step 0.

    **Arguments**

    - `function`: f, a function of an [`jaxsgd.Update`][].
    """

    function: Callable[[Update], Any]
    is_sum = True

    def __check_init__(self) -> None:
        check_function("a sum", self.function)

    def begin(self, state: State, update: Update) -> Any:
        return jnp.zeros(shape_of(self.function, update), float)

    def take(self, carry: Any, update: Update) -> Any:
        return carry + as_float(self.function(update))
