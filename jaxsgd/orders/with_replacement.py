"""Examples drawn afresh for every batch."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import flag
from jaxsgd.orders.fisher_yates import exchanged, identity
from jaxsgd.orders.order import Drawn, Order, check_batch, shape_of
from jaxsgd.streams import Stream


class WithReplacement(Order):
    """Every batch is drawn afresh, all examples alike.

    An index is the high half of a 32-bit word times n: its probability differs from 1/n by less than 2^-32, a share
    of n / 2^32 of it at most.

    **Arguments**

    - `distinct`: whether the b examples of a batch are different ones, a uniform random subset ("b-nice sampling");
      otherwise they are independent. Batches are independent in both cases.

    Source: Lemire (2019), "Fast random integer generation in an interval", arXiv 1805.10941; Gower, Loizou, Qian,
    Sailanbayev, Shulgin and Richtárik (2019), "SGD: General analysis and improved rates", arXiv 1901.09401.
    """

    distinct: bool = eqx.field(static=True, default=False)
    fresh = True
    unbiased = True
    uniform = True
    weights = "equal"

    def __check_init__(self) -> None:
        flag("distinct", self.distinct)

    def memory(self, examples: int) -> Any:
        return identity(examples) if self.distinct else ()

    def draw(self, stream: Stream, t: Any, memory: Any, examples: int, batch: int) -> tuple[Drawn, Any]:
        if not self.distinct:
            return Drawn(stream.integers(examples, shape_of(batch)), None), memory
        words = stream.bits(shape_of(batch))
        indices, permutation = exchanged(memory, jnp.arange(batch) if batch > 1 else 0, words)
        return Drawn(indices, None), permutation

    def check(self, has_gradient: np.ndarray, batch: int) -> None:
        super().check(has_gradient, batch)
        if self.distinct:
            check_batch(batch, len(has_gradient), "where they are distinct")
