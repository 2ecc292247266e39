"""What one tile does: all steps of some blocks of trajectories, in one compiled program.

One contract, in this order, for every step: **draw -> observe -> update -> path sums**. A record is
taken before the update, with the draw that the update will use.

Everything here has the trajectories ("lanes") on the last axis. The mathematics it calls is written
for one trajectory and is mapped over that axis.

Two habits make it fast on a CPU. The draw of the next step is carried through the loop: the carry
forces it to memory, where otherwise XLA would evaluate the generator again inside each consumer. And
a draw leaves the generator as one complex64 array, because XLA fuses into one output only.
"""

import functools
import itertools
import threading
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxsgd.engine.lanes import over_lanes, sum_coordinates
from jaxsgd.engine.program import Event, Inputs, Program
from jaxsgd.engine.statistics import BLOCK
from jaxsgd.engine.statistics.statistic import Seen
from jaxsgd.streams import Replay
from jaxsgd.study import State, Update


class Span(NamedTuple):
    """The lanes of a tile: lane i is trajectory first + i, wanted where lower <= i < upper."""

    first: Any
    lower: Any
    upper: Any


class Carry(NamedTuple):
    """What is carried from step to step; the last axis is lanes.

    - `coefficients`: eta_t and the c_t of each average for the coming update; carried, so that the
      loops over lanes read them from a fixed place.
    - `drawn`: the packed random numbers of the coming update.
    """

    coefficients: jax.Array
    x: jax.Array
    averages: tuple[jax.Array, ...]
    path_sums: tuple[jax.Array, ...]
    drawn: tuple[jax.Array, ...]


