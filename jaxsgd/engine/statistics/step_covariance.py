"""Covariance of observables between recorded steps."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics import statistic
from jaxsgd.engine.statistics.statistic import Arrays, Seen, Statistic


@dataclasses.dataclass(frozen=True)
class StepCovariance(Statistic):
    """Count, mean (records,) and scatter matrix (records, records) of each observable.

    Trajectories that are finite at every record count.
    """

    observables: tuple[str, ...]

    @property
    def name(self) -> str:
        return "step_covariance"

    def observe(self, seen: Seen) -> Arrays:
        return {"value": jnp.stack([seen.values[name] for name in self.observables])}

    def finish(self, kept: Arrays, seen: Seen) -> Arrays:
        value = jnp.moveaxis(kept["value"], 0, 1)  # (observables, records, blocks, BLOCK)
        usable, count = seen.valid, seen.counts
        extra = {}
        if seen.alive is not None:
            usable = jnp.all(jnp.isfinite(value), axis=1, keepdims=True) & usable
            count = statistic.block_sum(usable.astype(value.dtype))
            value, scale = statistic.scaled(value, usable)
            extra = {"count": count[:, 0], "scale": scale}
        mean, deviation = statistic.two_pass(value, usable, count)
        exact = jax.lax.Precision.HIGHEST
        return {"mean": mean, "m2": jnp.einsum("orbi,osbi->orsb", deviation, deviation, precision=exact), **extra}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        count, scale, mean = (statistic.over_tiles(tiles, key) for key in ("count", "scale", "mean"))
        scale = np.broadcast_to(scale, mean.shape)  # (observables, records, blocks)
        mean = mean * scale
        count = np.broadcast_to(count, (mean.shape[0], mean.shape[-1]))
        total = count.sum(-1)
        centre = (count[:, None] * mean).sum(-1) / np.maximum(total, 1)[:, None]
        offset = mean - centre[..., None]
        between = (count[:, None, None] * offset[:, :, None] * offset[:, None]).sum(-1)
        within = (statistic.over_tiles(tiles, "m2") * scale[:, :, None] * scale[:, None]).sum(-1)
        return {"count": total, "mean": centre, "m2": within + between}

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        count = left["count"] + right["count"]
        share = (right["count"] / np.maximum(count, 1))[:, None]
        delta = right["mean"] - left["mean"]
        weight = (left["count"][:, None] * share)[..., None]
        return {
            "count": count,
            "mean": left["mean"] + share * delta,
            "m2": left["m2"] + right["m2"] + weight * delta[:, :, None] * delta[:, None, :],
        }
