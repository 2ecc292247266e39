"""What is computed: the sums of any ranges of trajectories of one study, or of the cells of a launch."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxsgd import streams
from jaxsgd.engine.compiled import CompiledTile, compiled
from jaxsgd.engine.devices import own_device
from jaxsgd.engine.kernel import Span
from jaxsgd.engine.ledger import Entry, Range
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import Inputs, Program
from jaxsgd.engine.statistics import Statistic, Sums


@dataclasses.dataclass(frozen=True)
class Task:
    """Everything that a worker needs to run any trajectories of a study, or of several cells at once.

    - `program`, `inputs`, `plan`: what is run, with which numbers, and how it is cut.
    - `key`: of the random numbers, two uint32 words; two more where x_0 is drawn, see `random_key`.
    - `varied`: of cells, which leaves of `inputs` have a leading axis of cells, at least one; empty for a study.

    The sums of cells are those of one study with the records of all cells one after the other: statistics mix
    nothing along their first axes, so that they fold and merge unchanged.
    """

    program: Program
    inputs: Inputs
    plan: Plan
    key: np.ndarray
    varied: tuple[bool, ...] = ()

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Those that the sums are of."""
        return self.program.statistics

    @property
    def unit(self) -> int:
        """Trajectories that are run together: whatever else is cut, is cut at multiples of it."""
        return max(self.plan.chunk, self.plan.tile)

    @property
    def cells(self) -> int:
        """How many studies are run at once."""
        leaves = jax.tree.leaves(self.inputs)
        return next((len(leaf) for leaf, varies in zip(leaves, self.varied, strict=False) if varies), 1)

    def tile(self, careful: bool) -> CompiledTile:
        """The compiled program of one tile."""
        plan = self.plan
        return compiled(self.program, plan.form, plan.tile, careful, plan.compiler_options, self.varied)

    def run(self, start: int, stop: int) -> list[Entry]:
        """The sums of the trajectories start .. stop - 1, of one unit, chunk by chunk."""
        with jax.enable_x64(self.program.precision == "float64"), own_device():  # settings of this thread
            tiles = self._run_tiles(start, stop)
        with np.errstate(over="ignore", invalid="ignore"):  # values may be as large as floats can be
            return [((low, high), self._fold(tiles, low)) for low, high in cut(start, stop, self.plan.chunk)]

    def _fold(self, tiles: list[tuple[int, dict[str, Any]]], low: int) -> Sums:
        """The sums of the chunk that holds trajectory ``low``, from the tiles that it overlaps."""
        first = low - low % self.plan.chunk
        records = len(self.program.recorded_steps) * self.cells
        sums, block = {}, self.plan.form.block
        for statistic in self.statistics:
            parts = []
            for start, kept in tiles:
                begin, end = max(first - start, 0), min(first + self.plan.chunk - start, self.plan.tile)
                if begin < end:
                    blocks = slice(begin // block, end // block)
                    axes = (..., blocks, slice(None)) if statistic.keeps_lanes else (..., blocks)
                    part = {key: array[axes] for key, array in kept[statistic.name].items()}
                    lanes = {"counts": kept["counts"][blocks], "valid": kept["valid"][blocks]}
                    parts.append(part | lanes | {"records": records})
            sums[statistic.name] = statistic.fold(parts)
        return sums

    def _run_tiles(self, start: int, stop: int) -> list[tuple[int, dict[str, Any]]]:
        """What each tile kept, by its first trajectory. From the first that is out of range on, with care."""
        tiles, careful = [], False
        for tile in range(start - start % self.plan.tile, stop, self.plan.tile):
            kept = None if careful else self._run_tile(tile, start, stop, careful=False)
            if kept is None or not self._in_range(kept):
                careful = True
                kept = self._run_tile(tile, start, stop, careful=True)
            tiles.append((tile, kept))
        return tiles

    def _in_range(self, kept: dict[str, Any]) -> bool:
        """Whether every wanted trajectory of a tile ended finite, and no sum over- or underflowed."""
        return bool(kept["finite"]) and all(each.in_range(kept[each.name], kept) for each in self.statistics)

    def _run_tile(self, tile: int, start: int, stop: int, careful: bool) -> dict[str, Any]:
        run = self.tile(careful)
        lower, upper = max(start - tile, 0), min(stop - tile, self.plan.tile)
        kept = run(self.inputs, self.key, Span(np.uint32(tile), np.int32(lower), np.int32(upper)))
        kept = jax.tree.map(np.asarray, kept)
        if not self.varied:
            return kept
        joined = {each.name: each.joined(kept[each.name]) for each in self.statistics}
        return kept | joined | {"finite": kept["finite"].all()}


def random_key(program: Program, seed: int, of: str = "") -> np.ndarray:
    """The key of a task: of gradients, and of starts where they are drawn; ``of`` which cell, if it has its own."""
    purposes = ("gradient", "start") if program.start is not None else ("gradient",)
    return np.concatenate([streams.make_key(seed, purpose + of) for purpose in purposes])


def cut(start: int, stop: int, size: int) -> Iterator[Range]:
    """The range start .. stop - 1, cut at multiples of size."""
    while start < stop:
        end = min(start - start % size + size, stop)
        yield start, end
        start = end
