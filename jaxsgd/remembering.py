"""What is made of functions and structures is remembered, as long as the functions see the same things around them."""

import functools
import types
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class _Same:
    """An object as a key that is equal to itself alone; it keeps the object, so that no other gets its place."""

    def __init__(self, item: Any) -> None:
        self._item = item

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._item is other._item

    def __hash__(self) -> int:
        return id(self._item)


def remember(maxsize: int) -> Callable[[Function], Function]:
    """``functools.lru_cache`` for what is made by tracing functions, which read closures and globals while they are.

    A function whose closure or whose globals (by the names in its code, and in that of the functions it names) have
    become others is another one. What a callable object holds is not looked into. Where an argument cannot be hashed,
    such as some callable objects, the result is computed anew.
    """

    def decorate(function: Function) -> Function:
        @functools.lru_cache(maxsize)
        def cached(around: Any, *arguments: Any) -> Any:
            return function(*arguments)

        @functools.wraps(cached)
        def call(*arguments: Any) -> Any:
            try:
                hash(arguments)
            except TypeError:
                return function(*arguments)
            return cached(surroundings(arguments), *arguments)

        return call  # type: ignore[return-value] - of the same signature

    return decorate


def surroundings(value: Any) -> tuple[Any, ...]:
    """What the plain functions in nested tuples close over, and what their globals stand for, as a key."""
    seen: dict[int, Any] = {}
    found: list[Any] = []
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, tuple):
            left += item
        if not isinstance(item, types.FunctionType) or id(item) in seen:
            continue
        seen[id(item)] = item
        for name, part in _named(item):
            found.append((name, _Same(part) if _is_opaque(part) else part))
            left.append(part)
    return tuple(found)


def _named(function: types.FunctionType) -> list[tuple[str, Any]]:
    """What a function reads besides its arguments, by name."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    held = [(name, cell.cell_contents) for name, cell in cells if _is_filled(cell)]
    names = [name for name in _names(function.__code__) if name in function.__globals__]
    return held + [(name, function.__globals__[name]) for name in names]


def _names(code: types.CodeType) -> list[str]:
    """The global names in code, and in that of functions defined in it."""
    inner = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return [*code.co_names, *(name for part in inner for name in _names(part))]


def _is_filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # a name that is not yet bound
        return False
    return True


def _is_opaque(item: Any) -> bool:
    """Whether an object is compared by identity: all but numbers and strings, whose equals are alike."""
    return type(item) not in (bool, int, float, complex, str, bytes, type(None))
