"""The interface of a statistic, and the summation that all of them share."""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

BLOCK = 1024  # trajectories of one block, the unit of summation

Arrays = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a statistic sees of a tile at one recorded step; the last two axes are (blocks, BLOCK).

    - `values`: the observables by name; `events` likewise, boolean.
    - `x`: the iterates (d, blocks, BLOCK).
    - `valid`: which lanes belong to the wanted range of ids; `counts`: how many of each block.
    - `alive`: which valid lanes have a finite state and finite built-in observables. None in the
      quick program, which takes it that all of them have; the driver checks that and runs a tile
      again with the careful program where it is not so.
    """

    values: dict[str, jax.Array]
    events: dict[str, jax.Array]
    x: jax.Array
    valid: jax.Array
    counts: jax.Array
    alive: jax.Array | None

    def usable(self, *values: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The lanes that count, valid and (in the careful program) finite, and their number in each block."""
        if self.alive is None:
            return self.valid, self.counts
        usable = self.valid
        for value in values:
            usable = usable & jnp.isfinite(value)
        return usable, block_sum(usable.astype(self.x.dtype))


class Statistic(abc.ABC):
    """One statistic: what a tile keeps of a record, how a chunk folds it, how ranges of ids merge.

    `observe` runs inside the compiled program; what it returns is stacked over the records. `fold`
    makes float64 sums of what the tiles of a chunk kept, `merge` joins the sums of two disjoint
    ranges. Sums are dictionaries of arrays, (records, ...), so that they can be written to a file.
    """

    keeps_lanes = False  # whether the last two axes of what is kept are (blocks, BLOCK), not the last one blocks

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """A name for files."""

    @abc.abstractmethod
    def observe(self, seen: Seen) -> Arrays:
        """What is kept of one record; the last axis is blocks or lanes."""

    @abc.abstractmethod
    def fold(self, tiles: list[Arrays]) -> Arrays:
        """Sums of a chunk. Each tile comes with "counts", its valid lanes in each block."""

    @abc.abstractmethod
    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """Sums of the union of two disjoint ranges."""

    def condense(self, sums: Arrays) -> Arrays:
        """The same in less memory, of a range of whole chunks: a function of the size of the range."""
        return sums

    def in_range(self, kept: Arrays) -> bool:
        """Whether the quick program has lost nothing of what a tile kept to the range of floats."""
        return True

    def finish(self, kept: Arrays, seen: Seen) -> Arrays:
        """A last computation on the device, with the records stacked and the last ``seen``."""
        return kept


def fold_quarters(values: jax.Array, join: Callable[[jax.Array, jax.Array], jax.Array]) -> jax.Array:
    """(..., BLOCK) to (..., BLOCK / 64) by joining quarters three times, which vectorises."""
    for _ in range(3):
        first, second, third, fourth = jnp.split(values, 4, axis=-1)
        values = join(join(first, second), join(third, fourth))
    return values


def block_sum(values: jax.Array) -> jax.Array:
    """(..., blocks, BLOCK) to (..., blocks)."""
    return jnp.sum(fold_quarters(values, jnp.add), axis=-1)


def two_pass(value: jax.Array, usable: jax.Array, count: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean of each block, and the deviations from it; lanes that are not usable deviate by 0."""
    mean = block_sum(jnp.where(usable, value, 0)) / jnp.maximum(count, 1)
    return mean, jnp.where(usable, value - mean[..., None], 0)


def squares_in_range(mean: np.ndarray, m2: np.ndarray) -> bool:
    """Whether these are finite, and no M2 is so small that squares in it have underflowed.

    The rounding of the mean hides smaller deviations where the mean is not small, too.
    """
    limits = np.finfo(mean.dtype)
    least = limits.tiny / limits.eps
    lost = (m2 < least) & (mean != 0) & (np.abs(mean) < np.sqrt(least) / limits.eps)
    return bool(np.isfinite(mean).all() and np.isfinite(m2).all() and not lost.any())


def scaled(value: jax.Array, usable: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Values divided by a power of two near the largest of their block, and that: then no square overflows."""
    largest = jnp.max(jnp.where(usable, jnp.abs(value), 0), axis=-1)
    # XLA multiplies by the reciprocal, which must be a normal number, too: others are flushed to 0.
    limits = jnp.finfo(value.dtype)
    exponent = jnp.clip(jnp.frexp(largest)[1] - 1, limits.minexp, limits.maxexp - 2)
    scale = jnp.ldexp(jnp.ones_like(largest), exponent)
    return value / scale[..., None], scale


def over_tiles(tiles: list[Arrays], key: str) -> np.ndarray:
    """One float64 array of a chunk, its tiles side by side on the last axis.

    Counts and scales of the quick program are implied: those of all valid lanes, and 1.
    """
    implied = {"count": lambda tile: tile["counts"], "scale": lambda tile: np.ones(len(tile["counts"]))}
    found = [tile[key] if key in tile else implied[key](tile) for tile in tiles]
    width = max(np.ndim(array) for array in found)
    shape = next(np.shape(array) for array in found if np.ndim(array) == width)[:-1]
    return np.concatenate([np.broadcast_to(array, (*shape, np.shape(array)[-1])) for array in found], -1, dtype=float)


def fold_moments(count: np.ndarray, mean: np.ndarray, m2: np.ndarray) -> Arrays:
    """Blocks (last axis) to one count, mean and M2."""
    total = count.sum(-1)
    centre = (count * mean).sum(-1) / np.maximum(total, 1)
    return {"count": total, "mean": centre, "m2": (m2 + count * (mean - centre[..., None]) ** 2).sum(-1)}


def merge_moments(left: Arrays, right: Arrays) -> Arrays:
    """The pairwise update of Chan, Golub and LeVeque (1983)."""
    count = left["count"] + right["count"]
    share = right["count"] / np.maximum(count, 1)
    delta = right["mean"] - left["mean"]
    return {
        "count": count,
        "mean": left["mean"] + share * delta,
        "m2": left["m2"] + right["m2"] + left["count"] * share * delta**2,
    }
