"""Whether what a study is made of can be traced for one trajectory, and has the right shapes.

Studies of one structure, which differ in numbers alone, are traced once: a sweep over thousands of learning rates
costs one trace.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.methods import Gradients
from jaxsgd.module import brief
from jaxsgd.one_update import OneUpdate
from jaxsgd.products import products
from jaxsgd.remembering import Surroundings, remember
from jaxsgd.state import State, Update
from jaxsgd.streams import Recorder, Request
from jaxsgd.structure import Shapes, Skeleton, Structure, whole

if TYPE_CHECKING:
    from jaxsgd.study import Study

_STRUCTURES = 64  # that are remembered, with the functions of the user, and what these hold


class Blank(NamedTuple):
    """A State and an Update without numbers: the structures of x, folds, state and sample, the names of averages."""

    point: Structure
    averages: tuple[str, ...]
    folds: tuple[tuple[str, Shapes], ...]
    method: Shapes
    sample: Shapes
    precision: np.dtype

    @property
    def fields_of_update(self) -> tuple[Any, ...]:
        """The fields of an Update as pytrees of shapes and types."""
        x, state = self.point.like(self.precision), self.method.like
        t: Any = jax.ShapeDtypeStruct((), jnp.int32)
        number: Any = jax.ShapeDtypeStruct((), self.precision)
        return t, number, x, x, x, self.sample.like, dict.fromkeys(self.averages, x), state, state

    @property
    def update(self) -> Update:
        """An Update of shapes and types."""
        return Update(*self.fields_of_update)

    @property
    def parts(self) -> tuple[Any, ...]:
        """x, each average, each fold and the method's state, as shapes and types."""
        x = self.point.like(self.precision)
        return (x, *[x] * len(self.averages), *(shapes.like for _, shapes in self.folds), self.method.like)

    def state(self, *parts: Any) -> State:
        """The State of these parts."""
        x, *rest, method = parts
        averages, folds = rest[: len(self.averages)], rest[len(self.averages) :]
        names = [name for name, _ in self.folds]
        return State(x, dict(zip(self.averages, averages, strict=True)), dict(zip(names, folds, strict=True)), method)


class Given(NamedTuple):
    """What a study gives to be traced, without the numbers: its parts are oracle, method and the folds by name."""

    parts: Skeleton
    numbers: tuple[jax.ShapeDtypeStruct, ...]
    point: Structure
    averages: tuple[str, ...]
    path_sums: tuple[str, ...]
    precision: np.dtype

    @classmethod
    def of(cls, study: "Study") -> "Given":
        parts, numbers = Skeleton.split(study.parts)
        precision = np.dtype(jnp.result_type(float))
        shapes = tuple(_as_in_programs(number, precision) for number in numbers)
        names = tuple(study.averages), tuple(study.path_sums)
        return cls(parts, shapes, study.point, *names, precision)


class Traced(NamedTuple):
    """What a trace has shown.

    - `requests`: what one step draws.
    - `points`: the names of further points of the method.
    - `blank`: a State without numbers.
    - `carried`: how many numbers the state of the method and the folds are, but for the path sums.
    - `gradients`: how many the code of an update asks for.
    - `products`: the multiplications of a stochastic gradient in products of matrices, see `jaxsgd.products`.
    """

    requests: tuple[Request, ...]
    points: tuple[str, ...]
    blank: Blank
    carried: int
    gradients: Gradients
    products: int


def traced(study: "Study") -> Traced:
    """What a study draws and carries; an error unless risk, gradient, method and folds can be traced."""
    return _traced(Given.of(study))


@remember(_STRUCTURES)
def _traced(given: Given) -> Traced:
    with Surroundings(given).traced() as trace:
        tracing = _Tracing(given)
        if trace.is_rewritten:
            for what, function, *arguments in tracing.called:
                _same_again(what, function, *arguments)
    return Traced(tracing.requests, tracing.points, tracing.blank, tracing.carried, tracing.gradients, tracing.products)


