"""The table `sweep` of a study file: paths to keys, and the values that each takes in turn."""

import math
import re
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jaxsgd.config.places import expect
from jaxsgd.errors import InvalidInput, integer, nearest

_RANGE = ("from", "to", "count", "spacing")
_SPACINGS = ("linear", "log")
_KEY = r"[^.\[\]]+(\[\d+\])*"
_MOST = 100_000  # cells; beyond, making the studies alone takes minutes
_DIGITS = 15  # of the values of a range, which are then 0.3 and not 0.30000000000000004

Path = tuple[str | int, ...]


def read_axes(table: Any) -> dict[str, list[Any]]:
    """The values of each path, in the order of the file."""
    expect(isinstance(table, dict), "a table", table, "sweep")
    axes = {}
    for name, given in _flat(table):
        where = place(name)
        path_of(name)
        axes[name] = _range(given, where) if isinstance(given, dict) else _list(given, where)
    if not axes:
        raise InvalidInput('sweep: needs a key with values, such as "schedule.initial" = [0.1, 0.2]')
    cells = math.prod(map(len, axes.values()))
    if cells > _MOST:
        raise InvalidInput(f"sweep: {cells:,} cells are too many, at most {_MOST:,}: give fewer values")
    return axes


def place(name: str) -> str:
    """Where in the file an axis is."""
    return f'sweep."{name}"'


def path_of(name: str) -> Path:
    """The keys and indices that a path such as "problem.curvature[0]" leads through."""
    if not re.fullmatch(rf"{_KEY}(\.{_KEY})*", name):
        raise InvalidInput(f'{place(name)}: is no path to a key of the study, such as "schedule.initial" or "x0[0]"')
    return tuple(key or int(index) for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", name))


def with_value(content: Any, path: Path, value: Any) -> Any:
    """A copy of the content of a file in which the path leads to the value. Tables that are missing are made."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        if not isinstance(content, list) or step >= len(content):
            given = "nothing" if content is None else reprlib.repr(content)
            raise InvalidInput(f"[{step}] replaces an element of a list, but the file has {given} there")
        return [with_value(item, rest, value) if index == step else item for index, item in enumerate(content)]
    if isinstance(content, str):
        content = {"kind": content}
    if not isinstance(content, dict | None):
        raise InvalidInput(f"{step!r} is a key of a table, but the file has {reprlib.repr(content)} there")
    content = content or {}
    return content | {step: with_value(content.get(step), rest, value)}


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and what they have: without quotes, TOML makes tables of them."""
    for key, item in table.items():
        if isinstance(item, dict) and not item.keys() & set(_RANGE):
            yield from _flat(item, f"{above}{key}.")
        else:
            yield above + key, item


def _list(values: Any, where: str) -> list[Any]:
    expect(isinstance(values, list), f"a list of values or a table with {', '.join(_RANGE)}", values, where)
    if not values:
        raise InvalidInput(f"{where}: needs at least one value")
    sorts = {float if type(value) is int else type(value) for value in values}
    alike = len(sorts) == 1 and sorts <= {float, str, bool}
    expect(alike, "numbers, or strings, or booleans, all of one sort", values, where)
    _all_different(values, where)
    return values


def _range(table: Mapping[str, Any], where: str) -> list[Any]:
    for key in table:
        if key not in _RANGE:
            raise InvalidInput(f"{where}.{key}: unknown key; {nearest(key, _RANGE)}")
    for key in _RANGE[:3]:
        if key not in table:
            raise InvalidInput(f"{where}.{key}: missing; a range has from, to and count")
    ends = first, last = table["from"], table["to"]
    for key, end in zip(_RANGE, ends, strict=False):
        expect(type(end) in (int, float), "a number", end, f"{where}.{key}")
        if not math.isfinite(end):
            raise InvalidInput(f"{where}.{key}: must be finite, got {end}")
    count = integer(f"{where}.count:", table["count"], at_least=1, below=_MOST + 1)
    spacing = table.get("spacing", "linear")
    expect(isinstance(spacing, str), "a string", spacing, f"{where}.spacing")
    if spacing not in _SPACINGS:
        raise InvalidInput(f"{where}.spacing: unknown spacing {spacing!r}; {nearest(spacing, _SPACINGS)}")
    if spacing == "log" and min(ends) <= 0:
        raise InvalidInput(f'{where}: from and to must be greater than 0 for spacing = "log", got {first} and {last}')
    if count == 1 and first != last:
        raise InvalidInput(f"{where}: count = 1 needs from = to, got from = {first} and to = {last}")
    with np.errstate(over="ignore", invalid="ignore"):
        inner = (np.geomspace if spacing == "log" else np.linspace)(first, last, count)[1:-1]
    if not np.isfinite(inner).all():
        raise InvalidInput(f"{where}: from {first} to {last} is too far for a range")
    values = [first, *(float(f"{value:.{_DIGITS}g}") for value in inner), *[last] * (count > 1)]
    if {int} == set(map(type, ends)) and all(float(value).is_integer() for value in values):
        values = [int(value) for value in values]
    _all_different(values, where)
    return values


def _all_different(values: list[Any], where: str) -> None:
    again = next((value for index, value in enumerate(values) if value in values[:index]), None)
    if again is not None:
        raise InvalidInput(f"{where}: {again!r} is given twice")
