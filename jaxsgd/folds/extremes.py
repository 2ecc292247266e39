"""The largest and the smallest value along a trajectory."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxsgd.folds.fold import PathFold
from jaxsgd.folds.of_updates import as_float, check_function, shape_of
from jaxsgd.state import State, Update


class Maximum(PathFold):
    """max_{t < s} f(update t), of each number of an array; NaN at step 0, and from the first NaN on.

    **Arguments**

    - `function`: f, a function of an [`jaxsgd.Update`][]. One of ``update.x_next`` sees x_1 .. x_s, one of ``update.x``
      x_0 .. x_{s-1}.

    With ``folds={"highest": Maximum(lambda update: update.x_next[0])}`` the probability of the event
    ``lambda state: state.folds["highest"] > 1`` at step s is that of having been above 1 after one of s updates.
    """

    function: Callable[[Update], Any]

    def __check_init__(self) -> None:
        check_function("a maximum", self.function)

    def begin(self, state: State, update: Update) -> Any:
        return jnp.full(shape_of(self.function, update), jnp.nan, float)

    def take(self, carry: Any, update: Update) -> Any:
        value = as_float(self.function(update))
        return jnp.where(update.t == 0, value, jnp.maximum(carry, value))


class Minimum(PathFold):
    """min_{t < s} f(update t), of each number of an array; NaN at step 0, and from the first NaN on.

    **Arguments**

    - `function`: f, a function of an [`jaxsgd.Update`][], as of a [`Maximum`][jaxsgd.folds.Maximum].
    """

    function: Callable[[Update], Any]

    def __check_init__(self) -> None:
        check_function("a minimum", self.function)

    def begin(self, state: State, update: Update) -> Any:
        return jnp.full(shape_of(self.function, update), jnp.nan, float)

    def take(self, carry: Any, update: Update) -> Any:
        value = as_float(self.function(update))
        return jnp.where(update.t == 0, value, jnp.minimum(carry, value))
