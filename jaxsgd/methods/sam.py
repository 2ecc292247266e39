"""Sharpness-aware minimisation."""

from typing import Any

import jax
import numpy as np

from jaxsgd.errors import scalar
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.lengths import direction
from jaxsgd.methods.method import Method
from jaxsgd.methods.sgd import Sgd
from jaxsgd.methods.wrapper import ChangedGradient, as_method


class Sam(ChangedGradient):
    """x_{t+1} = x_t - eta_t g_t(x_t + rho g_t(x_t) / ||g_t(x_t)||); or another method with such gradients.

    Both gradients are of the same draw, so that an update costs two of them. `gradient_norm_squared` stays that of
    g_t(x_t).

    **Arguments**

    - `radius`: rho, greater than 0.
    - `method`: the method that sees the second gradient, default plain SGD.

    Source: Foret, Kleiner, Mobahi and Neyshabur (2021), "Sharpness-aware minimization for efficiently improving
    generalization", ICLR, arXiv 2010.01412, equations 2 and 3.
    """

    radius: np.ndarray
    method: Method
    plain = False
    linear = False

    def __init__(self, radius: Any, method: Method = Sgd()) -> None:  # noqa: B008 - frozen
        self.radius, self.method = scalar("radius", radius, above=0.0), as_method(method)

    def gradient(self, x: Any, draw: Draw) -> Any:
        ascent = direction(draw.gradient(x))
        return draw.gradient(jax.tree.map(lambda leaf, along: leaf + self.radius * along, x, ascent))
