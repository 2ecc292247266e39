"""Programs of JAX, evaluated in ball arithmetic: all values on an interval at once, rounding included.

A value is an array of `flint.arb`, balls that are known to contain what the real function takes on. What floats were
written into the program (such as 6.283) count as exactly these floats. Where a program asks which of two numbers is
larger, and the balls do not tell, both answers are taken, and the result is marked as one that may have a jump.

Source: Moore, Kearfott and Cloud (2009), Introduction to Interval Analysis; Johansson (2017), arXiv 1611.02831, for the
arithmetic.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import flint
import jax
import numpy as np
from flint import arb
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from jaxsgd.errors import InvalidInput

PRECISION = 96
"""Bits of the midpoints of balls."""


class Enclosure:
    """A function of one real number, evaluated on balls.

    **Arguments**

    - `program`: the jaxpr of a function that takes a float64 scalar to one.
    """

    def __init__(self, program: ClosedJaxpr) -> None:
        self._program = program
        self._may_jump = False

    def __call__(self, x: arb) -> tuple[arb, bool]:
        """A ball with all values on x, and whether the function may have a jump there."""
        self._may_jump = False
        with flint.ctx.workprec(PRECISION):
            (value,) = self._run(self._program.jaxpr, self._program.consts, [_objects(x)])
        return value[()], self._may_jump

    def _run(self, jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
        held = dict(zip(jaxpr.constvars, map(_lifted, constants), strict=True))
        held.update(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> Any:
            return _lifted(atom.val) if isinstance(atom, Literal) else held[atom]

        for equation in jaxpr.eqns:
            found = self._apply(equation, [read(atom) for atom in equation.invars])
            held.update(zip(equation.outvars, found, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _apply(self, equation: Any, arguments: list[Any]) -> list[Any]:
        name, parameters = equation.primitive.name, equation.params
        inner = parameters.get("jaxpr") or parameters.get("call_jaxpr")
        if name in _CALLS and inner is not None:
            closed = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
            return self._run(closed.jaxpr, closed.consts, arguments)
        if not any(_is_balls(each) for each in arguments):
            found = equation.primitive.bind(*arguments, **parameters)  # whole numbers and truth values
            return [_lifted(each) for each in (found if equation.primitive.multiple_results else [found])]
        if name == "select_n":
            return [self._chosen(*arguments)]
        if name == "sign":
            self._may_jump |= any(bool(each.contains(0)) for each in np.ravel(arguments[0]))
        if name in _ELEMENTWISE:
            arguments = [_balls(each) for each in arguments]
            return [_array(np.frompyfunc(_ELEMENTWISE[name], len(arguments), 1)(*arguments))]
        if name in _WITH_PARAMETERS:
            return [_array(_WITH_PARAMETERS[name](*arguments, **parameters))]
        raise InvalidInput(f"the program of the risk contains {name!r}, for which there is no arithmetic of intervals")

    def _chosen(self, which: Any, *cases: Any) -> Any:
        def choose(index: Any, *values: Any) -> Any:
            if index is not None:
                return values[int(index)]
            self._may_jump = True
            return functools.reduce(arb.union, values) if isinstance(values[0], arb) else None

        return _array(np.frompyfunc(choose, 1 + len(cases), 1)(which, *cases))


def _objects(value: Any) -> np.ndarray:
    array = np.empty((), object)
    array[()] = value
    return array


def _array(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else _objects(value)


def _lifted(value: Any) -> Any:
    """Floats as balls of radius 0; the rest as it is."""
    array = np.asarray(value)
    if not np.issubdtype(array.dtype, np.floating):
        return array
    return _array(np.frompyfunc(lambda each: arb(float(each)), 1, 1)(array))


def _balls(value: np.ndarray) -> np.ndarray:
    """Whole numbers as balls; balls, and truth values that may be open, as they are."""
    if value.dtype == object or value.dtype == bool:
        return value.astype(object)
    return _array(np.frompyfunc(lambda each: arb(int(each)), 1, 1)(value))


def _is_balls(value: Any) -> bool:
    return value.dtype == object


def _sign(x: arb) -> arb:
    if x > 0:
        return arb(1)
    if x < 0:
        return arb(-1)
    return arb(0) if x.is_zero() else arb(0, 1)


def _compare(true: Callable[[Any, Any], Any], false: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """True or False where the balls tell, otherwise None."""
    return lambda x, y: True if true(x, y) else (False if false(x, y) else None)


def _and(x: Any, y: Any) -> Any:
    return False if x is False or y is False else (None if x is None or y is None else bool(x and y))


def _or(x: Any, y: Any) -> Any:
    return True if x is True or y is True else (None if x is None or y is None else bool(x or y))


def _not(x: Any) -> Any:
    return None if x is None else not x


def _sigmoid(x: arb) -> arb:
    return 1 / (1 + (-x).exp())


def _max(x: arb, y: arb) -> arb:
    """The larger one; that very object where the balls tell, by which `_equal` knows it again."""
    return x if x >= y else (y if y >= x else x.max(y))


def _min(x: arb, y: arb) -> arb:
    return x if x <= y else (y if y <= x else x.min(y))


def _equal(x: arb, y: arb) -> bool | None:
    return True if x is y or (x.is_exact() and x == y) else (None if x.overlaps(y) else False)


def _power(x: arb, exponent: int) -> arb:
    """x^k for a whole number k; flint's own is not finite where x may be 0."""
    if exponent < 0:
        return 1 / _power(x, -exponent)
    if exponent % 2:
        return x * _power(x, exponent - 1)
    size = abs(x)
    return functools.reduce(operator.mul, [size] * exponent, arb(1))


