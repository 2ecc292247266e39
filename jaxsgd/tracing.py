"""Whether what a study is made of can be traced for one trajectory, and has the right shapes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.module import brief
from jaxsgd.state import State, Update
from jaxsgd.streams import Recorder

if TYPE_CHECKING:
    from jaxsgd.study import Study


def blank_state(study: "Study") -> State:
    """A State of shapes and types, in the precision that JAX is set to."""
    number = jax.ShapeDtypeStruct((), jnp.result_type(float))
    x = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, number.dtype), study.x0)
    return State(x, dict.fromkeys(study.averages, x), dict.fromkeys(study.path_sums, number))


def takes_state(what: str, function: Callable[[Any], Any], state: State) -> bool:
    """Whether an observable is a function of a State; if not, it is one of x alone.

    It is tried on the State first: a function of x fails there, because a State is not an array,
    not a pytree, and has nothing but its three fields. An error if it fails on both, or is no scalar.
    """
    fields = (state.x, dict(state.averages), dict(state.path_sums))
    try:
        shape, on_state = jax.eval_shape(lambda *fields: function(State(*fields)), *fields), True
    except Exception as of_state:
        try:
            shape, on_state = jax.eval_shape(function, state.x), False
        except Exception as of_x:
            raise InvalidType(
                f"{what}: {brief(function)} can be computed neither on x ({_reason(of_x)}) "
                f"nor on a State ({_reason(of_state)})"
            ) from of_x
    _one_number(what, shape)
    return on_state


def check_functions(study: "Study") -> None:
    """An error unless risk, gradient, observables and path sums can be traced and are scalars."""
    # Abstract values, so that float(x) and NumPy fail here as they would in the compiled program.
    state, oracle = blank_state(study), study.oracle
    x = state.x
    t = jax.ShapeDtypeStruct((), jnp.int32)
    draw = lambda like, t, memory: oracle.sample(Recorder(), like, t, memory)[0]  # noqa: E731
    sample = _traced("the sample of the oracle", draw, x, t, oracle.memory())
    _scalar("the risk", oracle.risk, x, sample)
    gradient = _traced("the gradient", oracle.gradient, x, sample)
    if jax.tree.map(np.shape, gradient) != jax.tree.map(np.shape, x):
        raise InvalidInput(f"the gradient must have the shapes of x, {_shapes(study.x0)}, got {_shapes(gradient)}")
    for name, function in study.observables.items():
        takes_state(f"observable {name!r}", function, state)
    number = jax.ShapeDtypeStruct((), jnp.result_type(float))
    for name, function in study.path_sums.items():
        _scalar(f"path sum {name!r}", lambda *f, function=function: function(Update(*f)), t, number, x, x, x)


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


def _traced(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return jax.eval_shape(function, *arguments)
    except Exception as error:
        raise InvalidType(f"{what} cannot be computed: {_reason(error)}") from error


def _scalar(what: str, function: Callable[..., Any], *arguments: Any) -> None:
    _one_number(what, _traced(what, function, *arguments))


def _one_number(what: str, result: Any) -> None:
    shape = getattr(result, "shape", None)
    if shape != ():
        several = isinstance(result, list | tuple | dict)
        given = f"a {type(result).__name__} of {len(result)} values" if several else brief(result)
        given = f"an array of shape {shape}; take its sum or one component" if shape else given
        raise InvalidInput(f"{what} must be one number for one x, got {given}")
