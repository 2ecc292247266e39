"""What a traced function computes, evaluated by NumPy: for a few points much sooner than it would be compiled."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal


def evaluate(traced: ClosedJaxpr, arguments: Sequence[Any], wide: bool) -> list[np.ndarray] | None:
    """The values of a trace in float32 at these arguments; ``wide``: with all its floats in float64.

    A second trace in float64 would not do: arrays that functions hold have one precision while a program has them.
    None where the trace holds an operation that is not in the list here.
    """
    try:
        with np.errstate(all="ignore"):  # points that are tried need not lie where the function is finite
            return _Run(wide).values(traced.jaxpr, traced.consts, arguments)
    except Exception:  # an operation, or a form of one, that is not known here
        return None


class _Run:
    """Evaluates traces in one precision."""

    def __init__(self, wide: bool) -> None:
        self._wide = wide

    def _array(self, value: Any, variable: Any) -> np.ndarray:
        dtype = variable.aval.dtype
        return np.asarray(value, np.float64 if self._wide and dtype == np.float32 else dtype)

    def values(self, jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any]) -> list[np.ndarray]:
        known: dict[Any, np.ndarray] = {}

        def assign(variables: Sequence[Any], values: Sequence[Any]) -> None:
            known.update((each, self._array(value, each)) for each, value in zip(variables, values, strict=True))

        def value(atom: Any) -> np.ndarray:
            return self._array(atom.val, atom) if isinstance(atom, Literal) else known[atom]

        assign(jaxpr.constvars, constants)
        assign(jaxpr.invars, arguments)
        for equation in jaxpr.eqns:
            assign(equation.outvars, self._made(equation, [value(atom) for atom in equation.invars]))
        return [value(atom) for atom in jaxpr.outvars]

    def _made(self, equation: Any, inputs: list[np.ndarray]) -> Sequence[Any]:
        name, given = equation.primitive.name, equation.params
        if name in _ELEMENTWISE:
            return [_ELEMENTWISE[name](*inputs)]
        if name in _OPERATIONS:
            return [_OPERATIONS[name](equation, *inputs)]
        if name in _CALLS:
            inner = given[_CALLS[name]]
            closed = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
            return self.values(closed.jaxpr, closed.consts, inputs)
        if name == "split":
            return np.split(inputs[0], np.cumsum(given["sizes"])[:-1], given["axis"])
        if name == "scan":
            return self._scan(given, inputs)
        raise NotImplementedError(name)

    def _scan(self, given: dict[str, Any], inputs: Sequence[np.ndarray]) -> list[Any]:
        constants, carried, body = given["num_consts"], given["num_carry"], given["jaxpr"]
        fixed, carry, rows = inputs[:constants], inputs[constants : constants + carried], inputs[constants + carried :]
        stacked: list[list[np.ndarray]] = []
        order = range(given["length"])
        for i in reversed(order) if given["reverse"] else order:
            made = self.values(body.jaxpr, body.consts, [*fixed, *carry, *(row[i] for row in rows)])
            carry = made[:carried]
            stacked.append(made[carried:])
        if given["reverse"]:
            stacked.reverse()
        return [*carry, *(np.stack(column) for column in zip(*stacked, strict=True))]


def _reduce(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda equation, x: function(x, axis=tuple(int(axis) for axis in equation.params["axes"]))


def _broadcast(equation: Any, x: np.ndarray) -> np.ndarray:
    shape, kept = equation.params["shape"], equation.params["broadcast_dimensions"]
    whole = [1] * len(shape)
    for axis, size in zip(kept, x.shape, strict=True):
        whole[axis] = size
    return np.broadcast_to(x.reshape(whole), shape)


def _product(equation: Any, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    (over_x, over_y), (batch_x, batch_y) = equation.params["dimension_numbers"]
    free_x = [axis for axis in range(x.ndim) if axis not in (*over_x, *batch_x)]
    free_y = [axis for axis in range(y.ndim) if axis not in (*over_y, *batch_y)]

    def matrix(array: np.ndarray, *groups: Sequence[int]) -> np.ndarray:
        shape = [int(np.prod([array.shape[axis] for axis in group])) for group in groups[1:]]
        batch = [array.shape[axis] for axis in groups[0]]
        return array.transpose([axis for group in groups for axis in group]).reshape(*batch, *shape)

    made = matrix(x, batch_x, free_x, over_x) @ matrix(y, batch_y, over_y, free_y)
    return made.reshape(equation.outvars[0].aval.shape)


def _slice(equation: Any, x: np.ndarray) -> np.ndarray:
    given = equation.params
    strides = given["strides"] or (1,) * x.ndim
    return x[tuple(map(slice, given["start_indices"], given["limit_indices"], strides))]


def _dynamic_slice(equation: Any, x: np.ndarray, *starts: np.ndarray) -> np.ndarray:
    sizes = equation.params["slice_sizes"]
    firsts = [min(max(int(s), 0), have - size) for s, have, size in zip(starts, x.shape, sizes, strict=True)]
    return x[tuple(slice(first, first + size) for first, size in zip(firsts, sizes, strict=True))]


def _select(which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    made = cases[0]
    for number, case in enumerate(cases[1:], 1):
        made = np.where(which == number, case, made)
    return made


def _pad(equation: Any, x: np.ndarray, filling: np.ndarray) -> np.ndarray:
    for axis, (low, high, inner) in enumerate(equation.params["padding_config"]):
        x = np.moveaxis(x, axis, 0)
        body = max((inner + 1) * len(x) - inner, 0)
        made = np.full((max(low, 0) + body + max(high, 0), *x.shape[1:]), filling, x.dtype)
        made[max(low, 0) : max(low, 0) + body : inner + 1] = x
        x = np.moveaxis(made[max(-low, 0) : len(made) - max(-high, 0)], 0, axis)
    return x


def _iota(equation: Any) -> np.ndarray:
    given = equation.params
    shape = [-1 if axis == given["dimension"] else 1 for axis in range(len(given["shape"]))]
    return np.broadcast_to(np.arange(given["shape"][given["dimension"]]).reshape(shape), given["shape"])


_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": np.add, "add_any": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
    "max": np.maximum, "min": np.minimum, "abs": np.abs, "sign": np.sign, "exp": np.exp, "log": np.log,
    "log1p": np.log1p, "expm1": np.expm1, "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh,
    "sinh": np.sinh, "cosh": np.cosh,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "ceil": np.ceil, "rem": np.fmod, "exp2": np.exp2,
    "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x), "pow": np.power, "square": np.square, "floor": np.floor,
    "logistic": lambda x: 1 / (1 + np.exp(-x)), "eq": np.equal, "ne": np.not_equal, "lt": np.less,
    "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "and": np.bitwise_and, "or": np.bitwise_or,
    "not": np.invert, "is_finite": np.isfinite, "select_n": _select, "stop_gradient": lambda x: x, "copy": lambda x: x,
    "clamp": lambda low, x, high: np.clip(x, low, high), "atan2": np.arctan2,
}  # fmt: skip

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "convert_element_type": lambda equation, x: x,  # the type is that of what it is assigned to
    "integer_pow": lambda equation, x: x ** x.dtype.type(equation.params["y"]),
    "reduce_sum": _reduce(np.sum),
    "reduce_max": _reduce(np.max),
    "reduce_min": _reduce(np.min),
    "reduce_prod": _reduce(np.prod),
    "reduce_and": _reduce(np.all),
    "reduce_or": _reduce(np.any),
    "broadcast_in_dim": _broadcast,
    "reshape": lambda equation, x: x.reshape(equation.params["new_sizes"]),
    "squeeze": lambda equation, x: np.squeeze(x, tuple(equation.params["dimensions"])),
    "expand_dims": lambda equation, x: np.expand_dims(x, tuple(equation.params["dimensions"])),
    "transpose": lambda equation, x: x.transpose(equation.params["permutation"]),
    "rev": lambda equation, x: np.flip(x, equation.params["dimensions"]),
    "concatenate": lambda equation, *parts: np.concatenate(parts, equation.params["dimension"]),
    "dot_general": _product,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "iota": _iota,
    "pad": _pad,
    "stack": lambda equation, *parts: np.stack(parts, equation.params["axis"]),
    "cumsum": lambda equation, x: np.cumsum(x, equation.params["axis"]),
}

_CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
          "custom_vjp_call": "call_jaxpr", "remat": "jaxpr", "checkpoint": "jaxpr"}  # fmt: skip
