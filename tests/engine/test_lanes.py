"""``over_lanes(f)`` is ``jax.vmap(f, in_axes=-1, out_axes=-1)``, for whatever a user's function may hold.

Nothing here is random but the inputs, 7 lanes of them. Each case is one small jitted program with both
maps in it, compared in float32: equal for integers and booleans, otherwise to RELATIVE of the largest
entry, some 16 units in the last place (sums are taken in another order). No other operation order can
move an entry of these tiny cases further, and a wrong axis moves it by as much as the entries differ.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from economy import QUICK
from jax import lax

from jaxsgd.engine.lanes import over_lanes, sum_coordinates

LANES = 7
RELATIVE = 2e-6

Q = np.array([[3.0, 1.0, 0.2], [1.0, 2.0, -0.3], [0.2, -0.3, 1.0]], np.float32)
WIDE = np.arange(12, dtype=np.float32).reshape(4, 3) / 7 - 0.5
CENTRE = np.array([0.5, -1.0, 2.0], np.float32)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=(*shape, LANES)).astype(np.float32)


VECTOR, OTHER, MATRIX, SCALAR = numbers(3), numbers(3, seed=1), numbers(3, 4, seed=2), numbers(seed=3)
SQUARE = numbers(3, 3, seed=4)
COUNTS = np.random.default_rng(5).integers(0, 3, (3, LANES)).astype(np.int32)
INDEX = np.array([0, 2, 1, 1, 0, 2, 2], np.int32)


def compare(function, *arguments, map_=over_lanes):
    """Both maps of one function on the same lanes."""

    @functools.partial(jax.jit, compiler_options=dict(QUICK))
    def both(*arguments):
        return map_(function)(*arguments), jax.vmap(function, in_axes=-1, out_axes=-1)(*arguments)

    found, expected = both(*arguments)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for mine, its in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert mine.shape == its.shape
        assert mine.dtype == its.dtype
        mine, its = np.asarray(mine), np.asarray(its)
        if its.dtype.kind == "f":
            scale = np.abs(its[np.isfinite(its)]).max(initial=0)
            np.testing.assert_allclose(mine, its, rtol=RELATIVE, atol=RELATIVE * scale)
        else:
            np.testing.assert_array_equal(mine, its)


def value_and_gradient(function):
    return lambda *arguments: (function(*arguments), jax.grad(lambda *a: jnp.sum(function(*a)))(*arguments))


@jax.custom_jvp
def softsign(x):
    return x / (1 + jnp.abs(x))


@softsign.defjvp
def _(primals, tangents):
    return softsign(primals[0]), 3 * tangents[0] / (1 + jnp.abs(primals[0])) ** 2  # 3: to see that it is used


@jax.custom_vjp
def clipped_gradient(x):
    return jnp.sum(x**2)


clipped_gradient.defvjp(lambda x: (jnp.sum(x**2), x), lambda x, g: (g * jnp.clip(x, -0.5, 0.5),))


def bisection(x):
    """A while loop whose number of passes differs between lanes."""

    def halve(state):
        low, high = state
        middle = (low + high) / 2
        below = middle**3 < jnp.abs(x[0])
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    low, high = lax.while_loop(lambda state: state[1] - state[0] > 0.01 * jnp.abs(x[1]), halve, (0.0, 2.0))
    return low + high


def rollout(x):
    last, all_of_them = lax.scan(lambda c, q: (jnp.tanh(q @ c), c[0]), x, jnp.stack([Q, 2 * Q]))
    return jnp.sum(last) + jnp.sum(all_of_them**2)


# Scalar functions of (3,), which are differentiated too.
OF_A_VECTOR = {
    "quadratic with a constant vector": lambda x: jnp.sum(CENTRE * (x - CENTRE) ** 2),
    "quadratic form": lambda x: x @ Q @ x,
    "quadratic form, constant on the left": lambda x: 0.5 * jnp.dot(x, jnp.matmul(Q, x)),
    "constant matrix from the left": lambda x: jnp.sum(jnp.tanh(WIDE @ x)),
    "constant matrix from the right": lambda x: jnp.sum(jnp.tanh(x @ WIDE.T)),
    "einsum": lambda x: jnp.einsum("i,ij,j->", x, Q, x) + jnp.einsum("ij,i,j->", Q, x, x),
    "outer product": lambda x: jnp.sum(jnp.outer(x, x) * Q),
    "vdot": lambda x: jnp.vdot(x, x * CENTRE),
    "norm": lambda x: jnp.linalg.norm(x - CENTRE),
    "maximum norm": lambda x: jnp.linalg.norm(x, ord=jnp.inf),
    "solve": lambda x: jnp.sum(jnp.linalg.solve(Q, x) ** 2),
    "solve a system of the lane": lambda x: jnp.linalg.solve(Q + jnp.diag(x**2), x)[0],
    "determinant": lambda x: jnp.linalg.det(Q + jnp.outer(x, x)),
    "cholesky": lambda x: jnp.sum(jnp.linalg.cholesky(Q + jnp.outer(x, x))),
    "largest eigenvalue": lambda x: jnp.linalg.eigvalsh(Q + jnp.outer(x, x))[-1],
    "static index": lambda x: x[0] * x[-1] + jnp.sum(x[1:]) + jnp.sum(x[::2]),
    "reversed": lambda x: jnp.sum(x[::-1] * CENTRE),
    "gather by a constant array": lambda x: jnp.sum(x[np.array([0, 2, 2, 1])] ** 2),
    "gather by a mask of constants": lambda x: jnp.sum(x[np.array([True, False, True])]),
    "scatter": lambda x: jnp.sum(x.at[1].set(x[0]).at[2].add(3.0) ** 2),
    "scatter into a constant": lambda x: jnp.sum(jnp.zeros(4).at[jnp.array([1, 3])].add(x[:2]) * jnp.arange(4.0)),
    "concatenate with constants": lambda x: jnp.sum(jnp.concatenate([CENTRE, x, jnp.ones(2)]).reshape(4, 2)[:, 0] ** 2),
    "stack": lambda x: jnp.sum(jnp.stack([x, 2 * x, CENTRE]) @ CENTRE),
    "pad": lambda x: jnp.sum(jnp.pad(x, (1, 2), constant_values=3.0) ** 2),
    "negative and interior padding": lambda x: jnp.sum(lax.pad(x, 1.5, [(-1, 2, 1)]) ** 2),
    "reshape": lambda x: jnp.sum((x[:, None] * x[None, :]).reshape(9)[::2]),
    "broadcast": lambda x: jnp.sum(jnp.broadcast_to(x, (4, 3)) * WIDE),
    "expand and squeeze": lambda x: jnp.sum(jnp.squeeze(x[None, :, None] * jnp.ones((1, 3, 1))) ** 2),
    "tile and repeat": lambda x: jnp.sum(jnp.tile(x, 2)[:4] * jnp.repeat(x, 2)[1:5]),
    "roll": lambda x: jnp.sum(jnp.roll(x, 1) * x),
    "differences": lambda x: jnp.sum(jnp.diff(x) ** 2),
    "cumulative sum and product": lambda x: jnp.sum(jnp.cumsum(x) * jnp.cumprod(x)),
    "sort": lambda x: jnp.sum(jnp.sort(x) * CENTRE),
    "median": lambda x: jnp.median(x),
    "where with a scalar": lambda x: jnp.sum(jnp.where(x > 0, x, 0.1 * CENTRE)),
    "where on one number of the lane": lambda x: jnp.sum(jnp.where(x[0] > 0, x, CENTRE)),
    "clip": lambda x: jnp.sum(jnp.clip(x, -0.4, CENTRE)),
    "clip by a number of the lane": lambda x: jnp.sum(jnp.clip(CENTRE, -jnp.abs(x[0]), jnp.abs(x[1]))),
    "largest": lambda x: jnp.max(x) - jnp.min(x) + jnp.maximum(x[0], CENTRE[0]),
    "prod": lambda x: jnp.prod(x),
    "mean and standard deviation": lambda x: jnp.mean(x) / jnp.std(x),
    "logsumexp": lambda x: jax.nn.logsumexp(WIDE @ x),
    "softmax": lambda x: jax.nn.softmax(x) @ CENTRE,
    "cross entropy": lambda x: -jax.nn.log_softmax(WIDE @ x)[1],
    "relu": lambda x: jnp.sum(jax.nn.relu(x)),
    "softplus": lambda x: jnp.sum(jax.nn.softplus(CENTRE * x)),
    "logaddexp": lambda x: jnp.sum(jnp.logaddexp(0.0, x)),
    "sinc": lambda x: jnp.sum(jnp.sinc(x)),
    "power": lambda x: jnp.sum(jnp.abs(x) ** 1.5 + x**3),
    "special functions": lambda x: jnp.sum(jax.scipy.special.erf(x) + jax.scipy.special.gammaln(x**2 + 1)),
    "custom_jvp": lambda x: jnp.sum(softsign(x)),
    "custom_vjp": clipped_gradient,
    "checkpoint": lambda x: jax.checkpoint(lambda y: jnp.sum(jnp.sin(y) * y))(x),
    "inner jit": lambda x: jax.jit(lambda y, c: jnp.sum(y * c))(x, CENTRE),
    "inner vmap": lambda x: jnp.sum(jax.vmap(lambda row: jnp.tanh(row @ x))(WIDE)),
    "hessian": lambda x: jnp.sum(jax.hessian(lambda y: jnp.sum(y**4) + y @ Q @ y)(x)),
    "cond": lambda x: lax.cond(x[0] > 0, lambda y: jnp.sum(y), lambda y: jnp.prod(y), x),
    "switch": lambda x: lax.switch(jnp.int32(x[0] > 0), [jnp.sum, jnp.prod], x),
    "scan": rollout,
    "loop of a fixed length": lambda x: jnp.sum(lax.fori_loop(0, 3, lambda i, y: y + 0.1 * (Q @ y) * i, x)),
    "convolution": lambda x: jnp.sum(jnp.convolve(x, CENTRE) ** 2),
    "interpolation": lambda x: jnp.interp(x[0], jnp.array([-1.0, 0.0, 1.0]), jnp.array([1.0, 3.0, 2.0])),
    "stop_gradient": lambda x: jnp.sum(lax.stop_gradient(x) * x),
    "reduce_precision": lambda x: jnp.sum(lax.reduce_precision(x, 8, 7)),
    "complex": lambda x: jnp.abs(jnp.sum(jnp.exp(1j * x))),
    "polynomial": lambda x: jnp.polyval(jnp.array([1.0, 2.0, 3.0]), x[0]),
    "constant": lambda x: jnp.float32(3.0),
    "large sum": lambda x: jnp.sum(jnp.outer(jnp.ones(20), x) ** 2),
}


@pytest.mark.parametrize("name", OF_A_VECTOR)
def test_scalar_functions_and_their_gradients(name):
    compare(value_and_gradient(OF_A_VECTOR[name]), VECTOR)


# Functions of other things, values only.
SURE = {"mode": "promise_in_bounds", "wrap_negative_indices": False}


def chosen(array, indices):
    return jnp.asarray(array).at[indices].get(**SURE)


def exchanged(x, i):
    ends = jnp.stack([i, 2 - i])
    return x.at[ends].set(chosen(x, ends)[::-1], **SURE)


OF_MORE = {
    "entries of the lane": (lambda x, c: (chosen(x, c), chosen(x, c[:2, None]), chosen(x, c[0])), VECTOR, COUNTS),
    "rows of the lane": (lambda m, c: (chosen(m, c), chosen(m, c[0])), MATRIX, COUNTS),
    "rows of a constant": (lambda c: (chosen(WIDE, c), chosen(WIDE, c[0]), chosen(CENTRE, c), chosen(Q, 1)), COUNTS),
    "entries exchanged, at equal places too": (exchanged, VECTOR, INDEX),
    "a vector with another number": (lambda x, i: x.at[i[None]].set(7.0, **SURE), VECTOR, INDEX),
    "rows with other numbers": (lambda m, c: m.at[c].set(m[::-1], **SURE), MATRIX, COUNTS[::-1].copy() * 0 + INDEX % 3),
    "rows added to": (lambda m, i: m.at[i[None]].add(1.0, **SURE), MATRIX, INDEX),
    "row of a constant beyond its end": (lambda i: lax.dynamic_slice(jnp.asarray(Q), (3 * i, 0), (1, 3)), INDEX),
    "part of a row of a constant": (lambda i: lax.dynamic_slice(jnp.asarray(WIDE), (i, 1), (1, 2)), INDEX),
    "scan over a constant": (lambda x: lax.scan(lambda c, row: (c + row @ x, c), 0.0, jnp.asarray(Q)), VECTOR),
    "scan over nothing": (lambda x: lax.scan(lambda c, _: (c * x, None), jnp.ones(3), length=3), VECTOR),
    "scan over both, from the end": (
        lambda x, m: lax.scan(lambda c, r: (c - r[0] @ m, r[1]), jnp.zeros(4), (m.T[:3, :3], x), reverse=True),
        VECTOR,
        MATRIX,
    ),
    "while loop": (bisection, VECTOR),
    "two arguments": (lambda x, y: x @ Q @ y + jnp.outer(x, y)[0, 1], VECTOR, OTHER),
    "scalars": (lambda a, x: a * x + jnp.dot(a, a), SCALAR, VECTOR),
    "scalar against vector": (lambda a, x: jnp.where(a > 0, x, a) + jnp.maximum(a, CENTRE), SCALAR, VECTOR),
    "matrix times vector": (lambda m, x: x @ m, MATRIX, VECTOR),
    "matrix times constant vector": (lambda m: m.T @ CENTRE, MATRIX),
    "matrix times constant matrix": (lambda m: (WIDE @ m, m @ WIDE), MATRIX),
    "matrix times its transpose": (lambda m: m @ m.T, MATRIX),
    "frobenius": (lambda m: (jnp.sum(m * m), jnp.tensordot(m, m), jnp.trace(m @ m.T)), MATRIX),
    "transposed contraction": (lambda a, b: jnp.einsum("ij,ji->", a, b), SQUARE, SQUARE[::-1].copy()),
    "batched product": (lambda m: jnp.einsum("ij,ij->i", m, m) + jnp.einsum("bi,bj->b", m, m), MATRIX),
    "batched product with a constant": (lambda m: jnp.einsum("ij,ij->i", m, WIDE.T), MATRIX),
    "contraction of three axes": (lambda m: jnp.einsum("ij,kij->k", m, np.ones((2, 3, 4), np.float32)), MATRIX),
    "transpose": (lambda m: m.T, MATRIX),
    "reshape of a matrix": (
        lambda m: (m.reshape(-1), m.T.reshape(2, 6), m.reshape(2, 3, 2).transpose(2, 0, 1)),
        MATRIX,
    ),
    "reductions by axis": (lambda m: (m.sum(0), m.sum(1), m.max(0), m.min(1), m.mean(), m.argmax(1)), MATRIX),
    "reductions of negative axes": (lambda m: (m.sum(-1), m.prod(-2), m.var(-1, keepdims=True)), MATRIX),
    "cumulative by axis": (lambda m: (jnp.cumsum(m, 0), jnp.cumsum(m, -1), jnp.cumulative_sum(m, axis=1)), MATRIX),
    "sort by axis": (lambda m: (jnp.sort(m, 0), jnp.argsort(m, -1), jnp.flip(m, 1)), MATRIX),
    "several keys": (lambda x, y: lax.sort((jnp.round(x), y), num_keys=1), VECTOR, OTHER),
    "rows": (lambda m: (m[0], m[:, 1], m[-1:, ::2], m[np.array([2, 0])]), MATRIX),
    "dynamic index of the lane": (lambda i, x: (x[i], lax.dynamic_slice(x, [i], [1]), x.at[i].set(9.0)), INDEX, VECTOR),
    "dynamic index into a constant": (lambda i: (jnp.asarray(Q)[i], jnp.asarray(CENTRE)[i]), INDEX),
    "take along an axis": (lambda c, x: (jnp.take_along_axis(x, c, 0), x[c]), COUNTS, VECTOR),
    "top values": (lambda x: lax.top_k(x, 2), VECTOR),
    "search": (lambda x: jnp.searchsorted(jnp.array([-1.0, 0.0, 1.0]), x), VECTOR),
    "counts": (lambda c: (jnp.bincount(c, length=3), c.sum(), c @ c, c % 2 == 0, c // 2, c << 1), COUNTS),
    "one-hot": (lambda c: jax.nn.one_hot(c, 3), COUNTS),
    "small integers keep their type": (lambda c: jnp.sum(c.astype(jnp.int8)[None], 1, dtype=jnp.int8), COUNTS),
    "booleans": (lambda x: (x > 0, jnp.any(x > 1), jnp.all(x > -1), ~(x > 0) & (x < 1), jnp.isfinite(x)), VECTOR),
    "count of truths": (lambda x: jnp.sum(x > 0), VECTOR),
    "bits": (lambda x: lax.bitcast_convert_type(x, jnp.int32), VECTOR),
    "bits of another width": (lambda x: lax.bitcast_convert_type(x, jnp.uint8), VECTOR),
    "half precision": (lambda x: (x.astype(jnp.bfloat16) * 2, (x.astype(jnp.float16) > 0).sum()), VECTOR),
    "products of half precision": (
        lambda x: jnp.dot(x.astype(jnp.bfloat16), x.astype(jnp.bfloat16), preferred_element_type=jnp.float32),
        VECTOR,
    ),
    "pytrees": (
        lambda tree: {"loss": tree["w"] @ tree["b"], "parts": (tree["w"].T, [tree["b"] - 1.0, None])},
        {"w": MATRIX.transpose(1, 0, 2).copy(), "b": VECTOR},
    ),
    "gradient of a pytree": (
        jax.grad(lambda tree: jnp.sum(jnp.tanh(WIDE @ tree["w"] + tree["b"][0])) * tree["s"]),
        {"w": MATRIX, "b": VECTOR, "s": SCALAR},
    ),
    "constants as results": (lambda x: (jnp.arange(3), CENTRE, 1.5, np.int32(4), jnp.eye(2)), VECTOR),
    "the argument itself": (lambda x, m: (x, m, x), VECTOR, MATRIX),
    "argument that is not used": (lambda x, m: x * 2, VECTOR, MATRIX),
    "nothing but constants inside": (lambda x: jnp.sum(jnp.linalg.inv(Q)) + 0 * x[0], VECTOR),
    "image convolution": (
        lambda m: lax.conv_general_dilated(m[None, None], np.ones((1, 1, 2, 2), np.float32), (1, 1), "VALID"),
        MATRIX,
    ),
    "cond on a pytree": (lambda a, x: lax.cond(a > 0, lambda: (x, a), lambda: (CENTRE, 2 * a)), SCALAR, VECTOR),
    "scan over the lane's rows": (lambda m: lax.scan(lambda c, row: (c + row, c * row[0]), jnp.ones(4), m), MATRIX),
    "while over a pytree": (
        lambda x: lax.while_loop(
            lambda s: s["n"] < 5, lambda s: {"n": s["n"] + 1, "x": s["x"] * 0.5}, {"n": 0, "x": x}
        ),
        VECTOR,
    ),
    "associative scan": (lambda m: lax.associative_scan(jnp.multiply, m, axis=0), MATRIX),
    "jacobian": (jax.jacfwd(lambda x: jnp.tanh(WIDE @ x)), VECTOR),
    "forward mode": (lambda x, v: jax.jvp(lambda y: jnp.sin(Q @ y), (x,), (v,)), VECTOR, OTHER),
    "one lane's matrix inverse": (lambda m: jnp.linalg.inv(Q + 0.1 * m @ m.T), SQUARE),
    "empty": (lambda x: (x[:0], jnp.sum(x[:0])), VECTOR),
    "single element": (lambda x: (x[:1].reshape(()), x[:1] @ x[1:2]), VECTOR),
}


@pytest.mark.parametrize("name", OF_MORE)
def test_functions_of_other_things(name):
    function, *arguments = OF_MORE[name]
    compare(function, *arguments)


# closures over outer values


@pytest.mark.parametrize("start", [-9, -5, -1, 0, 1, 2, 7])
def test_slices_that_start_at_an_outer_number_are_clamped_alike(start):
    """What no lane decides is not mapped: an index from outside, in range or not, negative or not."""

    @jax.jit
    def both(t, x):
        def function(x):
            clamped = lax.dynamic_slice(x, [t], [2], allow_negative_indices=False)
            return x[t], clamped, lax.dynamic_slice(x, [t], [2]), lax.dynamic_update_slice(x, 7 * jnp.ones(1), [t])

        return over_lanes(function)(x), jax.vmap(function, in_axes=-1, out_axes=-1)(x)

    found, expected = both(jnp.int32(start), VECTOR)
    for mine, its in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_closures_over_traced_values():
    @jax.jit
    def both(t, rate, centre, matrix, x):
        def function(x):
            near = lax.cond(t > 3, lambda y: y - centre, lambda y: y + centre, x)
            update = x - rate * jax.grad(lambda y: y @ matrix @ y + jnp.sum(centre * y))(x)
            return jnp.where(t > 3, update, near), lax.fori_loop(0, t, lambda i, y: y + i * rate, x), near[t % 3]

        return over_lanes(function)(x), jax.vmap(function, in_axes=-1, out_axes=-1)(x)

    found, expected = both(jnp.int32(5), jnp.float32(0.1), CENTRE, Q, VECTOR)
    for mine, its in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, its, rtol=RELATIVE, atol=RELATIVE * np.abs(its).max())


def test_maps_inside_loops():
    """As the engine uses it: traced once in a scan, the lanes carried."""

    @jax.jit
    def run(x):
        def step(map_, carry, rate):
            return map_(lambda y: y - rate * jax.grad(lambda z: z @ Q @ z)(y))(carry), None

        mapped = functools.partial(jax.vmap, in_axes=-1, out_axes=-1)
        return [lax.scan(functools.partial(step, map_), x, jnp.linspace(0, 0.1, 5))[0] for map_ in (over_lanes, mapped)]

    found, expected = run(VECTOR)
    np.testing.assert_allclose(found, expected, rtol=RELATIVE, atol=RELATIVE * 10)


# the lanes do not move


def test_nothing_is_transposed():
    """Why there is an ``over_lanes``: the lanes stay last. Where ``vmap`` transposes, it does not."""
    function = jax.grad(lambda tree: tree["w"].reshape(-1) @ np.eye(12, dtype=np.float32)[:, :3] @ (CENTRE * tree["b"]))
    tree = {"w": MATRIX, "b": VECTOR}
    counts = [
        str(jax.make_jaxpr(map_)(tree)).count(" transpose[")
        for map_ in (over_lanes(function), jax.vmap(function, in_axes=-1, out_axes=-1))
    ]
    assert counts[0] < counts[1]


def test_lanes_are_independent():
    """Lane 4 is changed; the others are bitwise what they were."""
    changed = VECTOR.copy()
    changed[:, 4] = np.nan
    run = jax.jit(over_lanes(lambda x: x @ Q @ x + jnp.max(x) + jnp.linalg.norm(Q @ x)))
    before, after = run(VECTOR), run(changed)
    assert np.isnan(after[4])
    np.testing.assert_array_equal(np.delete(before, 4), np.delete(after, 4))


@pytest.mark.parametrize("d", [0, 1, 2, 3, 7, 32, 33])
def test_sum_of_coordinates(d):
    array = np.random.default_rng(d).integers(-100, 100, (d, LANES)).astype(np.float32)
    np.testing.assert_array_equal(sum_coordinates(array), array.sum(0))  # exact: small integers


def off_by_one_lane(function):
    return lambda *arguments: jnp.roll(over_lanes(function)(*arguments), 1, axis=-1)


def of_the_first_lane(function):
    return lambda x: over_lanes(lambda y: function(x[:, 0]) + 0 * y[0])(x)


def transposed(function):
    return lambda x: jnp.swapaxes(over_lanes(function)(x), 0, 1)


@pytest.mark.parametrize(
    ("wrong", "function", "lanes"),
    [
        (off_by_one_lane, jnp.sum, VECTOR),
        (of_the_first_lane, jnp.sum, VECTOR),
        (transposed, jnp.negative, numbers(LANES)),
    ],
)
def test_control_wrong_maps_are_seen(wrong, function, lanes):
    with pytest.raises(AssertionError):
        compare(function, lanes, map_=wrong)
