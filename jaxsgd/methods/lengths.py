"""Lengths and directions of pytrees, where neither overflows although squares would."""

from typing import Any

import jax
import jax.numpy as jnp


def length(tree: Any) -> jax.Array:
    """The Euclidean norm of all numbers of a pytree; its derivative is taken to be 0 where it is 0."""
    entries = [jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)]
    # The length does not depend on what it is scaled by, and neither does its derivative.
    largest = jax.lax.stop_gradient(jnp.max(jnp.stack(entries)) if len(entries) > 1 else entries[0])
    scale = jnp.where(largest > 0, largest, 1)
    squares = sum(jnp.sum((leaf / scale) ** 2) for leaf in jax.tree.leaves(tree))
    return jnp.where(squares == 0, 0, scale * jnp.sqrt(jnp.where(squares == 0, 1, squares)))


def direction(tree: Any) -> Any:
    """A pytree divided by its length; 0 where that is 0."""
    norm = length(tree)
    return jax.tree.map(lambda leaf: leaf / jnp.where(norm == 0, 1, norm), tree)
