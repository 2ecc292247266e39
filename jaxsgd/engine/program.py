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
from jaxsgd.averages import Average
from jaxsgd.engine.common_state import common_leaves, merged, separated
from jaxsgd.engine.number_range import check_range
from jaxsgd.engine.statistics import Statistic
from jaxsgd.folds import PathFold
from jaxsgd.remembering import Surroundings
from jaxsgd.start import Start
from jaxsgd.structure import Shapes, Skeleton, Structure, flat
from jaxsgd.study import Study
from jaxsgd.tracing import Blank, takes_state, traced, what_is_read


class Inputs(NamedTuple):
    """The numbers of a study.

    - `leaves`: those of oracle, method and folds; `start` and `minimiser`: (d,).
    - `coefficients`: for each step t = 0 .. T one row of eta_t and of c_t of each average,
      (T + 1, 1 + averages). Where folds see averages that have no value at some steps, as many columns say whether
      they have one after the update: 1, or NaN. Schedules and averages enter a program as numbers only.
    - `visible`: NaN where an average has no value at a record, otherwise 1: (records, averages).
    - `law`: of x_0 where it is drawn; then `start` is its mean, or 0 where that is not known, as a point that there is.
    """

    leaves: tuple[np.ndarray, ...]
    start: np.ndarray
    minimiser: np.ndarray | None
    coefficients: np.ndarray
    visible: np.ndarray
    law: tuple[np.ndarray, ...] = ()


class Event(NamedTuple):
    """A user's function of x or of a State, by name.

    `reads`: of what a State holds, x, the averages, the folds and the method's state in order, what must be finite
    for an answer.
    """

    name: str
    function: Callable[[Any], jax.Array]
    takes_state: bool
    reads: tuple[bool, ...] = ()


@dataclasses.dataclass(frozen=True)
class Program:
    """The static part of a study: everything that shapes the compiled code.

    - `blank`: the structure of x, of the folds and of the method's state; and the names of averages.
    - `points`: the names of further points of the method; `sees_pytree`: whether it sees x as a pytree.
    - `common`: which leaves of the method's state are the same for all trajectories.
    - `start`: where x_0 is drawn, its law without numbers, and `start_requests`: what that draws.
    - `around`: what the functions of the user read when this was made, such as globals.
    - `positive_risk`: whether the risk is known to be positive everywhere but at the minimiser.
    """

    skeleton: Skeleton
    blank: Blank
    requests: tuple[streams.Request, ...]
    recorded_steps: tuple[int, ...]
    observed: tuple[str, ...]
    built_in: tuple[str, ...]
    points: tuple[str, ...]
    sees_pytree: bool
    common: tuple[bool, ...]
    partial_averages: bool
    positive_risk: bool
    observables: tuple[Event, ...]
    events: tuple[Event, ...]
    statistics: tuple[Statistic, ...]
    precision: str
    start: Skeleton | None
    start_requests: tuple[streams.Request, ...]
    around: Surroundings

    @property
    def words(self) -> int:
        """Counters that one step of one trajectory uses."""
        return sum(request.words for request in self.requests)

    @property
    def point(self) -> Structure:
        """The structure of x."""
        return self.blank.point

    @property
    def averages(self) -> tuple[str, ...]:
        """The names of the averages."""
        return self.blank.averages

    @property
    def folds(self) -> tuple[str, ...]:
        """The names of the folds, path sums among them."""
        return tuple(name for name, _ in self.blank.folds)

    def rebuild(self, leaves: tuple[Any, ...]) -> tuple[Any, Any, dict[str, PathFold]]:
        """Oracle, method and folds, with these numbers in them."""
        return self.skeleton.filled(leaves)

    def seen_by_method(self, x: jax.Array) -> Any:
        """(d, lanes) in the form that the method sees."""
        return self.point.unflatten(x) if self.sees_pytree else x

    def flat(self, x: Any) -> jax.Array:
        """What the method sees, as (d, lanes)."""
        return self.point.flatten(x) if self.sees_pytree else x

    def separated(self, state: Any) -> tuple[list[jax.Array], list[jax.Array]]:
        """The leaves of a state of the method: those common to all trajectories, and the others."""
        shapes = self.blank.method.leaves
        leaves = [jnp.asarray(leaf, dtype) for leaf, (_, dtype) in zip(jax.tree.leaves(state), shapes, strict=True)]
        return separated(self.common, leaves)

    def whole(self, common: list[jax.Array], others: list[jax.Array]) -> Any:
        """The state of the method of these leaves; the inverse of `separated`."""
        return jax.tree.unflatten(self.blank.method.treedef, merged(self.common, common, others))

    @property
    def shapes_of_others(self) -> list[tuple[int, ...]]:
        """The shapes of those leaves of the method's state that are not common."""
        return separated(self.common, [shape for shape, _ in self.blank.method.leaves])[1]


