"""What the problems share that are sums over coordinates."""

from typing import Any

import numpy as np

from jaxsgd.errors import InvalidInput, finite_array


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
