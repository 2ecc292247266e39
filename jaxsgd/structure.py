"""How a flat vector and a pytree of arrays turn into each other, many at a time."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


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

    def like(self, dtype: Any) -> Any:
        """The tree with shapes and types in place of numbers."""
        return jax.tree.unflatten(self.treedef, [jax.ShapeDtypeStruct(shape, dtype) for shape in self.shapes])

    def unflatten(self, flat: jax.Array) -> Any:
        """(size, lanes) to leaves (*shape, lanes)."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1]
        parts = jnp.split(flat, ends) if len(self.shapes) > 1 else [flat]
        leaves = [part.reshape(*shape, flat.shape[-1]) for part, shape in zip(parts, self.shapes, strict=True)]
        return jax.tree.unflatten(self.treedef, leaves)

    @staticmethod
    def flatten(tree: Any) -> jax.Array:
        """Leaves (*shape, lanes) to (size, lanes)."""
        leaves = [leaf.reshape(-1, leaf.shape[-1]) for leaf in jax.tree.leaves(tree)]
        return leaves[0] if len(leaves) == 1 else jnp.concatenate(leaves)
