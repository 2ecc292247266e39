"""Work that is sent to other processes."""

import dataclasses
import functools
import pickle
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

import jax
import numpy as np

from jaxsgd.engine.cells import CellsTask
from jaxsgd.engine.driver import Task, Work
from jaxsgd.engine.environment import BITWISE, environment
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import Inputs, prepare
from jaxsgd.engine.statistics import Statistic
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a task is made of, in a form that can be pickled.

    - `identity`: that of the job; recipes are equal if it is.
    - `study`: the arguments of a Study, which it derives the rest from; of several cells, those of the first.
    - `cells`: of several, how many, which of their inputs vary, and the inputs.
    """

    identity: str
    study: Mapping[str, Any] = dataclasses.field(compare=False)
    cells: tuple[int, tuple[bool, ...], Inputs] | None = dataclasses.field(compare=False)
    statistics: tuple[Statistic, ...] = dataclasses.field(compare=False)
    events: Mapping[str, Callable[[Any], Any]] = dataclasses.field(compare=False)
    precision: str = dataclasses.field(compare=False)
    plan: Plan = dataclasses.field(compare=False)
    key: np.ndarray = dataclasses.field(compare=False)
    environment: Mapping[str, str] = dataclasses.field(compare=False)

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
        if self.cells is None:
            return Task(program, inputs, self.plan, self.key)
        count, varied, inputs = self.cells
        return CellsTask(program, inputs, self.plan, self.key, varied, count)


_MAKING = threading.Lock()


@functools.lru_cache(maxsize=8)
def _made(recipe: Recipe) -> Task:
    return recipe.make()


class Job(Work):
    """Work that finds its way to other processes.

    A compiled program cannot be sent. What travels is the recipe; each process makes the task of it
    once. That is done when the job first runs there, so that an error is one of the work, not of its
    transport, by which pools break.

    - `study`: that of the task; of several cells, the first.
    """

    def __init__(self, study: Study, events: Mapping[str, Callable[[Any], Any]], task: Task) -> None:
        super().__init__(task)
        program, plan, key = task.program, task.plan, task.key
        arguments = {field.name: getattr(study, field.name) for field in dataclasses.fields(study)}
        cells = (task.cells, task.varied, task.inputs) if isinstance(task, CellsTask) else None
        parts = arguments, cells, program.statistics, events, program.precision, plan, key, environment()
        self._recipe = Recipe(uuid.uuid4().hex, *parts)

    def __getstate__(self) -> Recipe:
        return self._recipe

    def __setstate__(self, recipe: Recipe) -> None:
        super().__init__(None)
        self._recipe = recipe

    @property
    def task(self) -> Task:
        """What is run: where it was made that one, elsewhere one made of the recipe."""
        if self._task is not None:
            return self._task
        with _MAKING:
            return _made(self._recipe)

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
