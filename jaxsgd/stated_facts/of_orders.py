"""What users state of an order, against the first batch of some thousand trajectories."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.remembering import remember
from jaxsgd.stated_facts.draws import lanes_for, variates
from jaxsgd.stated_facts.held import Held, contradiction, evaluated, quick, shown
from jaxsgd.streams import Replay, requests_of
from jaxsgd.structure import Skeleton

_FALSE = 1e-10  # the probability of a false alarm


@remember(256)
def check_order(held: Held, examples: int, batch: int) -> None:
    """An error if indices are no examples, or a batch is not as distinct, weighted or distributed as is stated.

    Checked is the first batch. Counts of examples are compared with their probabilities by Bernstein's inequality.
    Whether batches are independent of each other, and how later ones are shuffled, is not checked.
    """
    order = held.item
    requests = requests_of(lambda stream: order.draw(stream, 0, order.memory(examples), examples, batch))
    lanes = lanes_for(held.size + sum(request.size for request in requests) + examples)
    if not lanes:
        return
    found = evaluated(_compiled(held.skeleton, examples, batch), held.copies, variates(requests, lanes))
    if found is None:
        return
    indices, weights = (each[:lanes].reshape(lanes, -1) for each in found)
    what, used = f"the order {type(order).__name__}", weights != 0
    if indices.min() < 0 or indices.max() >= examples:
        raise contradiction(what, "indices of examples", f"it draws {indices.min()} .. {indices.max()} of {examples}")
    if order.distinct:
        marked = np.sort(np.where(used, indices, -1 - np.arange(indices.shape[1])), axis=1)
        twice = (np.diff(marked, axis=1) == 0).any(1)
        if twice.any():
            raise contradiction(what, "distinct=True", f"a batch holds the examples {shown(indices[twice.argmax()])}")
    if order.weights == "equal":
        spread = np.where(used, weights, -np.inf).max(1) - np.where(used, weights, np.inf).min(1)
        if used.any() and (spread[used.any(1)] > 1e-6).any():
            raise contradiction(what, 'weights="equal"', f"those of a batch are {shown(weights[spread.argmax()])}")
    p = order.probabilities_of(examples)
    if p is None and order.unbiased and order.distinct is False and used.all() and np.ptp(weights) == 0:
        p = np.full(examples, 1 / examples)
    if p is not None and used[:, 0].all():
        _check_counts(what, np.asarray(p, np.float64), np.bincount(indices[:, 0], minlength=examples), lanes)


def _check_counts(what: str, p: np.ndarray, counts: np.ndarray, lanes: int) -> None:
    """|count - N p| > sqrt(2 N p (1 - p) l) + 2 l / 3 has probability 2 exp(-l) at most (Bernstein)."""
    log = np.log(2 * len(p) / _FALSE)
    allowed = np.sqrt(2 * lanes * p * (1 - p) * log) + 2 * log / 3
    off = np.abs(counts - lanes * p) - allowed
    k = int(off.argmax())
    if off[k] > 0:
        raise contradiction(
            what, f"the probability {p[k]:.6g} of example {k}", f"it is the first of {counts[k]} of {lanes} batches"
        )


@remember(64)
def _compiled(skeleton: Skeleton, examples: int, batch: int) -> Callable[..., Any]:
    """Indices and weights of first batches."""

    def draw(numbers: list[jax.Array], drawn: Any) -> tuple[jax.Array, jax.Array]:
        order = skeleton.filled(numbers)
        (indices, weights), _ = order.draw(Replay(drawn), jnp.int32(0), order.memory(examples), examples, batch)
        return indices, jnp.ones(jnp.shape(indices)) if weights is None else weights

    return quick(jax.vmap(draw, (None, 0)))
