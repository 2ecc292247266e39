"""A run under way: what is finished of its jobs, in memory and in a checkpoint."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

from jaxsgd.engine import driver
from jaxsgd.engine.checkpoint import Checkpoint, Shelf
from jaxsgd.engine.job import Job
from jaxsgd.engine.ledger import Entry, Ledger, Range


class Listener(Protocol):
    """Hears how a run gets on."""

    def expect(self, trajectories: Sequence[int]) -> None:
        """So many more trajectories of each job are going to be run."""

    def hear(self, job: int, entries: list[Entry]) -> None:
        """These were run."""


class Execution:
    """Runs jobs over the ids from ``first`` on, in stretches; `ledgers` has the sums of each job.

    - `shelves`: of each job, where in a checkpoint its finished parts are; empty where there is none.
    """

    def __init__(
        self, jobs: Sequence[Job], first: int, executor: Executor | None = None, shelves: Sequence[Shelf] = ()
    ) -> None:
        self.ledgers = [Ledger(job.task.statistics, job.task.plan.chunk) for job in jobs]
        self._jobs, self._executor, self._shelves = jobs, executor, shelves
        self._first, self._reached = first, first

    def extend(self, stop: int, listener: Listener | None = None) -> None:
        """Run what neither was run before, nor is in the checkpoint, of the ids below ``stop``."""
        if self._shelves:
            for shelf, job, ledger in zip(self._shelves, self._jobs, self.ledgers, strict=True):
                shelf.restore(ledger, self._reached, stop, job.task.unit)
        missing = [ledger.missing(self._first, stop) for ledger in self.ledgers]
        if listener is not None:
            listener.expect([sum(high - low for low, high in ranges) for ranges in missing])

        def done(job: int, part: Range, entries: list[Entry]) -> None:
            if self._shelves:
                self._shelves[job].save(part, entries)
            for (low, high), sums in entries:
                self.ledgers[job].add(low, high, sums)
            if listener is not None:
                listener.hear(job, entries)

        driver.run(self._jobs, missing, stop - self._first, done, self._executor)
        self._reached = stop


@contextlib.contextmanager
def execution(
    jobs: Sequence[Job],
    first: int,
    executor: Executor | None,
    folder: str | os.PathLike[str] | None,
    manifest: Mapping[str, Any],
) -> Iterator[Execution]:
    """An execution that keeps what is finished in a folder, if there is one; while it lasts, nobody else does."""
    if executor is not None:
        for job in jobs:
            job.check(executor)
    if folder is None:
        yield Execution(jobs, first, executor)
        return
    with Checkpoint(folder, manifest) as store:
        yield Execution(jobs, first, executor, [store.shelf(i, job.task.plan.tile) for i, job in enumerate(jobs)])
