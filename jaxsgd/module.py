"""The base of every public value: a frozen pytree with a short repr and ``.replace``."""

import inspect
from typing import Any, Self

import equinox as eqx
import numpy as np


def brief(value: Any) -> str:
    """One line for ``value``: arrays as nested lists, shortened when they are long."""
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype == object or array.size > 16:
            return f"array{array.shape}"
        return np.array2string(array, separator=", ", formatter={"float_kind": "{:.6g}".format}).replace("\n", "")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {brief(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(brief(item) for item in value) + "]"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


class Module(eqx.Module):
    """A frozen pytree. Numbers are float64 NumPy leaves; everything else is static."""

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters if hasattr(self, name)}

    def replace(self, **changes: Any) -> Self:
        """The same object with some arguments changed, validated again."""
        return type(self)(**(self._arguments() | changes))

    def __repr__(self) -> str:
        given = [f"{name}={brief(value)}" for name, value in self._arguments().items() if value is not None]
        return f"{type(self).__name__}({', '.join(given)})"
