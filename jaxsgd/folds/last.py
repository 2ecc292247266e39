"""The value at the last update."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxsgd.folds.fold import PathFold
from jaxsgd.folds.of_updates import as_float, check_function, shape_of
from jaxsgd.state import State, Update


class Last(PathFold):
    """f(update s - 1), a number or an array; NaN at step 0, before the first update.

    What only an update shows, such as the length of the step that led to x_s, is so seen by observables.

    **Arguments**

    - `function`: f, a function of an [`jaxsgd.Update`][].
    """

    function: Callable[[Update], Any]

    def __check_init__(self) -> None:
        check_function("a last value", self.function)

    def begin(self, state: State, update: Update) -> Any:
        return jnp.full(shape_of(self.function, update), jnp.nan, float)

    def take(self, carry: Any, update: Update) -> Any:
        return as_float(self.function(update))
