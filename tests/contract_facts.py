"""Measurements of what every fact states."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import streams

EXAMPLES, BATCH = 5, 2
"""Of orders: epochs of three updates, the last of one example; of two if it is dropped."""


@functools.partial(jax.jit, static_argnums=0)
def _unpacked(request, key, ids, counters):
    return request.unpack(request.draw((key[0], key[1]), ids[None, :], counters[:, None]))


def variates(sampler, lanes, t=0):
    """What step t of trajectories 0 .. lanes - 1 draws, as the engine draws it; trajectories on the first axis."""
    requests, key = streams.requests_of(sampler), streams.make_key(0, "gradient")
    ids, counter, drawn = np.arange(lanes, dtype=np.uint32), t * sum(request.words for request in requests), []
    for request in requests:
        counters = np.arange(counter, counter + request.words, dtype=np.uint32)
        values = request.structure.unflatten(_unpacked(request, key, ids, counters))
        drawn.append(jax.tree.map(lambda leaf: np.moveaxis(np.asarray(leaf), -1, 0), values))
        counter += request.words
    return tuple(drawn)


def as_floats(tree):
    """A pytree with floats in the precision that JAX is set to."""
    return jax.tree.map(lambda leaf: leaf.astype(jnp.result_type(float)) if leaf.dtype.kind == "f" else leaf, tree)


def examples_of(order):
    """n, which is fixed by an order that has a number for each example."""
    return len(getattr(order, "probabilities", np.zeros(EXAMPLES)))


def start_of(problem):
    """A point of the structure of x."""
    return problem.minimiser if problem.start is None else problem.start
