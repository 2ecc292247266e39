"""Draws that hold keys of jax.random, as dropout needs: they work as they are, and no rounding is blamed on them."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.errors import Unresolved
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.streams import make_key, threefry2x32

pytestmark = pytest.mark.usefixtures("quick_compilation")

T, RATE = 4, 0.1


def with_key(xi, x):
    """(x_i b_i - n)^2 summed over coordinates, with b_i in {0, 1} made of a key, as dropout makes it."""
    n, key = xi
    return jnp.sum((x * jax.random.bernoulli(key, 0.5, (3,)) - n) ** 2)


def with_bits(xi, x):
    return with_key((xi[0], jax.random.wrap_key_data(xi[1], impl="threefry2x32")), x)


def study_of(loss, sampler, x0=(1.0, 1.0, 1.0)):
    return js.Study(
        oracle=js.oracles.RandomLoss(loss, sampler),
        schedule=js.schedules.constant(RATE),
        x0=x0 if callable(x0) else np.array(x0),
        steps=T,
        record=js.record.at([T]),
        observe=(),
        observables={"sum": jnp.sum},
    )


KEYS = study_of(with_key, lambda stream: (stream.integers(4), stream.key()))
BITS = study_of(with_bits, lambda stream: (stream.integers(4), stream.bits((2,))))
MIXED = study_of(
    lambda xi, x: jnp.sum((x - xi) ** 2),
    lambda stream: stream.normal((3,)),
    lambda stream: stream.normal((3,)) + jax.random.normal(stream.key(), (3,)),
)


LOST = {"sum": lambda x: 1e8 + jnp.sum((x - 1) ** 2)}  # of which float32 holds no digit that varies


def by_hand(seed, identity):
    """The sum of x_T by the recursion in NumPy, with masks by jax.random of the words of counter 2 t + 1."""
    key, x = make_key(seed, "gradient"), np.ones(3)
    for t in range(T):
        first, second = (threefry2x32(key, np.uint32(identity), np.uint32(2 * t + i)) for i in range(2))
        n = int(first[0]) * 4 >> 32
        b = np.asarray(jax.random.bernoulli(jax.random.wrap_key_data(jnp.array(second, jnp.uint32)), 0.5, (3,)))
        x = x - RATE * 2 * b * (x * b - n)
    return x.sum()


@pytest.mark.filterwarnings("ignore:overflow")  # of NumPy's words, which are to wrap around
def test_keys_and_bits_of_draws_follow_the_recursion_by_hand():
    expected = [by_hand(7, identity) for identity in range(3)]
    for study in (KEYS, BITS):
        np.testing.assert_allclose(trajectory_values(study, 3, seed=7)[0, 0], expected, rtol=1e-5)
    assert len({round(value, 3) for value in expected}) > 1


def test_float32_is_not_blamed_for_other_draws():
    with warnings.catch_warnings():
        warnings.simplefilter("error", Unresolved)
        for study in (KEYS, BITS, MIXED):
            js.simulate(study.replace(observables=LOST), 100, progress=False)
        lost = KEYS.replace(observables=LOST)
        make = lambda rate: lost.replace(schedule=js.schedules.constant(rate))  # noqa: E731
        js.sweep(make, {"rate": [0.1]}, 100, compare=(), progress=False)
    of_streams = study_of(lambda xi, x: jnp.sum((x - xi) ** 2), lambda stream: stream.normal((3,)))
    with pytest.warns(Unresolved):  # of numbers that streams draw themselves it is asked
        js.simulate(of_streams.replace(observables=LOST), 100, progress=False)
