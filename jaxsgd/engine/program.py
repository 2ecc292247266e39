"""What a study asks of a compiled tile, split in what is static and what is a number.

`Program` is hashable: studies with equal programs share one compilation. `Inputs` holds everything
that may differ between them without a new one.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import streams
from jaxsgd.engine.number_range import check_range
from jaxsgd.engine.statistics import Statistic
from jaxsgd.structure import Skeleton, Structure, flat
from jaxsgd.study import Study
from jaxsgd.tracing import blank_state, takes_state, traced


class Inputs(NamedTuple):
    """The numbers of a study.

    - `leaves`: those of oracle and method; `start` and `minimiser`: (d,).
    - `coefficients`: for each step t = 0 .. T one row of eta_t and of c_t of each average,
      (T + 1, 1 + averages). Schedules and averages enter a program as numbers only.
    - `visible`: NaN where an average has no value at a record, otherwise 1: (records, averages).
    """

    leaves: tuple[np.ndarray, ...]
    start: np.ndarray
    minimiser: np.ndarray | None
    coefficients: np.ndarray
    visible: np.ndarray


class Event(NamedTuple):
    """A user's function of x or of a State, by name."""

    name: str
    function: Callable[[Any], jax.Array]
    takes_state: bool


@dataclasses.dataclass(frozen=True)
class Program:
    """The static part of a study: everything that shapes the compiled code."""

    skeleton: Skeleton
    point: Structure
    requests: tuple[streams.Request, ...]
    recorded_steps: tuple[int, ...]
    observed: tuple[str, ...]
    built_in: tuple[str, ...]
    averages: tuple[str, ...]
    partial_averages: bool
    observables: tuple[Event, ...]
    events: tuple[Event, ...]
    path_sums: tuple[tuple[str, Callable], ...]
    statistics: tuple[Statistic, ...]
    precision: str

    @property
    def words(self) -> int:
        """Counters that one step of one trajectory uses."""
        return sum(request.words for request in self.requests)

    def rebuild(self, leaves: tuple[Any, ...]) -> tuple[Any, Any]:
        """Oracle and method, with these numbers in them."""
        return self.skeleton.filled(leaves)


def prepare(
    study: Study, statistics: tuple[Statistic, ...], events: Mapping[str, Callable] | None = None
) -> tuple[Program, Inputs]:
    """The program and the numbers of a study, in the precision that JAX is set to."""
    dtype = jnp.zeros(()).dtype
    check_range(study, dtype)
    skeleton, numbers = Skeleton.split((study.oracle, study.method))
    state, found = blank_state(study), traced(study)
    undefined = [average.undefined(study.recorded_steps, study.steps) for average in study.averages.values()]
    problem = study.oracle.problem
    program = Program(
        skeleton=skeleton,
        point=Structure.of(study.x0),
        requests=found.requests,
        recorded_steps=tuple(int(step) for step in study.recorded_steps),
        observed=study.observed,
        built_in=study.built_in,
        averages=tuple(study.averages),
        partial_averages=bool(np.any(undefined)),
        observables=tuple(map(Event, study.observables, study.observables.values(), found.takes_state)),
        events=tuple(Event(n, f, takes_state(f"probabilities[{n!r}]", f, state)) for n, f in (events or {}).items()),
        path_sums=tuple(study.path_sums.items()),
        statistics=statistics,
        precision=dtype.name,
    )
    mixing = [np.append(average.mixing(study.learning_rates[:-1]), 0.0) for average in study.averages.values()]
    inputs = Inputs(
        leaves=tuple(_cast(number, dtype) for number in numbers),
        start=flat(study.x0).astype(dtype),
        minimiser=None if problem is None or problem.minimiser is None else flat(problem.minimiser).astype(dtype),
        coefficients=np.stack([study.learning_rates, *mixing], -1).astype(dtype),
        visible=np.where(np.array(undefined, bool).reshape(-1, len(study.recorded_steps)).T, np.nan, 1.0).astype(dtype),
    )
    return program, inputs


def _cast(leaf: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(dtype) if np.issubdtype(array.dtype, np.floating) else array
