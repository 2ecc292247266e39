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
from jaxsgd.engine.statistics import Statistic
from jaxsgd.structure import Structure
from jaxsgd.study import Study
from jaxsgd.tracing import blank_state, takes_state


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

    treedef: Any
    fixed: tuple[Any, ...]
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
        numbers = iter(leaves)
        return jax.tree.unflatten(self.treedef, [next(numbers) if item is None else item for item in self.fixed])


def is_number(leaf: Any) -> bool:
    """Whether a leaf of a pytree is data, which may change without a new compilation."""
    return isinstance(leaf, np.ndarray | np.generic | jax.Array | float | int) and not isinstance(leaf, bool)


def prepare(
    study: Study, statistics: tuple[Statistic, ...], events: Mapping[str, Callable] | None = None
) -> tuple[Program, Inputs]:
    """The program and the numbers of a study, in the precision that JAX is set to."""
    dtype = jnp.zeros(()).dtype
    leaves, treedef = jax.tree.flatten((study.oracle, study.method))
    state = blank_state(study)
    undefined = [average.undefined(study.recorded_steps, study.steps) for average in study.averages.values()]
    problem = study.oracle.problem
    program = Program(
        treedef=treedef,
        fixed=tuple(None if is_number(leaf) else leaf for leaf in leaves),
        point=Structure.of(study.x0),
        requests=study.requests,
        recorded_steps=tuple(int(step) for step in study.recorded_steps),
        observed=study.observed,
        built_in=study.built_in,
        averages=tuple(study.averages),
        partial_averages=bool(np.any(undefined)),
        observables=tuple(Event(n, f, takes_state(n, f, state)) for n, f in study.observables.items()),
        events=tuple(Event(n, f, takes_state(f"probabilities[{n!r}]", f, state)) for n, f in (events or {}).items()),
        path_sums=tuple(study.path_sums.items()),
        statistics=statistics,
        precision=dtype.name,
    )
    mixing = [np.append(average.mixing(study.learning_rates[:-1]), 0.0) for average in study.averages.values()]
    inputs = Inputs(
        leaves=tuple(_cast(leaf, dtype) for leaf in leaves if is_number(leaf)),
        start=_flat(study.x0).astype(dtype),
        minimiser=None if problem is None or problem.minimiser is None else _flat(problem.minimiser).astype(dtype),
        coefficients=np.stack([study.learning_rates, *mixing], -1).astype(dtype),
        visible=np.where(np.array(undefined, bool).reshape(-1, len(study.recorded_steps)).T, np.nan, 1.0).astype(dtype),
    )
    return program, inputs


def _cast(leaf: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(dtype) if np.issubdtype(array.dtype, np.floating) else array


def _flat(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
