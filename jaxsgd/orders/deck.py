"""A deck of cards: all examples in some arrangement, from which the next ones are dealt at random."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxsgd.streams import integers


def new_deck(examples: int) -> np.ndarray:
    """The examples 0..n-1 in order, in the smallest integers that hold them: each trajectory has a deck of its own."""
    return np.arange(examples).astype(np.min_scalar_type(examples - 1))


def deal(deck: Any, positions: Any, words: Any) -> tuple[jax.Array, jax.Array]:
    """The cards at some positions, each exchanged before with one at or behind it; and the deck after that.

    Position p is exchanged with p + floor(word (n - p) / 2^32), uniform on p..n-1. Dealt at p = 0, 1, ..., n-1 the
    cards are a uniform random permutation, whatever the arrangement before; at p = 0..b-1 a uniform random subset. The
    probability of an exchange differs from 1/(n - p) by less than 2^-32.

    Source: Durstenfeld (1964), "Algorithm 235: Random permutation", with the integers of Lemire (2019),
    arXiv 1805.10941.

    **Arguments**

    - `positions`, `words`: () or (b,), the positions increasing; random words, 0 for a card that stays where it is.
    """
    deck, n = jnp.asarray(deck), deck.shape[0]

    def exchange(deck: jax.Array, p: jax.Array, word: jax.Array) -> tuple[jax.Array, jax.Array]:
        # Both cards are read in one operation and written in one: XLA then changes the deck where it is. With two
        # of each it copies the deck at every step, which took 20 times as long.
        ends = jnp.stack([p + integers(word, (n - p).astype(jnp.uint32)).astype(jnp.int32), p])
        cards = deck.at[ends].get(mode="promise_in_bounds", wrap_negative_indices=False)
        deck = deck.at[ends].set(cards[::-1], mode="promise_in_bounds", wrap_negative_indices=False)
        return deck, cards[0].astype(jnp.int32)

    positions = jnp.broadcast_to(jnp.asarray(positions, jnp.int32), jnp.shape(words))
    if not jnp.shape(words):
        deck, card = exchange(deck, positions, words)
        return card, deck
    deck, cards = lax.scan(lambda deck, at: exchange(deck, *at), deck, (positions, words))
    return cards, deck
