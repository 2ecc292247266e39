"""What one tile does: all steps of some blocks of trajectories, in one compiled program.

One contract, in this order, for every step: **draw -> observe -> update -> path sums**. A record is
taken before the update, with the draw that the update will use.

Everything here has the trajectories ("lanes") on the last axis. The mathematics it calls is written
for one trajectory and is mapped over that axis.

Two habits make it fast on a CPU. The draw of the next step is carried through the loop: the carry
forces it to memory, where otherwise XLA would evaluate the generator again inside each consumer; for the
same reason examples that were looked up are. And a draw leaves the generator as one complex64 array, because
XLA fuses into one output only. What a platform needs otherwise is said by the plan's `Form`.
"""

import functools
import itertools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxsgd.compiler import Options
from jaxsgd.engine.lanes import over_lanes, sum_coordinates
from jaxsgd.engine.plan import Form
from jaxsgd.engine.program import Event, Inputs, Program
from jaxsgd.engine.statistics import BLOCK, Seen
from jaxsgd.remembering import Surroundings
from jaxsgd.state import State, Update
from jaxsgd.streams import DTYPES, Replay

REVISION = 2
"""What the engine computes of a study and its numbers. Raise it with every change of the kernel, or of a statistic,
that changes a number or its bits: sums of before and after are then neither merged nor continued."""


class Span(NamedTuple):
    """The lanes of a tile: lane i is trajectory first + i, wanted where lower <= i < upper."""

    first: Any
    lower: Any
    upper: Any


Rows = jax.Array | tuple[jax.Array, ...]


class Carry(NamedTuple):
    """What is carried from step to step; the last axis is lanes.

    - `coefficients`: eta_t and the c_t of each average for the coming update; carried, so that the
      loops over lanes read them from a fixed place.
    - `x`, `averages`: (d, lanes), or d rows (lanes,) where the form splits the state.
    - `packed`: the packed random numbers of the coming update; empty where they are not carried. Where samples
      are, those of the update after it.
    - `sample`: xi_t of the coming update where it is carried, otherwise empty.
    - `memory`: what the oracle remembers of earlier draws, a pytree.
    """

    coefficients: jax.Array
    x: Rows
    averages: tuple[Rows, ...]
    path_sums: tuple[jax.Array, ...]
    packed: tuple[jax.Array, ...]
    sample: Any
    memory: Any


