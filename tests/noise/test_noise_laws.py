"""Draws of every noise against its distribution function, tails included; and the transforms in the far tail.

2^22 draws of each law; exact binomial tests of P(|xi| > x), rejected below the p-value of five standard deviations.
That detects a probability of 0.5 that is off by 0.0012, one of 1e-3 that is off by 8%, and one of 1e-5 that is off by a
factor of 2 or so. What no sample shows, down to probabilities of 2^-63, is compared with formulas in float64.
"""

import functools
import math

import jax
import numpy as np
import pytest
from scipy import special, stats

from jaxsgd import noise, streams

P_VALUE = 5.7e-7
LANES = 2**21


@functools.partial(jax.jit, static_argnums=0)
def drawn(make, key, ids):
    law, packed, counter = make(), [], 0
    for request in streams.requests_of(lambda stream: law.sample(stream, np.zeros(2))):
        counters = np.arange(counter, counter + request.words, dtype=np.uint32)
        counter += request.words
        values = request.unpack(request.draw((key[0], key[1]), ids[None, :], counters[:, None]))
        packed.append(request.structure.unflatten(values))
    return jax.vmap(lambda numbers: law.sample(streams.Replay(numbers), np.zeros(2)), -1)(tuple(packed))


@functools.cache
def sizes(make):
    return np.abs(drawn(make, streams.make_key(0, "laws"), np.arange(LANES, dtype=np.uint32))).ravel()


def far(alpha, terms=12):
    """P(|X| > x) of a stable law: 2/pi sum_k (-1)^(k+1) Gamma(alpha k) / k! sin(pi alpha k / 2) x^(-alpha k)."""
    k = np.arange(1, terms + 1)
    coefficients = -((-1.0) ** k) * np.exp(special.gammaln(alpha * k) - special.gammaln(k + 1))
    return lambda x: float(2 / math.pi * np.sum(coefficients * np.sin(math.pi * alpha * k / 2) * x ** (-alpha * k)))


def near(alpha):
    return lambda x: 2 * float(stats.levy_stable.sf(x, alpha, 0.0))


def heavy():
    return noise.StudentT(1.5)


@functools.cache
def stable(alpha):
    return lambda: noise.AlphaStable(alpha)


LAWS = {
    "laplace": (noise.Laplace, lambda x: math.exp(-x), (0.01, 0.7, 3.0, 7.0, 11.0, 13.8)),
    "exponential": (
        noise.CenteredExponential,
        lambda x: math.exp(-1 - x) + max(1 - math.exp(x - 1), 0.0),
        (0.5, 0.9, 0.999, 6.0, 10.0, 12.8),
    ),
    "student 1.5": (heavy, lambda x: 2 * stats.t.sf(x, 1.5), (0.1, 1.0, 10.0, 100.0, 2e3, 1e4)),
    "student 5": (lambda: noise.StudentT(5.0), lambda x: 2 * stats.t.sf(x, 5.0), (0.1, 1.0, 5.0, 12.0, 20.0)),
    "student 0.5": (lambda: noise.StudentT(0.5), lambda x: 2 * stats.t.sf(x, 0.5), (0.1, 1.0, 1e4, 1e9, 1e11)),
    "cauchy": (stable(1.0), lambda x: 2 * stats.cauchy.sf(x), (0.1, 1.0, 1e3, 1e5, 6e5)),
    "stable 1.5": (stable(1.5), near(1.5), (0.1, 1.0, 3.0)),
    "stable 1.5, far": (stable(1.5), far(1.5), (20.0, 200.0, 2000.0, 5000.0)),
    "stable 0.7, far": (stable(0.7), far(0.7), (20.0, 1e4, 1e6, 1e8)),
    "stable 1.95": (stable(1.95), near(1.95), (0.1, 1.0, 3.0)),
    "stable 1.95, far": (stable(1.95), far(1.95, 6), (20.0, 100.0, 300.0)),
    "stable 2": (stable(2.0), lambda x: math.erfc(x / 2), (0.1, 1.0, 4.0, 6.0, 6.9)),
    "rademacher": (noise.Rademacher, lambda x: 1.0 * (x < 1), (0.999, 1.001)),
}


