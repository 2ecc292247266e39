"""A study: one configuration of SGD, and what is recorded of it."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import numpy as np

from jaxsgd import methods, schedules, stated_facts
from jaxsgd.averages import Average
from jaxsgd.errors import InvalidInput, InvalidType, integer, nearest
from jaxsgd.folds import PathFold, Sum
from jaxsgd.methods import Method, Sgd
from jaxsgd.methods.transformations import is_transformation
from jaxsgd.module import AbstractOrFinal, brief
from jaxsgd.oracles import Oracle
from jaxsgd.record import Grid, log_spaced
from jaxsgd.remembering import Surroundings
from jaxsgd.start import Start, as_law, as_parameters, starting_points, structure_drawn_by
from jaxsgd.state import Update
from jaxsgd.streams import Request
from jaxsgd.structure import Skeleton, Structure
from jaxsgd.tracing import takes_state, traced

if TYPE_CHECKING:
    from jaxsgd.runs.cost import Cost

# Of what is remembered an update touches little: it must fit into memory, not into the cache of a core.
_REMEMBERED = 64


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Study(AbstractOrFinal):
    """One configuration: oracle, schedule, method, start, number of steps, and what is recorded.

    x_0 is the start; update t = 0 .. T-1 draws g_t at x_t and sets x_{t+1} = x_t - eta_t g_t (or what
    `method` says). "Step s" means after s updates. Everything is checked when a study is made, and what you state of
    problems and noises as far as that is cheap, see `jaxsgd.stated_facts`. A run computes what the functions compute
    when it is started: if they read a global variable, a list or an array that has changed since, it is another run,
    with another fingerprint; see `jaxsgd.reading` for what is looked into.

    **Arguments**

    - `oracle`: how g_t is drawn, one of [`jaxsgd.oracles`][].
    - `schedule`: eta_t, any callable of t, such as those of [`jaxsgd.schedules`][] and of optax; none where the method
      has its own learning rate, as a finished transformation of optax has: then eta_t is NaN.
    - `steps`: T, the number of updates; or, where examples are sampled, `epochs`: then T is that many times the
      updates of an epoch.
    - `x0`: the start, any pytree of arrays; default zeros, where the problem knows its shape. Or a law, from which
      each trajectory draws its own: one of [`jaxsgd.start`][], or a function of a [`jaxsgd.streams.Stream`][]. It may
      be a network: an equinox model, the parameters of a flax model, or any pytree with arrays of floats. These are
      trained, and what else it holds, such as activations, is static: loss and observables get it all back.
    - `method`: default plain SGD, one of [`jaxsgd.methods`][]; or a transformation of optax, ``optax.adam(1e-3)``.
    - `averages`: averaged iterates by name, of [`jaxsgd.averages`][].
    - `record`: a grid of [`jaxsgd.record`][]; default `log_spaced(100)`.
    - `observe`: names of the built-in observables to record; None for all of them.
    - `observables`: more observables by name; scalar functions of x, or of a [`jaxsgd.State`][].
    - `path_sums`: sums over every update by name; scalar functions of an [`jaxsgd.Update`][].
    - `folds`: whatever else is carried along a trajectory by name, of [`jaxsgd.folds`][].

    **Raises** `ValueError` or `TypeError` that say what was given, what is allowed and what to do.
    """

    oracle: Oracle
    schedule: Callable[[Any], Any] | None = None
    steps: int = None  # type: ignore[assignment] - from epochs where it is not given
    epochs: dataclasses.InitVar[int | None] = None
    x0: Any = None
    method: Method = Sgd()  # noqa: RUF009 - frozen, as is the grid below
    averages: Mapping[str, Average] = dataclasses.field(default_factory=dict)
    record: Grid = log_spaced(100)  # noqa: RUF009
    observe: Sequence[str] | None = None
    observables: Mapping[str, Callable[[Any], jax.Array]] = dataclasses.field(default_factory=dict)
    path_sums: Mapping[str, Callable[[Update], jax.Array]] = dataclasses.field(default_factory=dict)
    folds: Mapping[str, PathFold] = dataclasses.field(default_factory=dict)

    carried: ClassVar[int] = 0  # how many numbers the state of the method and the folds are, but for the path sums
    _points: ClassVar[tuple[str, ...]] = ()  # further points of the method
    point: ClassVar[Structure]  # of x
    start_requests: ClassVar[tuple[Request, ...]] = ()  # what a start takes from its stream where it is drawn
    _tabulated = None  # the learning rates, and what they were tabulated for

    def __post_init__(self, epochs: int | None) -> None:
        if is_transformation(self.method):
            object.__setattr__(self, "method", methods.Optax(self.method))  # type: ignore[arg-type]
        for name, kind in (("oracle", Oracle), ("method", Method), ("record", Grid)):
            if not isinstance(getattr(self, name), kind):
                module = {"oracle": "oracles", "method": "methods", "record": "record"}[name]
                given = getattr(self, name)
                hint = "; call it" if isinstance(given, type) else _how_to_give(given) if name == "method" else ""
                raise InvalidType(f"{name} must be one of jaxsgd.{module}, got {brief(given)}{hint}")
        self._check_schedule()
        object.__setattr__(self, "steps", self._updates(epochs))
        self._check_named()
        object.__setattr__(self, "x0", self._start())
        self.oracle.check(list(self.point.shapes))
        self.oracle.check_updates(self.steps + 1)
        self.method.check(self.dimension)
        found = traced(self)
        object.__setattr__(self, "_points", found.points)
        object.__setattr__(self, "carried", found.carried)
        self._check_observed()
        self.recorded_steps  # noqa: B018 - raises when a step lies outside 0..T
        rates = self.learning_rates[: self.steps]
        for name, average in self.averages.items():
            if np.isnan(average.mixing(rates)).any() or np.isnan(average.weights(rates)).any():
                raise InvalidInput(
                    f"averages[{name!r}], {average!r}, needs the learning rates, and {brief(self.method)} has its own: "
                    "choose another average, such as averages.Uniform()"
                )
        for name, function in self.observables.items():
            takes_state(f"observable {name!r}", function, found.blank)
        stated_facts.check(self.oracle, self.method, self.near_start)
        if isinstance(self.x0, Start):
            stated_facts.check_law(self.x0, self.near_start)

    def _check_schedule(self) -> None:
        """An error unless there is a schedule where, and only where, the method takes one."""
        if not self.method.has_own_learning_rate:
            if self.schedule is None:
                raise InvalidType("schedule is needed, eta_t as a function of t, such as schedules.constant(0.1)")
            schedules.as_schedule(self.schedule)
        elif self.schedule is not None:
            raise InvalidInput(
                f"schedule has no use: the method {brief(self.method)} has its own learning rate. Leave the schedule "
                "out, or give a method that takes one, such as methods.Optax(optax.adam)"
            )

    def _updates(self, epochs: int | None) -> int:
        """T, from `steps` or `epochs`."""
        if epochs is None:
            if self.steps is None:
                raise InvalidType("steps is needed, the number of updates; or epochs, where examples are sampled")
            return integer("steps", self.steps, at_least=1)
        if self.steps is not None:
            raise InvalidInput(f"give steps or epochs, not both, got steps={self.steps} and epochs={epochs}")
        epoch = self.oracle.updates_per_epoch
        if epoch is None:
            raise InvalidInput("epochs needs an oracle that samples examples: give steps")
        return integer("epochs", epochs, at_least=1) * epoch

    def _check_named(self) -> None:
        for argument, (kind, expected) in _NAMED.items():
            items = getattr(self, argument)
            if not isinstance(items, Mapping):
                raise InvalidType(f'{argument} must be a dict, {{"name": ...}}, got {brief(items)}')
            for name, item in items.items():
                if not isinstance(name, str) or not name:
                    raise InvalidType(f"{argument} are named by strings, got {name!r}")
                if not (callable(item) if kind is None else isinstance(item, kind)):
                    raise InvalidType(f"{argument}[{name!r}] must be {expected}, got {brief(item)}")
        twice = set(self.path_sums) & set(self.folds)
        if twice:
            raise InvalidInput(f"path_sums and folds share the names {sorted(twice)}: choose others")

    def _check_observed(self) -> None:
        # Results hold the mean and covariance of x under x_mean and x_covariance.
        if set(self._points) & set(self.averages):
            raise InvalidInput(f"averages must not have the names of points of the method, {list(self._points)}")
        clash = {*self.built_in, "x"} & set(self.observables)
        if clash:
            raise InvalidInput(f"observables {sorted(clash)} have the names of built-in ones: choose others")
        if not isinstance(self.observe, Sequence | None) or isinstance(self.observe, str):
            raise InvalidType(f"observe must be a list of names or None, got {self.observe!r}")
        object.__setattr__(self, "observe", None if self.observe is None else tuple(self.observe))
        for name in self.observe or ():
            if name not in (*self.built_in, *self.observables):
                raise InvalidInput(f"observe names {name!r}; {nearest(name, (*self.built_in, *self.observables))}")

    def _start(self) -> Any:
        problem = self.oracle.problem
        start = self.x0 if self.x0 is not None or problem is None else problem.start
        if start is None:
            raise InvalidInput("x0 is needed, a pytree of arrays: the problem does not know where to start")
        law = as_law(start)
        start = as_parameters("x0", start) if law is None else law
        point, requests = (Structure.of(start), ()) if law is None else structure_drawn_by(law, self._structure_known)
        if not point.shapes:
            raise InvalidInput(f"x0 must hold at least one number, got {start!r}")
        shapes, known = point.like(jax.numpy.result_type(float)), None if problem is None else problem.minimiser
        if known is not None and _shapes(shapes) != _shapes(known):
            raise InvalidInput(
                f"x0 must have the shape of the problem's minimiser, {_shapes(known)}, got {_shapes(shapes)}"
            )
        if any(0 in shape for shape in point.shapes):
            raise InvalidInput(f"x0 must hold at least one number in every array, got shapes {_shapes(shapes)}")
        object.__setattr__(self, "point", point)
        object.__setattr__(self, "start_requests", requests)
        if law is not None and not np.isfinite(starting_points(law, shapes)).all():
            raise InvalidInput(f"x0 must be drawn as finite numbers, and some draws of {law!r} are not")
        return start

    @property
    def _structure_known(self) -> Any:
        """The structure of x as the problem knows it, None where it does not."""
        problem = self.oracle.problem
        known = None if problem is None else problem.minimiser if problem.minimiser is not None else problem.start
        return None if known is None else Structure.of(known).like(jax.numpy.result_type(float))

    @property
    def starting_points(self) -> np.ndarray:
        """Points (n, d) that stand for x_0: itself, or some draws of its law."""
        return starting_points(self.x0, self.point.like(jax.numpy.result_type(float)))

    @property
    def near_start(self) -> Any:
        """A point in the structure of x: x_0, or a draw of its law by NumPy."""
        return self.point.unravel(self.starting_points[0]) if isinstance(self.x0, Start) else self.x0

    @property
    def learning_rates(self) -> np.ndarray:
        """eta_0 .. eta_T (T + 1,), float64; eta_T belongs to the update that is not made.

        NaN where the method has its own. They are tabulated once, as long as the schedule reads the same around it.
        """
        if self.schedule is None:
            return np.full(self.steps + 1, np.nan)
        skeleton, numbers = Skeleton.split(self.schedule)
        key = Surroundings(skeleton), [np.asarray(number).tobytes() for number in numbers]
        if self._tabulated is None or self._tabulated[0] != key:
            rates = schedules.learning_rates(self.schedule, self.steps + 1)
            _check_rates(rates[: self.steps])
            key = Surroundings(skeleton), key[1]
            object.__setattr__(self, "_tabulated", (key, rates))
        return self._tabulated[1]  # type: ignore[index]

    @property
    def parts(self) -> tuple[Oracle, Method, dict[str, PathFold]]:
        """What makes a trajectory: oracle, method, and the folds by name, the path sums among them."""
        return self.oracle, self.method, {name: Sum(f) for name, f in self.path_sums.items()} | dict(self.folds)

    @property
    def requests(self) -> tuple[Request, ...]:
        """What one step draws."""
        return traced(self).requests

    def example_gradients(self, updates: Any) -> np.ndarray:
        """The cost of the first `updates` updates, a count or an array of counts, in gradients of single examples.

        A stochastic gradient costs what the oracle says, one of the risk as many as there are examples.
        """
        updates, problem = np.asarray(updates, np.int64), self.oracle.problem
        drawn, full = self.method.gradients(updates, traced(self).gradients)
        once = self.oracle.example_gradients(updates)
        each, more = np.divmod(drawn, np.maximum(updates, 1))  # without a product that is too large for an integer
        of_draws = once * each + np.rint(once * (more / np.maximum(updates, 1))).astype(np.int64)
        return of_draws + full * (1 if problem is None else problem.examples)

    @functools.cached_property
    def recorded_steps(self) -> np.ndarray:
        """The recorded steps, increasing, in 0..T."""
        return self.record.steps(self.steps, self.oracle.updates_per_epoch)

    @property
    def built_in(self) -> tuple[str, ...]:
        """The observables that exist without being defined by the user."""
        problem = self.oracle.problem
        known = problem is not None and problem.minimiser is not None
        names = ["risk", *(["distance_squared"] if known else []), "gradient_norm_squared"]
        for average in (*self.averages, *self._points):
            names += [f"risk_of_{average}", *([f"distance_squared_of_{average}"] if known else [])]
        return tuple(names)

    @property
    def observed(self) -> tuple[str, ...]:
        """The observables that are recorded: built-in ones as `observe` says, and all of `observables`."""
        wanted = self.built_in if self.observe is None else self.observe
        return tuple(name for name in self.built_in if name in wanted) + tuple(self.observables)

    @property
    def dimension(self) -> int:
        """d, the number of coordinates."""
        return self.point.size

    @property
    def width(self) -> int:
        """Numbers in the working set of one trajectory, by which tiles are chosen: of x, what is drawn and carried."""
        remembered = sum(np.size(leaf) for leaf in jax.tree.leaves(self.oracle.memory()))
        return max(self.dimension + self.carried + self.oracle.example_floats, remembered // _REMEMBERED)

    @property
    def products(self) -> int:
        """The multiplications of a stochastic gradient in products of matrices of x, see `jaxsgd.products`."""
        return traced(self).products

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the coordinates: pytree paths, such as "w[0,1]"; "x[0]" for a plain vector."""
        names = []
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.point.like(np.float32)):
            stem = ".".join(str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path)
            indices = (f"[{','.join(map(str, index))}]" if index else "" for index in np.ndindex(leaf.shape))
            names += [(stem or "x") + index for index in indices]
        return tuple(names)

    def replace(self, **changes: Any) -> "Study":
        """The same study with some arguments changed, validated again. T stays unless `steps` or `epochs` is given."""
        if changes.get("epochs") is not None:
            changes = {"steps": None} | changes
        return dataclasses.replace(self, **changes)

    def cost(self, trajectories: int) -> "Cost":
        """What ``simulate(self, trajectories)`` will cost: steps, memory and expected time, from a short pilot."""
        from jaxsgd.runs.cost import estimate

        return estimate(self, trajectories)

    def __repr__(self) -> str:
        lines = [f"    {field.name}={brief(getattr(self, field.name))}," for field in dataclasses.fields(self)]
        return "\n".join(["Study(", *lines, ")"])


_NAMED: dict[str, tuple[type | None, str]] = {
    "averages": (Average, "one of jaxsgd.averages"),
    "observables": (None, "a function"),
    "path_sums": (None, "a function"),
    "folds": (PathFold, "one of jaxsgd.folds"),
}
"""Arguments by name: of which class their members are, or functions, and how that is said."""


def _how_to_give(value: Any) -> str:
    """What to do with a function that may make a transformation of optax."""
    from jaxsgd.methods.optax_method import how_to_give

    return how_to_give(value)


def _check_rates(rates: np.ndarray) -> None:
    bad = np.flatnonzero(~(np.isfinite(rates) & (rates >= 0)))
    if len(bad):
        raise InvalidInput(
            f"the learning rate must be finite and not negative at t = 0..{len(rates) - 1}, "
            f"got {rates[bad[0]]:g} at t = {bad[0]}; change the schedule or take fewer steps"
        )


def _shapes(tree: Any) -> Any:
    return tree.shape if hasattr(tree, "shape") else jax.tree.map(np.shape, tree)
