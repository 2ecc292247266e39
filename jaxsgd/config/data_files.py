"""The data files that a study file names."""

import os
import pathlib
from typing import Any

from jaxsgd import data
from jaxsgd.config.constructors import hints
from jaxsgd.config.places import UnknownKey, expect, join, located
from jaxsgd.config.sharing import Shared, content_of
from jaxsgd.errors import InvalidInput, nearest

RESPONSES = {"least_squares": "targets", "logistic_regression": "labels"}
"""The problems that take examples from files, and what they call their responses."""


def with_examples(
    kind: str, arguments: dict[str, Any], where: str, *, folder: pathlib.Path, shared: Shared
) -> dict[str, Any]:
    """The arguments of a problem, with the examples of the files that the tables `data` and `test` name.

    Test data are standardised as the data are. Paths are relative to the folder; a file is read once.
    """
    if "data" not in arguments:
        return arguments
    read, responses = dict(arguments), RESPONSES[kind]
    for key in {"features", responses} & read.keys():
        raise InvalidInput(f"{join(where, key)}: given twice, here and in the file")

    def examples(value: Any, key: str) -> tuple[data.Examples, Any]:
        return _examples(value, join(where, key), folder, shared)

    raw, standardise = examples(read.pop("data"), "data")
    with located(join(where, "data")):
        found = raw if standardise is False else data.standardised(raw, standardise)
    if isinstance(read.get("test"), dict):
        test, own = examples(read["test"], "test")
        with located(join(where, "test")):
            like = raw.features if standardise else own
            read["test"] = list(test if like is False else data.standardised(test, like))
    return read | {"features": found.features, responses: found.targets}


def _examples(value: Any, where: str, folder: pathlib.Path, shared: Shared) -> tuple[data.Examples, Any]:
    """The examples of a file as they are, and `standardise`: a table with the arguments of `data.read`."""
    expect(isinstance(value, dict), "a table with the path of a file", value, where)
    for key in value:
        if key not in hints(data.read):
            raise UnknownKey.at(join(where, key), f"unknown key of data.read; {nearest(key, hints(data.read))}")
    if "path" not in value:
        raise InvalidInput(f"{join(where, 'path')}: missing")
    name = value["path"]
    expect(isinstance(name, str) and "\0" not in name, "a string, the name of a file", name, join(where, "path"))
    path, target = folder / name, value.get("target")
    with located(where):
        raw = shared.once((data.read, os.path.realpath(path), content_of(target)), lambda: data.read(path, target))
    return raw, value.get("standardise", False)
