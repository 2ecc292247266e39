"""What a study file can name: the constructors of jaxsgd, and what their arguments take."""

import functools
import importlib
import inspect
import re
import typing
from collections.abc import Callable
from typing import Any

from jaxsgd.noise import Noise
from jaxsgd.oracles import AdditiveNoise
from jaxsgd.problems import Problem
from jaxsgd.schedules import Schedule
from jaxsgd.start import Start
from jaxsgd.study import Study

PARTS = {"problem": Problem, "noise": Noise}
"""The parts of the oracle that have tables of their own."""


@functools.cache
def kinds(family: type) -> dict[str, Callable[..., Any]]:
    """The constructors of one family, such as ``Noise``, by the names they have in a study file.

    These are the public classes of the family's module, and the functions there that return one.
    """
    module = importlib.import_module(".".join(family.__module__.split(".")[:2]))
    found = {}
    for name in dict.fromkeys((*vars(module), *getattr(module, "__all__", ()))):  # these may be loaded on first use
        item = getattr(module, name)
        made = typing.get_type_hints(item).get("return") if inspect.isfunction(item) else item
        if name.startswith("_") or not inspect.isclass(made) or inspect.isabstract(made):
            continue
        if issubclass(made, family):
            found[re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()] = item
    return found


@functools.cache
def hints(constructor: Callable[..., Any]) -> dict[str, Any]:
    """What each argument of a constructor takes, as a type."""
    known = typing.get_type_hints(getattr(constructor, "__init__", constructor)) | typing.get_type_hints(constructor)
    # A schedule is annotated as a function, because any function of t will do.
    known["schedule"] = Schedule
    if constructor is AdditiveNoise:
        known["scale"] = Schedule
    if constructor is Study:
        known["x0"] = Start  # or a point, of numbers alone
    found = inspect.signature(constructor).parameters.values()
    return {each.name: known.get(each.name, Any) for each in found if each.kind != each.VAR_KEYWORD}


@functools.cache
def takes_options(constructor: Callable[..., Any]) -> bool:
    """Whether a constructor takes arguments of any name, ``**options``, and says itself which it knows."""
    return any(each.kind == each.VAR_KEYWORD for each in inspect.signature(constructor).parameters.values())


def study_keys() -> tuple[str, ...]:
    """The keys at the top level of a file that describe the study."""
    return (*hints(Study), *PARTS)
