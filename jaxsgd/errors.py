"""The errors that jaxsgd raises, and the checks of numbers that raise them."""

import difflib
import operator
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np


class InvalidInput(ValueError):
    """What was given cannot be used; the message says what is allowed and what to do."""


class InvalidType(TypeError):
    """What was given has the wrong kind; the message says which kinds are allowed."""


class NoExactSolution(ValueError):
    """Theory has no exact solution for this study; the message says why."""


class InexactMerge(UserWarning):
    """Results were merged that do not meet at a chunk bound: right to rounding, not bitwise."""


class Unresolved(UserWarning):
    """The precision of a run does not resolve what it states: rounding is not small against a standard error."""


class TargetMissed(UserWarning):
    """A run has ended at its limit, before the precision that was asked for."""


class NoStandardError(UserWarning):
    """The tails of a variable are too heavy for so many trajectories: its mean has no standard error."""


def nearest(given: object, allowed: Iterable[str]) -> str:
    """A clause that names what is allowed, and the likely misspelling where there is one."""
    names = sorted(allowed)
    close = difflib.get_close_matches(str(given), names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"allowed: {', '.join(names)}{hint}"


def finite_array(name: str, value: Any) -> np.ndarray:
    """``value`` as a float64 array, or an error that names the argument."""
    try:
        given = np.asarray(value)
        if given.dtype.kind in "SUMmc":  # text, dates and complex numbers convert, but are not meant
            raise TypeError(f"{given.dtype} is not a real number")
        if given.dtype == object:  # float() refuses None, of which NumPy makes a NaN
            given = np.array([float(item) for item in given.flat]).reshape(given.shape)
        array = given.astype(np.float64)  # a copy, which later changes to the argument do not reach
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidType(
            f"{name} must be a number or an array of numbers, got {reprlib.repr(value)} ({error})"
        ) from error
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        index = tuple(bad[0].tolist())
        where = f" at index [{', '.join(map(str, index))}]" if index else ""
        raise InvalidInput(f"{name} must be finite, got {array[index]:g}{where}")
    return array


def semidefinite(name: str, matrix: np.ndarray, why: str) -> None:
    """An error unless ``matrix`` (d, d), or a diagonal (d,), is symmetric without a negative eigenvalue."""
    # What is computed, such as B'B, is symmetric to rounding, which is relative to the largest entry.
    tolerance = 1e-12 * np.abs(matrix).max()
    gap = np.abs(matrix - matrix.T)
    if gap.max() > tolerance:
        i, j = (int(k) for k in np.unravel_index(np.argmax(gap), gap.shape))
        raise InvalidInput(
            f"{name} must be symmetric, got {matrix[i, j]:g} at {(i, j)} and {matrix[j, i]:g} at {(j, i)}; "
            f"use (A + A') / 2 if that is the matrix you mean"
        )
    least = np.min(matrix if matrix.ndim == 1 else np.linalg.eigvalsh(matrix))
    if least < -tolerance:
        raise InvalidInput(f"{name} must have no negative eigenvalue, got {least:g}: {why}")


def scalar(
    name: str, value: Any, *, above: float = -np.inf, at_least: float = -np.inf, below: float = np.inf
) -> np.ndarray:
    """``value`` as a finite float64 scalar inside the stated range."""
    array = finite_array(name, value)
    if array.ndim:
        raise InvalidInput(f"{name} must be one number, got an array of shape {array.shape}")
    if not array > above:
        raise InvalidInput(f"{name} must be greater than {above:g}, got {float(array):g}")
    if not array >= at_least:
        raise InvalidInput(f"{name} must be at least {at_least:g}, got {float(array):g}")
    if not array < below:
        raise InvalidInput(f"{name} must be less than {below:g}, got {float(array):g}")
    return array


def flag(name: str, value: Any) -> bool:
    """``value``, True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidType(f"{name} must be True or False, got {reprlib.repr(value)}")
    return bool(value)


def integer(name: str, value: Any, *, at_least: int, below: int | None = None) -> int:
    """``value`` as a Python integer inside the stated range."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = operator.index(value)
    except TypeError as error:
        raise InvalidType(f"{name} must be an integer, got {reprlib.repr(value)}") from error
    if number < at_least or (below is not None and number >= below):
        limit = f"at least {at_least}" + (f" and below {below}" if below is not None else "")
        raise InvalidInput(f"{name} must be {limit}, got {number}")
    return number
