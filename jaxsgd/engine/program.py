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

from jaxsgd import stated_facts, streams
from jaxsgd.engine.number_range import check_range
from jaxsgd.engine.statistics import Statistic
from jaxsgd.remembering import Surroundings
from jaxsgd.state import State
from jaxsgd.structure import Skeleton, Structure, flat
from jaxsgd.study import Study
from jaxsgd.tracing import blank_state, takes_state, traced, what_is_read


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
    """A user's function of x or of a State, by name.

    `reads`: of what a State holds, x, the averages and the path sums in order, what must be finite for an answer.
    """

    name: str
    function: Callable[[Any], jax.Array]
    takes_state: bool
    reads: tuple[bool, ...] = ()


@dataclasses.dataclass(frozen=True)
class Program:
    """The static part of a study: everything that shapes the compiled code.

    - `around`: what the functions of the user read when this was made, such as globals.
    - `positive_risk`: whether the risk is known to be positive everywhere but at the minimiser.
    """

    skeleton: Skeleton
    point: Structure
    requests: tuple[streams.Request, ...]
    recorded_steps: tuple[int, ...]
    observed: tuple[str, ...]
    built_in: tuple[str, ...]
    averages: tuple[str, ...]
    partial_averages: bool
    positive_risk: bool
    observables: tuple[Event, ...]
    events: tuple[Event, ...]
    path_sums: tuple[tuple[str, Callable], ...]
    statistics: tuple[Statistic, ...]
    precision: str
    around: Surroundings

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
    # Again, as functions may read something else than when the study was made.
    stated_facts.check(study.oracle, study.method, study.x0)
    dtype = jnp.zeros(()).dtype
    check_range(study, dtype)
    skeleton, numbers = Skeleton.split((study.oracle, study.method))
    state, found = blank_state(study), traced(study)
    undefined = [average.undefined(study.recorded_steps, study.steps) for average in study.averages.values()]
    problem = study.oracle.problem
    observables = tuple(map(Event, study.observables, study.observables.values(), found.takes_state))
    asked = tuple(_event(name, function, state) for name, function in (events or {}).items())
    path_sums = tuple(study.path_sums.items())
    program = Program(
        skeleton=skeleton,
        point=Structure.of(study.x0),
        requests=found.requests,
        recorded_steps=tuple(int(step) for step in study.recorded_steps),
        observed=study.observed,
        built_in=study.built_in,
        averages=tuple(study.averages),
        partial_averages=bool(np.any(undefined)),
        positive_risk=problem is not None and problem.minimum == 0 and (problem.strong_convexity or 0.0) > 0,
        observables=observables,
        events=asked,
        path_sums=path_sums,
        statistics=statistics,
        precision=dtype.name,
        around=Surroundings((skeleton, observables, asked, path_sums)),
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


def _event(name: str, function: Callable, state: State) -> Event:
    on_state = takes_state(f"probabilities[{name!r}]", function, state)
    return Event(name, function, on_state, what_is_read(function, state, on_state))


def _cast(leaf: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(dtype) if np.issubdtype(array.dtype, np.floating) else array