def prepare(
    study: Study, statistics: tuple[Statistic, ...], events: Mapping[str, Callable] | None = None
) -> tuple[Program, Inputs]:
    """The program and the numbers of a study, in the precision that JAX is set to."""
    # Again, as functions may read something else than when the study was made.
    stated_facts.check(study.oracle, study.method, study.near_start)
    dtype = np.dtype(jnp.result_type(float))
    check_range(study, dtype)
    skeleton, numbers = Skeleton.split(study.parts)
    law, of_law = Skeleton.split(study.x0) if isinstance(study.x0, Start) else (None, ())
    found = traced(study)
    blank = found.blank
    undefined = [average.undefined(study.recorded_steps, study.steps) for average in study.averages.values()]
    problem = study.oracle.problem
    observables = tuple(
        Event(name, function, takes_state(f"observable {name!r}", function, blank))
        for name, function in study.observables.items()
    )
    asked = tuple(_event(name, function, blank) for name, function in (events or {}).items())
    leaves = tuple(_cast(number, dtype) for number in numbers)
    program = Program(
        skeleton=skeleton,
        blank=blank,
        requests=found.requests,
        recorded_steps=tuple(int(step) for step in study.recorded_steps),
        observed=study.observed,
        built_in=study.built_in,
        points=found.points,
        sees_pytree=study.method.sees_pytree,
        common=common_leaves(skeleton, Shapes.of(leaves), blank),
        partial_averages=bool(np.any(undefined)),
        positive_risk=problem is not None and problem.minimum == 0 and (problem.strong_convexity or 0.0) > 0,
        observables=observables,
        events=asked,
        statistics=statistics,
        precision=dtype.name,
        start=law,
        start_requests=study.start_requests,
        around=Surroundings((skeleton, observables, asked, law)),
    )
    columns = [np.append(average.mixing(study.learning_rates[:-1]), 0.0) for average in study.averages.values()]
    if np.any(undefined) and study.folds:
        columns += [_visible(average, study.steps) for average in study.averages.values()]
    inputs = Inputs(
        leaves=leaves,
        start=_one_start(study).astype(dtype),
        minimiser=None if problem is None or problem.minimiser is None else flat(problem.minimiser).astype(dtype),
        coefficients=np.stack([study.learning_rates, *columns], -1).astype(dtype),
        law=tuple(_cast(number, dtype) for number in of_law),
        visible=np.where(np.array(undefined, bool).reshape(-1, len(study.recorded_steps)).T, np.nan, 1.0).astype(dtype),
    )
    return program, inputs


def _one_start(study: Study) -> np.ndarray:
    """x_0 (d,); where it is drawn, its mean, or 0."""
    if not isinstance(study.x0, Start):
        return flat(study.x0)
    mean = study.x0.mean_vector(study.dimension)
    return np.zeros(study.dimension) if mean is None else np.asarray(mean, np.float64)


def _visible(average: Average, steps: int) -> np.ndarray:
    """NaN where an average over x_0 .. x_t has no value, otherwise 1, for t = 0 .. T."""
    return np.where(average.undefined(np.arange(1, steps + 2), steps), np.nan, 1.0)


def _event(name: str, function: Callable, blank: Blank) -> Event:
    on_state = takes_state(f"probabilities[{name!r}]", function, blank)
    return Event(name, function, on_state, what_is_read(function, blank, on_state))


def _cast(leaf: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(dtype) if np.issubdtype(array.dtype, np.floating) else array
