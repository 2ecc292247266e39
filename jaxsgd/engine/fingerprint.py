"""A hash that ties sums to the study that made them."""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxsgd.engine.kernel import REVISION
from jaxsgd.engine.program import Event, Program
from jaxsgd.engine.statistics import Statistic
from jaxsgd.engine.task import Task
from jaxsgd.reading import Reading
from jaxsgd.state import State, Update
from jaxsgd.streams import DTYPES, Replay


def fingerprint(task: Task) -> str:
    """SHA-256 of all on which the sums of a trajectory depend, whatever the machine, and however they are cut.

    - What the user gives, as JAX traces it for one trajectory, with the constants that its functions hold: sample,
      gradient, risk, update, observables, events and path sums. Functions that differ only in the numbers that they
      close over, or read from globals, thus differ. Of a callback, which JAX does not trace, it is the code, and what
      that reads.
    - What is asked of them: steps recorded, observables, averages, statistics, precision; and the random numbers.
    - All numbers of the study, and the key.
    - `jaxsgd.engine.kernel.REVISION`, which stands for what the engine does with all that.

    It depends on the version of JAX.
    """
    numbers, structure = jax.tree.flatten(task.inputs)
    varied = task.varied or (False,) * len(numbers)
    of_one_cell = [
        jax.ShapeDtypeStruct(array.shape[1:] if varies else array.shape, array.dtype)
        for array, varies in zip(map(np.asarray, numbers), varied, strict=True)
    ]
    leaves = jax.tree.unflatten(structure, of_one_cell).leaves
    digest = hashlib.sha256(_of_program(task.program, leaves))
    for number in (*numbers, task.key):
        _add(digest, number)
    return digest.hexdigest()


@functools.lru_cache(maxsize=64)
def _of_program(program: Program, leaves: tuple[jax.ShapeDtypeStruct, ...]) -> bytes:
    """A hash of all that is no number; ``leaves`` are the shapes of those of oracle and method."""
    named = (*program.observables, *program.events)
    asked = (
        *(program.recorded_steps, program.precision, program.point, program.requests),
        *(program.observed, program.built_in, program.averages, program.partial_averages),
        *([(event.name, event.takes_state) for event in named], [name for name, _ in program.path_sums]),
        [_described(statistic) for statistic in program.statistics],
    )
    digest = hashlib.sha256(_text((REVISION, *asked)).encode())
    with jax.enable_x64(program.precision == "float64"), program.around.traced():
        for closed in _traces(program, leaves):
            _add_jaxpr(digest, closed.jaxpr, closed.consts)
    return digest.digest()


def _described(statistic: Statistic) -> tuple[str, list[Any]]:
    """A statistic's name, and those of its fields on which compiled code depends."""
    fields = dataclasses.fields(statistic)  # type: ignore[arg-type]
    return statistic.name, [(field.name, getattr(statistic, field.name)) for field in fields if field.compare]


def _traces(program: Program, leaves: tuple[jax.ShapeDtypeStruct, ...]) -> Iterator[ClosedJaxpr]:
    """What the user gives, for one trajectory: functions of the leaves and of shapes in place of numbers."""
    dtype = jnp.dtype(program.precision)
    number, step = jax.ShapeDtypeStruct((), dtype), jax.ShapeDtypeStruct((), jnp.int32)
    x, flat = program.point.like(dtype), jax.ShapeDtypeStruct((program.point.size,), dtype)
    served = tuple(request.structure.like(DTYPES.get(request.kind, dtype)) for request in program.requests)

    def traced(function: Callable[..., Any], *arguments: Any) -> tuple[ClosedJaxpr, Any]:
        """The trace of a function of oracle, method and arguments, and the shapes that it returns."""
        return jax.make_jaxpr(lambda leaves, *rest: function(*program.rebuild(leaves), *rest), return_shape=True)(
            leaves, *arguments
        )

    remembering, memory = traced(lambda oracle, method: oracle.memory())
    yield remembering
    sampling, (sample, _) = traced(
        lambda oracle, method, numbers, t, memory: oracle.sample(Replay(numbers, program.requests), x, t, memory),
        served,
        step,
        memory,
    )
    yield sampling
    yield traced(lambda oracle, method, x, sample: oracle.gradient(x, sample), x, sample)[0]
    yield traced(lambda oracle, method, x, sample: oracle.risk(x, sample), x, sample)[0]
    yield traced(lambda oracle, method, *given: method.update(*given), flat, flat, number)[0]
    averages = dict.fromkeys(program.averages, x)
    sums = {name: number for name, _ in program.path_sums}
    for event in (*program.observables, *program.events):
        yield jax.make_jaxpr(functools.partial(_evaluated, event))(x, averages, sums)
    for _, function in program.path_sums:
        yield jax.make_jaxpr(lambda *given, function=function: function(Update(*given)))(step, number, x, x, x)


def _evaluated(event: Event, x: Any, averages: Any, sums: Any) -> Any:
    return event.function(State(x, averages, sums) if event.takes_state else x)


def _add_jaxpr(digest: Any, jaxpr: Jaxpr, constants: Any) -> None:
    """Operation by operation: with the constants of inner functions, and however often JAX holds one of these.

    The text that JAX prints has neither.
    """
    for constant in constants:
        _add(digest, constant)
    names = {variable: i for i, variable in enumerate((*jaxpr.constvars, *jaxpr.invars))}

    def add_atoms(atoms: Any) -> None:
        for atom in atoms:
            if isinstance(atom, Literal):
                _add(digest, atom.val)
            else:
                digest.update(f"{names.setdefault(atom, len(names))}:{_text(atom.aval)};".encode())

    add_atoms((*jaxpr.constvars, *jaxpr.invars))
    for equation in jaxpr.eqns:
        digest.update(f"{equation.primitive.name}(".encode())
        add_atoms(equation.invars)
        for name, value in sorted(equation.params.items()):
            parts, structure = jax.tree.flatten(value, is_leaf=lambda item: item is None)
            digest.update(f"{name}={structure};".encode())
            for part in parts:
                if isinstance(part, ClosedJaxpr):
                    _add_jaxpr(digest, part.jaxpr, part.consts)
                elif isinstance(part, Jaxpr):
                    _add_jaxpr(digest, part, ())
                elif name == "callback":
                    digest.update(Reading(part.callback_func, portable=True).digest)
                else:
                    digest.update(f"{_text(part)};".encode())
        add_atoms(equation.outvars)
    add_atoms(jaxpr.outvars)


def _text(value: Any) -> str:
    """The repr, without addresses in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _add(digest: Any, number: Any) -> None:
    array = np.asarray(number)
    digest.update(f"{array.dtype}{array.shape}:".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
