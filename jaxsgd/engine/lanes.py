"""A function of one trajectory, mapped over many: a ``vmap`` that keeps the mapped axis last.

``jax.vmap`` moves the mapped axis to the front wherever an unmapped array takes part or a shape
changes (a constant vector times x, a reshape, a dot product). Then XLA transposes inside the loop
over steps, which made such gradients 2 to 4 times slower than those without. Here the function is
traced once for one trajectory and evaluated operation by operation with the lanes on the last axis.
An operation without a rule below goes through ``jax.vmap``, so every function is mapped correctly.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

_ELEMENTWISE = frozenset(
    """
    abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e bitcast_convert_type cbrt
    ceil clamp clz complex conj convert_element_type copy cos cosh digamma div eq erf erf_inv erfc exp exp2
    expm1 floor ge gt igamma igammac imag integer_pow is_finite le lgamma log log1p logistic lt max min mul ne
    neg nextafter not or population_count pow real reduce_precision rem round rsqrt select_n shift_left
    shift_right_arithmetic shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh xor
    """.split()  # noqa: SIM905
)
_KEEPS_AXES = frozenset(
    """
    argmax argmin cumlogsumexp cummax cummin cumprod cumsum reduce_and reduce_max reduce_min reduce_or
    reduce_prod rev squeeze
    """.split()  # noqa: SIM905
)
_INNER = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr",
          "custom_vjp_call": "call_jaxpr", "remat2": "jaxpr", "checkpoint": "jaxpr"}  # fmt: skip


class Value(NamedTuple):
    """An intermediate result; ``mapped`` says whether its last axis is lanes."""

    array: Any
    mapped: bool


def over_lanes(function: Callable[..., Any]) -> Callable[..., Any]:
    """``jax.vmap(function, in_axes=-1, out_axes=-1)`` without moving the lanes."""

    def mapped(*arguments: Any) -> Any:
        results, structure, lanes = _results(function, arguments)
        return jax.tree.unflatten(structure, [_spread(value, lanes) for value in results])

    return mapped


def over_lanes_but_common(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same of a function that returns a pair, of which the second part depends on no argument.

    It comes without lanes: computed once, not in each of them.
    """

    def mapped(*arguments: Any) -> Any:
        results, structure, lanes = _results(function, arguments)
        flags = jax.tree.unflatten(structure, [value.mapped for value in results])
        if any(jax.tree.leaves(flags[1])):
            raise ValueError("a result that depends on the lanes was said to be common to them")
        count = len(jax.tree.leaves(flags[0]))
        arrays = [_spread(value, lanes) for value in results[:count]] + [value.array for value in results[count:]]
        return jax.tree.unflatten(structure, arrays)

    return mapped


def varying_results(function: Callable[..., Any], *shapes: Any) -> tuple[bool, ...]:
    """Which leaves of what a function returns depend on its arguments, of one lane and of these shapes."""
    found: list[bool] = []

    def run(*arguments: Any) -> tuple[()]:
        found.extend(value.mapped for value in _results(function, arguments)[0])
        return ()

    with_lanes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*leaf.shape, 2), leaf.dtype), shapes)
    jax.eval_shape(run, *with_lanes)
    return tuple(found)


def _results(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[list[Value], Any, int]:
    """The leaves of what a function returns, their pytree, and the number of lanes."""
    leaves = jax.tree.leaves(arguments)
    lanes = leaves[0].shape[-1]
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[:-1], leaf.dtype), arguments)
    closed, shape = jax.make_jaxpr(function, return_shape=True)(*shapes)
    results = _evaluate(closed.jaxpr, closed.consts, [Value(leaf, True) for leaf in leaves], lanes)
    return results, jax.tree.structure(shape), lanes