class _Tracing:
    """The trace of one update, one function of the user after the other; `called` are these, and their arguments."""

    def __init__(self, given: Given) -> None:
        # Abstract values, so that float(x) and NumPy fail here as they would in the compiled program.
        self._given, self.called = given, []
        self._t, self._rate = jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((), given.precision)
        self._x = given.point.like(given.precision)
        self.requests, self._sample = self._trace_draw()
        state, self.points, self.gradients = self._trace_method()
        self.carried = _size(state)
        blank = Blank(given.point, given.averages, (), Shapes.of(state), Shapes.of(self._sample), given.precision)
        self.blank = blank._replace(folds=self._trace_folds(blank))

    def _call(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """The shape of what a function of (oracle, method, folds) and of arguments returns."""

        parts = self._given.parts  # not self: what is traced is freed at once, not when cycles are collected

        def of_numbers(numbers: Any, *arguments: Any) -> Any:
            return function(*parts.filled(numbers), *arguments)

        self.called.append((what, of_numbers, self._given.numbers, *arguments))
        return _shape(*self.called[-1])

    def _trace_draw(self) -> tuple[tuple[Request, ...], Any]:
        """What was drawn, and a sample; an error unless risk and gradient can be traced."""
        x, recorder = self._x, Recorder()
        sample = self._call(
            "the sample of the oracle",
            lambda oracle, method, folds, t: oracle.sample(recorder, x, t, oracle.memory())[0],
            self._t,
        )
        requests = tuple(recorder.requests)
        risk = self._call("the risk", lambda oracle, method, folds, x, sample: oracle.risk(x, sample), x, sample)
        _one_number("the risk", risk)
        gradient = self._call(
            "the gradient", lambda oracle, method, folds, x, sample: oracle.gradient(x, sample), x, sample
        )
        if jax.tree.map(np.shape, gradient) != jax.tree.map(np.shape, x):
            raise InvalidInput(f"the gradient must have the shapes of x, {_shapes(x)}, got {_shapes(gradient)}")
        self.products = products(
            lambda x, sample, numbers: self._given.parts.filled(numbers)[0].gradient(x, sample),
            *(x, sample, self._given.numbers),
        )
        return requests, sample

    def _trace_method(self) -> tuple[Any, tuple[str, ...], Gradients]:
        """Its state, the names of its points, and how many gradients an update asks for."""
        point, taken = self._given.point, list[Gradients]()

        def update(oracle: Any, method: Any) -> OneUpdate:
            return OneUpdate(oracle, method, point)

        name = f"the method {type(self._given.parts.filled(self._given.numbers)[1]).__name__}"
        x = self._call(name, lambda oracle, method, folds, x: update(oracle, method).as_seen(x), self._x)
        state = self._call(f"{name}: init(x0)", lambda oracle, method, folds, x: method.init(x), x)

        if any(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in jax.tree.leaves(state)):
            raise InvalidInput(
                f"{name} holds a key of random numbers, the same in all trajectories, which would not be independent: "
                "let the oracle draw"
            )

        def step(oracle: Any, method: Any, folds: Any, x: Any, rate: Any, t: Any, state: Any, sample: Any) -> Any:
            draw = update(oracle, method).draw(sample)
            moved = method.step(x, rate, t, state, draw)
            taken.append(draw.taken)
            return moved

        moved = self._call(f"{name}: step(...)", step, x, self._rate, self._t, state, self._sample)
        x_next, following = _pair(name, moved)
        _same(f"{name}: x_next of step(...)", x_next, x)
        _same(f"{name}: the state that step(...) returns", following, state)
        points = self._call(
            f"{name}: points(x, state)", lambda oracle, method, folds, x, state: method.points(x, state), x, state
        )
        if not isinstance(points, Mapping) or not all(isinstance(each, str) for each in points):
            raise InvalidInput(f"{name}: points(x, state) must return a dict of points by name")
        for each, value in points.items():
            _same(f"{name}: the point {each!r}", value, x)
        return state, tuple(points), taken[0]

    def _trace_folds(self, blank: Blank) -> tuple[tuple[str, Shapes], ...]:
        """The shapes of the value of each fold."""
        seen, fields, found = blank.update, blank.fields_of_update, []
        for name in self._given.parts.filled(self._given.numbers)[2]:
            is_sum = name in self._given.path_sums
            what = f"path sum {name!r}" if is_sum else f"fold {name!r}"
            carry = self._call(
                what,
                lambda oracle, method, folds, *parts, name=name: folds[name].begin(blank.state(*parts), seen),
                *blank.parts,
            )
            if is_sum:
                _one_number(what, carry)
            else:
                self.carried += _size(carry)
            following = self._call(
                what,
                lambda oracle, method, folds, carry, *fields, name=name: folds[name].take(carry, Update(*fields)),
                *(carry, *fields),
            )
            _same(f"{what}: what its update returns", following, carry)
            value = self._call(
                what,
                lambda oracle, method, folds, carry, name=name: folds[name].value(carry),
                carry,
            )
            found.append((name, Shapes.of(value)))
        return tuple(found)


@remember(_STRUCTURES)
def takes_state(what: str, function: Callable[[Any], Any], blank: Blank) -> bool:
    """Whether an observable is a function of a State; if not, it is one of x alone.

    It is tried on the State first: a function of x fails there, because a State is not an array,
    not a pytree, and has nothing but its fields. An error if it fails on both, or is no scalar.
    """
    x = blank.parts[0]

    def of_state(*parts: Any) -> Any:
        return function(blank.state(*parts))

    def of_x(x: Any) -> Any:
        return function(whole(x))

    with Surroundings(function).traced() as trace:
        try:
            shape, on_state = jax.eval_shape(of_state, *blank.parts), True
        except Exception as failed_on_state:
            try:
                shape, on_state = jax.eval_shape(of_x, x), False
            except Exception as failed_on_x:
                raise InvalidType(
                    f"{what}: {brief(function)} can be computed neither on x ({_reason(failed_on_x)}) "
                    f"nor on a State ({_reason(failed_on_state)})"
                ) from failed_on_x
        _one_number(what, shape)
        if trace.is_rewritten:
            if on_state:
                _same_again(what, of_state, *blank.parts)
            else:
                _same_again(what, of_x, x)
    return on_state


@remember(_STRUCTURES)
def what_is_read(function: Callable[[Any], Any], blank: Blank, on_state: bool) -> tuple[bool, ...]:
    """Of x, each average, each fold and the method's state, whether a function needs it; x counts as needed."""
    parts = blank.parts
    if not on_state:
        return (True, *[False] * (len(parts) - 1))
    program = jax.make_jaxpr(lambda *parts: function(blank.state(*parts)))(*parts).jaxpr
    used = {id(atom) for equation in program.eqns for atom in equation.invars} | {id(atom) for atom in program.outvars}
    reads = [id(variable) in used for variable in program.invars]
    ends = np.cumsum([len(jax.tree.leaves(part)) for part in parts])
    return (True, *(any(reads[start:end]) for start, end in itertools.pairwise(ends)))


def _as_in_programs(number: Any, precision: np.dtype) -> jax.ShapeDtypeStruct:
    """Shape and type that a number of an oracle has in a compiled program."""
    array = np.asarray(number)
    floating = np.issubdtype(array.dtype, np.floating)
    return jax.ShapeDtypeStruct(array.shape, precision if floating else jax.dtypes.canonicalize_dtype(array.dtype))


def _shapes(tree: Any) -> Any:
    return jax.tree.map(np.shape, tree)


def _size(tree: Any) -> int:
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def _pair(name: str, given: Any) -> tuple[Any, Any]:
    """x_{t+1} and the next state; an error unless ``step`` returns two things."""
    if not isinstance(given, tuple) or len(given) != 2:
        raise InvalidInput(f"{name}: step(...) must return x_next and the next state, got a {type(given).__name__}")
    return given


def _same(what: str, given: Any, expected: Any) -> None:
    """An error unless two pytrees have the same structure, shapes and types."""
    if jax.tree.structure(given) != jax.tree.structure(expected):
        raise InvalidInput(f"{what} must have the structure {jax.tree.structure(expected)}, as before; it has "
                           f"{jax.tree.structure(given)}")  # fmt: skip
    for (path, one), other in zip(jax.tree_util.tree_leaves_with_path(given), jax.tree.leaves(expected), strict=True):
        if one.shape != other.shape or not _same_type(one.dtype, other.dtype):
            raise InvalidInput(
                f"{what}{jax.tree_util.keystr(path)} must have the shape and type {other.dtype}{list(other.shape)}, as "
                f"before; it has {one.dtype}{list(one.shape)}"
            )


def _same_type(one: Any, other: Any) -> bool:
    """Whether types are equal; in float64 a method may hold to floats of the width that it was written for."""
    wide = jnp.result_type(float) == np.float64
    return one == other or (wide and all(jnp.issubdtype(each, jnp.floating) for each in (one, other)))


def _reason(error: Exception) -> str:
    untraceable = (
        jax.errors.ConcretizationTypeError,
        jax.errors.TracerArrayConversionError,
        jax.errors.TracerIntegerConversionError,
    )
    name, lines = type(error).__name__, str(error).splitlines()
    if isinstance(error, untraceable):
        return f"{name}: write it with jax.numpy, without float(), int(), if and NumPy functions of the values"
    return f"{name}: {lines[0]}" if lines else name


def _shape(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return jax.eval_shape(function, *arguments)
    except Exception as error:
        kind = InvalidInput if isinstance(error, InvalidInput) else InvalidType
        raise kind(f"{what} cannot be computed: {_reason(error)}") from error


def _same_again(what: str, function: Callable[..., Any], *arguments: Any) -> None:
    """An error if a function is another one when it is traced again, as one is that counts its calls."""
    made = [jax.make_jaxpr(lambda *given: function(*given))(*arguments) for _ in range(2)]
    if len({str(each) + str(each.consts) for each in made}) > 1:
        raise InvalidInput(
            f"{what} must be a function of its arguments, but it computes something else when it is called again: "
            "it changes what it reads, such as a count of its calls"
        )


def _one_number(what: str, result: Any) -> None:
    shape = getattr(result, "shape", None)
    if shape != ():
        several = isinstance(result, list | tuple | dict)
        given = f"a {type(result).__name__} of {len(result)} values" if several else brief(result)
        given = f"an array of shape {shape}; take its sum or one component" if shape else given
        raise InvalidInput(f"{what} must be one number for one x, got {given}")
