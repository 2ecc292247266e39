"""A hash that ties sums to the study that made them."""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxsgd.engine.kernel import REVISION
from jaxsgd.engine.program import Event, Program
from jaxsgd.engine.statistics import Statistic
from jaxsgd.engine.task import Task
from jaxsgd.one_update import OneUpdate
from jaxsgd.reading import Reading
from jaxsgd.state import Update
from jaxsgd.streams import DTYPES, Replay
from jaxsgd.structure import Skeleton, whole
from jaxsgd.tracing import Blank


def fingerprint(task: Task) -> str:
    """SHA-256 of all on which the sums of a trajectory depend, whatever the machine, and however they are cut.

    - What the user gives, as JAX traces it for one trajectory, with the constants that its functions hold: sample,
      gradient, risk, method, observables, events and folds. Functions that differ only in the numbers that they
      close over, or read from globals, thus differ. Of a callback, which JAX does not trace, it is the code, and what
      that reads.
    - What is asked of them: steps recorded, observables, averages, statistics, precision; and the random numbers.
    - All numbers of the study, and the key.
    - `jaxsgd.engine.kernel.REVISION`, which stands for what the engine does with all that.

    It depends on the version of JAX.
    """
    digest = hashlib.sha256(_of_program(task.program, *_shapes_of_leaves(task)).whole)
    for number in (*jax.tree.leaves(task.inputs), task.key):
        _add(digest, number)
    return digest.hexdigest()


class OfStudy(NamedTuple):
    """What ties a result to a study, whatever of it is recorded or asked.

    - `trajectory`: 32 digits on which trajectories depend, but for the random numbers: the traces of sample, gradient,
      risk and method, the numbers of the study that these use, its start and learning rates, and the precision. What
      is stated of a problem and does not enter a trajectory, such as a constant, does not count.
    - `averages`: by name, as many digits on which its weights depend.

    They depend on the version of JAX.
    """

    trajectory: str
    averages: dict[str, str]


def of_studies(task: Task) -> list[OfStudy]:
    """Those of the cells of a task."""
    printed = _of_program(task.program, *_shapes_of_leaves(task))
    varied = jax.tree.unflatten(jax.tree.structure(task.inputs), task.varied or (False,) * len(_leaves(task)))
    inputs = task.inputs
    used = [(inputs.leaves[i], varied.leaves[i]) for i in printed.used]
    used += [(inputs.start, varied.start), *zip(inputs.law, varied.law, strict=True)]
    shared = [None if varies else _digest_of(number) for number, varies in used]
    prints = []
    for cell in range(task.cells):
        digest = hashlib.sha256(printed.alone)
        for (number, _), known in zip(used, shared, strict=True):
            digest.update(_digest_of(number[cell]) if known is None else known)
        of_cell = inputs.coefficients[cell] if varied.coefficients else inputs.coefficients
        rates, *averages = (_digest_of(column) for column in of_cell.T[: 1 + len(task.program.averages)])
        digest.update(rates)
        named = zip(task.program.averages, averages, strict=False)  # what folds see of them follows
        prints.append(OfStudy(digest.hexdigest()[:32], {name: weights.hex()[:32] for name, weights in named}))
    return prints


def _leaves(task: Task) -> list[Any]:
    return jax.tree.leaves(task.inputs)


def _digest_of(number: Any) -> bytes:
    digest = hashlib.sha256()
    _add(digest, number)
    return digest.digest()


def _shapes_of_leaves(task: Task) -> tuple[tuple[jax.ShapeDtypeStruct, ...], tuple[jax.ShapeDtypeStruct, ...]]:
    """Those of oracle, method and folds, and those of the law of x_0, of one cell."""
    numbers, structure = jax.tree.flatten(task.inputs)
    varied = task.varied or (False,) * len(numbers)
    of_one_cell = [
        jax.ShapeDtypeStruct(array.shape[1:] if varies else array.shape, array.dtype)
        for array, varies in zip(map(np.asarray, numbers), varied, strict=True)
    ]
    inputs = jax.tree.unflatten(structure, of_one_cell)
    return inputs.leaves, inputs.law


class _Printed(NamedTuple):
    """Hashes of all that is no number of a program.

    - `whole`: with what is recorded and asked; `alone`: without.
    - `used`: which of the leaves the latter uses, in the order of their first use.
    """

    whole: bytes
    alone: bytes
    used: tuple[int, ...]


@functools.lru_cache(maxsize=64)
def _of_program(
    program: Program, leaves: tuple[jax.ShapeDtypeStruct, ...], of_law: tuple[jax.ShapeDtypeStruct, ...]
) -> _Printed:
    """``leaves`` are the shapes of those of oracle, method and folds; ``of_law`` those of the law of x_0."""
    named = (*program.observables, *program.events)
    asked = (
        *(program.recorded_steps, program.precision, program.point, program.requests),
        *(program.observed, program.built_in, program.averages, program.partial_averages),
        *([(event.name, event.takes_state) for event in named], program.folds, program.points),
        [_described(statistic) for statistic in program.statistics],
    )
    digest = hashlib.sha256(_text((REVISION, *asked)).encode())
    given = (program.precision, program.point, program.requests)
    alone, used = hashlib.sha256(_text(given).encode()), {}
    with jax.enable_x64(program.precision == "float64"), program.around.traced():
        for index, closed in enumerate(_traces(program, leaves)):
            _add_jaxpr(digest, closed.jaxpr, closed.consts)
            if index < _OF_THE_STUDY:
                _add_jaxpr(alone, closed.jaxpr, closed.consts, _used_names(closed.jaxpr, len(leaves), used))
        if program.start is not None:
            drawing = _trace_of_start(program, program.start, of_law)
            for each in (digest, alone):
                _add_jaxpr(each, drawing.jaxpr, drawing.consts)
    return _Printed(digest.digest(), alone.digest(), tuple(used))


