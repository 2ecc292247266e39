"""How far the variables of a study reach: trajectories whose draws lie further out than those of the study.

A sample of N trajectories shows nothing of an event much rarer than 1 / N, whatever the event would do to the mean.
Where it is an extreme of the draws, it is found by drawing more extremely: normals are multiplied by 1.5, and uniforms
u are moved towards the nearer end, to 2 u^2 and its mirror image, those of which heavy tails are made as well. An
event beyond 3.7 standard deviations, of probability 1e-4, is then one of 1/150, and one of 1e-6 one of 1/1300. Of
examples that are drawn by an index, those with the largest gradients at the start take the place of one draw in each
trajectory, on average. What is found is possible under the law of the study, too. Rare values of other integers, of
signs and bits are not looked for.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxsgd.oracles import Oracle
from jaxsgd.problems import EmpiricalRisk, Problem
from jaxsgd.record import at
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.start import Start
from jaxsgd.streams import Request, Stream
from jaxsgd.study import Study

PROBES = 2**12
"""Trajectories that are looked at."""

FACTOR = 1.5
"""By which normals are multiplied."""

_NEXT_TO_0 = 2.0**-24, 2.0**-64  # the nearest that uniforms come to an end, and those that are centred

_EXAMPLES = 4
"""Those with the largest gradients that are drawn more often."""

_HASH = np.uint32(2654435761)  # Knuth's multiplier


class _Stretched(Stream):
    """The draws of another stream, moved outwards; with a ``chance`` an index is that of one of the ``largest``."""

    def __init__(self, stream: Stream, largest: np.ndarray | None, chance: float, examples: int) -> None:
        self._stream, self._largest, self._chance, self._examples = stream, largest, chance, examples

    def _take(self, request: Request) -> Any:
        drawn = self._stream._take(request)
        if request.kind == "integers" and self._largest is not None and request.bound == self._examples:
            return jax.tree.map(self._of_largest, drawn)
        stretch = _STRETCHES.get(request.kind)
        return drawn if stretch is None else jax.tree.map(stretch, drawn)

    def _of_largest(self, index: jax.Array) -> jax.Array:
        hashed = index.astype(jnp.uint32) * _HASH
        chosen = jnp.asarray(self._largest)[(hashed >> np.uint32(7)) % np.uint32(_EXAMPLES)]
        return jnp.where(hashed.astype(jnp.float32) * 2.0**-32 < self._chance, chosen.astype(index.dtype), index)


def _outwards(u: jax.Array) -> jax.Array:
    nearer = jnp.maximum(2 * jnp.minimum(u, 1 - u) ** 2, _NEXT_TO_0[0])
    return jnp.where(u < 0.5, nearer, 1 - nearer)


def _towards_0(t: jax.Array) -> jax.Array:
    """The same of a uniform on (-1/2, 1/2), whose mod 1 is near an end where it is near 0."""
    return jnp.sign(t) * jnp.maximum(2 * t**2, _NEXT_TO_0[1])


_STRETCHES: dict[str, Callable[[jax.Array], jax.Array]] = {
    "normal": lambda z: FACTOR * z, "uniform": _outwards, "centred_uniform": _towards_0,
}  # fmt: skip


class _Reaching(Oracle):
    """Another oracle, with stretched draws."""

    problem: Problem | None
    oracle: Oracle
    largest: np.ndarray | None
    chance: float

    def memory(self) -> Any:
        return self.oracle.memory()

    def sample(self, stream: Stream, like: Any, t: Any, memory: Any) -> tuple[Any, Any]:
        return self.oracle.sample(
            _Stretched(stream, self.largest, self.chance, self.problem.examples if self.problem else 0), like, t, memory
        )

    def gradient(self, x: Any, sample: Any) -> Any:
        return self.oracle.gradient(x, sample)

    def risk(self, x: Any, sample: Any) -> jax.Array:
        return self.oracle.risk(x, sample)

    def drawn_loss(self, x: Any, sample: Any) -> jax.Array:
        return self.oracle.drawn_loss(x, sample)

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


class _ReachingStart(Start):
    """Another law of x_0, with stretched draws."""

    law: Start

    def sample(self, stream: Stream, like: Any) -> Any:
        return self.law.sample(_Stretched(stream, None, 0.0, 0), like)


def can_reach(study: Study) -> bool:
    """Whether a study draws anything that can be stretched."""
    of_starts = any(request.kind in _STRETCHES for request in study.start_requests)
    return of_starts or any(request.kind in _STRETCHES or _is_index(study, request) for request in study.requests)


def _is_index(study: Study, request: Request) -> bool:
    problem = study.oracle.problem
    return request.kind == "integers" and isinstance(problem, EmpiricalRisk) and request.bound == problem.examples


def _largest(study: Study) -> np.ndarray | None:
    """The examples with the largest gradients at the start, where examples are drawn by an index."""
    problem = study.oracle.problem
    if not (isinstance(problem, EmpiricalRisk) and any(_is_index(study, request) for request in study.requests)):
        return None

    def size(example: Any) -> jax.Array:
        return jnp.sum(ravel_pytree(problem.example_gradient(study.near_start, example))[0] ** 2)

    order = np.argsort(np.asarray(jax.jit(jax.vmap(size))(problem.data)))
    return np.resize(order[::-1][:_EXAMPLES], _EXAMPLES)


def reaching_values(study: Study, seed: int, first: int) -> np.ndarray:
    """What is observed along stretched trajectories at each record: (records, observables, PROBES)."""
    oracle = study.oracle
    chance = 1 / (max(study.steps, 1) * oracle.batch)
    reaching = study.replace(
        oracle=_Reaching(oracle.problem, oracle, _largest(study), chance),
        x0=_ReachingStart(study.x0) if isinstance(study.x0, Start) else study.x0,
    )
    return trajectory_values(reaching, PROBES, seed, first_trajectory=first)


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
