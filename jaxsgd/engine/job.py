"""A task that runs in parts, can be stopped, and finds its way to other processes."""

import dataclasses
import functools
import pickle
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor
from typing import Any

import jax
import numpy as np

from jaxsgd.engine.environment import BITWISE, environment
from jaxsgd.engine.fingerprint import fingerprint
from jaxsgd.engine.ledger import Entry, Ledger
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import Inputs, prepare
from jaxsgd.engine.statistics import Statistic
from jaxsgd.engine.task import Task, cut
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """What a task is made of, in a form that can be pickled.

    - `identity`: that of the job; recipes are equal if it is.
    - `study`: the arguments of a Study, which it derives the rest from; of several cells, those of the first.
    - `varied`, `inputs`: of cells, those of the task; of a study nothing, and None: its inputs are made again.
    - `fingerprint`: that of the task, which the one that is made of the recipe must have.
    """

    identity: str
    study: Mapping[str, Any] = dataclasses.field(compare=False)
    varied: tuple[bool, ...] = dataclasses.field(compare=False)
    inputs: Inputs | None = dataclasses.field(compare=False)
    statistics: tuple[Statistic, ...] = dataclasses.field(compare=False)
    events: Mapping[str, Callable[[Any], Any]] = dataclasses.field(compare=False)
    precision: str = dataclasses.field(compare=False)
    plan: Plan = dataclasses.field(compare=False)
    key: np.ndarray = dataclasses.field(compare=False)
    environment: Mapping[str, str] = dataclasses.field(compare=False)
    fingerprint: str = dataclasses.field(default="", compare=False)

    def make(self) -> Task:
        """The task, in a process that would give the same bits as the one that wrote the recipe."""
        here = environment()
        for name in BITWISE:
            if here[name] != self.environment[name]:
                raise InvalidInput(
                    f"a worker differs in {name} ({here[name]!r}, not {self.environment[name]!r}): its sums would "
                    "differ in their last bits; start all workers on one kind of machine, with the same "
                    "packages and the same XLA_FLAGS"
                )
        with jax.enable_x64(self.precision == "float64"):
            program, inputs = prepare(Study(**self.study), self.statistics, self.events)
        task = Task(program, inputs if self.inputs is None else self.inputs, self.plan, self.key, self.varied)
        if fingerprint(task) != self.fingerprint:
            raise InvalidInput(
                "a worker computes something else than the process that started it: what the functions of the study "
                "read, such as a global variable of their module, was changed there, and is not changed in the "
                "worker; give it to the functions by functools.partial, or keep it in their module"
            )
        return task


_MAKING = threading.Lock()


@functools.lru_cache(maxsize=8)
def _made(recipe: _Recipe) -> Task:
    return recipe.make()


class Job:
    """Runs parts of one task, in this process or in others, until it is told to stop.

    A compiled program cannot be sent. What travels is a recipe; each process makes the task of it
    once. That is done when the job first runs there, so that an error is one of the work, not of its
    transport, by which pools break.

    - `study`: that of the task; of several cells, the first.
    - `events`: those of the task, by name.
    """

    def __init__(self, study: Study, events: Mapping[str, Callable[[Any], Any]], task: Task) -> None:
        self._task, self._stopped = task, threading.Event()
        program = task.program
        self._recipe = _Recipe(
            identity=uuid.uuid4().hex,
            study={field.name: getattr(study, field.name) for field in dataclasses.fields(study)},
            varied=task.varied,
            inputs=task.inputs if task.varied else None,
            statistics=program.statistics,
            events=events,
            precision=program.precision,
            plan=task.plan,
            key=task.key,
            environment=environment(),
        )

    def __getstate__(self) -> _Recipe:
        if not self._recipe.fingerprint:
            self._recipe = dataclasses.replace(self._recipe, fingerprint=fingerprint(self.task))
        return self._recipe

    def __setstate__(self, recipe: _Recipe) -> None:
        self._recipe, self._task, self._stopped = recipe, None, threading.Event()

    @property
    def task(self) -> Task:
        """What is run: where it was made that one, elsewhere one made of the recipe."""
        if self._task is not None:
            return self._task
        with _MAKING:
            return _made(self._recipe)

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

    def check(self, executor: Executor) -> None:
        """An error if the executor is one of processes that this job cannot reach."""
        if not isinstance(executor, ProcessPoolExecutor):
            return
        if executor._mp_context.get_start_method() == "fork":  # type: ignore[attr-defined]
            raise InvalidInput(
                "JAX does not work in forked processes: use "
                'ProcessPoolExecutor(n, mp_context=multiprocessing.get_context("spawn"))'
            )
        try:
            pickle.dumps(self)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise InvalidType(
                f"the study cannot be sent to other processes ({error}): define its functions at the top level of a "
                "module, not as lambdas or inside functions; or use threads, or Dask's Client.get_executor(), "
                "which sends functions by value"
            ) from error