class Kernel:
    """The steps of a program with its numbers; made while tracing, one for each tile.

    `careful` makes the program that counts which lanes are finite. The quick program does not; it
    returns whether it might have needed to.
    """

    def __init__(
        self, program: Program, form: Form, lanes: int, careful: bool, inputs: Inputs, key: jax.Array, span: Span
    ) -> None:
        self.program, self.form, self.careful, self.inputs, self.key = program, form, careful, inputs, key
        self.oracle, self.method = program.rebuild(inputs.leaves)
        self.dtype = inputs.start.dtype
        self.carries_samples = form.carry_draws and self.oracle.example_floats > 0
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
        packed, counter = [], t.astype(jnp.uint32) * np.uint32(self.program.words)
        for request in self.program.requests:
            shape = (request.words, len(self.ids))
            counters = counter + lax.broadcasted_iota(jnp.uint32, shape, 0)
            ids = jnp.broadcast_to(self.ids, shape)
            packed.append(request.draw((self.key[0], self.key[1]), ids, counters))
            counter = counter + np.uint32(request.words)
        return tuple(packed)

    def sample(self, packed: tuple[jax.Array, ...], t: jax.Array, memory: Any) -> tuple[Any, Any]:
        """xi_t and the next memory of every lane."""
        served = []
        for request, pairs in zip(self.program.requests, packed, strict=True):
            values = request.unpack(pairs)
            values = values if request.kind in DTYPES else values.astype(self.dtype)
            served.append(request.structure.unflatten(values))
        like = self.program.point.like(self.dtype)

        def of_one(numbers: Any, memory: Any, _: jax.Array) -> tuple[Any, Any]:
            return self.oracle.sample(Replay(numbers, self.program.requests), like, t, memory)

        return over_lanes(of_one)(tuple(served), memory, self.ids)

    def current_sample(self, carry: Carry, t: jax.Array) -> tuple[Any, Any]:
        """xi_t and the memory after it: carried, or made where it is needed."""
        if self.carries_samples:
            return carry.sample, carry.memory
        return self.sample(carry.packed if self.form.carry_draws else self.draw(t), t, carry.memory)

    def gradient(self, x: Any, sample: Any) -> jax.Array:
        """g_t of every lane, flat."""
        return self.program.point.flatten(over_lanes(self.oracle.gradient)(x, sample))

    # observe

    def observe(self, carry: Carry, t: jax.Array, record: jax.Array) -> dict[str, Any]:
        """What the statistics keep of one record, at step t."""
        seen = self.see(carry, t, record)
        return {statistic.name: statistic.observe(seen) for statistic in self.program.statistics}

    def see(self, carry: Carry, t: jax.Array, record: jax.Array) -> Seen:
        """The observables and events of one record."""
        program = self.program
        x, averages = self.joined(carry.x), [self.joined(average) for average in carry.averages]
        sample, _ = self.current_sample(carry, t)
        built_in = {
            name: self.built_in(name, x, averages, sample) for name in program.built_in if name in program.observed
        }
        alive = None
        if self.careful:
            finite = [jnp.isfinite(value) for value in (*built_in.values(), *x)]
            alive = functools.reduce(jnp.logical_and, finite)
        if program.partial_averages:
            averages = [average * self.inputs.visible[record, i] for i, average in enumerate(averages)]
        state = (*(program.point.unflatten(point) for point in (x, *averages)), *carry.path_sums)
        asked = built_in if self.careful else ()  # the quick program looks at its end only
        lost = {name: self.lost(name, built_in[name], x, averages, sample) for name in asked}
        values = built_in | {event.name: self.evaluate(event, state) for event in program.observables}
        events, decided = {}, {}
        for event in program.events:
            answer = self.evaluate(event, state)
            events[event.name], decided[event.name] = _blocks(answer != 0), _blocks(self.decided(event, state, answer))
        return Seen(
            values={name: _blocks(value.astype(self.dtype)) for name, value in values.items()},
            events=events,
            decided=decided,
            lost={name: mask for name, mask in lost.items() if mask is not None},
            x=_blocks(x),
            valid=self.valid,
            counts=self.counts,
            alive=None if alive is None else _blocks(alive),
        )

    def lost(
        self, name: str, value: jax.Array, x: jax.Array, averages: list[jax.Array], sample: Any
    ) -> jax.Array | None:
        """Where a built-in observable is 0 and should be positive, (blocks, BLOCK); None where that is not known.

        In blocks with values by far above the smallest number these zeros are as good as any.
        """
        kind, _, average = name.partition("_of_")
        point = averages[self.program.averages.index(average)] if average else x
        if kind == "gradient_norm_squared":
            root = self.gradient(self.program.point.unflatten(x), sample)
        elif self.inputs.minimiser is not None and (kind == "distance_squared" or self.program.positive_risk):
            root = point - self.inputs.minimiser[:, None]
        else:
            return None
        limits = jnp.finfo(self.dtype)
        zero = _blocks((value == 0) & (root != 0).any(0)) & self.valid
        largest = jnp.max(jnp.where(self.valid, jnp.abs(_blocks(value)), 0), axis=-1, keepdims=True)
        return zero & (largest < limits.tiny / limits.eps)

    def underflows(self, carry: Carry, seen: Seen) -> jax.Array:
        """Whether some lane has lost its risk, or squared distance, at a record: where squares underflow first."""
        x = self.joined(carry.x)
        masks = [
            self.lost(name, seen.values[name].reshape(-1), x, [], None)
            for name in ("risk", "distance_squared")
            if name in seen.values and name in self.program.built_in
        ]
        return functools.reduce(jnp.logical_or, [mask.any() for mask in masks if mask is not None], jnp.bool_(False))

    def built_in(self, name: str, x: jax.Array, averages: list[jax.Array], sample: Any) -> jax.Array:
        """A built-in observable of every lane: "risk", "distance_squared_of_<average>", ..."""
        unflatten = self.program.point.unflatten
        if name == "gradient_norm_squared":
            gradient = self.gradient(unflatten(x), sample)
            return sum_coordinates(gradient * gradient)
        kind, _, average = name.partition("_of_")
        point = averages[self.program.averages.index(average)] if average else x
        if kind == "distance_squared":
            assert self.inputs.minimiser is not None  # a study without it has no such observable
            error = point - self.inputs.minimiser[:, None]
            return sum_coordinates(error * error)
        return over_lanes(self.oracle.risk)(unflatten(point), sample)

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

    def decided(self, event: Event, state: tuple[Any, ...], answer: jax.Array) -> jax.Array:
        """The lanes of which x, and whatever else the event reads of the State, is finite, and no answer is NaN."""
        read = [part for part, reads in zip(state, event.reads, strict=True) if reads]
        finite = [jnp.isfinite(leaf).reshape(-1, len(self.ids)).all(0) for leaf in jax.tree.leaves(read)]
        return functools.reduce(jnp.logical_and, finite) & ~jnp.isnan(answer)

    # update, path sums

    def advance(self, carry: Carry, t: jax.Array) -> Carry:
        """Update t, then the path sums, then what the next step needs: its coefficients and its draw."""
        program, flat = self.program, self.joined(carry.x)
        rate, *mixing = carry.coefficients
        averages = tuple(
            self.split(average + weight * (flat - average))
            for average, weight in zip(map(self.joined, carry.averages), mixing, strict=True)
        )
        x = program.point.unflatten(flat)
        sample, memory = self.current_sample(carry, t)
        gradient = self.gradient(x, sample)
        x_next = over_lanes(lambda x, gradient: self.method.update(x, gradient, rate))(flat, gradient)

        def add(total: jax.Array, function: Any) -> jax.Array:
            def of_one(x: Any, gradient: Any, x_next: Any) -> jax.Array:
                return jnp.asarray(function(Update(t, rate, x, gradient, x_next)), self.dtype)

            return total + over_lanes(of_one)(x, program.point.unflatten(gradient), program.point.unflatten(x_next))

        sums = tuple(
            add(total, function) for total, (_, function) in zip(carry.path_sums, program.path_sums, strict=True)
        )
        return Carry(
            self.coefficients(t + 1), self.split(x_next), averages, sums, *self.carried_to(carry.packed, t + 1, memory)
        )

    def carried_to(self, packed: tuple[jax.Array, ...], t: jax.Array, memory: Any) -> tuple[Any, Any, Any]:
        """What is carried to step t of random numbers, sample and memory; ``packed`` is the draw of t, if needed."""
        if self.carries_samples:
            return self.draw(t + 1), *self.sample(packed, t, memory)
        return self.draw(t) if self.form.carry_draws else (), (), memory

    def split(self, x: jax.Array) -> Rows:
        """(d, lanes) as it is carried."""
        return tuple(x) if self.form.split_state else x

    def joined(self, rows: Rows) -> jax.Array:
        """What is carried as (d, lanes)."""
        return jnp.stack(rows) if isinstance(rows, tuple) else rows

    # the whole run

    def start(self) -> Carry:
        lanes = len(self.ids)
        x = _to_lanes(self.inputs.start, lanes)
        zero, first = jnp.zeros(lanes, self.dtype), jnp.int32(0)
        memory = jax.tree.map(lambda leaf: _to_lanes(leaf, lanes), self.oracle.memory())
        return Carry(
            self.coefficients(first),
            self.split(x),
            (self.split(x),) * len(self.program.averages),
            (zero,) * len(self.program.path_sums),
            *self.carried_to(self.draw(first) if self.carries_samples else (), first, memory),
        )

    def run(self) -> dict[str, Any]:
        """All records of all statistics, and whether every wanted lane ended finite and nothing had underflowed.

        A pass of the outer loop observes, then walks to the next record: what it observes is then
        carried in, not computed in the same pass, and so not computed twice.
        """
        steps = np.array(self.program.recorded_steps, np.int32)
        gaps = np.diff(steps)

        def visit(carry: Carry, at: Any, gap: Any) -> tuple[Carry, dict[str, Any]]:
            step, index = at
            return self.walk(carry, step, gap), self.observe(carry, step, index)

        carry, kept = self.walk(self.start(), jnp.int32(0), int(steps[0])), []
        for first, last, gap in _runs(gaps):
            at = (steps[first:last], np.arange(first, last, dtype=np.int32))
            if gap is None:
                carry, seen = lax.scan(lambda c, xs: visit(c, xs[:2], xs[2]), carry, (*at, gaps[first:last]))
            else:
                carry, seen = lax.scan(lambda c, xs, gap=gap: visit(c, xs, gap), carry, at)
            kept.append(seen)
        end = (jnp.int32(steps[-1]), jnp.int32(len(steps) - 1))
        kept.append(jax.tree.map(lambda item: item[None], self.observe(carry, *end)))
        stacked = jax.tree.map(lambda *parts: jnp.concatenate(parts), *kept)
        last_seen = self.see(carry, *end)
        out = {s.name: s.finish(stacked[s.name], last_seen) for s in self.program.statistics}
        finite = jnp.isfinite(last_seen.x) | ~self.valid
        return out | {
            "counts": self.counts,
            "valid": self.valid,
            "finite": jnp.all(finite) & ~self.underflows(carry, last_seen),
        }

    def walk(self, carry: Carry, t: jax.Array, updates: Any) -> Carry:
        """Some updates from step t on; ``updates`` is static where the records are evenly spaced."""
        if isinstance(updates, int) and updates <= 1:
            return self.advance(carry, t) if updates else carry
        unroll = min(self.form.unroll, updates) if isinstance(updates, int) else None
        return lax.fori_loop(0, updates, lambda j, c: self.advance(c, t + j), carry, unroll=unroll)


