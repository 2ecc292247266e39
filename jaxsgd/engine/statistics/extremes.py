"""Smallest and largest value of observables."""

import dataclasses
from collections.abc import Callable
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.statistic import OfObservables, Seen, Variable
from jaxsgd.engine.statistics.summation import Arrays, Sums, fold_quarters
from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True)
class Extremes(OfObservables):
    """Minimum and maximum of each observable; a value that is not finite counts as +inf."""

    observables: tuple[str, ...]

    name = "extremes"
    words = ("extremes",)

    @classmethod
    def asked(cls, study: Study, given: Any = ()) -> Self | None:
        return cls(study.observed) if study.observed and "extremes" in given else None

    def observe(self, seen: Seen) -> Arrays:
        """`min` and `max` (observables, blocks)."""
        value = seen.stacked(self.observables)
        if seen.alive is not None:
            value = jnp.where(jnp.isfinite(value), value, jnp.inf)

        def extreme(join: Callable[[jax.Array, jax.Array], jax.Array], reduce: Any, outside: float) -> jax.Array:
            return reduce(fold_quarters(jnp.where(seen.valid, value, outside), join), axis=-1)

        return {"min": extreme(jnp.minimum, jnp.min, jnp.inf), "max": extreme(jnp.maximum, jnp.max, -jnp.inf)}

    def fold(self, tiles: list[Arrays]) -> Arrays:
        """(records, observables, blocks) to (records, observables)."""
        return {
            "min": np.min([np.min(tile["min"], -1) for tile in tiles], 0).astype(float),
            "max": np.max([np.max(tile["max"], -1) for tile in tiles], 0).astype(float),
        }

    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """`min` and `max` (records, observables)."""
        return {"min": np.minimum(left["min"], right["min"]), "max": np.maximum(left["max"], right["max"])}

    def of_each(self, sums: Sums, trajectories: int) -> dict[str, Variable]:
        return {what: Variable(("step",), sums[self.name][what]) for what in ("min", "max")}
