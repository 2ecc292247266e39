"""What the problems share that are sums over coordinates."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, finite_array, integer
from jaxsgd.problems.problem import Problem


class Separable(Problem):
    """R(x) = f(x_1) + .. + f(x_d): one function f of each coordinate, and what is known of f.

    With k minima of f in an interval, R has k^d of them in its d-th power. Noise whose coordinates are independent
    leaves the coordinates of x independent, too.

    **Arguments**

    - `dimension`: d.
    """

    dimension: int = eqx.field(static=True)

    def __init__(self, dimension: int = 1) -> None:
        self.dimension = integer("dimension", dimension, at_least=1)

    @abc.abstractmethod
    def term(self, x: jax.Array) -> jax.Array:
        """f, elementwise."""

    def value(self, x: jax.Array) -> jax.Array:
        return jnp.sum(self.term(x))

    @property
    def start(self) -> np.ndarray:
        """The origin, in d coordinates."""
        return np.zeros(self.dimension)

    @property
    def kinks(self) -> np.ndarray:
        """None: f is smooth."""
        return np.zeros(0)

    @abc.abstractmethod
    def local_minima(self, low: float, high: float) -> np.ndarray:
        """The local minima of f in [low, high] (k,), increasing; float64."""

    @abc.abstractmethod
    def local_maxima(self, low: float, high: float) -> np.ndarray:
        """The local maxima of f in [low, high] (k,), increasing; float64."""


def per_coordinate(**arguments: Any) -> list[np.ndarray]:
    """Arguments that are one number or one for each coordinate, all as (d,); d = 1 if all are numbers."""
    arrays = {name: finite_array(name, value) for name, value in arguments.items()}
    shapes = {name: array.shape for name, array in arrays.items() if array.shape}
    wrong = [name for name, shape in shapes.items() if len(shape) != 1 or 0 in shape]
    if wrong:
        raise InvalidInput(
            f"{wrong[0]} must be one number or one for each coordinate (d,), got shape {shapes[wrong[0]]}"
        )
    if len(set(shapes.values())) > 1:
        given = " and ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InvalidInput(f"{' and '.join(shapes)} must have one length, the number of coordinates, got {given}")
    shape = next(iter(shapes.values()), (1,))
    return [np.broadcast_to(array, shape).copy() for array in arrays.values()]


def positive(name: str, values: np.ndarray) -> np.ndarray:
    """The values, or an error unless all are positive."""
    if values.min() <= 0:
        raise InvalidInput(f"{name} must be greater than 0, got {values.min():g}")
    return values
