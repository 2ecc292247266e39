"""The base of every public value: a frozen pytree with a short repr and ``.replace``, abstract or final."""

import dataclasses
import functools
import inspect
import sys
import typing
from typing import Any, Self

import equinox as eqx
import jax
import numpy as np

from jaxsgd.errors import InvalidType


def brief(value: Any) -> str:
    """One line for ``value``: arrays as nested lists, shortened when they are long."""
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype == object or array.size > 16:
            return f"array{array.shape}"
        if array.dtype.kind == "f" and array.ndim == 0:
            return f"{array:.6g}"
        if array.dtype.kind == "f" and array.ndim == 1 and array.size <= 4:  # the same on one line, and sooner
            return f"[{', '.join(f'{number:.6g}' for number in array)}]"
        return np.array2string(array, separator=", ", formatter={"float_kind": "{:.6g}".format}).replace("\n", "")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {brief(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(brief(item) for item in value) + "]"
    if isinstance(value, type):
        return public_name(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


class Facts:
    """What may be known of the members of a family, such as the covariance of a noise.

    A subclass lists the facts of one family, each with the value that says that it is not known. Theory asks these
    facts alone, never which class it has before it. A member declares what is known of it by a class attribute, a
    field or a property of the same name.
    """


class AbstractOrFinal:
    """The rule that a class is either abstract, for others to derive from, or complete, and then final.

    What a complete class declares of itself need not be true of a class that changes it: a subclass of plain SGD
    that takes the sign of the gradient would go on to state that it is plain SGD.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in cls.__bases__:
            root = base is AbstractOrFinal or base.__dict__.get("_is_root", False)
            if issubclass(base, AbstractOrFinal) and not (root or is_abstract(base)):
                raise InvalidType(_why_final(cls.__name__, base))


def is_abstract(kind: type) -> bool:
    """Whether a class leaves something for its subclasses to define."""
    return inspect.isabstract(kind) or bool(getattr(kind, "__abstractvars__", ()))


def facts_of(kind: type) -> list[str]:
    """The names of the facts that members of a family may declare, in order."""
    lists = [each for each in reversed(kind.__mro__) if issubclass(each, Facts) and Facts in each.__bases__]
    named = [name for each in lists for name in (*inspect.get_annotations(each), *vars(each))]
    return [name for name in dict.fromkeys(named) if not name.startswith("_")]


def public_name(kind: type) -> str:
    """The shortest dotted name under which a class can be imported."""
    parts = kind.__module__.split(".")
    prefixes = [".".join(parts[: end + 1]) for end in range(len(parts))]
    found = (each for each in prefixes if getattr(sys.modules.get(each), kind.__name__, None) is kind)
    return f"{next(found, kind.__module__)}.{kind.__name__}"


def _why_final(name: str, base: type) -> str:
    why = (
        f"{name} cannot derive from {public_name(base)}, which is complete: what it states of itself would be taken "
        f"for true of {name}"
    )
    family = next((each for each in base.__mro__ if is_abstract(each)), None)
    if family is None:
        return f"{why}. Hold a {base.__name__} in a field instead"
    needed = sorted({*getattr(family, "__abstractmethods__", ()), *getattr(family, "__abstractvars__", ())})
    facts = [fact for fact in facts_of(family) if fact not in needed]
    declared = f", and declare what is known of it: {', '.join(facts)}" if facts else ""
    return f"{why}. Derive from {public_name(family)}, define {', '.join(needed)}{declared}"


class Module(AbstractOrFinal, eqx.Module):
    """A frozen pytree, abstract or final. Numbers are float64 NumPy leaves; everything else is static."""

    _is_root = True  # no member of any family, though nothing is left for its subclasses to define

    # equinox makes a pytree of every bound method that is asked for, 20 us each, so that it can be an argument of
    # jitted functions. Here none is, and a sweep asks each of its cells for dozens.
    __getattribute__ = object.__getattribute__

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, annotation in inspect.get_annotations(cls).items():
            if typing.get_origin(annotation) in (eqx.AbstractVar, eqx.AbstractClassVar):
                continue
            # A field that replaces a fact is needed, unless it has a default of its own: the dataclass would otherwise
            # take the value of the fact, unknown, for its default.
            if name not in cls.__dict__ and name in facts_of(cls):
                setattr(cls, name, dataclasses.field())

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _parameters(type(self)) if hasattr(self, name)}

    def replace(self, **changes: Any) -> Self:
        """The same object with some arguments changed, validated again."""
        return type(self)(**(self._arguments() | changes))

    def __repr__(self) -> str:
        given = [f"{name}={brief(value)}" for name, value in self._arguments().items() if value is not None]
        return f"{type(self).__name__}({', '.join(given)})"


@functools.lru_cache(maxsize=256)
def _parameters(kind: type) -> tuple[str, ...]:
    """The names of the arguments of a class."""
    return tuple(inspect.signature(kind).parameters)


def with_own_arrays(tree: Any) -> Any:
    """The same pytree with copies of its arrays, for functions that become part of compiled programs.

    While a program holds a NumPy array, JAX 0.10 hands it out in the precision of that program, in whatever
    precision it is asked for (`_canonicalize_ndarray_dtype` caches by identity alone). With copies, the
    user's own stays usable in both.
    """
    return jax.tree.map(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, tree)
