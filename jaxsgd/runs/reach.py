"""How far the variables of a study reach: trajectories whose draws lie further out than those of the study.

A sample of N trajectories shows nothing of an event much rarer than 1 / N, whatever the event would do to the mean.
Where it is an extreme of the draws, it is found by drawing more extremely: normals are multiplied by 1.5, and uniforms
u are moved towards the nearer end, to 2 u^2 and its mirror image. An event beyond 3.7 standard deviations, of
probability 1e-4, is then one of 1/150, and one of 1e-6 one of 1/1300. What is found is possible under the law of the
study, too. Rare values of integers, signs and bits are not looked for.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.oracles import Oracle
from jaxsgd.problems import Problem
from jaxsgd.record import at
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.streams import Request, Stream
from jaxsgd.study import Study

PROBES = 2**12
"""Trajectories that are looked at."""

FACTOR = 1.5
"""By which normals are multiplied."""

_NEXT_TO_0 = 2.0**-24  # the nearest that uniforms come to an end


class _Stretched(Stream):
    """The draws of another stream, moved outwards."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def _take(self, request: Request) -> Any:
        drawn = self._stream._take(request)
        stretch = {"normal": lambda z: FACTOR * z, "uniform": _outwards}.get(request.kind)
        return drawn if stretch is None else jax.tree.map(stretch, drawn)


def _outwards(u: jax.Array) -> jax.Array:
    nearer = jnp.maximum(2 * jnp.minimum(u, 1 - u) ** 2, _NEXT_TO_0)
    return jnp.where(u < 0.5, nearer, 1 - nearer)


class _Reaching(Oracle):
    """Another oracle, with stretched draws."""

    problem: Problem | None
    oracle: Oracle

    def memory(self) -> Any:
        return self.oracle.memory()

    def sample(self, stream: Stream, like: Any, t: Any, memory: Any) -> tuple[Any, Any]:
        return self.oracle.sample(_Stretched(stream), like, t, memory)

    def gradient(self, x: Any, sample: Any) -> Any:
        return self.oracle.gradient(x, sample)

    def risk(self, x: Any, sample: Any) -> jax.Array:
        return self.oracle.risk(x, sample)

    def example_gradients(self, updates: Any) -> Any:
        return self.oracle.example_gradients(updates)

    @property
    def updates_per_epoch(self) -> int | None:
        return self.oracle.updates_per_epoch

    @property
    def example_floats(self) -> int:
        return self.oracle.example_floats

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        self.oracle.check(shapes)


def can_reach(study: Study) -> bool:
    """Whether a study draws anything that can be stretched."""
    return any(request.kind in ("normal", "uniform") for request in study.requests)


def reaching_values(study: Study, seed: int, first: int) -> np.ndarray:
    """What is observed along stretched trajectories at each record: (records, observables, PROBES)."""
    return trajectory_values(
        study.replace(oracle=_Reaching(study.oracle.problem, study.oracle)), PROBES, seed, first_trajectory=first
    )


def reach(study: Study, observable: str, step: int, seed: int, first: int) -> tuple[float, float] | None:
    """The least and the greatest value of an observable along stretched trajectories; infinite if one diverges.

    None for a study without draws that can be stretched.
    """
    if not can_reach(study):
        return None
    only = study.replace(record=at([step]))
    return extent(reaching_values(only, seed, first)[0, only.observed.index(observable)])


def extent(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest of some values; -inf and inf if one is not finite."""
    if not np.isfinite(values).all():
        return -np.inf, np.inf
    return float(values.min()), float(values.max())
