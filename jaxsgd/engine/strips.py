"""A function of one trajectory, mapped over strips of a few lanes with the lanes first: for products of matrices.

Where trajectories multiply matrices of their own, such as the weights of networks, lanes on the last axis are the wrong
place: numbers that belong together lie far apart, and the state of a thousand lanes leaves the cache. Here a strip of
lanes takes all steps from one record to the next before the next strip begins, with the numbers of a lane side by side.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def over_strips(function: Callable[..., Any], strip: int, upper: Any, before: Any = None) -> Callable[..., Any]:
    """A function of arrays of one lane, (..., 1), mapped over strips of lanes; of arrays (..., lanes).

    **Arguments**

    - `strip`: lanes of a strip; a divisor of all lanes.
    - `upper`: lanes from here on are not wanted; strips that begin there are not run.
    - `before`: what stands in their place, a pytree of arrays (..., lanes); default zeros.
    """

    def mapped(*arguments: Any) -> Any:
        def at(start: Any) -> Any:
            parts = jax.tree.map(lambda leaf: lax.dynamic_slice_in_dim(leaf, start, strip, -1), arguments)
            lanes_first = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0)[..., None], parts)
            return jax.vmap(function)(*lanes_first)

        def write(index: Any, all_lanes: Any) -> Any:
            start = index * strip
            made = jax.tree.map(lambda leaf: jnp.moveaxis(leaf[..., 0], 0, -1), at(start))
            return jax.tree.map(
                lambda whole, part: lax.dynamic_update_slice_in_dim(whole, part.astype(whole.dtype), start, -1),
                all_lanes,
                made,
            )

        lanes = jax.tree.leaves(arguments)[0].shape[-1]
        begun = before
        if begun is None:
            shapes = jax.eval_shape(at, 0)
            begun = jax.tree.map(lambda leaf: jnp.zeros((*leaf.shape[1:-1], lanes), leaf.dtype), shapes)
        return lax.fori_loop(0, jnp.minimum(-(-upper // strip), lanes // strip), write, begun)

    return mapped


def over_one(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one trajectory as one of arrays of one lane, (..., 1)."""

    def mapped(*arguments: Any) -> Any:
        results = function(*jax.tree.map(lambda leaf: leaf[..., 0], arguments))
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[..., None], results)

    return mapped


def over_one_but_common(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same of a function that returns a pair, of which the second part comes without lanes."""

    def mapped(*arguments: Any) -> Any:
        own, common = function(*jax.tree.map(lambda leaf: leaf[..., 0], arguments))
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[..., None], own), jax.tree.map(jnp.asarray, common)

    return mapped