def _real_power(x: arb, y: arb) -> arb:
    exponent = y.unique_fmpz() if y.is_exact() else None
    return x**y if exponent is None else _power(x, int(exponent))


def _powered(x: np.ndarray, *, y: int) -> np.ndarray:
    return _array(np.frompyfunc(lambda each: _power(each, y), 1, 1)(x))


def _converted(x: np.ndarray, *, new_dtype: Any, **_: Any) -> np.ndarray:
    if np.issubdtype(new_dtype, np.floating):
        return x
    raise InvalidInput(f"the program of the risk turns numbers into {np.dtype(new_dtype).name}, as rounding does")


def _summed(x: np.ndarray, *, axes: tuple[int, ...], **_: Any) -> np.ndarray:
    return _array(x.sum(axis=tuple(axes))) if axes else x


def _broadcast(x: np.ndarray, *, shape: tuple[int, ...], broadcast_dimensions: tuple[int, ...], **_: Any) -> np.ndarray:
    widened = np.full(len(shape), 1)
    widened[list(broadcast_dimensions)] = x.shape
    return np.broadcast_to(x.reshape(tuple(widened)), shape)


def _contracted(x: Any, y: Any, *, dimension_numbers: Any, **_: Any) -> np.ndarray:
    (left, right), (batch, other) = dimension_numbers
    if batch or other:
        raise InvalidInput("the program of the risk contains products of batches of matrices")
    return np.asarray(np.tensordot(_balls(x), _balls(y), (left, right)))


def _sliced(x: np.ndarray, *, start_indices: Any, limit_indices: Any, strides: Any, **_: Any) -> np.ndarray:
    steps = strides or (1,) * x.ndim
    return x[tuple(slice(*each) for each in zip(start_indices, limit_indices, steps, strict=True))]


_CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "custom_vjp_call_jaxpr",
    "remat2",
    "checkpoint",
)

_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "add": operator.add, "add_any": operator.add, "sub": operator.sub, "mul": operator.mul, "neg": operator.neg,
    "div": operator.truediv, "square": lambda x: _power(x, 2), "pow": _real_power, "abs": abs, "sign": _sign,
    "max": _max, "min": _min,
    "sqrt": arb.sqrt, "rsqrt": arb.rsqrt, "exp": arb.exp, "exp2": lambda x: arb(2) ** x, "expm1": arb.expm1,
    "log": arb.log, "log1p": arb.log1p, "sin": arb.sin, "cos": arb.cos, "tan": arb.tan, "asin": arb.asin,
    "acos": arb.acos, "atan": arb.atan, "sinh": arb.sinh, "cosh": arb.cosh, "tanh": arb.tanh, "asinh": arb.asinh,
    "acosh": arb.acosh, "atanh": arb.atanh, "logistic": _sigmoid, "erf": arb.erf, "erfc": arb.erfc,
    "lgamma": arb.lgamma, "digamma": arb.digamma, "stop_gradient": lambda x: x, "copy": lambda x: x,
    "lt": _compare(operator.lt, operator.ge), "le": _compare(operator.le, operator.gt),
    "gt": _compare(operator.gt, operator.le), "ge": _compare(operator.ge, operator.lt),
    "eq": _equal, "ne": lambda x, y: _not(_equal(x, y)),
    "and": _and, "or": _or, "not": _not,
}  # fmt: skip

_WITH_PARAMETERS: dict[str, Callable[..., Any]] = {
    "integer_pow": _powered,
    "convert_element_type": _converted,
    "reduce_sum": _summed,
    "broadcast_in_dim": _broadcast,
    "dot_general": _contracted,
    "slice": _sliced,
    "reshape": lambda x, *, new_sizes, **_: x.reshape(new_sizes),
    "squeeze": lambda x, *, dimensions, **_: x.squeeze(tuple(dimensions)),
    "expand_dims": lambda x, *, dimensions, **_: np.expand_dims(x, tuple(dimensions)),
    "transpose": lambda x, *, permutation, **_: x.transpose(permutation),
    "concatenate": lambda *parts, dimension, **_: np.concatenate(parts, dimension),
    "reduce_max": lambda x, *, axes, **_: _reduced(_max, x, axes),
    "reduce_min": lambda x, *, axes, **_: _reduced(_min, x, axes),
}


def _reduced(of_two: Callable[[arb, arb], arb], x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    for axis in sorted(axes)[::-1]:
        x = _array(np.frompyfunc(of_two, 2, 1).reduce(x, axis))
    return x


def enclosure(function: Callable[[jax.Array], jax.Array]) -> Enclosure:
    """Of a scalar function of a float64 scalar."""
    with jax.enable_x64(True):
        return Enclosure(jax.make_jaxpr(function)(0.0))