def _evaluate(jaxpr: Jaxpr, consts: Sequence[Any], arguments: list[Value], lanes: int) -> list[Value]:
    known = {var: Value(const, False) for var, const in zip(jaxpr.constvars, consts, strict=True)}
    known |= dict(zip(jaxpr.invars, arguments, strict=True))

    def read(atom: Any) -> Value:
        return Value(atom.val, False) if isinstance(atom, Literal) else known[atom]

    for equation in jaxpr.eqns:
        values = [read(atom) for atom in equation.invars]
        known |= dict(zip(equation.outvars, _apply(equation, values, lanes), strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _apply(equation: JaxprEqn, values: list[Value], lanes: int) -> list[Value]:
    name, params = equation.primitive.name, equation.params
    if name in _INNER:
        inner = params[_INNER[name]]
        closed = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
        return _evaluate(closed.jaxpr, closed.consts, values, lanes)
    if not any(value.mapped for value in values):
        return [Value(result, False) for result in _bind(equation, [value.array for value in values])]
    if name in _ELEMENTWISE and not (name == "bitcast_convert_type" and _changes_width(equation)):
        return [Value(result, True) for result in _bind(equation, _aligned(equation, values))]
    if name == "scan":
        return _scan(params, values, lanes)
    if name in _KEEPS_AXES:
        return [Value(result, True) for result in _bind(equation, [values[0].array])]
    if name in _RULES:
        result = _RULES[name](params, values, lanes)
        if result is not None:
            return [Value(result, True)]
    axes = tuple(-1 if value.mapped else None for value in values)
    each = jax.vmap(lambda *arrays: _bind(equation, list(arrays)), in_axes=axes, out_axes=-1)
    return [Value(result, True) for result in each(*(value.array for value in values))]


def _bind(equation: JaxprEqn, arrays: list[Any]) -> list[Any]:
    result = equation.primitive.bind(*arrays, **equation.params)
    return list(result) if equation.primitive.multiple_results else [result]


def _changes_width(equation: JaxprEqn) -> bool:
    return equation.invars[0].aval.shape != equation.outvars[0].aval.shape  # type: ignore[attr-defined]


def _aligned(equation: JaxprEqn, values: list[Value]) -> list[Any]:
    """Operands of equal rank: a 1 stands for the lanes where there are none."""
    rank = max(len(atom.aval.shape) for atom in equation.invars)  # type: ignore[attr-defined]
    arrays = []
    for value in values:
        shape = jnp.shape(value.array)
        if value.mapped:
            missing = rank - (len(shape) - 1)
            arrays.append(lax.reshape(value.array, (1,) * missing + shape) if missing else value.array)
        else:
            arrays.append(jnp.reshape(value.array, (*shape, 1)) if shape else value.array)
    if equation.primitive.name in ("add_any", "clamp", "select_n"):  # these do not broadcast
        shape = jnp.broadcast_shapes(*(jnp.shape(array) for array in arrays))
        arrays = [jnp.broadcast_to(array, shape) for array in arrays]
    return arrays


def _spread(value: Value, lanes: int) -> Any:
    if value.mapped:
        return value.array
    return jnp.broadcast_to(jnp.asarray(value.array)[..., None], (*jnp.shape(value.array), lanes))


def _broadcast_in_dim(params: dict, values: list[Value], lanes: int) -> Any:
    shape, dims = params["shape"], params["broadcast_dimensions"]
    if len(values) > 1:
        return None
    return lax.broadcast_in_dim(values[0].array, (*shape, lanes), (*dims, len(shape)))


def _reshape(params: dict, values: list[Value], lanes: int) -> Any:
    if params["dimensions"] is not None or len(values) > 1:
        return None
    return lax.reshape(values[0].array, (*params["new_sizes"], lanes))


def _transpose(params: dict, values: list[Value], lanes: int) -> Any:
    order = params["permutation"]
    return lax.transpose(values[0].array, (*order, len(order)))


def _slice(params: dict, values: list[Value], lanes: int) -> Any:
    strides = params["strides"]
    limits, starts = (*params["limit_indices"], lanes), (*params["start_indices"], 0)
    return lax.slice(values[0].array, starts, limits, None if strides is None else (*strides, 1))


def _dynamic_slice(params: dict, values: list[Value], lanes: int) -> Any:
    operand, *starts = values
    if any(start.mapped for start in starts):
        # One entry of the first axis, and all of the others, which can only start at 0.
        whole = params["slice_sizes"] == (1, *_shape_of_one(operand)[1:])
        if not whole or not starts[0].mapped or not _fits(operand):
            return None
        last = _shape_of_one(operand)[0] - 1  # the primitive clamps
        return _rows(operand, jnp.clip(starts[0].array, 0, last), lanes)[None]
    # The primitive clamps a negative start; it does not count it from the end.
    of_one = [start.array for start in starts]
    indices = [*of_one, np.zeros((), jnp.result_type(of_one[0]) if of_one else np.int32)]
    sizes = (*params["slice_sizes"], lanes)
    return lax.dynamic_slice(operand.array, indices, sizes, allow_negative_indices=False)


def _pad(params: dict, values: list[Value], lanes: int) -> Any:
    operand, padding = values
    if padding.mapped:
        return None
    return lax.pad(operand.array, padding.array, (*params["padding_config"], (0, 0, 0)))


def _concatenate(params: dict, values: list[Value], lanes: int) -> Any:
    return lax.concatenate([_spread(value, lanes) for value in values], params["dimension"])


def _dot_general(params: dict, values: list[Value], lanes: int) -> Any:
    (left_axes, right_axes), (left_batch, right_batch) = params["dimension_numbers"]
    left, right = values
    if left_batch or right_batch:
        return None
    if left.mapped and right.mapped:
        # an inner product of all axes, or a product with a scalar; others go through vmap
        ranks = left.array.ndim - 1, right.array.ndim - 1
        if tuple(left_axes) == tuple(right_axes) and ranks == (len(left_axes), len(right_axes)):
            dtype = params["preferred_element_type"] or left.array.dtype
            product = left.array.astype(dtype) * right.array.astype(dtype)
            # A reduction, which XLA evaluates once: what multiplies a vector later would evaluate a written-out sum
            # for each of its coordinates.
            return jnp.sum(lax.reshape(product, (product.size // lanes, lanes)), 0)
        return None
    free = jnp.ndim(left.array) - len(left_axes)  # lanes included
    product = lax.dot_general(
        left.array,
        right.array,
        ((left_axes, right_axes), ((), ())),
        precision=params["precision"],
        preferred_element_type=params["preferred_element_type"],
    )
    return jnp.moveaxis(product, free - 1, -1) if left.mapped else product


def _reduce_sum(params: dict, values: list[Value], lanes: int) -> Any:
    array = values[0].array
    axes = params["axes"]
    if tuple(axes) != tuple(range(array.ndim - 1)):
        return lax.reduce_sum(array, axes)
    return sum_coordinates(lax.reshape(array, (array.size // lanes, lanes)))


def sum_coordinates(array: jax.Array) -> jax.Array:
    """(d, lanes) to (lanes,). Written out where d is small, since a reduction would end the fusion."""
    if len(array) > 32:
        return jnp.sum(array, 0)
    rows = list(array)
    while len(rows) > 1:
        rows = [*(a + b for a, b in zip(rows[::2], rows[1::2], strict=False)), *rows[len(rows) & ~1 :]]
    return rows[0] if rows else jnp.zeros(array.shape[-1:], array.dtype)


def _scan(params: dict, values: list[Value], lanes: int) -> list[Value]:
    closed, consts, carried = params["jaxpr"], params["num_consts"], params["num_carry"]
    fixed, xs = values[:consts], values[consts + carried :]

    def step(carry: list[Any], arrays: list[Any]) -> tuple[list[Any], list[Any]]:
        inputs = [Value(array, True) for array in carry]
        inputs += [Value(array, x.mapped) for array, x in zip(arrays, xs, strict=True)]
        results = _evaluate(closed.jaxpr, closed.consts, [*fixed, *inputs], lanes)
        spread = [_spread(result, lanes) for result in results]
        return spread[:carried], spread[carried:]

    start = [_spread(value, lanes) for value in values[consts : consts + carried]]
    options = {name: params[name] for name in ("length", "reverse", "unroll")}
    carry, ys = lax.scan(step, start, [x.array for x in xs], **options)
    return [Value(result, True) for result in (*carry, *ys)]


def _gather(params: dict, values: list[Value], lanes: int) -> Any:
    """Entries of the first axis, by indices that need no check."""
    operand, indices = values
    shape, numbers = _shape_of_one(operand)[1:], params["dimension_numbers"]
    rank = indices.array.ndim - 2
    expected = (tuple(range(rank, rank + len(shape))), (0,), (0,), (1, *shape))
    form = numbers.offset_dims, numbers.collapsed_slice_dims, numbers.start_index_map, params["slice_sizes"]
    if form != expected or not indices.mapped or not _in_bounds(params) or not _fits(operand):
        return None
    return _rows(operand, indices.array[..., 0, :], lanes)


def _scatter(params: dict, values: list[Value], lanes: int) -> Any:
    """A vector of each lane with other entries in some places, by indices that need no check."""
    vector, indices, entries = values
    numbers = params["dimension_numbers"]
    form = numbers.update_window_dims, numbers.inserted_window_dims, numbers.scatter_dims_to_operand_dims
    vectors = vector.mapped and vector.array.ndim == 2 and form == ((), (0,), (0,)) and params["update_jaxpr"] is None
    if not vectors or not indices.mapped or not _in_bounds(params) or not _fits(vector):
        return None
    places = _places(indices.array[..., 0, :], lanes)
    written = jnp.ravel(vector.array).at[places].set(_spread(entries, lanes), **_UNCHECKED)
    return lax.reshape(written, vector.array.shape)


_UNCHECKED: dict[str, Any] = {"mode": "promise_in_bounds", "wrap_negative_indices": False}


def _rows(operand: Value, starts: jax.Array, lanes: int) -> jax.Array:
    """Entries of the first axis of an array, of all lanes or of each, at starts (..., lanes).

    They are taken one number at a time, in the order of the result: a gather of rows has the lanes first, and what
    follows would be transposed.
    """
    shape = _shape_of_one(operand)[1:]
    places = starts.reshape(*starts.shape[:-1], *(1 for _ in shape), lanes)
    if shape:
        within = np.arange(math.prod(shape), dtype=starts.dtype).reshape(*shape, 1)
        places = places * within.size + within
    if operand.mapped:
        places = _places(places, lanes)
    return jnp.ravel(operand.array).at[places].get(**_UNCHECKED)


def _places(indices: jax.Array, lanes: int) -> jax.Array:
    """Indices (..., lanes) of a flat array of each lane as those of the flat array of all."""
    return indices * lanes + lax.iota(indices.dtype, lanes)


def _shape_of_one(value: Value) -> tuple[int, ...]:
    return value.array.shape[:-1] if value.mapped else jnp.shape(value.array)


def _in_bounds(params: dict) -> bool:
    return params["mode"] == lax.GatherScatterMode.PROMISE_IN_BOUNDS


def _fits(operand: Value) -> bool:
    """Whether places in it are int32."""
    return jnp.size(operand.array) < 2**31


_RULES: dict[str, Callable[[dict, list[Value], int], Any]] = {
    "broadcast_in_dim": _broadcast_in_dim,
    "reduce_sum": _reduce_sum,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "pad": _pad,
    "concatenate": _concatenate,
    "dot_general": _dot_general,
    "gather": _gather,
    "scatter": _scatter,
}
