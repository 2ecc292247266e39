"""Objects as keys: what has been checked is remembered by its content."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from jaxsgd.compiler import SAFE, accepted
from jaxsgd.errors import InvalidInput
from jaxsgd.streams import Request, Stream, requests_of
from jaxsgd.structure import Skeleton, flat

_BY_CONTENT = 2**12  # numbers of an array; of larger ones only the same object is the same

_QUICK = {"xla_backend_optimization_level": 0}  # checks run for milliseconds


class Numbers:
    """An array as a key."""

    def __init__(self, array: Any) -> None:
        self._given, self.array = array, np.asarray(array)
        small = self.array.size <= _BY_CONTENT
        self._key = (self.array.shape, self.array.dtype.str, self.array.tobytes() if small else id(self._given))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numbers) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


class Held(NamedTuple):
    """A pytree as a key: its structure, and its numbers."""

    skeleton: Skeleton
    numbers: tuple[Numbers, ...]

    @classmethod
    def of(cls, tree: Any) -> "Held":
        """That of a pytree, such as a problem."""
        skeleton, numbers = Skeleton.split(tree)
        return cls(skeleton, tuple(map(Numbers, numbers)))

    @property
    def item(self) -> Any:
        """The pytree again."""
        return self.skeleton.filled([each.array for each in self.numbers])

    @property
    def of_jax(self) -> Any:
        """The same with arrays of JAX, which may be looked up at places that are only known later."""
        return self.skeleton.filled([jnp.asarray(each.array) for each in self.numbers])

    @property
    def copies(self) -> list[np.ndarray]:
        """Its numbers, in float64; JAX 0.10 remembers an array in the precision in which it was first given."""
        return [np.array(each.array, np.float64 if each.array.dtype.kind == "f" else None) for each in self.numbers]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return sum(each.array.size for each in self.numbers)


def quick(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays, compiled without optimisation once for each of their shapes.

    The programs hold copies of the arrays that functions of the user close over: while one holds a NumPy array itself,
    JAX 0.10 hands this out in the precision of that program, to others as well.
    """
    programs: dict[Any, Callable[..., Any]] = {}

    def call(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        shapes = structure, tuple((np.shape(leaf), np.asarray(leaf).dtype) for leaf in leaves)
        if shapes not in programs:
            programs[shapes] = _with_copies(function, arguments)
        return programs[shapes](*leaves)

    return call


def _with_copies(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[..., Any]:
    # Another function each time, as JAX keeps a trace as long as the function lives.
    traced, shape = jax.make_jaxpr(lambda *given: function(*given), return_shape=True)(*arguments)
    constants = [each if isinstance(each, jax.Array) else np.array(each) for each in traced.consts]
    options = {**dict(accepted(SAFE)), **_QUICK}
    program = jax.jit(jaxpr_as_fun(ClosedJaxpr(traced.jaxpr, constants)), compiler_options=options)
    structure = jax.tree.structure(shape)
    return lambda *leaves: jax.tree.unflatten(structure, program(*leaves))


def evaluated(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function computes in float64, as NumPy arrays; None where it cannot, which a study finds out by itself."""
    try:
        with jax.enable_x64(True):
            return jax.tree.map(np.asarray, function(*arguments))
    except Exception:  # whatever a function of a user raises, such as one that is written for float32 alone
        return None


def drawn_by(sampler: Callable[[Stream], Any]) -> tuple[Request, ...] | None:
    """What a sampler of the user draws; None where it cannot be traced, which a study finds out by itself."""
    try:
        return requests_of(sampler)
    except Exception:  # whatever a function of a user raises
        return None


def number(value: Any) -> float | None:
    """A fact that is one finite number, or None."""
    try:
        found = None if value is None else float(value)
    except (TypeError, ValueError):
        return None
    return found if found is not None and np.isfinite(found) else None


def shown(point: Any) -> str:
    """A point (d,) in a message, shortened where it has many coordinates."""
    values = [f"{value:.6g}" for value in np.ravel(point)]
    return f"[{', '.join(values if len(values) <= 6 else [*values[:5], '...'])}]"


def contradiction(what: str, stated: str, found: str) -> InvalidInput:
    """The error of a fact, such as "minimiser=[1]", that a check has contradicted."""
    return InvalidInput(f"{what} states {stated}, but {found}; correct what is stated, or leave it out")


def dimension_of(start: Held) -> int:
    return flat(start.item).size
