"""Checks of arguments that the modules of this package share."""

from typing import Any

import numpy as np

from jaxsgd.errors import InvalidInput, finite_array, scalar


def real(name: str, value: Any) -> np.ndarray:
    """``value`` as a float64 array; unlike with `finite_array`, NaN and infinities are allowed."""
    given = np.asarray(value)
    return given.astype(np.float64) if given.dtype.kind in "iuf" else finite_array(name, value)


def real_scalar(name: str, value: Any) -> float:
    """``value`` as a Python float, which may be NaN or infinite."""
    array = real(name, value)
    if array.ndim:
        raise InvalidInput(f"{name} must be one number, got an array of shape {array.shape}")
    return float(array)


def level(name: str, value: Any) -> float:
    """``value`` as a probability strictly between 0 and 1."""
    number = float(scalar(name, value))
    if not 0 < number < 1:
        raise InvalidInput(f"{name} is a probability and must lie strictly between 0 and 1, got {number:g}")
    return number
