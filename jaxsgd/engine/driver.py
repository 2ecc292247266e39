"""Who does the work: chunks as independent tasks on an executor."""

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

_IN_FLIGHT = 64  # chunks submitted and not yet folded: keeps memory flat however many there are


@dataclasses.dataclass(frozen=True)
class Task:
    """Everything that a worker needs to run any chunk of a study."""

    program: Program
    inputs: Inputs
    plan: Plan
    key: np.ndarray

    def tile(self, careful: bool) -> CompiledTile:
        """The compiled program of one tile."""
        return compiled(self.program, self.plan.tile, careful, self.plan.compiler_options)

    def run_chunk(self, start: int, stop: int) -> Sums:
        """The sums of the trajectories start .. stop - 1, which lie in one chunk."""
        with jax.enable_x64(self.program.precision == "float64"):  # the setting is one of the thread
            tiles = self._run_tiles(start, stop)
        lanes = [{key: tile[key] for key in ("counts", "valid")} for tile in tiles]
        with np.errstate(over="ignore", invalid="ignore"):  # values may be as large as floats can be
            return {
                statistic.name: statistic.fold(
                    [tile[statistic.name] | of_lanes for tile, of_lanes in zip(tiles, lanes, strict=True)]
                )
                for statistic in self.program.statistics
            }

    def _run_tiles(self, start: int, stop: int) -> list[dict[str, Any]]:
        tiles, careful = [], False
        for tile in range(start - start % self.plan.tile, stop, self.plan.tile):
            kept = None if careful else self._run_tile(tile, start, stop, careful=False)
            if kept is None or not _all_finite(kept):
                # From its first tile that is not finite on, a chunk counts what is finite.
                careful = True
                kept = self._run_tile(tile, start, stop, careful=True)
            tiles.append(kept)
        return tiles

    def _run_tile(self, tile: int, start: int, stop: int, careful: bool) -> dict[str, Any]:
        run = self.tile(careful)
        lower, upper = max(start - tile, 0), min(stop - tile, self.plan.tile)
        kept = run(self.inputs, self.key, Span(np.uint32(tile), np.int32(lower), np.int32(upper)))
        return jax.tree.map(np.asarray, kept)


def _all_finite(kept: dict[str, Any]) -> bool:
    """Whether every wanted trajectory of a tile ended finite and every recorded moment is finite."""
    moments = kept.get("moments", {})
    return bool(kept["finite"]) and all(np.isfinite(array).all() for array in moments.values())


def cut(first: int, count: int, chunk: int) -> Iterator[Range]:
    """The range first .. first + count - 1, cut at multiples of chunk."""
    start, end = first, first + count
    while start < end:
        stop = min(start - start % chunk + chunk, end)
        yield start, stop
        start = stop


def run(
    task: Task, first: int, count: int, executor: Executor | None = None, done: Callable[[int], None] = lambda _: None
) -> Ledger:
    """The sums of trajectories first .. first + count - 1; ``done`` hears of each finished chunk's size."""
    ledger = Ledger(task.program.statistics, task.plan.chunk)
    task.tile(careful=False)  # made here, so that threads find one and the same
    pool = executor or ThreadPoolExecutor(task.plan.workers, thread_name_prefix="jaxsgd")
    pending: dict[Future[Sums], Range] = {}
    ranges = cut(first, count, task.plan.chunk)
    try:
        for start, stop in ranges:
            pending[pool.submit(task.run_chunk, start, stop)] = (start, stop)
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


def _collect(pending: dict[Future[Sums], Range], ledger: Ledger, done: Callable[[int], None]) -> None:
    """Wait until at least one chunk has ended and put what has into the ledger."""
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        start, stop = pending.pop(future)
        ledger.add(start, stop, future.result())
        done(stop - start)
