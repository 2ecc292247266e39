"""Methods with a diagonal preconditioner."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxsgd.errors import InvalidInput, finite_array
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.method import Method
from jaxsgd.methods.sgd import Sgd
from jaxsgd.methods.wrapper import ChangedGradient, as_method
from jaxsgd.module import brief


class Preconditioned(ChangedGradient):
    """x_{t+1} = x_t - eta_t D g_t with a diagonal matrix D; or another method that sees D g_t in place of g_t.

    On R it is SGD on R(S z) in other coordinates, x = S z and D = S^2.

    **Arguments**

    - `diagonal`: of D, one number or (d,), in ``jax.flatten_util`` order where x is a pytree; not negative.
    - `method`: the method that sees D g_t, default plain SGD.

    Source: Nocedal and Wright (2006), "Numerical optimization", section 5.1, on preconditioning as a change of
    variables.
    """

    diagonal: np.ndarray
    method: Method
    plain = False

    def __init__(self, diagonal: Any, method: Method = Sgd()) -> None:  # noqa: B008 - frozen
        self.diagonal, self.method = finite_array("diagonal", diagonal), as_method(method)
        if self.diagonal.ndim > 1:
            raise InvalidInput(f"diagonal must be one number or a vector (d,), got shape {self.diagonal.shape}")
        if np.any(self.diagonal < 0):
            raise InvalidInput(f"diagonal must not be negative, got {brief(self.diagonal)}")

    @property
    def linear(self) -> bool | None:
        return self.method.linear

    def gradient(self, x: Any, draw: Draw) -> Any:
        flat, unravel = ravel_pytree(draw.gradient(x))
        return unravel(jnp.asarray(self.diagonal * flat))

    def check(self, dimension: int) -> None:
        if self.diagonal.shape not in ((), (dimension,)):
            raise InvalidInput(
                f"diagonal must be one number or have {dimension} coordinates, got shape {self.diagonal.shape}"
            )
        self.method.check(dimension)
