"""The interface of a problem."""

import abc
from typing import Any

import jax
import numpy as np

from jaxsgd.module import Module


class Problem(Module):
    """A risk R(x) to be minimised over x, a pytree of arrays.

    A subclass gives ``value`` for one x. What is known beyond it, it states; what is not known is
    None, and nothing that needs it is computed.
    """

    @abc.abstractmethod
    def value(self, x: Any) -> jax.Array:
        """The risk R(x), a scalar."""

    def gradient(self, x: Any) -> Any:
        """The gradient of R at x, in the structure of x."""
        return jax.grad(self.value)(x)

    @property
    def start(self) -> Any:
        """A default start: zeros where the problem knows the shape of x, otherwise None."""
        return None

    @property
    def examples(self) -> int:
        """n, where R is the mean of the losses of n examples; otherwise 1. One gradient of R costs n of examples."""
        return 1

    @property
    def minimiser(self) -> Any:
        """A minimiser x*, in the structure of x."""
        return None

    @property
    def minimum(self) -> float | None:
        """The minimum R* = R(x*)."""
        return None

    @property
    def strong_convexity(self) -> float | None:
        """The largest known mu with R(y) >= R(x) + <grad R(x), y - x> + mu/2 ||y - x||^2."""
        return None

    @property
    def smoothness(self) -> float | None:
        """The smallest known L with ||grad R(x) - grad R(y)|| <= L ||x - y||."""
        return None

    @property
    def lipschitz(self) -> float | None:
        """The smallest known G with |R(x) - R(y)| <= G ||x - y||."""
        return None

    @property
    def convex(self) -> bool | None:
        """Whether R is convex."""
        return None

    @property
    def kinks(self) -> np.ndarray:
        """Of a risk of one coordinate: the points (k,) between which it is smooth, as far as they are known.

        Unless a subclass says more, this is the minimiser, where many risks have their only kink.
        """
        leaves = jax.tree.leaves(self.minimiser)
        return np.concatenate([np.zeros(0), *map(np.ravel, leaves)])
