"""The content of a study file as objects."""

import dataclasses
import functools
import importlib
import inspect
import pathlib
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxsgd import methods
from jaxsgd.config.constructors import PARTS, hints, kinds, study_keys, takes_options
from jaxsgd.config.data_files import RESPONSES, with_examples
from jaxsgd.config.places import UnknownKey, expect, join, located
from jaxsgd.config.sharing import Shared, content_of
from jaxsgd.errors import InvalidInput, nearest
from jaxsgd.methods import Method
from jaxsgd.methods.transformations import is_transformation
from jaxsgd.module import Module
from jaxsgd.record import Grid
from jaxsgd.schedules import Schedule
from jaxsgd.start import Start
from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True)
class Reader:
    """Turns the content of a study file into objects; `where` is always the path to a key.

    - `folder`: that of the file, to which paths are relative.
    - `shared`: what was made; objects that equal tables at one place describe are the same.
    """

    folder: pathlib.Path
    shared: Shared = dataclasses.field(default_factory=Shared)

    def study(self, content: Mapping[str, Any]) -> Study:
        """The study that a file describes."""
        for key in content:
            if key not in study_keys():
                raise UnknownKey.at(key, f"unknown key; {nearest(key, study_keys())}")
        parts = {key: self.make(family, content[key], key) for key, family in PARTS.items() if key in content}
        oracle = self.table(content.get("oracle", {}), "oracle")
        for key in parts.keys() & oracle.keys():
            raise InvalidInput(f"oracle.{key}: given twice, here and as [{key}]")
        arguments = {key: item for key, item in content.items() if key not in PARTS}
        return self.call(Study, arguments | {"oracle": {"kind": "additive_noise"} | oracle | parts}, "")

    def call(self, constructor: Callable[..., Any], arguments: dict[str, Any], where: str) -> Any:
        """The object that a constructor of jaxsgd makes of a table."""
        known = hints(constructor)
        for key in arguments:
            if key not in known and not takes_options(constructor):
                options = nearest(key, known) if known else "none is allowed"
                raise UnknownKey.at(join(where, key), f"unknown key of {constructor.__name__}; {options}")
        parameters = inspect.signature(constructor).parameters
        for key in known:
            parameter = parameters[key]
            if parameter.default is parameter.empty and key not in arguments:
                raise InvalidInput(f"{join(where, key)}: missing; {constructor.__name__} needs it")
        options = {key: self.option(value, join(where, key)) for key, value in arguments.items() if key not in known}
        values = {key: self.value(arguments[key], known[key], join(where, key)) for key in arguments if key in known}
        with located(where):
            return constructor(**values, **options)

    def value(self, value: Any, hint: Any, where: str) -> Any:
        """One value of a file as the type that its argument takes."""
        if isinstance(hint, types.UnionType):  # None, the other half, cannot be written in TOML
            (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
        kind, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
        if isinstance(value, Module):
            return value
        if kind is Start and not _is_law(value):
            return self.numbers(value, where)
        if inspect.isclass(kind) and issubclass(kind, Module | Grid):
            return self.make(kind, value, where)
        if kind is Mapping:
            expect(isinstance(value, dict), "a table", value, where)
            return {key: self.value(item, parts[1], join(where, key)) for key, item in value.items()}
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

    def option(self, value: Any, where: str) -> Any:
        """An argument that its constructor knows, and this does not: a number, true or false, a name, or a function."""
        if isinstance(value, str):
            return self.function(value, where) if ":" in value else value
        return value if isinstance(value, bool) else self.numbers(value, where)

    def numbers(self, value: Any, where: str) -> Any:
        """A number, or lists and tables of numbers: an array or a pytree. Arrays are those of data files."""
        if isinstance(value, np.ndarray):
            return value
        if isinstance(value, list):
            return [self.numbers(item, f"{where}[{index}]") for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.numbers(item, join(where, key)) for key, item in value.items()}
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
        what = (self.folder, family, where, content_of(value))
        return self.shared.once(what, lambda: self.new(family, value, where))

    def new(self, family: type, value: Any, where: str) -> Any:
        """The same, made anew."""
        if family is Grid:
            return self.grid(value, where)
        arguments, allowed = dict(self.table(value, where)), kinds(family)
        at = where if isinstance(value, str) else f"{where}.kind"
        kind = arguments.pop("kind", None)
        if kind is None:
            raise InvalidInput(f"{at}: missing; {nearest('', allowed)}")
        expect(isinstance(kind, str), "a string", kind, at)
        if ":" in kind:
            if family is Method and _makes_transformation(self.function(kind, at), arguments):
                return self.call(methods.Optax, {"make": kind} | arguments, where)
            return self.own(family, kind, arguments, at)
        if kind in RESPONSES:
            arguments = with_examples(kind, arguments, where, folder=self.folder, shared=self.shared)
        if kind not in allowed:
            raise InvalidInput(f"{at}: unknown kind {kind!r}; {nearest(kind, allowed)}; or your own 'module:function'")
        return self.call(allowed[kind], arguments, where)

    def grid(self, value: Any, where: str) -> Grid:
        """The record grid: one key, its kind, with its argument as the value."""
        allowed = kinds(Grid)
        expect(isinstance(value, dict) and len(value) == 1, f"a table with one of {', '.join(allowed)}", value, where)
        ((kind, argument),) = value.items()
        if kind not in allowed:
            raise InvalidInput(f"{where}.{kind}: unknown key; {nearest(kind, allowed)}")
        with located(join(where, kind)):
            return allowed[kind](argument)

    def own(self, family: type, kind: str, arguments: dict[str, Any], where: str) -> Any:
        """The user's own object: a function of t as a schedule, otherwise what the function returns."""
        function = self.function(kind, where)
        argument = {Schedule: "t", Start: "stream"}.get(family)
        if argument is not None and argument in inspect.signature(function).parameters:
            return functools.partial(function, **arguments) if arguments else function
        try:
            made = function(**arguments)
        except Exception as error:
            raise InvalidInput(f"{where}: {kind} failed: {type(error).__name__}: {error}") from error
        suits = isinstance(made, family) or (family in (Schedule, Start) and callable(made))
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


def _makes_transformation(function: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    """Whether a function makes a transformation of optax, and not a method, of these arguments and a learning rate."""
    given = {key: item for key, item in arguments.items() if key != "points"}
    if "learning_rate" in inspect.signature(function).parameters:
        given = {"learning_rate": 0.1} | given
    try:
        return is_transformation(function(**given))
    except Exception:  # then Optax says what is wrong with them
        return (function.__module__ or "").startswith("optax.")


def _is_law(value: Any) -> bool:
    """Whether x0 is said by a kind, and not by numbers."""
    return isinstance(value, str) or (isinstance(value, dict) and isinstance(value.get("kind"), str))
