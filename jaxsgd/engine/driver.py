"""Who does the work: independent tasks, whole chunks each, on an executor."""

import contextlib
import dataclasses
import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from jaxsgd.engine.kernel import CompiledTile, Span, compiled
from jaxsgd.engine.ledger import Entry, Ledger, Range, Sums
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import Inputs, Program
from jaxsgd.engine.statistics import BLOCK, Statistic

# Tasks submitted and not yet folded: keeps memory flat however many there are. More where they are
# sent elsewhere, so that a cluster is busy.
_IN_FLIGHT, _IN_FLIGHT_ELSEWHERE = 64, 512
# Units of a task, of which a checkpoint writes a file in some 2 ms: so many that this costs little, but
# not where there would be too few tasks to end together; more only where there would be too many files.
_UNITS, _FEW_TASKS, _MANY_TASKS = 16, 128, 4096
_THREAD = threading.local()  # has a `device` where threads share several


@dataclasses.dataclass(frozen=True)
class Task:
    """Everything that a worker needs to run any part of a study."""

    program: Program
    inputs: Inputs
    plan: Plan
    key: np.ndarray

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """Those that the sums are of."""
        return self.program.statistics

    @property
    def unit(self) -> int:
        """Trajectories that are run together: whatever else is cut, is cut at multiples of it."""
        return max(self.plan.chunk, self.plan.tile)

    def tile(self, careful: bool) -> CompiledTile:
        """The compiled program of one tile."""
        return compiled(self.program, self.plan.form, self.plan.tile, careful, self.plan.compiler_options)

    def run(self, start: int, stop: int) -> list[Entry]:
        """The sums of the trajectories start .. stop - 1, of one unit, chunk by chunk."""
        with jax.enable_x64(self.program.precision == "float64"), _own_device():  # settings of this thread
            tiles = self._run_tiles(start, stop)
        with np.errstate(over="ignore", invalid="ignore"):  # values may be as large as floats can be
            return [((low, high), self._fold(tiles, low)) for low, high in cut(start, stop, self.plan.chunk)]

    def _fold(self, tiles: list[tuple[int, dict[str, Any]]], low: int) -> Sums:
        """The sums of the chunk that holds trajectory ``low``, from the tiles that it overlaps."""
        first = low - low % self.plan.chunk
        sums = {}
        for statistic in self.statistics:
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
        return bool(kept["finite"]) and all(each.in_range(kept[each.name]) for each in self.statistics)

    def _run_tile(self, tile: int, start: int, stop: int, careful: bool) -> dict[str, Any]:
        run = self.tile(careful)
        lower, upper = max(start - tile, 0), min(stop - tile, self.plan.tile)
        kept = run(self.inputs, self.key, Span(np.uint32(tile), np.int32(lower), np.int32(upper)))
        return self.look(jax.tree.map(np.asarray, kept))

    def look(self, kept: dict[str, Any]) -> dict[str, Any]:
        """What a tile kept, as statistics fold it."""
        return kept


def cut(start: int, stop: int, size: int) -> Iterator[Range]:
    """The range start .. stop - 1, cut at multiples of size."""
    while start < stop:
        end = min(start - start % size + size, stop)
        yield start, end
        start = end


class Work:
    """Runs parts of one task, in this process, until it is told to stop."""

    def __init__(self, task: Task | None) -> None:
        self._task, self._stopped = task, threading.Event()

    @property
    def task(self) -> Task:
        assert self._task is not None  # as it may be in a subclass, which then answers itself
        return self._task

    def run(self, start: int, stop: int) -> list[Entry]:
        """The sums of the trajectories start .. stop - 1, those of whole chunks merged as a ledger does."""
        task = self.task
        ledger = Ledger(task.statistics, task.plan.chunk)
        for low, high in cut(start, stop, task.unit):
            if self._stopped.is_set():
                raise CancelledError
            for (first, last), sums in task.run(low, high):
                ledger.add(first, last, sums)
        return list(ledger)

    def stop(self) -> None:
        """Make what runs here end soon, by a ``CancelledError``."""
        self._stopped.set()


Keep = Callable[[Range, list[Entry]], None]


def forget(part: Range, entries: list[Entry]) -> None:
    """Keeps nothing of a finished part."""


@dataclasses.dataclass
class Errand:
    """What is to be done of one task.

    - `ledger`: where its sums go; what is in there is done already, in whole units.
    - `keep`: gets the range and the sums of each finished part, before the ledger does.
    """

    work: Work
    ledger: Ledger
    keep: Keep = forget


def run(
    errands: Sequence[Errand],
    start: int,
    stop: int,
    executor: Executor | None = None,
    done: Callable[[int, list[Entry]], None] = lambda position, entries: None,
) -> None:
    """Run what is missing of the trajectories start .. stop - 1 of every errand, one after the other.

    **Arguments**

    - `executor`: who does the work; default a pool of threads.
    - `done`: hears of each finished part: the position of its errand, and its sums.
    """
    for errand in errands:
        errand.work.task.tile(careful=False)  # made here, so that threads find one and the same
    pool = executor or _threads(max(errand.work.task.plan.workers for errand in errands))
    limit = _IN_FLIGHT if executor is None else _IN_FLIGHT_ELSEWHERE
    pending: dict[Future[list[Entry]], tuple[int, Range]] = {}
    ended: queue.SimpleQueue[Future[list[Entry]]] = queue.SimpleQueue()

    def collect() -> None:
        future = ended.get()
        position, part = pending.pop(future)
        errand, entries = errands[position], future.result()
        errand.keep(part, entries)
        for (low, high), sums in entries:
            errand.ledger.add(low, high, sums)
        done(position, entries)

    try:
        for position, errand in enumerate(errands):
            unit = errand.work.task.unit
            for part in _tasks(errand.ledger.missing(start, stop), len(errands) * (stop - start) // unit, unit):
                future = pool.submit(errand.work.run, *part)
                pending[future] = position, part
                future.add_done_callback(ended.put)
                if len(pending) >= limit:
                    collect()
        while pending:
            collect()
    except BaseException:  # Ctrl-C, too: nothing is started any more, and what runs here ends soon
        for errand in errands:
            errand.work.stop()
        raise
    finally:
        for future in pending:
            future.cancel()
        if executor is None:
            pool.shutdown(wait=True, cancel_futures=True)


def _threads(count: int) -> ThreadPoolExecutor:
    """A pool whose threads take the devices of this process in turn, where there are several to choose from."""
    devices = itertools.cycle(jax.local_devices())

    def take() -> None:
        _THREAD.device = next(devices)

    several = len(jax.local_devices()) > 1 and jax.config.jax_default_device is None  # type: ignore[attr-defined]
    return ThreadPoolExecutor(count, thread_name_prefix="jaxsgd", initializer=take if several else None)


def _own_device() -> contextlib.AbstractContextManager[Any]:
    """The setting under which this thread computes on its own device, if it has one."""
    device = getattr(_THREAD, "device", None)
    return contextlib.nullcontext() if device is None else jax.default_device(device)


def _tasks(missing: list[Range], units: int, unit: int) -> Iterator[Range]:
    """What is missing, cut in tasks: a unit each, or where there are many in all a power of two of them."""
    size = max(min(_UNITS, units // _FEW_TASKS), units // _MANY_TASKS, 1)
    for start, stop in missing:
        yield from cut(start, stop, unit << (size.bit_length() - 1))
