"""The risk on data that no gradient has seen."""

import hashlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np

from jaxsgd.module import AbstractOrFinal, brief, with_own_arrays
from jaxsgd.problems.examples import count, mean_loss


class HeldOutRisk(AbstractOrFinal):
    """The mean loss of some examples as a function of x, such as an observable.

    Two of them are equal where loss and examples are, so that the studies that observe them share a program.

    **Arguments**

    - `loss`: a scalar function of (x, example).
    - `examples`: a pytree of arrays with one leading axis.
    """

    def __init__(self, loss: Callable[[Any, Any], jax.Array], examples: Any) -> None:
        self.loss, self.examples = loss, examples
        digest = hashlib.sha256(repr(jax.tree.structure(examples)).encode())
        for leaf in jax.tree.leaves(examples):
            digest.update(f"{leaf.dtype}{leaf.shape}".encode() + np.ascontiguousarray(leaf).tobytes())
        self._digest = digest.hexdigest()

    def __call__(self, x: Any) -> jax.Array:
        return mean_loss(self.loss, with_own_arrays(self.examples), x)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HeldOutRisk) or self._digest != other._digest:
            return False
        return bool(eqx.tree_equal(self.loss, other.loss))  # a method of a problem is a pytree

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr__(self) -> str:
        return f"HeldOutRisk(loss={brief(self.loss)}, examples={count(self.examples)})"
