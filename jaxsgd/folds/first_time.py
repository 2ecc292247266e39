"""The first step at which something holds."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidType
from jaxsgd.folds.fold import PathFold
from jaxsgd.module import brief
from jaxsgd.state import State, Update

_NOT_YET = -1


class FirstTime(PathFold):
    """min {r <= s: the event holds at step r}, inf while there is none: a stopping time.

    It looks at every step, whether recorded or not, 0 among them: at x_r, at the averages over x_0 .. x_{r-1} (NaN
    where they have no value), and at the method's state after r updates; not at other folds. Of a trajectory that
    diverges before, it stays inf, as comparisons with NaN are false.

    **Arguments**

    - `event`: a boolean function of x, or of a [`jaxsgd.State`][].

    With ``folds={"exit": FirstTime(lambda x: jnp.abs(x[0]) > 1)}`` the probability of the event
    ``lambda state: state.folds["exit"] <= 100`` at a step from 100 on is that of having left the strip by step 100.
    """

    event: Callable[[Any], Any]
    may_be_infinite = True

    def __check_init__(self) -> None:
        if not callable(self.event) or isinstance(self.event, type):
            raise InvalidType(
                f"the event of a FirstTime is a boolean function of x or of a State, got {brief(self.event)}"
            )

    def begin(self, state: State, update: Update) -> Any:
        return jnp.where(self._holds(state), jnp.int32(0), jnp.int32(_NOT_YET))

    def take(self, carry: Any, update: Update) -> Any:
        state = State(update.x_next, update.averages, {}, update.method_next)
        comes = (carry == _NOT_YET) & self._holds(state)
        return jnp.where(comes, update.t + 1, carry)

    def value(self, carry: Any) -> Any:
        return jnp.where(carry == _NOT_YET, jnp.inf, carry.astype(float))

    def _holds(self, state: State) -> jax.Array:
        """The event of a State; a function of x fails there, because a State is no array and no pytree."""
        try:
            answer = self.event(state)
        except Exception as of_state:
            try:
                answer = self.event(state.x)
            except Exception as of_x:
                raise InvalidType(
                    f"the event of a FirstTime, {brief(self.event)}, can be computed neither on x "
                    f"({_first_line(of_x)}) nor on a State ({_first_line(of_state)})"
                ) from of_x
        given = jnp.asarray(answer) if isinstance(answer, bool | np.generic | jax.Array) else None
        if given is None or given.shape != () or given.dtype != bool:
            what = brief(answer) if given is None else f"{given.dtype}{list(given.shape)}"
            raise InvalidType(
                f"the event of a FirstTime, {brief(self.event)}, must be one boolean, such as x[0] > 1, got {what}"
            )
        return given


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
