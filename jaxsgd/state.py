"""What functions of the user see of one trajectory: its state at a record, and each of its updates."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from jaxsgd.module import AbstractOrFinal
from jaxsgd.structure import whole, without_fixed


@dataclasses.dataclass(frozen=True)
class State(AbstractOrFinal):
    """What an observable may look at: one trajectory at a recorded step, before the update.

    - `x`: the iterate x_s.
    - `averages`: the averaged iterates by name, over x_0 .. x_{s-1}.
    - `folds`: the values of the folds by name, over the updates 0 .. s-1; path sums are among them.
    - `method`: the state of the method, as its `init` and `step` return it.
    """

    x: Any
    averages: Mapping[str, Any]
    folds: Mapping[str, Any]
    method: Any = ()

    def __post_init__(self) -> None:
        _make_whole(self, "x", "averages")

    @property
    def path_sums(self) -> Mapping[str, Any]:
        """The folds, under the name of those that are sums."""
        return self.folds


@dataclasses.dataclass(frozen=True)
class Update(AbstractOrFinal):
    """What a fold takes up: update t of one trajectory, from x = x_t to x_next = x_{t+1}.

    - `gradient`: g_t, the drawn stochastic gradient at x_t; None where x has a leaf that is not trained.
    - `sample`: xi_t, as the oracle draws it: the noise, the random number of a loss, or the examples.
    - `averages`: the averaged iterates by name, over x_0 .. x_t; NaN where they have no value.
    - `method`, `method_next`: the state of the method before and after.
    """

    t: jax.Array
    learning_rate: jax.Array
    x: Any
    gradient: Any
    x_next: Any
    sample: Any = None
    averages: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    method: Any = ()
    method_next: Any = ()

    def __post_init__(self) -> None:
        _make_whole(self, "x", "x_next", "averages")
        object.__setattr__(self, "gradient", without_fixed(self.gradient))


def _make_whole(seen: State | Update, *names: str) -> None:
    """Points by name, in the form in which the user gave x0: networks with their activations."""
    for name in names:
        object.__setattr__(seen, name, whole(getattr(seen, name)))
