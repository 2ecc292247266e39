"""Uniform random permutations, made position by position while they are used."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxsgd.streams import integers


def identity(examples: int) -> np.ndarray:
    """The permutation 0..n-1, in the smallest integers that hold it: each trajectory has one of its own."""
    return np.arange(examples).astype(np.min_scalar_type(examples - 1))


def exchanged(permutation: Any, positions: Any, words: Any) -> tuple[jax.Array, jax.Array]:
    """The values at some positions, each exchanged before with one at or behind it; and the permutation after that.

    Position p is exchanged with p + floor(word (n - p) / 2^32), uniform on p..n-1. Read at p = 0, 1, ..., n-1 the
    values are a uniform random permutation, whatever the one before; at p = 0..b-1 a uniform random subset. The
    probability of an exchange differs from 1/(n - p) by less than 2^-32.

    Source: Durstenfeld (1964), "Algorithm 235: Random permutation", with the integers of Lemire (2019),
    arXiv 1805.10941.

    **Arguments**

    - `permutation`: (n,).
    - `positions`, `words`: () or (b,), the positions increasing; random words, 0 for a value that stays where it is.
    """
    permutation, n = jnp.asarray(permutation), permutation.shape[0]

    def exchange(permutation: jax.Array, p: jax.Array, word: jax.Array) -> tuple[jax.Array, jax.Array]:
        # Both values are read in one operation and written in one: XLA then changes the permutation where it is. With
        # two of each it copies the permutation at every step, which took 20 times as long.
        ends = jnp.stack([p + integers(word, (n - p).astype(jnp.uint32)).astype(jnp.int32), p])
        values = permutation.at[ends].get(mode="promise_in_bounds", wrap_negative_indices=False)
        permutation = permutation.at[ends].set(values[::-1], mode="promise_in_bounds", wrap_negative_indices=False)
        return permutation, values[0].astype(jnp.int32)

    positions = jnp.broadcast_to(jnp.asarray(positions, jnp.int32), jnp.shape(words))
    if not jnp.shape(words):
        permutation, value = exchange(permutation, positions, words)
        return value, permutation
    permutation, values = lax.scan(lambda carry, at: exchange(carry, *at), permutation, (positions, words))
    return values, permutation