def _used_names(jaxpr: Jaxpr, leaves: int, used: dict[int, int]) -> dict[Any, Any]:
    """Names of constants and arguments, without the leaves that are not used, which ``used`` numbers on."""
    names: dict[Any, Any] = {variable: f"constant {i}" for i, variable in enumerate(jaxpr.constvars)}
    names |= {variable: f"argument {i}" for i, variable in enumerate(jaxpr.invars[leaves:])}
    number = {variable: i for i, variable in enumerate(jaxpr.invars[:leaves])}
    for atom in (*(atom for equation in jaxpr.eqns for atom in equation.invars), *jaxpr.outvars):
        if not isinstance(atom, Literal) and atom in number:
            names[atom] = f"leaf {used.setdefault(number[atom], len(used))}"
    return names


def _described(statistic: Statistic) -> tuple[str, list[Any]]:
    """A statistic's name, and those of its fields on which compiled code depends."""
    fields = dataclasses.fields(statistic)  # type: ignore[arg-type]
    return statistic.name, [(field.name, getattr(statistic, field.name)) for field in fields if field.compare]


_OF_THE_STUDY = 6
"""The first of these traces, on which trajectories depend."""


def _traces(program: Program, leaves: tuple[jax.ShapeDtypeStruct, ...]) -> Iterator[ClosedJaxpr]:
    """What the user gives, for one trajectory: functions of the leaves and of shapes in place of numbers."""
    dtype = jnp.dtype(program.precision)
    number, step = jax.ShapeDtypeStruct((), dtype), jax.ShapeDtypeStruct((), jnp.int32)
    blank = program.blank
    x, state, update = blank.point.like(dtype), blank.method.like, blank.update
    served = tuple(request.structure.like(DTYPES.get(request.kind, dtype)) for request in program.requests)

    def traced(function: Callable[..., Any], *arguments: Any) -> tuple[ClosedJaxpr, Any]:
        """The trace of a function of oracle, method, folds and arguments, and the shapes that it returns."""
        return jax.make_jaxpr(lambda leaves, *rest: function(*program.rebuild(leaves), *rest), return_shape=True)(
            leaves, *arguments
        )

    remembering, memory = traced(lambda oracle, method, folds: oracle.memory())
    yield remembering
    sampling, (sample, _) = traced(
        lambda oracle, method, folds, numbers, t, memory: oracle.sample(
            Replay(numbers, program.requests), x, t, memory
        ),
        served,
        step,
        memory,
    )
    yield sampling
    yield traced(lambda oracle, method, folds, x, sample: oracle.gradient(x, sample), x, sample)[0]
    yield traced(lambda oracle, method, folds, x, sample: oracle.risk(x, sample), x, sample)[0]

    def one(oracle: Any, method: Any) -> OneUpdate:
        return OneUpdate(oracle, method, blank.point)

    yield traced(lambda oracle, method, folds, x: method.init(one(oracle, method).as_seen(x)), x)[0]

    def move(oracle: Any, method: Any, folds: Any, x: Any, rate: Any, t: Any, state: Any, sample: Any) -> Any:
        update = one(oracle, method)
        return method.step(update.as_seen(x), rate, t, state, update.draw(sample))

    yield traced(move, x, number, step, state, sample)[0]
    yield traced(
        lambda oracle, method, folds, x, state: method.points(one(oracle, method).as_seen(x), state), x, state
    )[0]
    for event in (*program.observables, *program.events):
        yield jax.make_jaxpr(functools.partial(_evaluated, event, blank))(*blank.parts)
    fields = blank.fields_of_update
    for name in program.folds:

        def begin(oracle: Any, method: Any, folds: Any, *parts: Any, name: str = name) -> Any:
            return folds[name].begin(blank._replace(folds=()).state(*parts), update)

        beginning, carry = traced(begin, *blank._replace(folds=()).parts)
        yield beginning

        def take(oracle: Any, method: Any, folds: Any, carry: Any, *fields: Any, name: str = name) -> Any:
            return folds[name].take(carry, Update(*fields))

        yield traced(take, carry, *fields)[0]
        yield traced(lambda oracle, method, folds, carry, name=name: folds[name].value(carry), carry)[0]


def _trace_of_start(program: Program, law: Skeleton, numbers: tuple[jax.ShapeDtypeStruct, ...]) -> ClosedJaxpr:
    """How x_0 is drawn."""
    dtype, requests = jnp.dtype(program.precision), program.start_requests
    served = tuple(request.structure.like(DTYPES.get(request.kind, dtype)) for request in requests)
    like = program.point.like(dtype)
    return jax.make_jaxpr(lambda numbers, served: law.filled(numbers).draw(Replay(served, requests), like))(
        numbers, served
    )


def _evaluated(event: Event, blank: Blank, *parts: Any) -> Any:
    return event.function(blank.state(*parts) if event.takes_state else whole(parts[0]))


def _add_jaxpr(digest: Any, jaxpr: Jaxpr, constants: Any, names: dict[Any, Any] | None = None) -> None:
    """Operation by operation: with the constants of inner functions, and however often JAX holds one of these.

    The text that JAX prints has neither. `names` are those of constants and arguments, default numbers.
    """
    for constant in constants:
        _add(digest, constant)
    if names is None:
        names = {variable: i for i, variable in enumerate((*jaxpr.constvars, *jaxpr.invars))}

    def add_atoms(atoms: Any) -> None:
        for atom in atoms:
            if isinstance(atom, Literal):
                _add(digest, atom.val)
            else:
                digest.update(f"{names.setdefault(atom, len(names))}:{_text(atom.aval)};".encode())

    add_atoms(tuple(names))
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
