"""Examples drawn with unequal probabilities."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, finite_array
from jaxsgd.orders.order import Drawn, Order, shape_of
from jaxsgd.streams import Stream

_RESOLUTION = 2**30  # the finest power of two that Stream.integers draws below; then it has no bias


class ImportanceSampling(Order):
    """Every example is drawn afresh, i with probability p_i and weight 1 / (n p_i), with which gradients are unbiased.

    The index is that of the cumulative probability, a multiple of 2^-30, which 30 random bits reach first. The p_i
    that this makes differ from those given by at most 2^-30; the weights are those of the p_i made, so that the
    gradients are unbiased without an error of rounding of probabilities.

    The variance of g_t at x is (1/n^2) sum_i ||grad f_i(x)||^2 / p_i - ||grad R(x)||^2 (one example), least for p_i
    proportional to ||grad f_i(x)||. Other p may make it larger than with equal probabilities.

    **Arguments**

    - `probabilities`: the p_i (n,), at least 0, with sum 1 (up to 1e-6, by which they are divided). 0 is allowed only
      for examples whose gradient is known to vanish everywhere.

    Source: Needell, Srebro and Ward (2014), "Stochastic gradient descent, weighted sampling, and the randomized
    Kaczmarz algorithm", arXiv 1310.5715.

    >>> ImportanceSampling([0.25, 0.75])
    ImportanceSampling(probabilities=[0.25, 0.75])
    """

    probabilities: np.ndarray
    _ends: np.ndarray  # example i has the numbers from ends[i - 1] to ends[i] - 1 out of 2^30
    _weights: np.ndarray
    fresh = True
    unbiased = True
    distinct = False
    weights = "inverse"

    def __init__(self, probabilities: Any) -> None:
        p = finite_array("probabilities", probabilities)
        if p.ndim != 1 or p.size == 0:
            raise InvalidInput(f"probabilities must be one for each example (n,), got shape {p.shape}")
        if p.min() < 0:
            raise InvalidInput(f"probabilities must not be negative, got {p.min():g} at index [{p.argmin()}]")
        if not abs(p.sum() - 1) <= 1e-6:
            raise InvalidInput(f"probabilities must have sum 1, got {p.sum():.9g}; divide them by their sum")
        self.probabilities = p
        self._ends = np.rint(np.cumsum(p) / p.sum() * _RESOLUTION).astype(np.int32)
        made = self.made
        lost = np.flatnonzero((p > 0) & (made == 0))
        if len(lost):
            raise InvalidInput(
                f"probabilities must be 0 or larger than 2^-30 = 9.3e-10, got {p[lost[0]]:g} at index [{lost[0]}]"
            )
        self._weights = np.divide(1, len(p) * made, out=np.zeros(len(p)), where=made > 0)

    @property
    def uniform(self) -> bool:
        return bool(np.ptp(self.made) == 0)

    def probabilities_of(self, examples: int) -> np.ndarray:
        return self.made

    @property
    def made(self) -> np.ndarray:
        """The probabilities with which examples are drawn (n,), multiples of 2^-30."""
        return np.diff(self._ends, prepend=0) / _RESOLUTION

    def draw(self, stream: Stream, t: Any, memory: Any, examples: int, batch: int) -> tuple[Drawn, Any]:
        number = stream.integers(_RESOLUTION, shape_of(batch))
        indices = jnp.searchsorted(self._ends, number, side="right", method="scan_unrolled")
        return Drawn(indices, jnp.asarray(self._weights)[indices]), memory

    def check(self, has_gradient: np.ndarray, batch: int) -> None:
        if self.probabilities.shape != has_gradient.shape:
            raise InvalidInput(
                f"probabilities must be one for each of the {len(has_gradient)} examples, got {len(self.probabilities)}"
            )
        never = np.flatnonzero((self.probabilities == 0) & has_gradient)
        if len(never):
            raise InvalidInput(
                f"probabilities must not be 0 where the gradient is not, got 0 at index [{never[0]}]: without that "
                "example the gradients are biased"
            )
