"""What is made of functions and structures is remembered, as long as the functions read the same around them."""

import contextlib
import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import jax

from jaxsgd.reading import Reading

Function = TypeVar("Function", bound=Callable[..., Any])

# JAX, too, remembers what it has traced, such as the body of a loop, by the function alone. It does so separately for
# each value of a context: here what the functions read.
_around = jax.make_user_context(default_value=None)


class Surroundings:
    """What functions read besides their arguments, as a key: equal if they read the same, see [`jaxsgd.reading`][].

    - `functions`: tuples, nested or not, and structures of pytrees that hold the functions.
    """

    def __init__(self, functions: Any) -> None:
        self._functions, self._reading = functions, Reading(functions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Surroundings) and self._reading.digest == other._reading.digest

    def __hash__(self) -> int:
        return hash(self._reading.digest)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Inside, JAX takes nothing for traced that it has traced while functions read other things."""
        if self._reading.is_empty:
            yield
            return
        with _around(self._reading.digest):
            yield

    @contextlib.contextmanager
    def traced(self) -> Iterator["Trace"]:
        """The same for a trace. What the functions write meanwhile is no longer counted to what they read."""
        trace = Trace(() if self._reading.is_empty else self._functions)
        with self.entered():
            yield trace
        trace.note_changes()


class Trace:
    """What functions read before they are traced, to be compared with what they read afterwards."""

    def __init__(self, functions: Any) -> None:
        self._functions, self._before = functions, Reading(functions, noting=True)

    @property
    def is_rewritten(self) -> bool:
        """Whether something of that was changed by now, such as a count of calls; what lists have gained is none."""
        return not self._before.is_empty and self._before.is_rewritten(Reading(self._functions, noting=True))

    def note_changes(self) -> None:
        """From now on, what was changed by now is not counted to what functions read."""
        if not self._before.is_empty:
            self._before.note_changes(Reading(self._functions, noting=True))


class CacheInfo(NamedTuple):
    """How often a result was remembered, and how often it was made."""

    hits: int
    misses: int


def remember(maxsize: int) -> Callable[[Function], Function]:
    """``functools.lru_cache`` for what is made by tracing functions, which read closures and globals while they are.

    A function that reads other things than before is another one. Where an argument cannot be hashed, such as some
    callable objects, the result is computed anew. A result that is a function, such as one that JAX traces when it is
    first called, runs with the same things around it. `cache_info()` counts as that of ``lru_cache`` does.
    """

    def decorate(function: Function) -> Function:
        held: OrderedDict[Any, _Made] = OrderedDict()
        lock, counts = threading.Lock(), {"hits": 0, "misses": 0}

        @functools.wraps(function)
        def call(*arguments: Any) -> Any:
            around = Surroundings(arguments)
            try:
                hash(arguments)
            except TypeError:
                with around.entered():
                    return function(*arguments)
            with lock:
                made = held.get(arguments)
            known = made is not None and made.read == around
            if made is None or not known:
                made = _Made(function, arguments)
            with lock:
                counts["hits" if known else "misses"] += 1
                held[arguments] = made
                held.move_to_end(arguments)
                if len(held) > maxsize:
                    held.popitem(last=False)
            return made.run if callable(made.result) else made.result

        call.cache_info = lambda: CacheInfo(**counts)  # type: ignore[attr-defined]
        return call  # type: ignore[return-value] - of the same signature

    return decorate


class _Made:
    """What a function has made of arguments.

    - `read`: what functions among the arguments read; without what they have written while they were traced.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._arguments, self._ran = arguments, False
        self._around = Surroundings(arguments)
        with self._around.traced():
            self.result = function(*arguments)
        self.read = Surroundings(arguments)

    def run(self, *given: Any) -> Any:
        """Call the result, a function."""
        if self._ran:
            with self._around.entered():
                return self.result(*given)
        with self._around.traced():
            result = self.result(*given)
        self.read, self._ran = Surroundings(self._arguments), True
        return result
