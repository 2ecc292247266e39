"""Methods with clipped gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, scalar
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.lengths import length
from jaxsgd.methods.method import Method
from jaxsgd.methods.wrapper import ChangedGradient, as_method


class Clipped(ChangedGradient):
    """Another method with gradients g min(1, norm / ||g||), or with each coordinate clipped to [-value, value].

    What is clipped is what `method` sees; `gradient_norm_squared` stays that of the drawn gradient.

    **Arguments**

    - `method`: the method that sees the clipped gradient, such as ``methods.Sgd()``.
    - `norm`, `value`: exactly one of them, greater than 0.

    Source: Pascanu, Mikolov and Bengio (2013), "On the difficulty of training recurrent neural networks", ICML, arXiv
    1211.5063, algorithm 1; of heavy-tailed noise Zhang et al. (2020), "Why are adaptive methods good for attention
    models?", arXiv 1912.03194.
    """

    method: Method
    norm: np.ndarray | None
    value: np.ndarray | None
    plain = False
    linear = False

    def __init__(self, method: Method, norm: Any = None, value: Any = None) -> None:
        self.method = as_method(method)
        if (norm is None) == (value is None):
            given = "neither" if norm is None else f"norm={norm!r} and value={value!r}"
            raise InvalidInput(f"Clipped needs norm= or value=, one of them, got {given}")
        self.norm = None if norm is None else scalar("norm", norm, above=0.0)
        self.value = None if value is None else scalar("value", value, above=0.0)

    def gradient(self, x: Any, draw: Draw) -> Any:
        gradient, value, norm = draw.gradient(x), self.value, self.norm
        if value is not None:
            return jax.tree.map(lambda leaf: jnp.clip(leaf, -value, value), gradient)
        factor = 1 / jnp.maximum(length(gradient) / jnp.asarray(norm), 1)
        return jax.tree.map(lambda leaf: factor * leaf, gradient)
