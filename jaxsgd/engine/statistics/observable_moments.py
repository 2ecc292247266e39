"""Mean and variance of observables, with what tells whether the mean has a standard error: the tails."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.extremes import Extremes
from jaxsgd.engine.statistics.statistic import OfObservables, Seen, Variable
from jaxsgd.engine.statistics.summation import (
    Arrays,
    Sums,
    block_sum,
    fold_moments,
    merge_moments,
    over_tiles,
    squares_in_range,
    variance,
)
from jaxsgd.inference.tails import carries_standard_error, largest_share
from jaxsgd.study import Study

_ROUNDING = 4 * float(np.finfo(np.float32).eps)  # of the mean: a spread below it has no shape of its own

LEAST_BLOCKS = 16
"""From fewer blocks skewness and kurtosis are not estimated by their means and variances."""


@dataclasses.dataclass(frozen=True)
class ObservableMoments(OfObservables):
    """Count, mean and M2 (sum of squared deviations) of each observable, two-pass within a block; in every run.

    The careful program counts finite values only, and none that is 0 because it has underflowed: then there is no
    mean, as there is none where trajectories diverge.

    Skewness and kurtosis come free of cost from the blocks: of n values, Cov(mean, variance) = mu_3 / n and
    Var(variance) is nearly (mu_4 - sigma^4) / n. With "shape", M3 and M4 are summed instead, which takes time at each
    record but holds for any number of trajectories.

    - `order`: 2, or 4 with "shape".
    """

    observables: tuple[str, ...]
    order: int = 2

    name = "moments"
    words = ("mean", "variance", "shape")

    @classmethod
    def asked(cls, study: Study, given: Any = ()) -> Self | None:
        return cls(study.observed, 4 if "shape" in given else 2) if study.observed else None

    def observe(self, seen: Seen) -> Arrays:
        """`mean` and `m2`, and of the careful program `count` and `scale`, (observables, blocks).

        With "shape", also `u3` and `u4`, the sums of powers of u = deviation / sqrt(M2 / count), whose range is safe.
        """
        value = seen.known(self.observables)
        usable, count = seen.usable(value)
        kept, deviation = seen.deviations(value, usable, count)
        kept["m2"] = block_sum(deviation * deviation)
        if self.order == 4:
            deviations = jnp.sqrt(kept["m2"] / jnp.maximum(count, 1))[..., None]
            u = deviation / jnp.where(deviations > 0, deviations, 1)
            powers = block_sum(jax.lax.complex(u * u * u, (u * u) * (u * u)))  # one pass, as the generator does it
            kept |= {"u3": powers.real, "u4": powers.imag}
        return kept

    def in_range(self, kept: Arrays, beside: Mapping[str, Any]) -> bool:
        if not squares_in_range(kept["mean"], kept["m2"]):
            return False
        # Of values around 0 the mean may be flushed to 0 with all squares: the extremes tell them from zeros.
        extremes = beside.get(Extremes.name)
        flushed = (kept["m2"] == 0) & (kept["mean"] == 0)
        return extremes is None or not np.any(flushed & (extremes["min"] < extremes["max"]))

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """(records, observables, blocks) to `count`, `mean`, `m2` and what tells the tails, (records, observables)."""
        count, scale, mean, m2 = (over_tiles(tiles, key) for key in ("count", "scale", "mean", "m2"))
        blocks: Arrays = dict(
            zip(("count", "mean", "m2"), np.broadcast_arrays(count, mean * scale, m2 * scale**2), strict=True)
        )
        if self.order == 4:
            size = np.sqrt(blocks["m2"] / np.maximum(count, 1))
            blocks |= {f"m{k}": over_tiles(tiles, f"u{k}") * size**k for k in (3, 4)}
            return fold_moments(blocks)
        sums = fold_moments(blocks)
        return sums | _between_blocks(blocks | {"count": count}, sums["mean"])

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`count`, `mean`, `m2` and what tells the tails, (records, observables)."""
        merged = merge_moments(left, right)
        return merged | _merge_between(left, right) if "blocks" in left else merged

    def of_each(self, sums: Sums, trajectories: int) -> dict[str, Variable]:
        """Mean, variance and standard error where every trajectory counts; and what is known of the others.

        The standard error is NaN where the sample does not carry one (`jaxsgd.inference.tails`).
        """
        own = sums[self.name]
        count, mean, m2 = (own[key] for key in ("count", "mean", "m2"))
        whole, among_finite = count == trajectories, np.where(count > 0, mean, np.nan)
        spread = np.where(whole, variance(m2, count), np.nan)
        varies = whole & (spread > (_ROUNDING * mean) ** 2)
        skewness, kurtosis = (np.where(varies, each, np.nan) for each in shape(own))
        extremes, share = sums.get(Extremes.name), np.nan
        if extremes is not None:
            share = largest_share(mean, m2, extremes["min"], extremes["max"])
        carried = carries_standard_error(count, share, skewness)
        made = {
            "mean": Variable(("step",), np.where(whole, among_finite, np.nan)),
            "variance": Variable(("step",), spread),
            "sem": Variable(("step",), np.where(carried, np.sqrt(spread / trajectories), np.nan)),
            "mean_finite": Variable(("step",), among_finite),
            "count_finite": Variable(("step",), count.astype(np.int64), "trajectories"),
        }
        if self.order == 4:  # from blocks they depend on how these were cut
            made |= {"skewness": Variable(("step",), skewness, "1"), "kurtosis": Variable(("step",), kurtosis, "1")}
        return made


