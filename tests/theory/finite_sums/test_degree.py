"""Which functions are quadratics, whatever the numbers in them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsgd.theory.finite_sums.polynomial_degree import degree

MATRIX = np.array([[2.0, 0.3], [0.3, 1.0]])
KNOWN = {
    "constant": (0, lambda x, a: a**3),
    "linear": (1, lambda x, a: jnp.sin(a) * x[0] - x[1]),
    "square": (2, lambda x, a: jnp.square(x[0] - a)),
    "power": (2, lambda x, a: (x[0] - a) ** 2.0),
    "sum of squares": (2, lambda x, a: jnp.mean((x - a) ** 2)),
    "form": (2, lambda x, a: x @ MATRIX @ x - jnp.dot(x, x) / a),
    "weights": (2, lambda x, a: jnp.where(a > 0, x[0] ** 2, x[1])),
    "index": (2, lambda x, a: x[a.astype(int)] ** 2),
    "called": (2, lambda x, a: jax.jit(lambda y: jnp.vdot(y, y))(x - a)),
    "again": (2, lambda x, a: jax.checkpoint(lambda y: jnp.sum(y * y))(x)),
    "product of three": (3, lambda x, a: x[0] * x[1] * x[0]),
    "quartic": (4, lambda x, a: jnp.dot(x, x) ** 2),
}
UNKNOWN = {
    "kink, second derivative 0 by AD": lambda x, a: jnp.abs(x[0] - a),
    "hinge": lambda x, a: jnp.maximum(0.0, 1 - a * x[0]) ** 2,
    "hidden branch": lambda x, a: jnp.where(x[0] > a, x[0] ** 2, 2 * x[0] ** 2),
    "gradient by AD is another": lambda x, a: jax.lax.stop_gradient(x[0]) * x[0],
    "steps": lambda x, a: x[0] ** 2 + jnp.floor(x[1]),
    "logistic": lambda x, a: jnp.logaddexp(0.0, a * x[0]),
    "quotient": lambda x, a: a / x[0],
    "index that depends on x": lambda x, a: x[x[0].astype(int)],
}


@pytest.mark.parametrize("name", KNOWN)
def test_polynomials(name):
    expected, function = KNOWN[name]
    assert degree(function, np.ones(2), np.array(1.0)) == expected


@pytest.mark.parametrize("name", UNKNOWN)
def test_others(name):
    assert degree(UNKNOWN[name], np.ones(2), np.array(1.0)) == np.inf


def test_pytrees():
    def loss(x, example):
        return (example["a"] @ x["w"] + x["b"] - example["y"]) ** 2 / 2

    assert degree(loss, {"w": np.zeros(3), "b": 0.0}, {"a": np.zeros(3), "y": 0.0}) == 2
