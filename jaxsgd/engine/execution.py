"""A run under way: what is finished of its jobs, in memory and in a checkpoint."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Protocol

from jaxsgd.engine import driver
from jaxsgd.engine.checkpoint import Checkpoint, Shelf
from jaxsgd.engine.driver import Errand
from jaxsgd.engine.job import Job
from jaxsgd.engine.ledger import Entry, Ledger


class Listener(Protocol):
    """Hears how a run gets on."""

    def expect(self, trajectories: Sequence[int]) -> None:
        """So many more trajectories of each job are going to be run."""

    def hear(self, job: int, entries: list[Entry]) -> None:
        """These were run."""


class Execution:
    """Runs jobs over the ids from ``first`` on, in stretches; `ledgers` has the sums of each job."""

    def __init__(self, jobs: Sequence[Job], first: int, executor: Executor | None, shelves: Sequence[Shelf]) -> None:
        self.ledgers = [Ledger(job.task.statistics, job.task.plan.chunk) for job in jobs]
        self._jobs, self._executor, self._shelves = jobs, executor, shelves
        self._first, self._reached = first, first

    def extend(self, stop: int, listener: Listener) -> None:
        """Run what neither was run before, nor is in the checkpoint, of the ids below ``stop``."""
        keepers = [shelf.save for shelf in self._shelves] or [driver.forget] * len(self._jobs)
        for shelf, job, ledger in zip(self._shelves, self._jobs, self.ledgers, strict=False):
            shelf.restore(ledger, self._reached, stop, job.task.unit)
        errands = [Errand(*parts) for parts in zip(self._jobs, self.ledgers, keepers, strict=True)]
        missing = [ledger.missing(self._first, stop) for ledger in self.ledgers]
        listener.expect([sum(high - low for low, high in ranges) for ranges in missing])
        driver.run(errands, self._first, stop, self._executor, listener.hear)
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
        yield Execution(jobs, first, executor, ())
        return
    with Checkpoint(folder, manifest) as store:
        yield Execution(jobs, first, executor, [store.shelf(i, job.task.plan.tile) for i, job in enumerate(jobs)])