class Kernel:
    """The steps of a program with its numbers; made while tracing, one for each tile.

    `careful` makes the program that counts which lanes are finite. The quick program does not; it
    returns whether it might have needed to.
    """

    def __init__(self, program: Program, inputs: Inputs, key: jax.Array, span: Span, lanes: int, careful: bool) -> None:
        self.program, self.inputs, self.key, self.careful = program, inputs, key, careful
        self.oracle, self.method = program.rebuild(inputs.leaves)
        self.dtype = inputs.start.dtype
        lane = lax.iota(jnp.int32, lanes)
        self.ids = span.first + lane.astype(jnp.uint32)
        self.valid = ((lane >= span.lower) & (lane < span.upper)).reshape(-1, BLOCK)
        edge = jnp.arange(0, lanes, BLOCK)
        counts = jnp.clip(span.upper - edge, 0, BLOCK) - jnp.clip(span.lower - edge, 0, BLOCK)
        self.counts = jnp.maximum(counts, 0).astype(self.dtype)

    # draw

    def coefficients(self, t: jax.Array) -> jax.Array:
        """eta_t and the c_t of each average."""
        table = jnp.asarray(self.inputs.coefficients)
        return lax.dynamic_index_in_dim(table, t, keepdims=False, allow_negative_indices=False)

    def draw(self, t: jax.Array) -> tuple[jax.Array, ...]:
        """The packed random numbers of step t."""
        drawn, counter = [], t.astype(jnp.uint32) * np.uint32(self.program.words)
        for request in self.program.requests:
            shape = (request.words, len(self.ids))
            counters = counter + lax.broadcasted_iota(jnp.uint32, shape, 0)
            ids = jnp.broadcast_to(self.ids, shape)
            drawn.append(request.draw((self.key[0], self.key[1]), ids, counters))
            counter = counter + np.uint32(request.words)
        return tuple(drawn)

    def sample(self, drawn: tuple[jax.Array, ...], x: Any) -> Any:
        """xi_t of every lane."""
        served = []
        for request, packed in zip(self.program.requests, drawn, strict=True):
            values = request.unpack(packed)
            values = values if request.kind == "integers" else values.astype(self.dtype)
            served.append(request.structure.unflatten(values))
        like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[:-1], leaf.dtype), x)
        return over_lanes(lambda numbers, _: self.oracle.sample(Replay(numbers), like))(tuple(served), self.ids)

    def gradient(self, x: Any, drawn: tuple[jax.Array, ...]) -> jax.Array:
        """g_t of every lane, flat."""
        return self.program.point.flatten(over_lanes(self.oracle.gradient)(x, self.sample(drawn, x)))

    # observe

    def observe(self, carry: Carry, record: jax.Array) -> dict[str, Any]:
        """What the statistics keep of one record."""
        seen = self.see(carry, record)
        return {statistic.name: statistic.observe(seen) for statistic in self.program.statistics}

    def see(self, carry: Carry, record: jax.Array) -> Seen:
        """The observables and events of one record."""
        program = self.program
        built_in = {name: self.built_in(name, carry) for name in program.built_in if name in program.observed}
        alive = None
        if self.careful:
            finite = [jnp.isfinite(value) for value in (*built_in.values(), *carry.x)]
            alive = functools.reduce(jnp.logical_and, finite)
        averages = carry.averages
        if program.partial_averages:
            averages = tuple(x * self.inputs.visible[record, i] for i, x in enumerate(averages))
        state = (*(program.point.unflatten(x) for x in (carry.x, *averages)), *carry.path_sums)
        values = built_in | {event.name: self.evaluate(event, state) for event in program.observables}
        return Seen(
            values={name: _blocks(value.astype(self.dtype)) for name, value in values.items()},
            events={event.name: _blocks(self.evaluate(event, state) != 0) for event in program.events},
            x=_blocks(carry.x),
            valid=self.valid,
            counts=self.counts,
            alive=None if alive is None else _blocks(alive),
        )

    def built_in(self, name: str, carry: Carry) -> jax.Array:
        """A built-in observable of every lane: "risk", "distance_squared_of_<average>", ..."""
        unflatten = self.program.point.unflatten
        if name == "gradient_norm_squared":
            gradient = self.gradient(unflatten(carry.x), carry.drawn)
            return sum_coordinates(gradient * gradient)
        kind, _, average = name.partition("_of_")
        point = carry.averages[self.program.averages.index(average)] if average else carry.x
        if kind == "distance_squared":
            assert self.inputs.minimiser is not None  # a study without it has no such observable
            error = point - self.inputs.minimiser[:, None]
            return sum_coordinates(error * error)
        x = unflatten(point)
        return over_lanes(self.oracle.risk)(x, self.sample(carry.drawn, x))

    def evaluate(self, event: Event, state: tuple[Any, ...]) -> jax.Array:
        """A user's function of every lane; ``state`` is x, the averages and the path sums in order."""
        averages, sums = self.program.averages, [name for name, _ in self.program.path_sums]

        def of_one(x: Any, *rest: Any) -> jax.Array:
            if not event.takes_state:
                return jnp.asarray(event.function(x))
            named = State(
                x, dict(zip(averages, rest, strict=False)), dict(zip(sums, rest[len(averages) :], strict=True))
            )
            return jnp.asarray(event.function(named))

        return over_lanes(of_one)(*state)

    # update, path sums

    def advance(self, carry: Carry, t: jax.Array) -> Carry:
        """Update t with the carried draw, then the path sums, then the draw of step t + 1."""
        program = self.program
        rate, *mixing = carry.coefficients
        averages = tuple(
            average + weight * (carry.x - average) for average, weight in zip(carry.averages, mixing, strict=True)
        )
        x = program.point.unflatten(carry.x)
        gradient = self.gradient(x, carry.drawn)
        x_next = over_lanes(lambda x, gradient: self.method.update(x, gradient, rate))(carry.x, gradient)

        def add(total: jax.Array, function: Any) -> jax.Array:
            def of_one(x: Any, gradient: Any, x_next: Any) -> jax.Array:
                return jnp.asarray(function(Update(t, rate, x, gradient, x_next)), self.dtype)

            return total + over_lanes(of_one)(x, program.point.unflatten(gradient), program.point.unflatten(x_next))

        sums = tuple(
            add(total, function) for total, (_, function) in zip(carry.path_sums, program.path_sums, strict=True)
        )
        return Carry(self.coefficients(t + 1), x_next, averages, sums, self.draw(t + 1))

    # the whole run

    def start(self) -> Carry:
        lanes = len(self.ids)
        x = jnp.broadcast_to(self.inputs.start[:, None], (len(self.inputs.start), lanes))
        zero = jnp.zeros(lanes, self.dtype)
        return Carry(
            coefficients=self.coefficients(jnp.int32(0)),
            x=x,
            averages=(x,) * len(self.program.averages),
            path_sums=(zero,) * len(self.program.path_sums),
            drawn=self.draw(jnp.int32(0)),
        )

    def run(self) -> dict[str, Any]:
        """All records of all statistics, and whether every wanted lane ended finite.

        A pass of the outer loop observes, then walks to the next record: what it observes is then
        carried in, not computed in the same pass, and so not computed twice.
        """
        record = np.array(self.program.record, np.int32)

        def visit(carry: Carry, at: Any, gap: Any) -> tuple[Carry, dict[str, Any]]:
            step, index = at
            return self.walk(carry, step, gap), self.observe(carry, index)

        carry, kept = self.walk(self.start(), jnp.int32(0), int(record[0])), []
        for first, last, gap in _runs(np.diff(record)):
            at = (record[first:last], np.arange(first, last, dtype=np.int32))
            if gap is None:
                carry, seen = lax.scan(lambda c, xs: visit(c, xs[:2], xs[2]), carry, (*at, np.diff(record)[first:last]))
            else:
                carry, seen = lax.scan(lambda c, xs, gap=gap: visit(c, xs, gap), carry, at)
            kept.append(seen)
        end = np.int32(len(record) - 1)
        kept.append(jax.tree.map(lambda item: item[None], self.observe(carry, jnp.asarray(end))))
        stacked = jax.tree.map(lambda *parts: jnp.concatenate(parts), *kept)
        last_seen = self.see(carry, jnp.asarray(end))
        out = {s.name: s.finish(stacked[s.name], last_seen) for s in self.program.statistics}
        finite = jnp.isfinite(_blocks(carry.x)) | ~self.valid
        return out | {"counts": self.counts, "valid": self.valid, "finite": jnp.all(finite)}

    def walk(self, carry: Carry, t: jax.Array, updates: Any) -> Carry:
        """Some updates from step t on; ``updates`` is static where the records are evenly spaced."""
        if isinstance(updates, int) and updates <= 1:
            return self.advance(carry, t) if updates else carry
        return lax.fori_loop(0, updates, lambda j, c: self.advance(c, t + j), carry)


