"""The summation that statistics share: trajectories to blocks, blocks to chunks, ranges of ids to one.

Means and squared deviations take two passes within a block, in the precision of the state. Everything above a
block is float64. A range is summed up as

    count   how many trajectories count,
    mean    of their values,
    m2      their squared deviations from the mean, or the products of deviations (the scatter matrix),
    m3, m4  the third and fourth powers of their deviations.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

BLOCK = 1024  # trajectories of one block, the unit of summation

Arrays = dict[str, Any]
"""What is kept of a statistic, by name."""

Sums = dict[str, Arrays]
"""The sums of several statistics, by their names."""


# on the device


def fold_quarters(values: jax.Array, join: Callable[[jax.Array, jax.Array], jax.Array]) -> jax.Array:
    """(..., BLOCK) to (..., BLOCK / 64) by joining quarters three times, which vectorises; small blocks less often."""
    for _ in range(3):
        if values.shape[-1] % 4:
            break
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


def scaled(value: jax.Array, usable: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Values divided by a power of two near the largest of their block, and that: then no square overflows."""
    largest = jnp.max(jnp.where(usable, jnp.abs(value), 0), axis=-1)
    # XLA multiplies by the reciprocal, which must be a normal number, too: others are flushed to 0.
    limits = jnp.finfo(value.dtype)
    exponent = jnp.clip(jnp.frexp(largest)[1] - 1, limits.minexp, limits.maxexp - 2)
    scale = jnp.ldexp(jnp.ones_like(largest), exponent)
    return value / scale[..., None], scale


# on the host


def squares_in_range(mean: np.ndarray, m2: np.ndarray) -> bool:
    """Whether these are finite, and no M2 is so small that squares in it have underflowed.

    The rounding of the mean hides smaller deviations where the mean is not small, too.
    """
    limits = np.finfo(mean.dtype)
    least = limits.tiny / limits.eps
    lost = (m2 < least) & (mean != 0) & (np.abs(mean) < np.sqrt(least) / limits.eps)
    return bool(np.isfinite(mean).all() and np.isfinite(m2).all() and not lost.any())


def over_tiles(tiles: list[Arrays], key: str) -> np.ndarray:
    """One float64 array of a chunk (..., blocks), its tiles side by side on the last axis.

    Counts and scales of the quick program are implied: those of all valid lanes, and 1.
    """
    implied = {"count": lambda tile: tile["counts"], "scale": lambda tile: np.ones(len(tile["counts"]))}
    found = [tile[key] if key in tile else implied[key](tile) for tile in tiles]
    width = max(np.ndim(array) for array in found)
    shape = next(np.shape(array) for array in found if np.ndim(array) == width)[:-1]
    return np.concatenate([np.broadcast_to(array, (*shape, np.shape(array)[-1])) for array in found], -1, dtype=float)


def lanes_over_tiles(tiles: list[Arrays], key: str) -> np.ndarray:
    """What is kept of each trajectory of a chunk: of tiles (a, b, blocks, BLOCK), in all (a, b, trajectories)."""
    arrays = [(np.asarray(tile[key]), np.ravel(tile["valid"])) for tile in tiles]
    return np.concatenate([array.reshape(*array.shape[:2], -1)[..., valid] for array, valid in arrays], -1)


def fold_moments(blocks: Arrays) -> Arrays:
    """Blocks (..., blocks) to one range (...): `count`, `mean`, `m2`, and `m3` and `m4` where the blocks have them."""
    count, mean, m2 = (blocks[key] for key in ("count", "mean", "m2"))
    total = count.sum(-1)
    centre = (count * mean).sum(-1) / np.maximum(total, 1)
    offset = mean - centre[..., None]
    sums = {"count": total, "mean": centre, "m2": (m2 + count * offset**2).sum(-1)}
    if "m4" in blocks:
        m3, m4 = blocks["m3"], blocks["m4"]
        sums["m3"] = (m3 + 3 * offset * m2 + count * offset**3).sum(-1)
        sums["m4"] = (m4 + 4 * offset * m3 + 6 * offset**2 * m2 + count * offset**4).sum(-1)
    return sums


def fold_scatter(count: np.ndarray, mean: np.ndarray, within: np.ndarray | None) -> Arrays:
    """Blocks of vectors to one count (k,), mean (k, m) and scatter matrix (k, m, m).

    `count` is (k, blocks), `mean` (k, m, blocks), `within` the scatter matrices inside blocks, already summed over
    these; None where no scatter matrix is wanted.
    """
    total = count.sum(-1)
    centre = (count[:, None] * mean).sum(-1) / np.maximum(total, 1)[:, None]
    sums = {"count": total, "mean": centre}
    if within is not None:
        offset = mean - centre[..., None]
        sums["m2"] = within + (count[:, None, None] * offset[:, :, None] * offset[:, None]).sum(-1)
    return sums


def merge_moments(left: Arrays, right: Arrays) -> Arrays:
    """The pairwise update of Chan, Golub and LeVeque (1983); of third and fourth powers, of Pébay (2008).

    `mean` has the axes of `count` first, and more where it is of vectors. `m2` has those of `mean`, or one more where
    it is a scatter matrix; or there is none. `m3` and `m4` are of numbers only.
    """
    count = left["count"] + right["count"]
    share = right["count"] / np.maximum(count, 1)
    delta = right["mean"] - left["mean"]
    merged = {"count": count, "mean": left["mean"] + _with_axes_of(delta, share) * delta}
    if "m2" in left:
        matrix = left["m2"].ndim > delta.ndim
        product = delta[..., :, None] * delta[..., None, :] if matrix else delta**2
        merged["m2"] = left["m2"] + right["m2"] + _with_axes_of(product, left["count"] * share) * product
    if "m4" in left:
        a, b = delta * share, delta * (1 - share)  # how far the centre moves away from that of each side
        merged["m3"], merged["m4"] = (
            sum(_about(part, shift)[power] for part, shift in ((left, a), (right, -b))) for power in (0, 1)
        )
    return merged


def _about(part: Arrays, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of third and fourth powers of deviations from the mean plus a shift."""
    count, m2, m3, m4 = (part[key] for key in ("count", "m2", "m3", "m4"))
    third = m3 - 3 * shift * m2 - count * shift**3
    return third, m4 - 4 * shift * m3 + 6 * shift**2 * m2 + count * shift**4


def _with_axes_of(array: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The weight, with axes of one element at its end for those that the array has more."""
    return weight.reshape(*weight.shape, *(1,) * (array.ndim - weight.ndim))


def variance(m2: np.ndarray, count: np.ndarray) -> np.ndarray:
    """M2 / (n - 1); NaN for fewer than two."""
    return np.where(np.asarray(count) > 1, m2 / np.maximum(np.asarray(count) - 1, 1), np.nan)
