"""The content of a study file as objects."""

import contextlib
import dataclasses
import functools
import importlib
import inspect
import pathlib
import re
import reprlib
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jaxsgd import data
from jaxsgd.errors import InvalidInput, InvalidType, nearest
from jaxsgd.module import Module
from jaxsgd.noise import Noise
from jaxsgd.problems import Problem
from jaxsgd.record import Grid
from jaxsgd.schedules import Schedule
from jaxsgd.study import Study


class UnknownKey(InvalidInput):
    """Nothing takes a key: `where` is its path, `reason` what is allowed."""

    where = reason = ""

    @classmethod
    def at(cls, where: str, reason: str) -> "UnknownKey":
        error = cls(f"{where}: {reason}")
        error.where, error.reason = where, reason
        return error


RESPONSES = {"least_squares": "targets", "logistic_regression": "labels"}
"""The problems that take examples from files, and what they call their responses."""

_PARTS = {"problem": Problem, "noise": Noise}
"""The parts of the oracle that have tables of their own."""


@contextlib.contextmanager
def located(where: str) -> Iterator[None]:
    """Puts the place in front of what is said by errors of jaxsgd raised inside."""
    try:
        yield
    except (InvalidInput, InvalidType) as error:
        raise type(error)(f"{where}: {error}" if where else str(error)) from error


@functools.cache
def kinds(family: type) -> dict[str, Callable[..., Any]]:
    """The constructors of one family, such as ``Noise``, by the names they have in a study file.

    These are the public classes of the family's module, and the functions there that return one.
    """
    module = importlib.import_module(".".join(family.__module__.split(".")[:2]))
    found = {}
    for name, item in vars(module).items():
        made = typing.get_type_hints(item).get("return") if inspect.isfunction(item) else item
        if name.startswith("_") or not inspect.isclass(made) or inspect.isabstract(made):
            continue
        if issubclass(made, family):
            found[re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()] = item
    return found


def study_keys() -> tuple[str, ...]:
    """The keys at the top level of a file that describe the study."""
    return (*_hints(Study), *_PARTS)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def expect(condition: bool, expected: str, value: Any, where: str) -> None:
    if not condition:
        raise InvalidType(f"{where}: expected {expected}, got {reprlib.repr(value)}")


@functools.cache
def _hints(constructor: Callable[..., Any]) -> dict[str, Any]:
    """What each argument of a constructor takes, as a type."""
    known = typing.get_type_hints(constructor)
    # A schedule is annotated as a function, because any function of t will do.
    known["schedule"] = Schedule
    return {name: known.get(name, Any) for name in inspect.signature(constructor).parameters}


