"""Who does the work: independent tasks, whole chunks each, on an executor."""

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from typing import Any

import jax
import numpy as np

from jaxsgd.engine.kernel import CompiledTile, Span, compiled
from jaxsgd.engine.ledger import Ledger, Range, Sums
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import Inputs, Program
from jaxsgd.engine.statistics import BLOCK

_IN_FLIGHT = 64  # tasks submitted and not yet folded: keeps memory flat however many there are


@dataclasses.dataclass(frozen=True)
class Task:
    """Everything that a worker needs to run any part of a study."""

    program: Program
    inputs: Inputs
    plan: Plan
    key: np.ndarray

    def tile(self, careful: bool) -> CompiledTile:
        """The compiled program of one tile."""
        return compiled(self.program, self.plan.form, self.plan.tile, careful, self.plan.compiler_options)

    def run(self, start: int, stop: int) -> list[tuple[Range, Sums]]:
        """The sums of the trajectories start .. stop - 1, chunk by chunk."""
        with jax.enable_x64(self.program.precision == "float64"):  # the setting is one of the thread
            tiles = self._run_tiles(start, stop)
        with np.errstate(over="ignore", invalid="ignore"):  # values may be as large as floats can be
            return [((low, high), self._fold(tiles, low)) for low, high in cut(start, stop, self.plan.chunk)]

    def _fold(self, tiles: list[tuple[int, dict[str, Any]]], low: int) -> Sums:
        """The sums of the chunk that holds trajectory ``low``, from the tiles that it overlaps."""
        first = low - low % self.plan.chunk
        sums = {}
        for statistic in self.program.statistics:
            parts = []
            for start, kept in tiles:
                begin, end = max(first - start, 0), min(first + self.plan.chunk - start, self.plan.tile)
                if begin < end:
                    blocks = slice(begin // BLOCK, end // BLOCK)
                    axes = (..., blocks, slice(None)) if statistic.keeps_lanes else (..., blocks)
                    part = {key: array[axes] for key, array in kept[statistic.name].items()}
                    parts.append(part | {"counts": kept["counts"][blocks], "valid": kept["valid"][blocks]})
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
        return bool(kept["finite"]) and all(each.in_range(kept[each.name]) for each in self.program.statistics)

    def _run_tile(self, tile: int, start: int, stop: int, careful: bool) -> dict[str, Any]:
        run = self.tile(careful)
        lower, upper = max(start - tile, 0), min(stop - tile, self.plan.tile)
        kept = run(self.inputs, self.key, Span(np.uint32(tile), np.int32(lower), np.int32(upper)))
        return jax.tree.map(np.asarray, kept)


def cut(start: int, stop: int, size: int) -> Iterator[Range]:
    """The range start .. stop - 1, cut at multiples of size."""
    while start < stop:
        end = min(start - start % size + size, stop)
        yield start, end
        start = end


def run(
    task: Task, first: int, count: int, executor: Executor | None = None, done: Callable[[int], None] = lambda _: None
) -> Ledger:
    """The sums of trajectories first .. first + count - 1; ``done`` hears of each finished chunk's size."""
    ledger = Ledger(task.program.statistics, task.plan.chunk)
    task.tile(careful=False)  # made here, so that threads find one and the same
    pool = executor or ThreadPoolExecutor(task.plan.workers, thread_name_prefix="jaxsgd")
    pending: set[Future[list[tuple[Range, Sums]]]] = set()
    try:
        for start, stop in cut(first, first + count, max(task.plan.chunk, task.plan.tile)):
            pending.add(pool.submit(task.run, start, stop))
            if len(pending) >= _IN_FLIGHT:
                _collect(pending, ledger, done)
        while pending:
            _collect(pending, ledger, done)
    finally:
        for future in pending:
            future.cancel()
        if executor is None:
            pool.shutdown(wait=True, cancel_futures=True)
    return ledger


def _collect(pending: set[Future[list[tuple[Range, Sums]]]], ledger: Ledger, done: Callable[[int], None]) -> None:
    """Wait until at least one task has ended and put the sums of its chunks into the ledger."""
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        pending.remove(future)
        for (start, stop), sums in future.result():
            ledger.add(start, stop, sums)
            done(stop - start)