def p_value(values, probability, x):
    return stats.binomtest(int(np.sum(values > x)), values.size, probability).pvalue


@pytest.mark.parametrize("name", LAWS)
def test_draws_have_their_law(name):
    make, beyond, points = LAWS[name]
    for x in points:
        assert p_value(sizes(make), beyond(x), x) > P_VALUE, x


def test_control_other_laws_are_rejected():
    """Degrees of freedom of 1.52, a scale of 1.02, tails cut where Box and Muller's end, and uniforms of 2^-16."""
    values, beyond = sizes(heavy), LAWS["student 1.5"][1]
    assert p_value(values, 2 * stats.t.sf(1.0, 1.52), 1.0) < P_VALUE
    assert p_value(1.02 * values, beyond(1.0), 1.0) < P_VALUE
    assert p_value(np.minimum(values, 5.9), beyond(100.0), 100.0) < P_VALUE
    coarse = -np.log((np.floor(np.random.default_rng(0).random(2**22) * 2**16) + 0.5) / 2**16)
    assert p_value(coarse, math.exp(-11.95), 11.95) < P_VALUE


# the transforms, of given variates

T = np.array([1.0, -1.0, 1.0, -1.0, 1.0]) * 2.0 ** -np.array([63, 50, 30, 10, 2])
ENDS = np.array([[t, w] for t in T for w in T])


def made(law, *numbers):
    """One coordinate of draws that are made of these variates, in float32."""
    given = tuple(np.asarray(each, np.float32)[:, None] for each in numbers)
    return np.asarray(jax.vmap(lambda *each: law.sample(streams.Replay(each), np.zeros(1))[0])(*given), np.float64)


def exponential_of(t):
    return np.where(t > 0, -np.log(np.abs(t)), -np.log1p(-np.abs(t)))


def test_far_tails_have_the_digits_of_float32():
    """Relative errors of 1e-5 at probabilities of 2^-63: of E, and of 1 / E, for every law."""
    t, w = ENDS.T
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5)
    close(made(noise.Laplace(2.0), T), -2.0 * np.sign(T) * np.log(2 * np.abs(T)))
    close(made(noise.CenteredExponential(), T), exponential_of(T) - 1, atol=1e-7)
    u = np.array([0.01, 0.3, 0.5 + 2.0**-20, 0.9, 0.999])
    for df in (0.5, 1.5, 3.0, 1e4):
        squares = df * np.expm1(2 * exponential_of(T) / df)
        close(made(noise.StudentT(df), T, u), np.sqrt(squares) * np.sin(math.pi * (u - 0.5)), rtol=2e-5)
    E = exponential_of(w)
    for a in (0.5, 0.9, 1.0, 1.5, 1.999):
        phi = np.sign(t) * math.pi * (0.5 - np.abs(t))
        size = np.sin(math.pi * np.abs(t)) ** (-1 / a) * (np.cos((1 - a) * phi) / E) ** ((1 - a) / a)
        expected = np.sin(a * phi) * size
        seen = np.abs(expected) < 1e38
        assert seen.sum() >= len(expected) - 3  # alpha = 0.5 leaves the range of float32 with both near their ends
        close(made(noise.AlphaStable(a), t, w)[seen], expected[seen], rtol=3e-5)
    close(made(noise.AlphaStable(1.0), t, w), 1 / np.tan(math.pi * t))


def test_control_the_naive_transforms_lose_the_tail():
    """In float32 1 - 2^-50 is 1, and the cosine of an angle next to pi/2 has no digits."""
    naive = np.float32(1) / np.cos(np.float32(math.pi / 2) * (np.float32(1) - np.float32(2.0**-49)))
    assert abs(naive * math.pi / 2.0**50 - 1) > 0.5
