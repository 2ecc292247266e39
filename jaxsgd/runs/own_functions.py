"""A study whose functions have arrays of their own, for a program in another precision.

While a program holds a NumPy array, JAX 0.10 hands it out in the precision of that program (see
`jaxsgd.module.with_own_arrays`): what runs in float64 beside a run in float32 must not share the arrays that functions
close over, or that stand in their modules.
"""

import copy
import dataclasses
import functools
import types
from typing import Any

import equinox as eqx
import jax
import numpy as np

from jaxsgd.module import with_own_arrays
from jaxsgd.reading import is_filled
from jaxsgd.remembering import remember
from jaxsgd.structure import Skeleton
from jaxsgd.study import Study


def with_own_functions(study: Study) -> Study:
    """The same study with copies of the arrays that its functions read; these are the same for the same functions."""
    changed = {"oracle": study.oracle, "method": study.method}
    changed |= {name: dict(getattr(study, name)) for name in ("observables", "path_sums", "folds")}
    skeleton, numbers = Skeleton.split(changed)
    return study.replace(**_with_copies(skeleton).filled(map(with_own_arrays, numbers)))


@remember(64)
def _with_copies(skeleton: Skeleton) -> Skeleton:
    """Studies of one structure share the copies, and so their programs."""
    copied: dict[int, Any] = {}

    def own(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return copied.setdefault(id(value), value.copy())
        if isinstance(value, types.FunctionType) and not (value.__module__ or "").startswith(("jax.", "jax._")):
            return copied[id(value)] if id(value) in copied else _copy(value, own, copied)
        if isinstance(value, functools.partial):
            return functools.partial(own(value.func), *map(own, value.args), **jax.tree.map(own, value.keywords))
        if isinstance(value, tuple | list | dict | eqx.Module):
            return jax.tree.map(own, value)
        if dataclasses.is_dataclass(value) and callable(value) and not isinstance(value, type):
            made = copied.setdefault(id(value), copy.copy(value))
            for field in dataclasses.fields(value):
                object.__setattr__(made, field.name, own(getattr(value, field.name)))
            return made
        return value

    return skeleton._replace(fixed=tuple(map(own, skeleton.fixed)))


def _copy(function: types.FunctionType, own: Any, copied: dict[int, Any]) -> types.FunctionType:
    """The function, with copies of what its closure and its globals name."""
    names = _names(function.__code__)
    made = types.FunctionType(
        function.__code__, dict(function.__globals__), function.__name__, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__, made.__qualname__ = function.__kwdefaults__, function.__qualname__
    copied[id(function)] = made
    made.__globals__.update({name: own(made.__globals__[name]) for name in names if name in made.__globals__})
    if function.__closure__:
        cells = tuple(
            types.CellType(own(cell.cell_contents)) if is_filled(cell) else cell for cell in function.__closure__
        )
        final = types.FunctionType(made.__code__, made.__globals__, made.__name__, made.__defaults__, cells)
        final.__kwdefaults__, final.__qualname__ = made.__kwdefaults__, made.__qualname__
        copied[id(function)] = final
        return final
    return made


def _names(code: types.CodeType) -> set[str]:
    inner = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return {*code.co_names, *(name for part in inner for name in _names(part))}
