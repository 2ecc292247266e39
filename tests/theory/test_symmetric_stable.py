"""Symmetric stable laws, against closed forms, series, and the Fourier integral of the characteristic function."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma, ndtr

from jaxsgd.errors import InvalidInput
from jaxsgd.theory import SymmetricStable


def below(z, alpha):
    return SymmetricStable(alpha, 0.0, 1.0).cdf(-np.asarray(z))


def test_cauchy_and_normal():
    z = np.array([0.01, 0.5, 1.0, 3.0, 40.0, 1e8])
    np.testing.assert_allclose(below(z, 1.0), np.arctan(1 / z) / np.pi, rtol=1e-14)
    np.testing.assert_allclose(below(z[:-2], 2.0), ndtr(-z[:-2] / np.sqrt(2)), rtol=1e-14)
    for near, alpha in ((1 + 1e-9, 1.0), (1 - 1e-9, 1.0), (2 - 1e-9, 2.0)):
        np.testing.assert_allclose(below(z[:4], near), below(z[:4], alpha), rtol=1e-8)


@pytest.mark.parametrize("alpha", [1.05, 1.2, 1.5, 1.9, 1.999])
def test_series_at_0(alpha):
    """P(Z <= z) = 1/2 + (1 / (pi alpha)) sum_k (-1)^k Gamma((2k+1) / alpha) z^(2k+1) / (2k+1)!, for alpha > 1."""
    z, k = np.array([0.001, 0.2, 0.5, 0.8])[:, None], np.arange(40)
    signs, odd = (-1.0) ** k, 2 * k + 1
    terms = [sign * math.exp(math.lgamma(n / alpha) - math.lgamma(n + 1)) for sign, n in zip(signs, odd, strict=True)]
    expected = 0.5 - (terms * z**odd).sum(1) / (np.pi * alpha)
    np.testing.assert_allclose(below(z[:, 0], alpha), expected, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.8, 0.95])
def test_series_at_infinity(alpha):
    """P(Z > z) = (1/pi) sum_k (-1)^(k+1) Gamma(k alpha) sin(pi k alpha / 2) z^(-k alpha) / k!, for alpha < 1."""
    z, k = np.array([3.0, 10.0, 1e6, 1e30])[:, None], np.arange(1, 80)
    terms = [(-1) ** (n + 1) * math.exp(math.lgamma(n * alpha) - math.lgamma(n + 1)) for n in k.tolist()]
    expected = (np.array(terms) * np.sin(np.pi * k * alpha / 2) * z ** (-k * alpha)).sum(1) / np.pi
    np.testing.assert_allclose(below(z[:, 0], alpha), expected, rtol=1e-12)


@pytest.mark.parametrize("alpha", [1.1, 1.5, 1.9])
def test_tails_keep_their_digits(alpha):
    """The first two terms of the same series, which is asymptotic for alpha > 1."""
    z = np.array([1e10, 1e30])
    first, second = (gamma(k * alpha) * np.sin(np.pi * k * alpha / 2) / math.factorial(k) for k in (1, 2))
    np.testing.assert_allclose(below(z, alpha), (first * z**-alpha - second * z ** (-2 * alpha)) / np.pi, rtol=1e-13)


@pytest.mark.parametrize("alpha", [0.9, 1.001, 1.3, 1.7])
def test_characteristic_function(alpha):
    """P(Z <= z) = 1/2 + (1/pi) int_0^inf sin(uz) exp(-u^alpha) / u du."""
    for z in (0.3, 2.0):
        integral, _ = quad(lambda u, z=z: np.sin(u * z) / u * np.exp(-(u**alpha)), 0, 80, limit=500, epsabs=1e-12)
        assert below(z, alpha) == pytest.approx(0.5 - integral / np.pi, abs=1e-10)


@pytest.mark.parametrize("alpha", [0.3, 0.9, 1.0, 1.5, 2.0])
def test_quantiles_invert(alpha):
    law = SymmetricStable(alpha, np.array([1.0, -2.0]), np.array([0.5, 3.0]))
    p = np.array([[1e-9], [0.05], [0.5], [0.7], [0.999]])
    q = law.quantile(p)
    assert q.shape == (5, 2)
    np.testing.assert_allclose(law.cdf(q), np.broadcast_to(p, q.shape), rtol=1e-9)
    np.testing.assert_array_equal(q[2], law.location)


@pytest.mark.parametrize(("alpha", "power"), [(0.7, 0.3), (1.0, 0.5), (1.5, 0.5), (1.5, 1.2), (2.0, 3.0)])
def test_absolute_moments(alpha, power):
    """E|Z|^p = int 2 p z^(p - 1) P(Z > z) dz, over log z."""
    integral, _ = quad(lambda t: 2 * power * np.exp(power * t) * below(np.exp(t), alpha), -100, 120, limit=400)
    assert SymmetricStable(alpha, 5.0, 2.0).absolute_moment(power) == pytest.approx(2**power * integral, rel=1e-6)
    assert SymmetricStable(1.5, 0.0, 1.0).absolute_moment(1.5) == np.inf


def test_a_scale_of_0_is_a_point():
    law = SymmetricStable(1.5, 2.0, 0.0)
    assert law.cdf([1.9, 2.0, 2.1]).tolist() == [0.0, 1.0, 1.0]
    assert law.quantile(0.2) == 2.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SymmetricStable(2.1, 0.0, 1.0), "alpha must be in"),
        (lambda: SymmetricStable(0.0, 0.0, 1.0), "alpha must be"),
        (lambda: SymmetricStable(1.5, 0.0, -1.0), "scale must not be negative"),
        (lambda: SymmetricStable(1.5, 0.0, 1.0).quantile([0.0, 0.5]), "p must be in"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()
