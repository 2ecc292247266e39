"""The errors that jaxsgd raises, and the checks of numbers that raise them."""

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np


class InvalidInput(ValueError):
    """What was given cannot be used; the message says what is allowed and what to do."""


class InvalidType(TypeError):
    """What was given has the wrong kind; the message says which kinds are allowed."""


class NoExactSolution(ValueError):
    """Theory has no exact solution for this study; the message says why."""


class MissingData(ValueError):
    """A result lacks what was asked of it; the message names the argument to pass."""


class InexactMerge(UserWarning):
    """Results were merged that do not meet at a chunk bound: right to rounding, not bitwise."""


def nearest(given: object, allowed: Iterable[str]) -> str:
    """A clause that names what is allowed, and the likely misspelling where there is one."""
    names = sorted(allowed)
    close = difflib.get_close_matches(str(given), names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"allowed: {', '.join(names)}{hint}"


def finite_array(name: str, value: Any) -> np.ndarray:
    """``value`` as a float64 array, or an error that names the argument."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidType(f"{name} must be numbers, got {value!r}") from error
    if not np.all(np.isfinite(array)):
        raise InvalidInput(f"{name} must be finite, got {value!r}")
    return array


def scalar(name: str, value: Any, *, above: float = -np.inf, at_least: float = -np.inf) -> np.ndarray:
    """``value`` as a finite float64 scalar inside the stated range."""
    array = finite_array(name, value)
    if array.ndim:
        raise InvalidInput(f"{name} must be one number, got an array of shape {array.shape}")
    if not array > above:
        raise InvalidInput(f"{name} must be greater than {above:g}, got {float(array):g}")
    if not array >= at_least:
        raise InvalidInput(f"{name} must be at least {at_least:g}, got {float(array):g}")
    return array


def integer(name: str, value: Any, *, at_least: int, below: int | None = None) -> int:
    """``value`` as a Python integer inside the stated range."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidType(f"{name} must be an integer, got {value!r}")
    if value < at_least or (below is not None and value >= below):
        limit = f"at least {at_least}" + (f" and below {below}" if below is not None else "")
        raise InvalidInput(f"{name} must be {limit}, got {value}")
    return int(value)
