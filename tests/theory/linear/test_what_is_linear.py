"""What counts as a linear method, and what is refused, whatever it states."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxsgd import methods, noise, oracles, problems, record, schedules, start
from jaxsgd.errors import NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory import exact

pytestmark = pytest.mark.usefixtures("quick_compilation")

ORACLE = oracles.AdditiveNoise(problems.Quadratic([2.0, 4.0]), noise.Gaussian(std=1.0))


def study_of(method, rate=0.02, **changes):
    given: dict[str, Any] = {"oracle": ORACLE, "schedule": schedules.constant(rate), "x0": [-5.0, -2.0], "steps": 50}
    given = given | {"record": record.at([changes.get("steps", 50)])} | changes
    return Study(method=method, **given)


class OfGradient(methods.Method):
    """x_{t+1} of x, eta_t, t and g_t, stated to be linear."""

    moved: Callable = eqx.field(static=True)
    linear = True

    def step(self, x, learning_rate, t, state, draw):
        return self.moved(x, learning_rate, t, draw.gradient(x)), state


# The last one is affine, by an operation that is not followed.
REFUSED = {
    "stopped": lambda x, rate, t, g: x - rate * jax.lax.stop_gradient(g),
    "late": lambda x, rate, t, g: jnp.where(t >= 5, jnp.abs(x), x - rate * g),
    "of large rates": lambda x, rate, t, g: jnp.where(rate > 0.2, x - rate * jnp.tanh(g), x - rate * g),
    "loop": lambda x, rate, t, g: x - jax.lax.fori_loop(0, 2, lambda _, s: s + rate * g / 2, jnp.zeros_like(g)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_operations_that_are_not_known_to_be_linear_are_refused_whatever_is_stated(name):
    with pytest.raises(NoExactSolution, match=r"OfGradient is not linear: .* by the operation"):
        exact(study_of(OfGradient(REFUSED[name])))


class Rounded(methods.Method):
    dtype: np.dtype = eqx.field(static=True)

    def step(self, x, learning_rate, t, state, draw):
        return (x - learning_rate * draw.gradient(x)).astype(self.dtype).astype(x.dtype), state


def test_rounding_is_linear_from_single_precision_on():
    with pytest.raises(NoExactSolution, match="by the operation 'convert_element_type'"):
        exact(study_of(Rounded(np.dtype("float16"))))
    single, plain = (exact(study_of(method)) for method in (Rounded(np.dtype("float32")), methods.Sgd()))
    np.testing.assert_allclose(single.risk_mean, plain.risk_mean, rtol=50 * 2.0**-23)


class Distance(methods.Method):
    def init(self, x0):
        return jnp.abs(x0)

    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * draw.gradient(x) + 0.1 * state, state


def test_a_state_that_is_not_affine_in_a_random_start_is_refused():
    with pytest.raises(NoExactSolution, match=r"the first state of methods\.Distance is not an affine"):
        exact(study_of(Distance(), x0=start.Normal([0.0, 0.0], 1.0)))
    x, h = np.array([-5.0, -2.0]), np.array([2.0, 4.0])
    mean, variance = x, np.zeros(2)
    for _ in range(50):
        mean, variance = (1 - 0.02 * h) * mean + 0.1 * np.abs(x), (1 - 0.02 * h) ** 2 * variance + 0.02**2
    np.testing.assert_allclose(exact(study_of(Distance())).risk_mean[0], h / 2 @ (mean**2 + variance), rtol=1e-11)


@pytest.mark.parametrize(
    ("options", "expected"), [({"momentum": 0.9}, 0.2181085756), ({"momentum": 0.9, "nesterov": True}, 0.0899607403)]
)
def test_momentum_of_optax(options, expected):
    """The numbers of a heavy ball and of Nesterov's method as torch has it, of a recursion of NumPy."""
    assert abs(float(exact(study_of(methods.Optax(optax.sgd, **options))).risk_mean[0]) - expected) < 6e-11


def test_optax_is_refused_for_what_it_does():
    with pytest.raises(NoExactSolution, match=r"Optax is not linear: .* by "):
        exact(study_of(methods.Optax(optax.adam)))


class Undefined(methods.Method):
    """With a factor that is NaN at t = 3 or, of a point alone, at t = 0."""

    late: bool = eqx.field(static=True)

    def init(self, x0):
        return jnp.zeros((), jnp.int32)

    def step(self, x, learning_rate, t, count, draw):
        factor = jnp.where(t == 3, jnp.nan, 1.0) if self.late else 1.0
        return x - learning_rate * factor * draw.gradient(x), count + 1

    def points(self, x, count):
        return {"scaled": x * (count / count)}


def test_factors_that_are_not_numbers():
    with pytest.raises(NoExactSolution, match="are NaN at t = 3;"):
        exact(study_of(Undefined(True)))
    each = {"steps": 3, "record": record.every(1)}
    found, plain = (exact(study_of(method, **each)) for method in (Undefined(False), methods.Sgd()))
    np.testing.assert_allclose(found.risk_mean, plain.risk_mean, rtol=1e-12)
    np.testing.assert_allclose(found.risk_of_scaled_mean, [np.nan, *plain.risk_mean[1:]], rtol=1e-12)
    last = exact(study_of(Undefined(True), steps=3))  # x_4 is not asked for
    np.testing.assert_allclose(last.risk_mean, plain.risk_mean[-1:], rtol=1e-12)
