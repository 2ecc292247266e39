"""A minimum that nothing tells of before it is visited: x^2 (1 + sin x) with a dent of compact support at one of many.

    f_K(x) = f(x) - delta psi((x - x_K) / w),   psi(u) = exp(1 - 1 / (1 - u^2)) for |u| < 1, and 0 elsewhere,

is smooth, is f outside (x_K - w, x_K + w), and has its only global minimum, near -delta, inside.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import oracles, record, schedules
from jaxsgd.folds import FirstTime, Fold
from jaxsgd.methods import Box, Projected
from jaxsgd.state import State, Update
from jaxsgd.streams import Stream
from jaxsgd.study import Study
from jaxsgd.verification.chapter import rippled_studies as rippled

DEPTH, WIDTH = 1.0, 0.5
"""delta and w."""
K = len(rippled.NAMES)
"""How many minima there are to look at."""
RATE = 0.02

PAIR_STD, PAIR_STEPS, PAIR_START = 10.0, 100, 2.5
SEARCH_STD, SEARCH_STEPS = 40.0, 800


def dented(x: jax.Array, place: jax.Array) -> jax.Array:
    """f_K(x), with the dent at a place."""
    squared = ((x - place) / WIDTH) ** 2
    room = jnp.where(squared < 1, 1 - squared, 1.0)
    dent = jnp.where(squared < 1, jnp.exp(1 - 1 / room), 0.0)
    return rippled.PROBLEM.term(x) - DEPTH * dent


def in_dent(x: jax.Array, place: jax.Array) -> jax.Array:
    """Whether x lies in the dent at a place, elementwise."""
    return jnp.abs(x - place) < WIDTH


@functools.cache
def places() -> np.ndarray:
    """The minima of f at which the dent may be (K,)."""
    return rippled.landscape().minima


# two functions, with the dent at different minima, on the same draws


def places_of_pair() -> np.ndarray:
    """That of the first function and that of the second: 3 pi / 2 and -5 pi / 2."""
    return places()[[3, 0]]


def draw_of_pair(stream: Stream) -> jax.Array:
    """One noise for both."""
    return PAIR_STD * stream.normal(())


def loss_of_pair(xi: jax.Array, x: jax.Array) -> jax.Array:
    """f_K(x_1) + f_K'(x_2) + xi (x_1 + x_2)."""
    return jnp.sum(dented(x, places_of_pair()) + xi * x)


def one_is_in_its_dent(x: jax.Array) -> jax.Array:
    """Whether one of the two paths has seen its dent."""
    return jnp.any(in_dent(x, places_of_pair()))


def first_is_near(x: jax.Array) -> jax.Array:
    """Whether the first path has come as far as its dent."""
    return x[0] >= places_of_pair()[0] - WIDTH


@functools.cache
def pair() -> Study:
    """SGD on two functions with their dents at different minima, from one start, with the same draws."""
    return Study(
        oracle=oracles.RandomLoss(loss=loss_of_pair, sampler=draw_of_pair),
        schedule=schedules.constant(RATE),
        x0=np.full(2, PAIR_START),
        steps=PAIR_STEPS,
        folds={"seen": FirstTime(one_is_in_its_dent), "near": FirstTime(first_is_near)},
        record=record.at([PAIR_STEPS]),
        observe=(),
    )


def same_until_seen(state: State) -> jax.Array:
    """Whether the two paths are the same, or one of them has seen a dent."""
    return (state.x[0] == state.x[1]) | jnp.isfinite(state.folds["seen"])


def came_near(state: State) -> jax.Array:
    """Whether the first path has come as far as its dent."""
    return jnp.isfinite(state.folds["near"])


# a dent at a minimum that is drawn


def draw_search(stream: Stream) -> jax.Array:
    """(x_0, K): the start 0, and which of the minima has the dent."""
    which = jnp.floor(stream.uniform(()) * K)
    return jnp.stack([jnp.zeros_like(which), jnp.minimum(which, K - 1)])


def draw_noise(stream: Stream) -> jax.Array:
    return SEARCH_STD * stream.normal(())


def loss_of_search(xi: jax.Array, x: jax.Array) -> jax.Array:
    """f_K(x) + xi x; K has no gradient, and stays as it was drawn."""
    place = jnp.asarray(places())[jax.lax.stop_gradient(x[1]).astype(int)]
    return dented(x[0], place) + xi * x[0]


def begin_visits(state: State) -> tuple[jax.Array, jax.Array]:
    """Which minima have been visited (K,), and whether the one with the dent is among them."""
    nothing = jnp.zeros(K, bool), jnp.zeros((), bool)
    return _visited(nothing, state.x)


def add_visit(carry: tuple[jax.Array, jax.Array], update: Update) -> tuple[jax.Array, jax.Array]:
    """The same after an update."""
    return _visited(carry, update.x_next)


def _visited(carry: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[jax.Array, jax.Array]:
    seen, found = carry
    here = in_dent(x[0], jnp.asarray(places()))
    return seen | (here & ~found), found | jnp.any(here & (jnp.arange(K) == x[1]))


def number_visited(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
    """N, how many minima were visited when the one with the dent was found; K + 1 until then."""
    seen, found = carry
    return jnp.where(found, jnp.sum(seen), K + 1)


@functools.cache
def search() -> Study:
    """SGD with so much noise that it goes from minimum to minimum, in the interval that holds K of them."""
    low, *_, high = rippled.landscape().maxima
    return Study(
        oracle=oracles.RandomLoss(loss=loss_of_search, sampler=draw_noise),
        schedule=schedules.constant(RATE),
        method=Projected(Box([low, 0], [high, K - 1])),
        x0=draw_search,
        steps=SEARCH_STEPS,
        folds={"visited": Fold(begin_visits, add_visit, number_visited)},
        record=record.at([SEARCH_STEPS]),
        observe=(),
    )


def found_among(most: int, state: State) -> jax.Array:
    """Whether the minimum with the dent was among the first so many that were visited."""
    return state.folds["visited"] <= most
