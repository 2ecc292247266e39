"""Where in a study file something is, in what is said of it."""

import contextlib
import reprlib
from collections.abc import Iterator
from typing import Any

from jaxsgd.errors import InvalidInput, InvalidType


class UnknownKey(InvalidInput):
    """Nothing takes a key: `where` is its path, `reason` what is allowed."""

    where = reason = ""

    @classmethod
    def at(cls, where: str, reason: str) -> "UnknownKey":
        error = cls(f"{where}: {reason}")
        error.where, error.reason = where, reason
        return error


@contextlib.contextmanager
def located(where: str) -> Iterator[None]:
    """Puts the place in front of what is said by errors of jaxsgd raised inside."""
    try:
        yield
    except (InvalidInput, InvalidType) as error:
        raise type(error)(f"{where}: {error}" if where else str(error)) from error


def join(where: str, key: str) -> str:
    """The path to a key of the table at a path; the empty path is the file."""
    return f"{where}.{key}" if where else key


def expect(condition: bool, expected: str, value: Any, where: str) -> None:
    """An error that says what was expected at a place, unless the condition holds."""
    if not condition:
        raise InvalidType(f"{where}: expected {expected}, got {reprlib.repr(value)}")
