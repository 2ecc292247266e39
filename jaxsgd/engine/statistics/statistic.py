"""The interface of a statistic: all that is known of one, from the argument that asks for it to its estimates."""

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.engine.statistics.records import Records
from jaxsgd.engine.statistics.summation import Arrays, Sums, block_sum, scaled, two_pass
from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a statistic sees of a tile at one recorded step; the last two axes are (blocks, BLOCK).

    - `values`: the observables by name; `events` likewise, boolean, and `decided`, whether what an event is a function
      of is finite: where it is not, the event has neither happened nor not happened.
    - `lost`: of some observables, where they are 0 only because they have underflowed.
    - `x`: the iterates (d, blocks, BLOCK).
    - `valid`: which lanes belong to the wanted range of ids; `counts`: how many of each block.
    - `alive`: which valid lanes have a finite state and finite built-in observables. None in the
      quick program, which takes it that all of them have; a task checks that and runs a tile
      again with the careful program where it is not so.
    """

    values: dict[str, jax.Array]
    events: dict[str, jax.Array]
    decided: dict[str, jax.Array]
    lost: dict[str, jax.Array]
    x: jax.Array
    valid: jax.Array
    counts: jax.Array
    alive: jax.Array | None

    def stacked(self, names: tuple[str, ...]) -> jax.Array:
        """Some observables, (names, blocks, BLOCK)."""
        return jnp.stack([self.values[name] for name in names])

    def known(self, names: tuple[str, ...]) -> jax.Array:
        """The same, with NaN in the careful program for what has underflowed."""
        if self.alive is None:
            return self.stacked(names)
        none = jnp.zeros(self.valid.shape, bool)
        return jnp.where(jnp.stack([self.lost.get(name, none) for name in names]), jnp.nan, self.stacked(names))

    def usable(self, *values: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The lanes that count, valid and (in the careful program) finite, and their number in each block."""
        if self.alive is None:
            return self.valid, self.counts
        usable = self.valid
        for value in values:
            usable = usable & jnp.isfinite(value)
        return usable, block_sum(usable.astype(self.x.dtype))

    def deviations(self, value: jax.Array, usable: jax.Array, count: jax.Array) -> tuple[Arrays, jax.Array]:
        """The mean of each block, and the deviations from it.

        The careful program divides each block by a power of two near its largest value first, so that values whose
        squares overflow still have a variance: then that "scale" is kept, and the "count", beside the "mean".
        """
        extra = {}
        if self.alive is not None:
            value, scale = scaled(value, usable)
            extra = {"count": count, "scale": scale}
        mean, deviation = two_pass(value, usable, count)
        return {"mean": mean, **extra}, deviation


class Variable(NamedTuple):
    """An estimate: its dimensions, "step" among them, its values, their unit where it is known, and what it is.

    The last is given where the name does not say it.
    """

    dimensions: tuple[str, ...]
    values: np.ndarray
    unit: str = ""
    about: str = ""