def _between_blocks(blocks: Arrays, centre: np.ndarray) -> Arrays:
    """Sums over blocks of two values at least: how many, their variances v (weighted mean), sum c (m - m~)(v - v~), and

    sum c (v - v~)^2, where c counts a block, m is its mean.
    """
    count = np.where(blocks["count"] > 1, blocks["count"], 0.0)
    v = blocks["m2"] * (1 / np.maximum(blocks["count"] - 1, 1))
    middle = _over_blocks(count, v) / np.maximum(count.sum(-1), 1)
    dv = v - middle[..., None]
    weighted = count * dv
    return {
        "blocks": np.broadcast_to((count > 0).sum(-1), middle.shape).astype(float),
        "v": middle,
        "mv": _over_blocks(weighted, blocks["mean"] - centre[..., None]),
        "vv": _over_blocks(weighted, dv),
    }


def _over_blocks(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("...b,...b->...", a, b)


def _merge_between(left: Arrays, right: Arrays) -> Arrays:
    share = right["count"] / np.maximum(left["count"] + right["count"], 1)
    dm, dv = right["mean"] - left["mean"], right["v"] - left["v"]
    weight = left["count"] * share
    return {
        "blocks": left["blocks"] + right["blocks"],
        "v": left["v"] + share * dv,
        "mv": left["mv"] + right["mv"] + weight * dm * dv,
        "vv": left["vv"] + right["vv"] + weight * dv**2,
    }


def shape(sums: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Skewness mu_3 / sigma^3 and kurtosis mu_4 / sigma^4; NaN where nothing varies, or too little is known."""
    count, m2 = sums["count"], sums["m2"]
    with np.errstate(all="ignore"):
        size = np.where(m2 > 0, m2 / count, np.nan)  # the variance
        if "m4" in sums:
            return sums["m3"] / count / size**1.5, sums["m4"] / count / size**2
        if "blocks" not in sums:  # of a file of before
            return np.full_like(size, np.nan), np.full_like(size, np.nan)
        freedom = np.where(sums["blocks"] >= LEAST_BLOCKS, sums["blocks"] - 1, np.nan)
        return sums["mv"] / freedom / size**1.5, 1 + sums["vv"] / freedom / size**2