def _blocks(value: jax.Array) -> jax.Array:
    return value.reshape(*value.shape[:-1], -1, BLOCK)


def _runs(gaps: np.ndarray) -> list[tuple[int, int, int | None]]:
    """Stretches of equal gaps as (first, last, gap). An uneven grid is one stretch without a static gap."""
    bounds = [0, *(np.flatnonzero(np.diff(gaps)) + 1), len(gaps)]
    if len(bounds) > 4:
        return [(0, len(gaps), None)]
    return [(int(a), int(b), int(gaps[a])) for a, b in itertools.pairwise(bounds) if b > a]


def run_tile(program: Program, lanes: int, careful: bool, inputs: Inputs, key: jax.Array, span: Span) -> dict[str, Any]:
    """One tile of one program; jitted by the driver."""
    return Kernel(program, inputs, key, span, lanes, careful).run()


class CompiledTile:
    """The jitted tile, a function of (inputs, key, span). The first call compiles, in one thread only."""

    def __init__(self, program: Program, lanes: int, careful: bool, options: tuple[tuple[str, Any], ...]) -> None:
        self.jitted = jax.jit(functools.partial(run_tile, program, lanes, careful), compiler_options=dict(options))
        self._lock, self._ready = threading.Lock(), False

    def __call__(self, inputs: Inputs, key: np.ndarray, span: Span) -> dict[str, Any]:
        if self._ready:
            return self.jitted(inputs, key, span)
        with self._lock:
            result = jax.block_until_ready(self.jitted(inputs, key, span))
            self._ready = True
            return result


@functools.lru_cache(maxsize=64)
def compiled(program: Program, lanes: int, careful: bool, options: tuple[tuple[str, Any], ...]) -> CompiledTile:
    """The tile of a program; equal programs share it."""
    return CompiledTile(program, lanes, careful, options)