@dataclasses.dataclass(frozen=True)
class Reader:
    """Turns the content of a study file into objects; `where` is always the path to a key."""

    folder: pathlib.Path

    def study(self, content: Mapping[str, Any]) -> Study:
        """The study that a file describes."""
        for key in content:
            if key not in study_keys():
                raise UnknownKey.at(key, f"unknown key; {nearest(key, study_keys())}")
        parts = {key: self.make(family, content[key], key) for key, family in _PARTS.items() if key in content}
        oracle = self.table(content.get("oracle", {}), "oracle")
        for key in parts.keys() & oracle.keys():
            raise InvalidInput(f"oracle.{key}: given twice, here and as [{key}]")
        arguments = {key: item for key, item in content.items() if key not in _PARTS}
        return self.call(Study, arguments | {"oracle": {"kind": "additive_noise"} | oracle | parts}, "")

    def call(self, constructor: Callable[..., Any], arguments: dict[str, Any], where: str) -> Any:
        """The object that a constructor of jaxsgd makes of a table."""
        hints = _hints(constructor)
        for key in arguments:
            if key not in hints:
                options = nearest(key, hints) if hints else "none is allowed"
                raise UnknownKey.at(_join(where, key), f"unknown key of {constructor.__name__}; {options}")
        for key, parameter in inspect.signature(constructor).parameters.items():
            if parameter.default is parameter.empty and key not in arguments:
                raise InvalidInput(f"{_join(where, key)}: missing; {constructor.__name__} needs it")
        values = {key: self.value(value, hints[key], _join(where, key)) for key, value in arguments.items()}
        with located(where):
            return constructor(**values)

    def value(self, value: Any, hint: Any, where: str) -> Any:
        """One value of a file as the type that its argument takes."""
        if isinstance(hint, types.UnionType):  # None, the other half, cannot be written in TOML
            (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
        kind, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
        if isinstance(value, Module):
            return value
        if kind is Grid:
            return self.grid(value, where)
        if inspect.isclass(kind) and issubclass(kind, Module):
            return self.make(kind, value, where)
        if kind is Mapping:
            expect(isinstance(value, dict), "a table", value, where)
            return {key: self.value(item, parts[1], _join(where, key)) for key, item in value.items()}
        if kind in (tuple, Sequence):
            expect(isinstance(value, list), "a list", value, where)
            return tuple(self.value(item, parts[0], f"{where}[{index}]") for index, item in enumerate(value))
        if kind is Callable:
            return self.function(value, where)
        if dataclasses.is_dataclass(kind):
            expect(isinstance(value, dict), "a table", value, where)
            return self.call(kind, value, where)
        for scalar, expected in ((str, "a string"), (bool, "true or false"), (int, "an integer")):
            if kind is scalar:
                expect(type(value) is scalar, expected, value, where)
                return value
        return self.numbers(value, where)

    def numbers(self, value: Any, where: str) -> Any:
        """A number, or lists and tables of numbers: an array or a pytree."""
        if isinstance(value, list):
            return [self.numbers(item, f"{where}[{index}]") for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.numbers(item, _join(where, key)) for key, item in value.items()}
        expect(type(value) in (int, float), "a number", value, where)
        return value

    def table(self, value: Any, where: str) -> dict[str, Any]:
        """A table, which a string abbreviates to its kind."""
        if isinstance(value, str):
            return {"kind": value}
        expect(isinstance(value, dict), "a table", value, where)
        return value

    def make(self, family: type, value: Any, where: str) -> Any:
        """The object of a family that a table describes."""
        arguments, allowed = dict(self.table(value, where)), kinds(family)
        at = where if isinstance(value, str) else f"{where}.kind"
        kind = arguments.pop("kind", None)
        if kind is None:
            raise InvalidInput(f"{at}: missing; {nearest('', allowed)}")
        expect(isinstance(kind, str), "a string", kind, at)
        if ":" in kind:
            return self.own(family, kind, arguments, at)
        if kind in RESPONSES:
            arguments = self.with_examples(kind, arguments, where)
        if kind not in allowed:
            raise InvalidInput(f"{at}: unknown kind {kind!r}; {nearest(kind, allowed)}; or your own 'module:function'")
        return self.call(allowed[kind], arguments, where)

    def with_examples(self, kind: str, arguments: dict[str, Any], where: str) -> dict[str, Any]:
        """The arguments of a problem, with the examples of the files that the tables `data` and `test` name.

        Test data are standardised as the data are.
        """
        if "data" not in arguments:
            return arguments
        read, responses = dict(arguments), RESPONSES[kind]
        for key in {"features", responses} & read.keys():
            raise InvalidInput(f"{_join(where, key)}: given twice, here and in the file")
        of_file, place = read.pop("data"), _join(where, "data")
        examples = self.examples(of_file, place)
        if isinstance(read.get("test"), dict):
            like = self.examples(of_file | {"standardise": False}, place).features
            options = {"standardise": like} if of_file.get("standardise") else {}
            read["test"] = [part.tolist() for part in self.examples(read["test"], _join(where, "test"), **options)]
        return read | {"features": examples.features.tolist(), responses: examples.targets.tolist()}

    def examples(self, value: Any, where: str, **options: Any) -> data.Examples:
        """The examples of a file: a table of its path, relative to the study file, and the arguments of `data.read`."""
        expect(isinstance(value, dict), "a table with the path of a file", value, where)
        for key in value:
            if key not in _hints(data.read):
                raise UnknownKey.at(_join(where, key), f"unknown key of data.read; {nearest(key, _hints(data.read))}")
        if "path" not in value:
            raise InvalidInput(f"{_join(where, 'path')}: missing")
        expect(isinstance(value["path"], str), "a string", value["path"], _join(where, "path"))
        with located(where):
            return data.read(**{**value, "path": self.folder / value["path"], **options})

    def grid(self, value: Any, where: str) -> Grid:
        """The record grid: one key, its kind, with its argument as the value."""
        allowed = kinds(Grid)
        expect(isinstance(value, dict) and len(value) == 1, f"a table with one of {', '.join(allowed)}", value, where)
        ((kind, argument),) = value.items()
        if kind not in allowed:
            raise InvalidInput(f"{where}.{kind}: unknown key; {nearest(kind, allowed)}")
        with located(_join(where, kind)):
            return allowed[kind](argument)

    def own(self, family: type, kind: str, arguments: dict[str, Any], where: str) -> Any:
        """The user's own object: a function of t as a schedule, otherwise what the function returns."""
        function = self.function(kind, where)
        if family is Schedule and "t" in inspect.signature(function).parameters:
            return functools.partial(function, **arguments) if arguments else function
        try:
            made = function(**arguments)
        except Exception as error:
            raise InvalidInput(f"{where}: {kind} failed: {type(error).__name__}: {error}") from error
        suits = callable(made) if family is Schedule else isinstance(made, family)
        expect(suits, f"{kind} to return a {family.__name__}", made, where)
        return made

    def function(self, name: Any, where: str) -> Callable[..., Any]:
        """The function of the user that "module:function" names."""
        module_name, colon, attribute = name.partition(":") if isinstance(name, str) else ("", "", "")
        expect(bool(module_name and colon and attribute), "a string 'module:function'", name, where)
        folder = self.folder.resolve()
        if str(folder) not in sys.path:
            # At the end, so that a file of the user hides no library; for good, as for a script.
            sys.path.append(str(folder))
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(module_name)
        except Exception as error:
            raise InvalidInput(f"{where}: cannot import {module_name!r}: {type(error).__name__}: {error}") from error
        stem = folder / module_name.replace(".", "/")
        loaded = getattr(module, "__file__", None)
        for beside in (stem.with_suffix(".py"), stem / "__init__.py"):
            if beside.exists() and not (loaded and beside.samefile(loaded)):
                raise InvalidInput(f"{where}: another module is called {module_name!r}, too; rename {beside}")
        function = getattr(module, attribute, None)
        if not callable(function):
            names = [key for key, item in vars(module).items() if callable(item) and not key.startswith("_")]
            raise InvalidInput(f"{where}: no function {attribute!r} in {module_name!r}; {nearest(attribute, names)}")
        return function
