"""Examples: a pytree of arrays with one leading axis, of which risks are means."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxsgd.errors import InvalidInput, InvalidType, finite_array
from jaxsgd.problems.function import only_numbers
from jaxsgd.structure import whole

CHUNK = 64
"""Examples that a mean takes at once: what it holds in memory besides the data is of this size for each trajectory."""


def as_examples(name: str, value: Any) -> Any:
    """``value`` as a pytree of NumPy arrays with one leading axis.

    Arrays of integers stay so, such as those of classes; all others become float64, lists among them.
    """

    def checked(path: Any, leaf: Any) -> np.ndarray:
        where = name + jax.tree_util.keystr(path)
        whole = isinstance(leaf, np.ndarray | jax.Array) and leaf.dtype.kind in "iub"
        array = np.array(leaf) if whole else finite_array(where, leaf)
        if array.ndim == 0:
            raise InvalidInput(f"{where} must be an array whose first axis are the examples, got one number")
        return array

    examples = jax.tree_util.tree_map_with_path(checked, value, is_leaf=only_numbers)
    shapes = [leaf.shape for leaf in jax.tree.leaves(examples)]
    if not shapes:
        raise InvalidType(f"{name} must be a pytree of arrays, got {value!r}")
    if len({shape[0] for shape in shapes}) > 1:
        raise InvalidInput(f"{name} must have as many examples in every array, got arrays of shapes {shapes}")
    if shapes[0][0] == 0:
        raise InvalidInput(f"{name} must hold at least one example, got arrays of shapes {shapes}")
    return examples


def count(examples: Any) -> int:
    """n, the number of examples."""
    return jax.tree.leaves(examples)[0].shape[0]


def shapes_of_one(examples: Any) -> Any:
    """The shapes of one example, in the structure of the examples."""
    return jax.tree.map(lambda leaf: leaf.shape[1:], examples)


def take(examples: Any, indices: Any) -> Any:
    """The examples with these indices, which lie in 0..n-1."""
    return jax.tree.map(
        lambda leaf: (
            jnp.asarray(leaf).at[indices].get(mode="promise_in_bounds", wrap_negative_indices=False)
        ),
        examples,
    )  # fmt: skip


def mean_over(total: Callable[[Any, jax.Array], Any], examples: Any) -> Any:
    """(1/n) sum_i h_i, where ``total(part, weights)`` is the sum of weights_i h_i over some of the examples.

    More than 64 examples are taken in parts of 64, one after the other: then memory does not grow with n.
    The last part overlaps the one before, and what was counted there has weight 0. What rounding takes from a sum of
    parts is added to the next part (Kahan, 1965): without that, the mean of 100,000 equal numbers is off by 1e-5.
    """
    n = count(examples)
    if n <= CHUNK:
        return jax.tree.map(lambda sums: sums / n, total(jax.tree.map(jnp.asarray, examples), jnp.ones(n)))

    def of_part(index: Any) -> Any:
        start = jnp.minimum(index * CHUNK, n - CHUNK)
        part = jax.tree.map(
            lambda leaf: lax.dynamic_slice_in_dim(jnp.asarray(leaf), start, CHUNK, allow_negative_indices=False),
            examples,
        )
        return total(part, jnp.where(start + jnp.arange(CHUNK) >= index * CHUNK, 1.0, 0.0))

    def add(carry: tuple[Any, Any], index: Any) -> tuple[tuple[Any, Any], None]:
        sums, missing = carry
        parts = jax.tree.map(jnp.add, of_part(index), missing)
        grown = jax.tree.map(jnp.add, sums, parts)
        return (grown, jax.tree.map(lambda part, new, old: part - (new - old), parts, grown, sums)), None

    zeros = jax.tree.map(lambda part: jnp.zeros(part.shape, part.dtype), jax.eval_shape(of_part, 0))
    (sums, _), _ = lax.scan(add, (zeros, zeros), jnp.arange(-(-n // CHUNK)))
    return jax.tree.map(lambda total: total / n, sums)


def total_loss(loss: Callable[[Any, Any], jax.Array], x: Any, examples: Any, weights: jax.Array) -> jax.Array:
    """sum_i weights_i loss(x, example i), for weights (n,); for one example and its weight () the product."""

    def of_one(example: Any) -> Any:
        return loss(whole(x), example)

    losses = jnp.asarray((jax.vmap(of_one) if weights.ndim else of_one)(examples))
    if losses.shape != weights.shape:
        raise InvalidInput(f"loss must be one number for one example, got shape {losses.shape[weights.ndim :]}")
    return jnp.sum(weights * losses)


def mean_loss(loss: Callable[[Any, Any], jax.Array], examples: Any, x: Any) -> jax.Array:
    """(1/n) sum_i loss(x, example i)."""
    return mean_over(lambda part, weights: total_loss(loss, x, part, weights), examples)


def mean_gradient(loss: Callable[[Any, Any], jax.Array], examples: Any, x: Any) -> Any:
    """(1/n) sum_i grad_x loss(x, example i): differentiated part by part, so that no part is kept for later."""
    return mean_over(lambda part, weights: jax.grad(lambda x: total_loss(loss, x, part, weights))(x), examples)
