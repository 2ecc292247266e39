"""Pytrees taken apart: flat vectors and trees of arrays, many at a time; numbers, and what is static."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidType


@dataclasses.dataclass(frozen=True)
class Fixed:
    """A leaf of a point that is no number to be trained, such as the activation of a network.

    It is no leaf of a pytree, but a part of its structure: points with other ones have other structures, and so other
    programs. Methods and the engine see points with these; functions of the user see what they stand for, see `whole`.
    """

    value: Any


jax.tree_util.register_pytree_node(Fixed, lambda fixed: ((), fixed.value), lambda value, _: Fixed(value))


def whole(point: Any) -> Any:
    """A point as the user gave it, with its static leaves; one that is whole already stays so.

    >>> whole({"w": 1.0, "activation": Fixed(jax.nn.relu)})["activation"] is jax.nn.relu
    True
    """
    return _with_fixed(point, lambda fixed: fixed.value)


def without_fixed(point: Any) -> Any:
    """A point with None for its static leaves, as gradients of equinox have it."""
    return _with_fixed(point, lambda fixed: None)


def _with_fixed(tree: Any, made: Callable[[Fixed], Any]) -> Any:
    def is_fixed(leaf: Any) -> bool:
        return isinstance(leaf, Fixed)

    return jax.tree.map(lambda leaf: made(leaf) if is_fixed(leaf) else leaf, tree, is_leaf=is_fixed)


class Structure(NamedTuple):
    """A pytree of arrays without its numbers; leaves in ``jax.flatten_util`` order."""

    treedef: Any
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tree: Any) -> "Structure":
        """The structure of a pytree of arrays (or of anything that has shapes)."""
        leaves, treedef = jax.tree.flatten(tree)
        return cls(treedef, tuple(np.shape(leaf) for leaf in leaves))

    @property
    def size(self) -> int:
        """The number of coordinates."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def ends(self) -> np.ndarray:
        """Where the leaves end in a flat vector, but for the last one."""
        return np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1]

    def like(self, dtype: Any) -> Any:
        """The tree with shapes and types in place of numbers."""
        return jax.tree.unflatten(self.treedef, [jax.ShapeDtypeStruct(shape, dtype) for shape in self.shapes])

    def unflatten(self, flat: jax.Array) -> Any:
        """(size, lanes) to leaves (*shape, lanes)."""
        parts = jnp.split(flat, self.ends) if len(self.shapes) > 1 else [flat]
        leaves = [part.reshape(*shape, flat.shape[-1]) for part, shape in zip(parts, self.shapes, strict=True)]
        return jax.tree.unflatten(self.treedef, leaves)

    def ravel(self, tree: Any) -> jax.Array:
        """Leaves as one vector (size,)."""
        leaves = [leaf.reshape(-1) for leaf in jax.tree.leaves(tree)]
        return leaves[0] if len(leaves) == 1 else jnp.concatenate(leaves)

    def unravel(self, vector: Any) -> Any:
        """(size,) to leaves; the inverse of `ravel`."""
        parts = jnp.split(vector, self.ends) if len(self.shapes) > 1 else [vector]
        leaves = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return jax.tree.unflatten(self.treedef, leaves)

    @staticmethod
    def flatten(tree: Any) -> jax.Array:
        """Leaves (*shape, lanes) to (size, lanes)."""
        leaves = [leaf.reshape(-1, leaf.shape[-1]) for leaf in jax.tree.leaves(tree)]
        return leaves[0] if len(leaves) == 1 else jnp.concatenate(leaves)


class Shapes(NamedTuple):
    """A pytree of arrays of any types without its numbers."""

    treedef: Any
    leaves: tuple[tuple[tuple[int, ...], Any], ...]

    @classmethod
    def of(cls, tree: Any) -> "Shapes":
        """Those of a pytree of arrays (or of anything that has shapes and types), keys of ``jax.random`` included."""
        leaves, treedef = jax.tree.flatten(tree)
        return cls(treedef, tuple((tuple(leaf.shape), _type_of(leaf)) for leaf in leaves))

    @property
    def like(self) -> Any:
        """The tree with shapes and types in place of numbers."""
        return jax.tree.unflatten(self.treedef, [jax.ShapeDtypeStruct(*leaf) for leaf in self.leaves])


def _type_of(leaf: Any) -> Any:
    """The name of a type; the type itself where NumPy has none, that of a key."""
    return leaf.dtype if jnp.issubdtype(leaf.dtype, jax.dtypes.extended) else np.dtype(leaf.dtype).name


def flat(tree: Any) -> np.ndarray:
    """The numbers of a pytree as one float64 vector (d,), in ``jax.flatten_util`` order.

    **Raises** `InvalidType` for the law of a random start, whose numbers are not those of a point.
    """
    if getattr(tree, "is_law_of_points", False):
        raise InvalidType(f"one point is needed, and x_0 is drawn anew for each trajectory, by {tree!r}")
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)])


class Skeleton(NamedTuple):
    """A pytree without its numbers, which may change without a new compilation; hashable if what is left is.

    - `fixed`: its leaves, with None where a number stands.
    """

    treedef: Any
    fixed: tuple[Any, ...]

    @classmethod
    def split(cls, tree: Any) -> "tuple[Skeleton, tuple[Any, ...]]":
        """The skeleton of a pytree, and its numbers."""
        leaves, treedef = jax.tree.flatten(tree)
        fixed = tuple(None if is_number(leaf) else leaf for leaf in leaves)
        return cls(treedef, fixed), tuple(leaf for leaf in leaves if is_number(leaf))

    def filled(self, numbers: Iterable[Any]) -> Any:
        """The pytree with these numbers in it."""
        given = iter(numbers)
        return jax.tree.unflatten(self.treedef, [next(given) if leaf is None else leaf for leaf in self.fixed])


def is_number(leaf: Any) -> bool:
    """Whether a leaf of a pytree is data, and not a part of the program."""
    return isinstance(leaf, np.ndarray | np.generic | jax.Array | float | int) and not isinstance(leaf, bool)
