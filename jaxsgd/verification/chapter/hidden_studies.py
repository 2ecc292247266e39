"""A minimum that nothing tells of before it is visited: x^2 (1 + sin x) with a dent of compact support at one of many.

    f_K(x) = f(x) - delta psi((x - x_K) / w),   psi(u) = exp(1 - 1 / (1 - u^2)) for |u| < 1, and 0 elsewhere,

is smooth, is f outside (x_K - w, x_K + w), and has its only global minimum, of value -delta at x_K, inside.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import oracles, record, schedules
from jaxsgd.folds import FirstTime, Fold
from jaxsgd.state import State, Update
from jaxsgd.streams import Stream
from jaxsgd.study import Study
from jaxsgd.verification.chapter import rippled_studies as rippled

DEPTH, WIDTH = 1.0, 0.5
"""delta and w."""
NAMES = ("-pi/2", "0", "3pi/2")
"""The minima at which the dent may be."""
COUNT = len(NAMES)
RATE, STD, STEPS = 0.02, 20.0, 200


@functools.cache
def places() -> np.ndarray:
    """These minima (3,)."""
    return rippled.landscape().minima[1:]


def dented(x: jax.Array, place: jax.Array) -> jax.Array:
    """f_K(x), with the dent at a place."""
    squared = ((x - place) / WIDTH) ** 2
    room = jnp.where(squared < 1, 1 - squared, 1.0)
    dent = jnp.where(squared < 1, jnp.exp(1 - 1 / room), 0.0)
    return rippled.PROBLEM.term(x) - DEPTH * dent


def draw_dents(stream: Stream) -> jax.Array:
    """(x_0, K, y_0, K'): the start 0 of both paths, and the dents of their functions, K uniform and K' the next one."""
    first = jnp.minimum(jnp.floor(stream.uniform(()) * COUNT), COUNT - 1)
    return jnp.stack([jnp.zeros_like(first), first, jnp.zeros_like(first), (first + 1) % COUNT])


def draw_noise(stream: Stream) -> jax.Array:
    """One noise for both."""
    return STD * stream.normal(())


def loss(xi: jax.Array, x: jax.Array) -> jax.Array:
    """f_K(x) + f_K'(y) + xi (x + y); K and K' have no gradient, and stay as they were drawn."""
    at = jnp.asarray(places())[jax.lax.stop_gradient(x[1::2]).astype(int)]
    return jnp.sum(dented(x[::2], at) + xi * x[::2])


def sees_its_dent(x: jax.Array) -> jax.Array:
    """Whether one of the two paths is in the dent of its function."""
    return jnp.any(jnp.abs(x[::2] - jnp.asarray(places())[x[1::2].astype(int)]) < WIDTH)


Visits = tuple[jax.Array, jax.Array]
"""Which minima x has visited (3,), as long as it had not found its dent; and whether it has."""


def begin_visits(state: State) -> Visits:
    """Those at the start."""
    return _visited((jnp.zeros(COUNT, bool), jnp.zeros((), bool)), state.x)


def add_visits(carry: Visits, update: Update) -> Visits:
    """Those after an update."""
    return _visited(carry, update.x_next)


def _visited(carry: Visits, x: jax.Array) -> Visits:
    seen, found = carry
    here = jnp.abs(x[0] - jnp.asarray(places())) < WIDTH
    return seen | (here & ~found), found | jnp.any(here & (jnp.arange(COUNT) == x[1]))


def number_visited(carry: Visits) -> jax.Array:
    """N, how many minima x had visited when it found its dent; one more than there are as long as it has not."""
    seen, found = carry
    return jnp.where(found, jnp.sum(seen), COUNT + 1)


@functools.cache
def search() -> Study:
    """SGD with much noise on two functions, their dents at different minima, from one start, with the same draws."""
    return Study(
        oracle=oracles.RandomLoss(loss=loss, sampler=draw_noise),
        schedule=schedules.constant(RATE),
        x0=draw_dents,
        steps=STEPS,
        folds={"seen": FirstTime(sees_its_dent), "visited": Fold(begin_visits, add_visits, number_visited)},
        record=record.at([STEPS]),
        observe=(),
    )


def same_until_seen(state: State) -> jax.Array:
    """Whether the two paths are the same, or one of them has been in its dent."""
    return (state.x[0] == state.x[2]) | jnp.isfinite(state.folds["seen"])


def found_among(most: int, state: State) -> jax.Array:
    """Whether the dent was at one of the first so many minima that x visited."""
    return state.folds["visited"] <= most
