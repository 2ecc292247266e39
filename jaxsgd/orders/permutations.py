"""Every example once in an epoch: three orders of going through the examples."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import flag
from jaxsgd.orders.fisher_yates import exchanged, identity
from jaxsgd.orders.order import Drawn, Order, check_batch
from jaxsgd.streams import Stream


class Permutation(Order):
    """Goes through a permutation of the examples, batch by batch, once in every epoch.

    Where b does not divide n, the last batch of an epoch has the n mod b examples that are left, and g_t is the mean
    of their gradients; or, with `drop_last`, there is no such batch.

    **Arguments**

    - `drop_last`: leave out what does not fill a batch.

    A permutation of one's own gives `indices_at`, and declares `shuffled` and `uniform`.
    """

    drop_last: bool = eqx.field(static=True, default=False)
    fresh = False
    unbiased = False  # given the past, the examples that an epoch has used are not drawn again
    distinct = True
    weights = "equal"

    def __check_init__(self) -> None:
        flag("drop_last", self.drop_last)

    @abc.abstractmethod
    def indices_at(self, stream: Stream, t: Any, memory: Any, positions: Any, epoch: Any) -> tuple[Any, Any]:
        """The examples at these positions of this epoch's permutation; and the next memory."""

    def draw(self, stream: Stream, t: Any, memory: Any, examples: int, batch: int) -> tuple[Drawn, Any]:
        updates = self.updates_per_epoch(examples, batch)
        first = t % updates * batch
        if batch == 1:
            indices, memory = self.indices_at(stream, t, memory, first, t // updates)
            return Drawn(indices, None), memory
        positions = first + jnp.arange(batch)
        left = examples % batch
        if self.drop_last or not left:
            indices, memory = self.indices_at(stream, t, memory, positions, t // updates)
            return Drawn(indices, None), memory
        # The last position stands for those behind it, with weight 0: there an example can only stay where it is.
        indices, memory = self.indices_at(stream, t, memory, jnp.minimum(positions, examples - 1), t // updates)
        used = jnp.where(positions < examples, 1.0, 0.0)
        return Drawn(indices, used * batch / jnp.sum(used)), memory

    def updates_per_epoch(self, examples: int, batch: int) -> int:
        return examples // batch if self.drop_last else super().updates_per_epoch(examples, batch)

    def examples_used(self, updates: Any, examples: int, batch: int) -> Any:
        epoch = self.updates_per_epoch(examples, batch)
        return updates // epoch * min(epoch * batch, examples) + updates % epoch * batch

    def check(self, has_gradient: np.ndarray, batch: int) -> None:
        super().check(has_gradient, batch)
        check_batch(batch, len(has_gradient), f"with orders.{type(self).__name__}")


class RandomReshuffling(Permutation):
    """A fresh uniform random permutation for every trajectory and every epoch.

    It is made while it is used, one exchange for each example (Fisher-Yates), so that an update costs the same
    whatever n; a trajectory keeps its n indices.

    Source: Mishchenko, Khaled and Richtárik (2020), "Random Reshuffling: Simple analysis with vast improvements",
    arXiv 2006.05988, algorithm 1.
    """

    shuffled = "every epoch"
    uniform = True

    def memory(self, examples: int) -> Any:
        return identity(examples)

    def indices_at(self, stream: Stream, t: Any, memory: Any, positions: Any, epoch: Any) -> tuple[Any, Any]:
        return exchanged(memory, positions, stream.bits(jnp.shape(positions)))


class ShuffleOnce(Permutation):
    """One uniform random permutation for every trajectory, the same in all its epochs.

    Source: Mishchenko, Khaled and Richtárik (2020), arXiv 2006.05988, algorithm 2; Safran and Shamir (2020), "How good
    is SGD with random shuffling?", arXiv 1908.00045 ("single shuffling").
    """

    shuffled = "once"
    uniform = True

    def memory(self, examples: int) -> Any:
        return identity(examples)

    def indices_at(self, stream: Stream, t: Any, memory: Any, positions: Any, epoch: Any) -> tuple[Any, Any]:
        words = stream.bits(jnp.shape(positions))
        return exchanged(memory, positions, jnp.where(epoch == 0, words, jnp.zeros_like(words)))


class Incremental(Permutation):
    """The examples in the order of the data, in every epoch: no randomness.

    Source: Bertsekas (2011), "Incremental gradient, subgradient, and proximal methods for convex optimization: a
    survey", arXiv 1507.01030.
    """

    shuffled = "never"
    uniform = False

    def indices_at(self, stream: Stream, t: Any, memory: Any, positions: Any, epoch: Any) -> tuple[Any, Any]:
        return positions, memory