class Statistic(abc.ABC):
    """One statistic: who asks for it, what a tile keeps of a record, how that is summed up, and what it estimates.

    A statistic is a frozen dataclass, made by `asked`, and registered once (`jaxsgd.engine.statistics.register`).
    Its fields are numbers, strings and tuples of them, and are what is saved of it. Those on which compiled code does
    not depend are fields with ``compare=False``.

    `observe` and `finish` run inside the compiled program, for one study: what they return has blocks, or lanes, on
    its last axes. `fold` makes float64 sums of what the tiles of a chunk kept, `merge` joins the sums of two disjoint
    ranges. Sums are dictionaries of arrays, so that they can be written to a file. In the class's own docstrings
    shapes are those of one study.

    **Cells.** The sums of several studies that run together are those of one study with the first axes of all one
    after the other. That holds for every statistic whose first axis, of what is kept and of sums, is one along which
    nothing is mixed, such as records. Arrays without axes are shared. Others say so by `joined` and `of_cell`.
    """

    name: ClassVar[str]
    """That of its sums in files."""

    argument: ClassVar[str] = "statistics"
    """The argument of ``simulate`` that asks for it."""

    words: ClassVar[tuple[str, ...]] = ()
    """What may stand for it in ``simulate(statistics=...)``."""

    dimensions: ClassVar[tuple[str, ...]] = ()
    """Those that its estimates have besides "step"; no axis of a sweep may have their names."""

    keeps_lanes: ClassVar[bool] = False
    """Whether the last two axes of what is kept are (blocks, BLOCK), not the last one blocks."""

    # what is asked for

    @classmethod
    def asked(cls, study: Study, given: Any = ()) -> Self | None:
        """The statistic that the argument asks for, checked, or None; without one that is never asked for."""
        return None

    def saved(self) -> dict[str, Any]:
        """What is written to a file of it, as JSON can hold it."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> Self:
        """The statistic of which that was written."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in saved.items()})

    # in the compiled program

    @abc.abstractmethod
    def observe(self, seen: Seen) -> Arrays:
        """What is kept of one record, (..., blocks) or (..., blocks, BLOCK); then stacked over records, first axis."""

    def finish(self, kept: Arrays, seen: Seen) -> Arrays:
        """A last computation on the device, with the records stacked and the last ``seen``."""
        return kept

    # on the host

    def in_range(self, kept: Arrays, beside: Mapping[str, Any]) -> bool:
        """Whether the quick program has lost nothing of what a tile kept to the range of floats.

        `beside` is what it kept of all statistics, by their names.
        """
        return True

    @abc.abstractmethod
    def fold(self, tiles: list[Arrays]) -> Arrays:
        """Sums of a chunk, of what its tiles kept.

        Each tile comes with "counts" (blocks,), its valid lanes in each block, "valid" (blocks, BLOCK), which they
        are, and "records", how many there are of all cells.
        """

    @abc.abstractmethod
    def merge(self, left: Arrays, right: Arrays) -> Arrays:
        """Sums of the union of two disjoint ranges, the ids of the left one first."""

    def condense(self, sums: Arrays) -> Arrays:
        """The same in less memory, of a range of whole chunks: a function of the size of the range."""
        return sums

    # several cells

    def joined(self, kept: Arrays) -> Arrays:
        """What a tile kept of several cells, (cells, first, ...), as that of one study, (cells * first, ...)."""
        return {key: array.reshape(-1, *array.shape[2:]) for key, array in kept.items()}

    def of_cell(self, sums: Arrays, cell: int, cells: int) -> Arrays:
        """The sums of one cell of several."""

        def part(array: Any) -> Any:
            if not np.ndim(array):
                return array
            size = len(array) // cells
            return array[cell * size : (cell + 1) * size]

        return {key: part(array) for key, array in sums.items()}

    # what it estimates

    def estimates(self, sums: Sums, records: Records, trajectories: int) -> dict[str, dict[str, Variable]]:
        """Estimates by what they are of ("risk") and what they are ("mean"), which the name of a variable joins.

        Estimates of one thing stand together in a dataset, whichever statistics they are from. One without a second
        name ("") is called by the first alone.

        **Arguments**

        - `sums`: of all statistics of the study; those of this one are ``sums[self.name]``.
        - `trajectories`: how many there are, those that diverged included.
        """
        return {}

    def labels(self, records: Records) -> dict[str, Any]:
        """The coordinates of its `dimensions`."""
        return {}


class OfObservables(Statistic):
    """A statistic of each observable by itself.

    Where an average has no value, neither have the observables of it: counts are 0 there, and all else is NaN.
    """

    observables: tuple[str, ...]

    @abc.abstractmethod
    def of_each(self, sums: Sums, trajectories: int) -> dict[str, Variable]:
        """Estimates by what they are; dimensions are those of one observable, values (..., records, observables)."""

    def estimates(self, sums: Sums, records: Records, trajectories: int) -> dict[str, dict[str, Variable]]:
        made = self.of_each(sums, trajectories)
        return {
            name: {what: _where_defined(each, position, records.defined(name)) for what, each in made.items()}
            for position, name in enumerate(self.observables)
        }


def _where_defined(each: Variable, position: int, defined: np.ndarray) -> Variable:
    missing = 0 if each.values.dtype.kind == "i" else np.nan
    return each._replace(values=np.where(defined, each.values[..., position], missing))
