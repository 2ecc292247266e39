"""Covariance of observables between recorded steps."""

import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.records import Records
from jaxsgd.engine.statistics.statistic import Seen, Statistic, Variable
from jaxsgd.engine.statistics.summation import (
    Arrays,
    Sums,
    block_sum,
    fold_scatter,
    merge_moments,
    over_tiles,
    variance,
)
from jaxsgd.errors import InvalidInput, InvalidType, nearest
from jaxsgd.study import Study

_MOST_RECORDS = 64


@dataclasses.dataclass(frozen=True)
class StepCovariance(Statistic):
    """Count, mean (records,) and scatter matrix (records, records) of each observable.

    Trajectories that are finite at every record count.
    """

    observables: tuple[str, ...]

    name = "step_covariance"
    argument = "step_covariance"
    dimensions = ("step_2",)

    @classmethod
    def asked(cls, study: Study, given: Any = ()) -> Self | None:
        if isinstance(given, str):
            raise InvalidType(f"step_covariance must be a list of names, got the string {given!r}")
        for name in given:
            if name not in study.observed:
                raise InvalidInput(
                    f"step_covariance names {name!r}, which is not recorded; {nearest(name, study.observed)}"
                )
        if given and len(study.recorded_steps) > _MOST_RECORDS:
            raise InvalidInput(
                f"step_covariance needs at most {_MOST_RECORDS} records, the study has {len(study.recorded_steps)}; "
                f"use record=js.record.log_spaced({_MOST_RECORDS - 1}) or at([...])"
            )
        return cls(tuple(given)) if given else None

    def observe(self, seen: Seen) -> Arrays:
        """`value` (observables, blocks, BLOCK)."""
        return {"value": seen.stacked(self.observables)}

    def finish(self, kept: Arrays, seen: Seen) -> Arrays:
        """`value` (records, observables, blocks, BLOCK) to sums of blocks.

        **Returns** `mean` (observables, records, blocks), `m2` (observables, records, records, blocks); of the careful
        program `count` (observables, blocks), `scale` (observables, records, blocks).
        """
        value = jnp.moveaxis(kept["value"], 0, 1)  # (observables, records, blocks, BLOCK)
        usable, count = seen.valid, seen.counts
        if seen.alive is not None:
            usable = jnp.all(jnp.isfinite(value), axis=1, keepdims=True) & usable
            count = block_sum(usable.astype(value.dtype))
        sums, deviation = seen.deviations(value, usable, count)
        if seen.alive is not None:
            sums["count"] = count[:, 0]
        exact = jax.lax.Precision.HIGHEST
        return sums | {"m2": jnp.einsum("orbi,osbi->orsb", deviation, deviation, precision=exact)}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """As finished, to sums of a chunk.

        **Returns** `count` (observables,), `mean` (observables, records), `m2` (observables, records, records).
        """
        count, scale, mean = (over_tiles(tiles, key) for key in ("count", "scale", "mean"))
        count, scale = np.broadcast_to(count, mean[:, 0].shape), np.broadcast_to(scale, mean.shape)
        within = (over_tiles(tiles, "m2") * scale[:, :, None] * scale[:, None]).sum(-1)
        return fold_scatter(count, mean * scale, within)

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`count` (observables,), `mean` (observables, records), `m2` (observables, records, records)."""
        return merge_moments(left, right)

    def estimates(self, sums: Sums, records: Records, trajectories: int) -> dict[str, dict[str, Variable]]:
        """NaN between records at which the observable has no value, and where not every trajectory counts."""
        found, own = {}, sums[self.name]
        for name, count, m2 in zip(self.observables, own["count"], own["m2"], strict=True):
            defined = records.defined(name) & (count == trajectories)
            matrix = np.where(defined[:, None] & defined, variance(m2, count), np.nan)
            found[f"{name}_step_covariance"] = {"": Variable(("step", "step_2"), matrix)}
        return found

    def labels(self, records: Records) -> dict[str, Any]:
        return {"step_2": np.array(records.steps, np.int64)}
