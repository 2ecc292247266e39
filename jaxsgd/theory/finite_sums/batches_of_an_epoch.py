"""The batches of an epoch, for orders that go through a permutation."""

import math
from typing import NamedTuple

import numpy as np

from jaxsgd.orders import Order
from jaxsgd.study import Study


class Slots(NamedTuple):
    """An epoch of L batches: batch l has the permutation's positions ends[l] - sizes[l] .. ends[l] - 1."""

    sizes: np.ndarray
    ends: np.ndarray
    examples: int

    def positions(self, slot: int) -> slice:
        """Of one batch."""
        return slice(self.ends[slot] - self.sizes[slot], self.ends[slot])

    @property
    def arrangements(self) -> float:
        """The logarithm to base 10 of in how many ways n examples fill the batches, n! / (b_1! b_2! ... left!)."""
        groups = [*self.sizes.tolist(), self.examples - int(self.sizes.sum())]
        logarithm = math.lgamma(self.examples + 1) - math.fsum(math.lgamma(size + 1) for size in groups)
        return logarithm / math.log(10)


def fits(order: Order, examples: int, batch: int) -> bool:
    """Whether the batches of an epoch lie one after the other in a permutation, the last one perhaps smaller."""
    return 0 <= (order.updates_per_epoch(examples, batch) - 1) * batch < examples


def slots_of(study: Study) -> Slots:
    """The batches of a study with `ExampleSampling` and an order of permutations."""
    oracle = study.oracle
    n, b = oracle.problem.examples, oracle.batch  # type: ignore[union-attr]
    starts = b * np.arange(oracle.order.updates_per_epoch(n, b))  # type: ignore[union-attr]
    sizes = np.minimum(b, n - starts)
    return Slots(sizes, starts + sizes, n)
