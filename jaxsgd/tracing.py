"""Whether what a study is made of can be traced for one trajectory, and has the right shapes.

Studies of one structure, which differ in numbers alone, are traced once: a sweep over thousands of learning rates
costs one trace.
"""

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.module import brief
from jaxsgd.remembering import Surroundings, remember
from jaxsgd.state import State, Update
from jaxsgd.streams import Recorder, Request
from jaxsgd.structure import Skeleton, Structure

if TYPE_CHECKING:
    from jaxsgd.study import Study

_STRUCTURES = 64  # that are remembered, with the functions of the user, and what these hold


class Blank(NamedTuple):
    """A State without numbers: the structure of x, the names of averages and path sums, and the precision."""

    point: Structure
    averages: tuple[str, ...]
    path_sums: tuple[str, ...]
    precision: np.dtype

    @classmethod
    def of(cls, state: State) -> "Blank":
        leaves = jax.tree.leaves(state.x)
        return cls(Structure.of(state.x), tuple(state.averages), tuple(state.path_sums), np.dtype(leaves[0].dtype))

    @property
    def fields(self) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Those of the State, as shapes and types."""
        x, number = self.point.like(self.precision), jax.ShapeDtypeStruct((), self.precision)
        return x, dict.fromkeys(self.averages, x), dict.fromkeys(self.path_sums, number)


class Given(NamedTuple):
    """What a study gives to be traced, without the numbers."""

    oracle: Skeleton
    numbers: tuple[jax.ShapeDtypeStruct, ...]
    blank: Blank
    observables: tuple[tuple[str, Callable[[Any], Any]], ...]
    path_sums: tuple[tuple[str, Callable[[Update], Any]], ...]

    @classmethod
    def of(cls, study: "Study") -> "Given":
        oracle, numbers = Skeleton.split(study.oracle)
        blank = Blank.of(blank_state(study))
        shapes = tuple(_as_in_programs(number, blank.precision) for number in numbers)
        return cls(oracle, shapes, blank, tuple(study.observables.items()), tuple(study.path_sums.items()))


class Traced(NamedTuple):
    """What a trace has shown: what one step draws, and of each observable whether it takes a State."""

    requests: tuple[Request, ...]
    takes_state: tuple[bool, ...]


def blank_state(study: "Study") -> State:
    """A State of shapes and types, in the precision that JAX is set to."""
    precision = np.dtype(jnp.result_type(float))
    return State(*Blank(Structure.of(study.x0), tuple(study.averages), tuple(study.path_sums), precision).fields)


def takes_state(what: str, function: Callable[[Any], Any], state: State) -> bool:
    """Whether an observable is a function of a State; if not, it is one of x alone.

    It is tried on the State first: a function of x fails there, because a State is not an array,
    not a pytree, and has nothing but its three fields. An error if it fails on both, or is no scalar.
    """
    return _takes_state(what, function, Blank.of(state))


@remember(_STRUCTURES)
def _takes_state(what: str, function: Callable[[Any], Any], blank: Blank) -> bool:
    x, averages, path_sums = blank.fields

    def of_state(*fields: Any) -> Any:
        return function(State(*fields))

    with Surroundings(function).traced() as trace:
        try:
            shape, on_state = jax.eval_shape(of_state, x, averages, path_sums), True
        except Exception as failed_on_state:
            try:
                shape, on_state = jax.eval_shape(function, x), False
            except Exception as of_x:
                raise InvalidType(
                    f"{what}: {brief(function)} can be computed neither on x ({_reason(of_x)}) "
                    f"nor on a State ({_reason(failed_on_state)})"
                ) from of_x
        _one_number(what, shape)
        if trace.is_rewritten:
            if on_state:
                _same_again(what, of_state, x, averages, path_sums)
            else:
                _same_again(what, function, x)
    return on_state


def what_is_read(function: Callable[[Any], Any], state: State, on_state: bool) -> tuple[bool, ...]:
    """Of x, each average and each path sum, whether a function needs it; x counts as needed."""
    return _what_is_read(function, Blank.of(state), on_state)


@remember(_STRUCTURES)
def _what_is_read(function: Callable[[Any], Any], blank: Blank, on_state: bool) -> tuple[bool, ...]:
    x, averages, path_sums = blank.fields
    parts = (x, *averages.values(), *path_sums.values())
    if not on_state:
        return (True, *[False] * (len(parts) - 1))

    def of_parts(x: Any, *rest: Any) -> Any:
        sums = rest[len(averages) :]
        return function(State(x, dict(zip(averages, rest, strict=False)), dict(zip(path_sums, sums, strict=True))))

    program = jax.make_jaxpr(of_parts)(*parts).jaxpr
    used = {id(atom) for equation in program.eqns for atom in equation.invars} | {id(atom) for atom in program.outvars}
    reads = [id(variable) in used for variable in program.invars]
    ends = np.cumsum([len(jax.tree.leaves(part)) for part in parts])
    return (True, *(any(reads[start:end]) for start, end in itertools.pairwise(ends)))


def traced(study: "Study") -> Traced:
    """What a study draws and observes; an error unless risk, gradient, observables and path sums can be traced."""
    return _traced(Given.of(study))


@remember(_STRUCTURES)
def _traced(given: Given) -> Traced:
    with Surroundings(given).traced() as trace:
        requests, called = _trace(given)
        if trace.is_rewritten:
            for what, function, *arguments in called:
                _same_again(what, function, *arguments)
    on_state = tuple(_takes_state(f"observable {name!r}", f, given.blank) for name, f in given.observables)
    return Traced(requests, on_state)


def _trace(given: Given) -> tuple[tuple[Request, ...], list[tuple[Any, ...]]]:
    """What was drawn, and of each function of the user that was traced: what it is, and the arguments."""
    # Abstract values, so that float(x) and NumPy fail here as they would in the compiled program.
    x, numbers, recorder = given.blank.fields[0], given.numbers, Recorder()

    def of_oracle(numbers: Any) -> Any:
        return given.oracle.filled(numbers)

    def draw(numbers: Any, t: Any) -> Any:
        oracle = of_oracle(numbers)
        return oracle.sample(recorder, x, t, oracle.memory())[0]

    t, number = jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((), given.blank.precision)
    sample = _shape("the sample of the oracle", draw, numbers, t)
    requests = tuple(recorder.requests)
    called: list[tuple[Any, ...]] = [
        ("the sample of the oracle", draw, numbers, t),
        ("the risk", lambda numbers, x, sample: of_oracle(numbers).risk(x, sample), numbers, x, sample),
        ("the gradient", lambda numbers, x, sample: of_oracle(numbers).gradient(x, sample), numbers, x, sample),
    ]
    _scalar(*called[1])
    gradient = _shape(*called[2])
    if jax.tree.map(np.shape, gradient) != jax.tree.map(np.shape, x):
        raise InvalidInput(f"the gradient must have the shapes of x, {_shapes(x)}, got {_shapes(gradient)}")
    for name, function in given.path_sums:
        called.append((f"path sum {name!r}", lambda *f, function=function: function(Update(*f)), t, number, x, x, x))
        _scalar(*called[-1])
    return requests, called


def _as_in_programs(number: Any, precision: np.dtype) -> jax.ShapeDtypeStruct:
    """Shape and type that a number of an oracle has in a compiled program."""
    array = np.asarray(number)
    floating = np.issubdtype(array.dtype, np.floating)
    return jax.ShapeDtypeStruct(array.shape, precision if floating else jax.dtypes.canonicalize_dtype(array.dtype))


def _shapes(tree: Any) -> Any:
    return jax.tree.map(np.shape, tree)


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
        raise InvalidType(f"{what} cannot be computed: {_reason(error)}") from error


def _same_again(what: str, function: Callable[..., Any], *arguments: Any) -> None:
    """An error if a function is another one when it is traced again, as one is that counts its calls."""
    made = [jax.make_jaxpr(lambda *given: function(*given))(*arguments) for _ in range(2)]
    if len({str(each) + str(each.consts) for each in made}) > 1:
        raise InvalidInput(
            f"{what} must be a function of its arguments, but it computes something else when it is called again: "
            "it changes what it reads, such as a count of its calls"
        )


def _scalar(what: str, function: Callable[..., Any], *arguments: Any) -> None:
    _one_number(what, _shape(what, function, *arguments))


def _one_number(what: str, result: Any) -> None:
    shape = getattr(result, "shape", None)
    if shape != ():
        several = isinstance(result, list | tuple | dict)
        given = f"a {type(result).__name__} of {len(result)} values" if several else brief(result)
        given = f"an array of shape {shape}; take its sum or one component" if shape else given
        raise InvalidInput(f"{what} must be one number for one x, got {given}")
