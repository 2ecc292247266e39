"""The base of every public value: a frozen pytree with a short repr and ``.replace``."""

import inspect
from typing import Any, Self

import equinox as eqx
import jax
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


def with_own_arrays(tree: Any) -> Any:
    """The same pytree with copies of its arrays, for functions that become part of compiled programs.

    While a program holds a NumPy array, JAX 0.10 hands it out in the precision of that program, in whatever
    precision it is asked for (`_canonicalize_ndarray_dtype` caches by identity alone). With copies, the
    user's own stays usable in both.
    """
    return jax.tree.map(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, tree)
