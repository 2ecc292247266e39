"""Who does the work: independent parts of jobs, whole units each, on an executor."""

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from jaxsgd.engine import devices
from jaxsgd.engine.job import Job
from jaxsgd.engine.ledger import Entry, Range
from jaxsgd.engine.task import cut

# Parts submitted and not yet folded: keeps memory flat however many there are. More where they are
# sent elsewhere, so that a cluster is busy.
_IN_FLIGHT, _IN_FLIGHT_ELSEWHERE = 64, 512
# Units of a part, of which a checkpoint writes a file in some 2 ms: so many that this costs little, but
# not where there would be too few parts to end together; more only where there would be too many files.
_UNITS, _FEW_PARTS, _MANY_PARTS = 16, 128, 4096


def run(
    jobs: Sequence[Job],
    missing: Sequence[Sequence[Range]],
    trajectories: int,
    done: Callable[[int, Range, list[Entry]], None],
    executor: Executor | None = None,
) -> None:
    """Run some ranges of trajectories of every job, one job after the other.

    **Arguments**

    - `missing`: the ranges of each job.
    - `trajectories`: how many each job has in all, those that are not missing included: by these the parts are cut.
    - `done`: gets each finished part, in this thread: the position of its job, its range, and its sums.
    - `executor`: who does the work; default a pool of threads.
    """
    for job in jobs:
        job.task.tile(careful=False)  # made here, so that threads find one and the same
    pool = executor or ThreadPoolExecutor(
        max(job.task.plan.workers for job in jobs), thread_name_prefix="jaxsgd", initializer=devices.in_turn()
    )
    limit = _IN_FLIGHT if executor is None else _IN_FLIGHT_ELSEWHERE
    pending: dict[Future[list[Entry]], tuple[int, Range]] = {}
    ended: queue.SimpleQueue[Future[list[Entry]]] = queue.SimpleQueue()

    def collect() -> None:
        future = ended.get()
        done(*pending.pop(future), future.result())

    try:
        for position, (job, ranges) in enumerate(zip(jobs, missing, strict=True)):
            unit = job.task.unit
            for part in _parts(ranges, len(jobs) * trajectories // unit, unit):
                future = pool.submit(job.run, *part)
                pending[future] = position, part
                future.add_done_callback(ended.put)
                if len(pending) >= limit:
                    collect()
        while pending:
            collect()
    except BaseException:  # Ctrl-C, too: nothing is started any more, and what runs here ends soon
        for job in jobs:
            job.stop()
        raise
    finally:
        for future in pending:
            future.cancel()
        if executor is None:
            pool.shutdown(wait=True, cancel_futures=True)


def _parts(missing: Sequence[Range], units: int, unit: int) -> Iterator[Range]:
    """What is missing, cut in parts: a unit each, or where there are many in all a power of two of them."""
    size = max(min(_UNITS, units // _FEW_PARTS), units // _MANY_PARTS, 1)
    for start, stop in missing:
        yield from cut(start, stop, unit << (size.bit_length() - 1))
