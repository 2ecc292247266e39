"""The interface of an order."""

import abc
from typing import Any, Literal, NamedTuple

import numpy as np

from jaxsgd.errors import InvalidInput
from jaxsgd.module import Facts, Module
from jaxsgd.streams import Stream


class Drawn(NamedTuple):
    """The examples of one update: indices in 0..n-1, int32, () for one and (b,) for a batch; and a weight for each.

    With weight w_i the gradient of example i is multiplied by w_i, so that its mean over the draws is the gradient
    of the risk; None stands for weights of 1.
    """

    indices: Any
    weights: Any


class OrderFacts(Facts):
    """What may be known of the law of an order. None stands for not known.

    - `fresh`: whether batches are independent of each other, all with one law.
    - `unbiased`: whether the weighted mean of g over a batch has, given all batches before, the mean over all examples.
    - `uniform`: whether the law stays the same if examples change their places.
    - `distinct`: whether the examples of a batch are different ones; if not, and batches are fresh, its examples are
      independent, all with one law.
    - `weights`: "equal" if gradients are plain means over the examples of a batch, "inverse" if example i has the
      weight 1 / (n p_i).
    - `shuffled`: of orders that go through a permutation in every epoch, batch after batch from its first position on,
      when they draw a uniform random one; "never" stands for the order of the data.
    """

    fresh: bool | None = None
    unbiased: bool | None = None
    uniform: bool | None = None
    distinct: bool | None = None
    weights: Literal["equal", "inverse"] | None = None
    shuffled: Literal["every epoch", "once", "never"] | None = None

    def probabilities_of(self, examples: int) -> np.ndarray | None:
        """Of fresh batches the p_i (n,) with which an example of a batch is example i, as far as they are known."""
        return np.full(examples, 1 / examples) if self.fresh and self.uniform else None


class Order(OrderFacts, Module):
    """Which of n examples each update uses, for one trajectory.

    Where the examples of an update depend on those of updates before, the trajectory remembers what is needed:
    `memory` at the start, and then what `draw` returns. Memory is a function of the draws alone, not of x.
    """

    def memory(self, examples: int) -> Any:
        """What a trajectory remembers before its first update: a pytree of arrays, () for nothing."""
        return ()

    @abc.abstractmethod
    def draw(self, stream: Stream, t: Any, memory: Any, examples: int, batch: int) -> tuple[Drawn, Any]:
        """The examples of update t, of fresh random numbers and what is remembered; and the next memory."""

    def independent(self, examples: int, batch: int) -> bool:
        """Whether batches are known to be independent of each other, with examples of known probabilities in each.

        A batch then has independent examples, or is a uniform random subset.
        """
        if not self.fresh or (batch > 1 and (self.distinct is None or (self.distinct and not self.uniform))):
            return False
        return self.probabilities_of(examples) is not None

    def updates_per_epoch(self, examples: int, batch: int) -> int:
        """How many updates use n examples: ceil(n/b)."""
        return -(-examples // batch)

    def examples_used(self, updates: Any, examples: int, batch: int) -> Any:
        """How many examples the first `updates` updates use, counted as often as they are used."""
        return updates * batch

    def check(self, has_gradient: np.ndarray, batch: int) -> None:
        """An error unless batches of this size of these examples can be drawn.

        ``has_gradient`` (n,) is false for an example whose gradient vanishes everywhere.
        """
        if len(has_gradient) >= 2**31:
            raise InvalidInput(f"there must be fewer than 2^31 examples, got {len(has_gradient)}")


def shape_of(batch: int) -> tuple[int, ...]:
    """The shape of the indices of one batch."""
    return () if batch == 1 else (batch,)


def check_batch(batch: int, examples: int, why: str) -> None:
    """An error if a batch of different examples would need more than there are."""
    if batch > examples:
        raise InvalidInput(f"batch must be at most the number of examples, {examples}, {why}, got {batch}")
