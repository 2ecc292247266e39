"""What functions of the user see of one trajectory: its state at a record, and each of its updates."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from jaxsgd.module import AbstractOrFinal


@dataclasses.dataclass(frozen=True)
class State(AbstractOrFinal):
    """What an observable may look at: one trajectory at a recorded step, before the update.

    - `x`: the iterate x_s.
    - `averages`: the averaged iterates by name, over x_0 .. x_{s-1}.
    - `path_sums`: the path sums by name, over the updates 0 .. s-1.
    """

    x: Any
    averages: Mapping[str, Any]
    path_sums: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Update(AbstractOrFinal):
    """What a path sum adds up: update t of one trajectory, from x = x_t to x_next = x_{t+1}."""

    t: jax.Array
    learning_rate: jax.Array
    x: Any
    gradient: Any
    x_next: Any
