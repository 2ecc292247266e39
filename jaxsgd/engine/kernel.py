"""What one tile does: all steps of some blocks of trajectories, in one compiled program.

One contract, in this order, for every step: **draw -> observe -> update -> folds**. A record is
taken before the update, with the draw that the update will use.

Everything here has the trajectories ("lanes") on the last axis. The mathematics it calls is written
for one trajectory and is mapped over that axis.

Two habits make it fast on a CPU. The draw of the next step is carried through the loop: the carry
forces it to memory, where otherwise XLA would evaluate the generator again inside each consumer; for the
same reason examples that were looked up are. And a draw leaves the generator as one complex64 array, because
XLA fuses into one output only. What a platform needs otherwise is said by the plan's `Form`.
"""

import copy
import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxsgd.engine.lanes import over_lanes, over_lanes_but_common
from jaxsgd.engine.observing import Now, Observer
from jaxsgd.engine.plan import MOST_SPLIT, Form
from jaxsgd.engine.program import Inputs, Program
from jaxsgd.engine.strips import over_one, over_one_but_common, over_strips
from jaxsgd.one_update import OneUpdate
from jaxsgd.state import State, Update
from jaxsgd.streams import DTYPES, Replay, Request
from jaxsgd.structure import Skeleton

REVISION = 3
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
    - `folds`: what each fold carries.
    - `common`, `state`: leaves of the method's state; the first are the same in all lanes, and have none. The others
      are split as x is.
    - `packed`: the packed random numbers of the coming update; empty where they are not carried. Where samples
      are, those of the update after it.
    - `sample`: xi_t of the coming update where it is carried, otherwise empty.
    - `memory`: what the oracle remembers of earlier draws, a pytree.
    """

    coefficients: jax.Array
    x: Rows
    averages: tuple[Rows, ...]
    folds: tuple[Any, ...]
    common: list[jax.Array]
    state: list[Rows]
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
        self.program, self.form, self.inputs, self.key = program, form, inputs, key
        self.oracle, self.method, folds = program.rebuild(inputs.leaves)
        self.folds = tuple(folds.values())
        self.one = OneUpdate(self.oracle, self.method, program.point)
        self.dtype = inputs.start.dtype
        self.carries_samples = form.carry_draws and self.oracle.example_floats > 0
        lane = lax.iota(jnp.int32, lanes)
        self.ids = span.first + lane.astype(jnp.uint32)
        self.over, self.over_but_common, self.upper, block = over_lanes, over_lanes_but_common, span.upper, form.block
        self.valid = ((lane >= span.lower) & (lane < span.upper)).reshape(-1, block)
        edge = jnp.arange(0, lanes, block)
        counts = jnp.clip(span.upper - edge, 0, block) - jnp.clip(span.lower - edge, 0, block)
        self.counts = jnp.maximum(counts, 0).astype(self.dtype)
        self.observer = Observer(program, inputs, self.one, self.folds, careful, self.valid, self.counts, self.over_all)

    def over_all(self, function: Any) -> Any:
        """A function of one lane, mapped over all lanes of the tile; with those that are not wanted, or without."""
        if not self.form.strip:
            return over_lanes(function)
        return over_strips(over_one(function), self.form.strip, self.upper)

    def of_lane(self, identity: jax.Array) -> "Kernel":
        """The steps of one lane alone, that of the trajectory with this id (1,)."""
        alone = copy.copy(self)
        alone.ids, alone.over, alone.over_but_common = identity, over_one, over_one_but_common
        return alone

    # draw

    def coefficients(self, t: jax.Array) -> jax.Array:
        """eta_t and the c_t of each average."""
        table = jnp.asarray(self.inputs.coefficients)
        return lax.dynamic_index_in_dim(table, t, keepdims=False, allow_negative_indices=False)

    def draw(self, t: jax.Array) -> tuple[jax.Array, ...]:
        """The packed random numbers of step t."""
        counter = t.astype(jnp.uint32) * np.uint32(self.program.words)
        return self.packed(self.program.requests, self.key[:2], counter)

    def packed(self, requests: tuple[Request, ...], key: jax.Array, counter: jax.Array) -> tuple[jax.Array, ...]:
        """The packed random numbers of some requests, from a counter on."""
        packed = []
        for request in requests:
            shape = (request.words, len(self.ids))
            counters = counter + lax.broadcasted_iota(jnp.uint32, shape, 0)
            ids = jnp.broadcast_to(self.ids, shape)
            packed.append(request.draw((key[0], key[1]), ids, counters))
            counter = counter + np.uint32(request.words)
        return tuple(packed)

    def served(self, requests: tuple[Request, ...], packed: tuple[jax.Array, ...]) -> tuple[Any, ...]:
        """What a stream hands out, of packed random numbers."""
        served = []
        for request, pairs in zip(requests, packed, strict=True):
            values = request.unpack(pairs)
            values = values if request.kind in DTYPES else values.astype(self.dtype)
            served.append(request.structure.unflatten(values))
        return tuple(served)

    def sample(self, packed: tuple[jax.Array, ...], t: jax.Array, memory: Any) -> tuple[Any, Any]:
        """xi_t and the next memory of every lane."""
        like = self.program.point.like(self.dtype)

        def of_one(numbers: Any, memory: Any, _: jax.Array) -> tuple[Any, Any]:
            return self.oracle.sample(Replay(numbers, self.program.requests), like, t, memory)

        return self.over(of_one)(self.served(self.program.requests, packed), memory, self.ids)

    def current_sample(self, carry: Carry, t: jax.Array) -> tuple[Any, Any]:
        """xi_t and the memory after it: carried, or made where it is needed."""
        if self.carries_samples:
            return carry.sample, carry.memory
        return self.sample(carry.packed if self.form.carry_draws else self.draw(t), t, carry.memory)

    # observe

    def observe(self, carry: Carry, t: jax.Array, record: jax.Array) -> dict[str, Any]:
        """What the statistics keep of one record, at step t; and whether the method's state is finite."""
        now = self.now(carry, t)
        seen = self.observer.see(now, record)
        kept = {statistic.name: statistic.observe(seen) for statistic in self.program.statistics}
        return kept | {"finite": self.observer.has_finite_state(now)}

    def now(self, carry: Carry, t: jax.Array) -> Now:
        """The tile at step t."""
        averages = [self.joined(average) for average in carry.averages]
        sample, _ = self.current_sample(carry, t)
        return Now(self.joined(carry.x), averages, carry.folds, carry.common, self.joined_state(carry.state), sample)

    # update, folds

    def advance(self, carry: Carry, t: jax.Array) -> Carry:
        """Update t, then the folds, then what the next step needs: its coefficients and its draw."""
        program, flat = self.program, self.joined(carry.x)
        rate, *others = carry.coefficients
        averages = [
            jax.tree.map(lambda old, x, c=c: old + c * (x - old), average, carry.x)
            for average, c in zip(carry.averages, others, strict=False)
        ]
        sample, memory = self.current_sample(carry, t)
        state = self.joined_state(carry.state)

        def step(x: Any, leaves: Any, sample: Any) -> Any:
            draw, own = self.one.draw(sample), jax.tree.map(lambda leaf: leaf, x)  # which the method may change
            x_next, following = self.method.step(own, rate, t, program.whole(carry.common, leaves), draw)
            x_next = jax.tree.map(lambda leaf: jnp.asarray(leaf, self.dtype), x_next)
            common, each = program.separated(following)
            return (x_next, each, draw.gradient(x) if self.folds else ()), common

        (x_next, following, gradient), common = self.over_but_common(step)(program.seen_by_method(flat), state, sample)
        x_next = program.flat(x_next)
        folds = carry.folds
        if self.folds:
            points = (flat, program.flat(gradient), x_next, *self.masked([*map(self.joined, averages)], others))
            x, g, y, *known = map(program.point.unflatten, points)

            def take(carries: Any, x: Any, g: Any, y: Any, sample: Any, known: Any, before: Any, after: Any) -> Any:
                states = program.whole(carry.common, before), program.whole(common, after)
                named = dict(zip(program.averages, known, strict=True))
                update = Update(t, rate, x, g, y, sample, named, *states)
                return tuple(_as_before(fold.take(c, update), c) for fold, c in zip(self.folds, carries, strict=True))

            folds = self.over(take)(carry.folds, x, g, y, sample, known, state, following)
        return Carry(
            self.coefficients(t + 1),
            self.split(x_next),
            tuple(averages),
            folds,
            common,
            self.split_state(following),
            *self.carried_to(carry.packed, t + 1, memory),
        )

    def masked(self, averages: list[jax.Array], others: list[jax.Array]) -> list[jax.Array]:
        """Averages as folds see them: NaN where they have no value. ``others`` are coefficients from c_t on."""
        count = len(averages)
        if len(others) == count:
            return averages
        return [average * visible for average, visible in zip(averages, others[count:], strict=True)]

    def carried_to(self, packed: tuple[jax.Array, ...], t: jax.Array, memory: Any) -> tuple[Any, Any, Any]:
        """What is carried to step t of random numbers, sample and memory; ``packed`` is the draw of t, if needed."""
        if self.carries_samples:
            return self.draw(t + 1), *self.sample(packed, t, memory)
        return self.draw(t) if self.form.carry_draws else (), (), memory

    def split(self, x: jax.Array) -> Rows:
        """(d, lanes) as it is carried."""
        if self.form.strip:  # a network's layers apart: what is joined only to be split again is neither
            return tuple(jnp.split(x, self.program.point.ends))
        return tuple(x) if self.form.split_state else x

    def joined(self, rows: Rows) -> jax.Array:
        """What is carried as (d, lanes)."""
        if not isinstance(rows, tuple):
            return rows
        return jnp.concatenate(rows) if self.form.strip else jnp.stack(rows)

    def split_state(self, leaves: list[jax.Array]) -> list[Rows]:
        """Leaves (..., lanes) of the method's state as they are carried."""
        as_rows = [leaf.reshape(-1, leaf.shape[-1]) for leaf in leaves]
        small = self.form.split_state
        return [tuple(rows) if small and 0 < len(rows) <= MOST_SPLIT else rows for rows in as_rows]

    def joined_state(self, carried: list[Rows]) -> list[jax.Array]:
        """What is carried as leaves (..., lanes)."""
        shapes, lanes = self.program.shapes_of_others, len(self.ids)
        joined = [jnp.stack(rows) if isinstance(rows, tuple) else rows for rows in carried]
        return [rows.reshape(*shape, lanes) for rows, shape in zip(joined, shapes, strict=True)]

    # the whole run

    def drawn_start(self, law: Skeleton) -> jax.Array:
        """x_0 of every lane, under a key of its own."""
        requests, like = self.program.start_requests, self.program.point.like(self.dtype)

        def of_one(numbers: Any, _: jax.Array) -> Any:
            drawn = law.filled(self.inputs.law).draw(Replay(numbers, requests), like)
            return jax.tree.map(lambda leaf: leaf.astype(self.dtype), drawn)

        packed = self.packed(requests, self.key[2:], jnp.uint32(0))
        return self.program.point.flatten(self.over(of_one)(self.served(requests, packed), self.ids))

    def start(self) -> Carry:
        if self.form.strip and not self.is_lane:
            return self.in_strips(lambda lane, _: lane.start(), None)
        program, lanes, first = self.program, len(self.ids), jnp.int32(0)
        x = _to_lanes(self.inputs.start, lanes) if program.start is None else self.drawn_start(program.start)
        memory = jax.tree.map(lambda leaf: _to_lanes(leaf, lanes), self.oracle.memory())

        def begin_method(x: Any) -> Any:
            common, each = program.separated(self.method.init(x))
            return each, common

        state, common = self.over_but_common(begin_method)(program.seen_by_method(x))

        def begin_folds(x: Any, leaves: Any) -> Any:
            at_start = State(x, dict.fromkeys(program.averages, x), {}, program.whole(common, leaves))
            begun = [fold.begin(at_start, program.blank.update) for fold in self.folds]
            return tuple(jax.tree.map(jnp.asarray, begun))

        return Carry(
            self.coefficients(first),
            self.split(x),
            (self.split(x),) * len(program.averages),
            self.over(begin_folds)(program.point.unflatten(x), state),
            common,
            self.split_state(state),
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
        last = self.now(carry, end[0])
        seen = self.observer.see(last, end[1])
        out = {s.name: s.finish(stacked[s.name], seen) for s in self.program.statistics}
        finite = self.observer.is_sound(last, seen) & jnp.all(stacked["finite"])
        return out | {"counts": self.counts, "valid": self.valid, "finite": finite}

    def walk(self, carry: Carry, t: jax.Array, updates: Any) -> Carry:
        """Some updates from step t on; ``updates`` is static where the records are evenly spaced."""
        if isinstance(updates, int) and updates == 0:
            return carry
        if self.form.strip and not self.is_lane:
            return self.in_strips(lambda lane, carry: lane.walk(carry, t, updates), carry)
        if isinstance(updates, int) and updates == 1:
            return self.advance(carry, t)
        unroll = min(self.form.unroll, updates) if isinstance(updates, int) else None
        return lax.fori_loop(0, updates, lambda j, c: self.advance(c, t + j), carry, unroll=unroll)

    @property
    def is_lane(self) -> bool:
        """Whether these are the steps of one lane alone."""
        return self.over is over_one

    def in_strips(self, function: Any, carry: Carry | None) -> Carry:
        """What a function of the kernel of one lane and of its part of a carry makes, strip by strip.

        What all lanes have in common is no part of a strip: it goes in as it is, and is the same whoever makes it.
        """
        shared = None if carry is None else (carry.coefficients, carry.common)

        def of_lane(identity: jax.Array, own: Carry | None) -> tuple[Carry, Any]:
            given = None if own is None or shared is None else own._replace(coefficients=shared[0], common=shared[1])
            made = function(self.of_lane(identity), given)
            return made._replace(coefficients=(), common=[]), (made.coefficients, made.common)

        lone = None if carry is None else carry._replace(coefficients=(), common=[])
        common = function_of_first(of_lane, self.ids, lone)
        made = over_strips(lambda *given: of_lane(*given)[0], self.form.strip, self.upper, lone)(self.ids, lone)
        return made._replace(coefficients=common[0], common=common[1])


def function_of_first(of_lane: Any, ids: jax.Array, carry: Any) -> Any:
    """The part of what it makes that all lanes have in common, from the first of them; XLA drops all else."""
    return of_lane(*jax.tree.map(lambda leaf: leaf[..., :1], (ids, carry)))[1]


def _to_lanes(leaf: Any, lanes: int) -> jax.Array:
    return jnp.broadcast_to(jnp.asarray(leaf)[..., None], (*jnp.shape(leaf), lanes))


def _as_before(following: Any, carry: Any) -> Any:
    """What a fold carries on, in the types of what it carried."""
    return jax.tree.map(lambda leaf, before: jnp.asarray(leaf, before.dtype), following, carry)


def _runs(gaps: np.ndarray) -> list[tuple[int, int, int | None]]:
    """Stretches of equal gaps as (first, last, gap). An uneven grid is one stretch without a static gap."""
    bounds = [0, *(np.flatnonzero(np.diff(gaps)) + 1), len(gaps)]
    if len(bounds) > 4:
        return [(0, len(gaps), None)]
    return [(int(a), int(b), int(gaps[a])) for a, b in itertools.pairwise(bounds) if b > a]
