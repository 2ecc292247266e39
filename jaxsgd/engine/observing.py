"""What is seen of a tile at a record: observables and events of every lane, and which of them count."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsgd.engine.common_state import merged
from jaxsgd.engine.lanes import sum_coordinates, varying_results
from jaxsgd.engine.program import Event, Inputs, Program
from jaxsgd.engine.statistics import Seen
from jaxsgd.one_update import OneUpdate
from jaxsgd.structure import whole

Over = Callable[[Callable[..., Any]], Callable[..., Any]]


class Now(NamedTuple):
    """A tile at one step; the last axis is lanes.

    - `x`, `averages`: (d, lanes).
    - `folds`: what is carried of each.
    - `common`, `state`: leaves of the method's state, those without lanes and those with.
    - `sample`: xi_s.
    """

    x: jax.Array
    averages: list[jax.Array]
    folds: tuple[Any, ...]
    common: list[jax.Array]
    state: list[jax.Array]
    sample: Any


class Observer:
    """The observables of a program, in one tile of it.

    `careful` makes the program that says which lanes are finite; `over` maps a function of one lane over all.
    """

    def __init__(
        self,
        program: Program,
        inputs: Inputs,
        one: OneUpdate,
        folds: Any,
        careful: bool,
        valid: Any,
        counts: Any,
        over: Over,
    ) -> None:
        self._over = over
        self._program, self._inputs, self._one, self._folds, self._careful = program, inputs, one, folds, careful
        self._valid, self._counts, self._dtype = valid, counts, inputs.start.dtype

    def see(self, now: Now, record: jax.Array) -> Seen:
        """The observables and events of one record."""
        program = self._program
        points = self._points(now)
        built_in = {name: self._built_in(name, now, points) for name in program.built_in if name in program.observed}
        alive = None
        if self._careful:
            finite = [jnp.isfinite(value) for value in (*built_in.values(), *now.x)]
            alive = functools.reduce(jnp.logical_and, [*finite, *self._finite(now.state, now.common)])
        asked = built_in if self._careful else ()  # the quick program looks at its end only
        lost = {name: self._lost(name, built_in[name], now, points) for name in asked}
        state = self._state(now, record)
        values = built_in | {event.name: self._evaluate(event, state, now.common) for event in program.observables}
        events, decided = {}, {}
        for event in program.events:
            answer = self._evaluate(event, state, now.common)
            events[event.name] = self._blocks(answer != 0)
            decided[event.name] = self._blocks(self._decided(event, state, answer, now.common))
        return Seen(
            values={name: self._blocks(value.astype(self._dtype)) for name, value in values.items()},
            events=events,
            decided=decided,
            lost={name: mask for name, mask in lost.items() if mask is not None},
            x=self._blocks(now.x),
            valid=self._valid,
            counts=self._counts,
            alive=None if alive is None else self._blocks(alive),
        )

    def gradient(self, now: Now) -> jax.Array:
        """g_s of every lane, (d, lanes)."""
        return self._program.point.flatten(
            self._over(self._one.gradient)(self._program.point.unflatten(now.x), now.sample)
        )

    def is_sound(self, now: Now, seen: Seen) -> jax.Array:
        """Whether every wanted lane is finite, and none has lost its risk, or squared distance, to underflow."""
        good = [jnp.isfinite(now.x).all(0)]
        for name in ("risk", "distance_squared"):  # where squares underflow first
            root = self._root(name, now.x)
            if root is not None and name in seen.values and name in self._program.built_in:
                good.append((seen.values[name].reshape(-1) != 0) | (root == 0).all(0))
        return jnp.all(self._blocks(functools.reduce(jnp.logical_and, good)) | ~self._valid)

    def has_finite_state(self, now: Now) -> jax.Array:
        """Whether the method's state is finite in every wanted lane."""
        finite = [jnp.all(self._blocks(lanes) | ~self._valid) for lanes in self._finite(now.state, now.common)]
        return functools.reduce(jnp.logical_and, finite, jnp.bool_(True))

    def _finite(self, leaves: list[jax.Array], common: list[jax.Array]) -> list[jax.Array]:
        """Of each leaf of the method's state, in which lanes it is finite, or infinite where it was so at first.

        Where x_0 is drawn, only what does not depend on it counts as infinite from the start.
        """
        program, method, one = self._program, self._one.method, self._one
        if not leaves and not common:
            return []
        x_0 = one.as_seen(program.point.unravel(self._inputs.start))
        at_first = jax.tree.leaves(method.init(x_0))
        if program.start is not None:
            varies = varying_results(method.init, x_0)
            at_first = [jnp.zeros_like(leaf) if each else leaf for leaf, each in zip(at_first, varies, strict=True)]
        lanes, found = self._valid.size, []
        pairs = zip(merged(program.common, common, leaves), at_first, program.common, strict=True)
        for leaf, first, is_common in pairs:
            if jnp.issubdtype(leaf.dtype, jnp.inexact):
                at_once = jnp.isinf(first) if is_common else jnp.isinf(first)[..., None]
                finite = jnp.isfinite(leaf) | (jnp.isinf(leaf) & at_once)
                in_lanes = finite.all() if is_common else finite.reshape(-1, lanes).all(0)
                found.append(jnp.broadcast_to(in_lanes, lanes))
        return found

    def _points(self, now: Now) -> dict[str, jax.Array]:
        """The averages and the further points of the method by name, (d, lanes)."""
        program, one = self._program, self._one
        named = dict(zip(program.averages, now.averages, strict=True))
        if not program.points:
            return named

        def of_one(x: Any, leaves: Any) -> list[Any]:
            points = one.method.points(x, program.whole(now.common, leaves))
            return [points[name] for name in program.points]

        found = self._over(of_one)(program.seen_by_method(now.x), now.state)
        return named | {name: program.flat(point) for name, point in zip(program.points, found, strict=True)}

    def _state(self, now: Now, record: jax.Array) -> tuple[Any, ...]:
        """x, the averages, the values of the folds and the leaves of the method's state, for functions of the user."""
        program, averages = self._program, now.averages
        if program.partial_averages:
            averages = [average * self._inputs.visible[record, i] for i, average in enumerate(averages)]
        points = (program.point.unflatten(point) for point in (now.x, *averages))
        values = self._over(lambda carries: [fold.value(c) for fold, c in zip(self._folds, carries, strict=True)])(
            now.folds
        ) if now.folds else []  # fmt: skip
        return (*points, *values, now.state)

    def _lost(self, name: str, value: jax.Array, now: Now, points: dict[str, jax.Array]) -> jax.Array | None:
        """Where a built-in observable is 0 and should be positive, (blocks, BLOCK); None where that is not known.

        In blocks with values by far above the smallest number these zeros are as good as any.
        """
        kind, _, point = name.partition("_of_")
        norm = kind == "gradient_norm_squared"
        root = self.gradient(now) if norm else self._root(kind, points[point] if point else now.x)
        if root is None:
            return None
        limits = jnp.finfo(self._dtype)
        zero = self._blocks((value == 0) & (root != 0).any(0)) & self._valid
        largest = jnp.max(jnp.where(self._valid, jnp.abs(self._blocks(value)), 0), axis=-1, keepdims=True)
        return zero & (largest < limits.tiny / limits.eps)

    def _root(self, kind: str, point: jax.Array) -> jax.Array | None:
        """Of a risk or squared distance: what vanishes where it does, (d, lanes); None where that is not known."""
        known = kind == "distance_squared" or self._program.positive_risk
        return point - self._inputs.minimiser[:, None] if known and self._inputs.minimiser is not None else None

    def _built_in(self, name: str, now: Now, points: dict[str, jax.Array]) -> jax.Array:
        """A built-in observable of every lane: "risk", "distance_squared_of_<average>", ..."""
        if name == "gradient_norm_squared":
            gradient = self.gradient(now)
            return sum_coordinates(gradient * gradient)
        kind, _, named = name.partition("_of_")
        point = points[named] if named else now.x
        if kind == "distance_squared":
            assert self._inputs.minimiser is not None  # a study without it has no such observable
            error = point - self._inputs.minimiser[:, None]
            return sum_coordinates(error * error)
        return self._over(self._one.oracle.risk)(self._program.point.unflatten(point), now.sample)

    def _evaluate(self, event: Event, state: tuple[Any, ...], common: list[jax.Array]) -> jax.Array:
        """A user's function of every lane."""
        program = self._program

        def of_one(x: Any, *rest: Any) -> jax.Array:
            if not event.takes_state:
                return jnp.asarray(event.function(whole(x)))
            *parts, leaves = rest
            state = program.blank.state(x, *parts, program.whole(common, leaves))
            return jnp.asarray(event.function(state))

        return self._over(of_one)(*state)

    def _decided(self, event: Event, state: tuple[Any, ...], answer: jax.Array, common: list[jax.Array]) -> jax.Array:
        """The lanes of which x, and whatever else the event reads of the State, is finite, and no answer is NaN."""
        *parts, leaves = state
        infinite = [False] * (1 + len(self._program.averages)) + [fold.may_be_infinite for fold in self._folds]
        known = [~jnp.isnan(answer)]
        for part, reads, may_be in zip(parts, event.reads[:-1], infinite, strict=True):
            for leaf in jax.tree.leaves(part) if reads else ():
                good = ~jnp.isnan(leaf) if may_be else jnp.isfinite(leaf)
                known.append(good.reshape(-1, leaf.shape[-1]).all(0))
        return functools.reduce(jnp.logical_and, [*known, *(self._finite(leaves, common) if event.reads[-1] else ())])

    def _blocks(self, value: jax.Array) -> jax.Array:
        """(..., lanes) as (..., blocks, lanes of a block)."""
        return value.reshape(*value.shape[:-1], *self._valid.shape)
