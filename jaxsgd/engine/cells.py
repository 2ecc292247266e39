"""Many studies of one program at once: what varies between them is stacked, the draws are shared."""

from collections.abc import Iterator, Sequence

import jax
import numpy as np

from jaxsgd.engine.program import Inputs

# Cells of one launch. More of them share a draw among more, until the state leaves the cache: measured on a 2-core
# Zen 5 machine, 64 were fastest in 2 and 16 coordinates, 16 in 128. In many more coordinates memory is the limit.
_MOST, _STATE, _LEAST, _LARGEST_STATE = 64, 2**11, 8, 2**16


def most(dimension: int) -> int:
    """How many cells of a study run together; ``dimension`` is that of what is carried, d without a method's state."""
    few = max(1, min(_LEAST, _LARGEST_STATE // dimension))
    return min(_MOST, max(_STATE // dimension, few))


def launches(members: Sequence[int], most: int) -> Iterator[list[int]]:
    """The members in as few launches as possible, none above ``most``, and all of one size.

    What is missing of the last one is filled with its last member again: cheaper than another program.
    """
    count = -(-len(members) // most)
    size = -(-len(members) // count)
    for start in range(0, len(members), size):
        launch = list(members[start : start + size])
        yield launch + launch[-1:] * (size - len(launch))


def varying(inputs: Sequence[Inputs]) -> tuple[bool, ...]:
    """Which leaves differ between some of the cells; all of them where none does, as for a single cell."""
    columns = list(zip(*(jax.tree.leaves(each) for each in inputs), strict=True))
    varied = tuple(
        any(not np.array_equal(column[0], leaf, equal_nan=True) for leaf in column[1:]) for column in columns
    )
    return varied if any(varied) else (True,) * len(columns)


def stack(inputs: Sequence[Inputs], varied: Sequence[bool]) -> Inputs:
    """The inputs of several cells as one; leaves that vary have a leading axis of cells."""
    columns = list(zip(*(jax.tree.leaves(each) for each in inputs), strict=True))
    leaves = [np.stack(column) if varies else column[0] for column, varies in zip(columns, varied, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(inputs[0]), leaves)