def _to_lanes(leaf: Any, lanes: int) -> jax.Array:
    return jnp.broadcast_to(jnp.asarray(leaf)[..., None], (*jnp.shape(leaf), lanes))


def _blocks(value: jax.Array) -> jax.Array:
    return value.reshape(*value.shape[:-1], -1, BLOCK)


def _runs(gaps: np.ndarray) -> list[tuple[int, int, int | None]]:
    """Stretches of equal gaps as (first, last, gap). An uneven grid is one stretch without a static gap."""
    bounds = [0, *(np.flatnonzero(np.diff(gaps)) + 1), len(gaps)]
    if len(bounds) > 4:
        return [(0, len(gaps), None)]
    return [(int(a), int(b), int(gaps[a])) for a, b in itertools.pairwise(bounds) if b > a]


def run_tile(
    program: Program, form: Form, lanes: int, careful: bool, inputs: Inputs, key: jax.Array, span: Span
) -> dict[str, Any]:
    """One tile of one program; the first four arguments are static."""
    return Kernel(program, form, lanes, careful, inputs, key, span).run()


def run_cells(
    program: Program,
    form: Form,
    lanes: int,
    careful: bool,
    varied: tuple[bool, ...],
    inputs: Inputs,
    key: jax.Array,
    span: Span,
) -> dict[str, Any]:
    """The same tile of several cells, whose varied inputs have a leading axis of cells; so has what is kept.

    The draws do not depend on what varies, so they are made once and shared by all cells.
    """
    leaves, structure = jax.tree.flatten(inputs)

    def of_one(*leaves: Any) -> dict[str, Any]:
        return run_tile(program, form, lanes, careful, jax.tree.unflatten(structure, leaves), key, span)

    shared = {"counts": None, "valid": None}
    kept = {name: shared.get(name, 0) for name in (*(s.name for s in program.statistics), "finite", *shared)}
    return jax.vmap(of_one, [0 if varies else None for varies in varied], kept)(*leaves)


class CompiledTile:
    """The jitted tile, a function of (inputs, key, span). The first call compiles, in one thread only."""

    def __init__(self, tile: Callable[..., dict[str, Any]], options: Options, around: Surroundings) -> None:
        self.jitted, self._around = jax.jit(tile, compiler_options=dict(options)), around
        self._lock, self._ready = threading.Lock(), False

    def __call__(self, inputs: Inputs, key: np.ndarray, span: Span) -> dict[str, Any]:
        if self._ready:
            with self._around.entered():
                return self.jitted(inputs, key, span)
        with self._lock, self._around.traced():
            result = jax.block_until_ready(self.jitted(inputs, key, span))
            self._ready = True
            return result


@functools.lru_cache(maxsize=64)
def compiled(
    program: Program, form: Form, lanes: int, careful: bool, options: Options, varied: tuple[bool, ...] = ()
) -> CompiledTile:
    """The tile of a program, or of cells of which some inputs vary; equal programs share it."""
    if not varied:
        return CompiledTile(functools.partial(run_tile, program, form, lanes, careful), options, program.around)
    return CompiledTile(functools.partial(run_cells, program, form, lanes, careful, varied), options, program.around)
