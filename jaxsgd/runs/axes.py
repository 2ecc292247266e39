"""The cells of a sweep: all combinations of the values of its axes, each with its study."""

import collections
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jaxsgd.engine.statistics import dimensions
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.module import brief
from jaxsgd.results.sweep_result import Cell
from jaxsgd.study import Study

Make = Callable[..., Study]
Axes = Mapping[str, Sequence[Any]]


def make_cells(make_study: Make | Mapping[str, Make], axes: Axes | Mapping[str, Axes]) -> list[Cell]:
    """The cells of a sweep, in order; their studies are made and checked."""
    if not isinstance(make_study, Mapping):
        return list(_grid(make_study, axes, None))
    if not isinstance(axes, Mapping) or set(axes) != set(make_study):
        raise InvalidInput(f"axes must have the families of make_study, {sorted(make_study)}, got {brief(axes)}")
    if not make_study:
        raise InvalidInput("make_study must have at least one family")
    return [cell for family, make in make_study.items() for cell in _grid(make, axes[family], family)]


def _grid(make: Any, axes: Any, family: str | None) -> Iterator[Cell]:
    if not callable(make):
        raise InvalidType(f"make_study must be a function that returns a study, or a dict of them, got {brief(make)}")
    if not isinstance(axes, Mapping) or not axes:
        raise InvalidType(f'axes must be a dict with at least one axis, {{"name": [...]}}, got {brief(axes)}')
    plain = {name: _plain(name, values) for name, values in axes.items()}
    try:
        inspect.signature(make).bind(**dict.fromkeys(plain))
    except TypeError as error:
        raise InvalidType(f"make_study does not take the axes {', '.join(plain)} as its arguments: {error}") from error
    digits = max(_digits(values) for values in plain.values())
    for combination in itertools.product(*plain.values()):
        point = dict(zip(plain, combination, strict=True))
        where = ", ".join(f"{name}={value!r}" for name, value in point.items())
        try:
            study = make(**point)
        except (InvalidInput, InvalidType) as error:
            raise type(error)(f"cell {where}: {error}") from error
        if not isinstance(study, Study):
            raise InvalidType(f"make_study must return a jaxsgd.Study, got {brief(study)} for {where}")
        yield Cell(family, point, study, digits, repr(study))


def _plain(name: str, values: Any) -> list[Any]:
    """The values of an axis as plain numbers, booleans or strings, no two of them equal."""
    taken = ("cell", "family", "step", *dimensions())
    if not isinstance(name, str) or name in taken or "/" in name:
        raise InvalidInput(f"an axis cannot be called {name!r}: {', '.join(taken)} and names with / are taken")
    if isinstance(values, str) or not np.iterable(values):
        raise InvalidInput(f"axis {name!r} must be a list with at least one value, got {brief(values)}")
    plain = [value.item() if hasattr(value, "item") and np.ndim(value) == 0 else value for value in values]
    if not plain:
        raise InvalidInput(f"axis {name!r} must be a list with at least one value, got {brief(values)}")
    for value in plain:
        if not isinstance(value, int | float | str) or value != value:
            raise InvalidType(
                f"axis {name!r} must have numbers or strings as values, got {brief(value)}; "
                "name the object by a string and look it up in make_study"
            )
    if len({isinstance(value, str) for value in plain}) > 1:
        raise InvalidType(f"axis {name!r} must have numbers or strings as values, not both, got {brief(values)}")
    value, times = collections.Counter(plain).most_common(1)[0]
    if times > 1:
        raise InvalidInput(f"axis {name!r} must not have a value twice, got {value!r} {times} times")
    return plain


def _digits(values: Sequence[Any]) -> int:
    """Significant digits, 6 at least, with which no two numbers look the same."""
    floats = [value for value in values if isinstance(value, float)]
    return next(digits for digits in range(6, 18) if len({f"{value:.{digits}g}" for value in floats}) == len(floats))
