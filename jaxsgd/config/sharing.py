"""What is made of equal content is made once."""

from collections.abc import Callable, Hashable
from typing import Any

from jaxsgd.module import Module


class Shared:
    """What was made so far, by what it was made of. Objects of jaxsgd are frozen, so that cells and files can share."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}

    def once(self, what: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` returned when it was first called for this; an error is not kept, but raised in each place."""
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]


def content_of(value: Any) -> Hashable:
    """The content of a file as a key: equal if it was written alike, so that 1, 1.0 and true differ.

    Objects that were made already stand for themselves: what is shared is kept, and no other gets its `id`.
    """
    if isinstance(value, dict):
        return (dict, tuple((key, content_of(item)) for key, item in value.items()))
    if isinstance(value, list):
        return (list, tuple(map(content_of, value)))
    return (type(value), id(value) if isinstance(value, Module) else repr(value))
