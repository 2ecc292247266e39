"""Symmetric stable laws: distribution function, quantiles and moments, to about 1e-12."""

import dataclasses
import math
from typing import Any

import numpy as np
from scipy.optimize import root_scalar
from scipy.special import erfcinv, gamma, ndtr

from jaxsgd.errors import InvalidInput, finite_array, scalar
from jaxsgd.module import AbstractOrFinal

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_HALVINGS = 45
"""Panels are halved so often towards the points at which the integrand is not smooth."""


@dataclasses.dataclass(frozen=True, eq=False)
class SymmetricStable(AbstractOrFinal):
    """The law of l + s Z with E exp(iuZ) = exp(-|u|^alpha): normal of variance 2 s^2 for 2, Cauchy's for 1.

    With V(v) = (cos v / sin(alpha v))^(alpha/(alpha-1)) cos((alpha-1) v) / cos v and z > 0, P(Z > z) is

        (1/pi) int_0^(pi/2) exp(-z^(alpha/(alpha-1)) V(v)) dv          where alpha > 1,
        (1/pi) int_0^(pi/2) 1 - exp(-z^(alpha/(alpha-1)) V(v)) dv      where alpha < 1.

    The integrand is monotone, and steep where alpha is near 1 or z is large: panels of Gauss-Legendre nodes are halved
    towards the place where the exponent is 1, and towards the ends. It is positive, so that small probabilities keep
    their digits.

    **Arguments**

    - `alpha`: in (0, 2].
    - `location`, `scale`: l and s >= 0, arrays that broadcast; with s = 0 the law is the point l.

    Source: Nolan (1997), "Numerical calculation of stable densities and distribution functions", theorem 1;
    Samorodnitsky and Taqqu (1994), "Stable non-Gaussian random processes", property 1.2.17, for the moments.

    >>> cauchy = SymmetricStable(1.0, location=0.0, scale=2.0)
    >>> cauchy.cdf([0.0, 2.0]).round(12).tolist(), cauchy.quantile([0.5, 0.75]).round(12).tolist()
    ([0.5, 0.75], [0.0, 2.0])
    >>> round(SymmetricStable(1.5, 0.0, 0.2311998944).absolute_moment(0.5).item(), 9)
    0.519505762
    """

    alpha: float
    location: Any
    scale: Any

    def __post_init__(self) -> None:
        alpha = float(scalar("alpha", self.alpha, above=0.0))
        if alpha > 2:
            raise InvalidInput(f"alpha must be in (0, 2], got {alpha:g}")
        scale = finite_array("scale", self.scale)
        if scale.size and scale.min() < 0:
            raise InvalidInput(f"scale must not be negative, got {scale.min():g}")
        for name, value in (("alpha", alpha), ("location", finite_array("location", self.location)), ("scale", scale)):
            object.__setattr__(self, name, value)

    def cdf(self, x: Any) -> np.ndarray:
        """P(l + s Z <= x); x broadcasts with location and scale."""
        distance = np.asarray(x, float) - self.location
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(self.scale > 0, distance / self.scale, np.where(distance >= 0, np.inf, -np.inf))
            values, places = np.unique(np.log(np.abs(z)), return_inverse=True)
        beyond = np.array([_beyond(value, self.alpha) for value in values.tolist()])[places].reshape(z.shape)
        return np.where(z > 0, 1 - beyond, beyond)

    def quantile(self, p: Any) -> np.ndarray:
        """The x with P(l + s Z <= x) = p for p in (0, 1), one number or of a shape that broadcasts with l and s."""
        p = finite_array("p", p)
        if p.size and not (p.min() > 0 and p.max() < 1):
            raise InvalidInput(f"p must be in (0, 1), got values from {p.min():g} to {p.max():g}")
        values, places = np.unique(np.minimum(p, 1 - p), return_inverse=True)
        z = np.array([_reached(value, self.alpha) for value in values.tolist()])[places].reshape(p.shape)
        return self.location + self.scale * np.where(p < 0.5, -z, z)

    def absolute_moment(self, power: Any) -> np.ndarray:
        """E|s Z|^p = s^p 2^p Gamma((1 + p)/2) Gamma(1 - p/alpha) / (sqrt(pi) Gamma(1 - p/2)), 0 <= p < alpha.

        It is infinite for p >= alpha < 2. A mean of |s Z|^p over a sample has a standard error if 2 p < alpha only.
        """
        p = float(scalar("power", power, at_least=0.0))
        if self.alpha < 2 and p >= self.alpha:
            return np.full(self.scale.shape, np.inf)
        ratio = 1.0 if self.alpha == 2 else gamma(1 - p / self.alpha) / gamma(1 - p / 2)
        return self.scale**p * (2**p * gamma((1 + p) / 2) * ratio / math.sqrt(math.pi))


def _beyond(log_z: float, alpha: float) -> float:
    """P(Z > z)."""
    if np.isinf(log_z):
        return 0.5 if log_z < 0 else 0.0
    if alpha == 1:
        return float(np.arctan(np.exp(-log_z))) / math.pi
    if alpha == 2:
        return float(ndtr(-np.exp(log_z) / math.sqrt(2)))
    power, gap = alpha / (alpha - 1), (2 - alpha) * math.pi / 2

    def exponent(w: Any) -> Any:
        """log(z^power V(pi/2 - w)), which rises for alpha > 1 and falls for alpha < 1."""
        ratio = log_z + np.log(np.sin(w)) - np.log(np.sin(gap + alpha * w))
        return power * ratio + np.log(np.sin(gap + (alpha - 1) * w)) - np.log(np.sin(w))

    low, high = 1e-300, math.pi / 2
    ends = exponent(low), exponent(high * (1 - 1e-15))
    middle = high / 2
    if min(ends) < 0 < max(ends):
        found = root_scalar(
            lambda log_w: exponent(math.exp(log_w)), bracket=(math.log(low), math.log(high)), xtol=1e-15
        )
        middle = math.exp(found.root)
    edges = _edges(min(middle, high))
    halves = np.diff(edges)[:, None] / 2
    w = (edges[:-1, None] + halves + halves * _NODES).ravel()
    with np.errstate(over="ignore"):
        g = np.exp(exponent(w))
    values = np.exp(-g) if alpha > 1 else -np.expm1(-g)
    return float((halves * _WEIGHTS).ravel() @ values / math.pi)


def _edges(middle: float) -> np.ndarray:
    """Ends of panels from 0 to pi/2, halved towards 0, towards a point on both sides of it, and towards pi/2."""
    end, halved = math.pi / 2, 0.5 ** np.arange(1, _HALVINGS + 1)
    below = middle * np.concatenate([halved, 1 - halved])
    doubled = middle * 2.0 ** np.arange(1, max(1, math.log2(end / middle)))
    above = np.concatenate([middle + min(middle, (end - middle) / 2) * halved, doubled, end - (end - middle) * halved])
    return np.unique(np.concatenate([[0.0, middle, end], below, above]))


def _reached(p: float, alpha: float) -> float:
    """The z >= 0 with P(Z > z) = p, for p in (0, 1/2]."""
    if p == 0.5:
        return 0.0
    if alpha == 1:
        return 1 / math.tan(math.pi * p)
    if alpha == 2:
        return 2 * float(erfcinv(2 * p))
    low, high = -1.0, 1.0  # of log z
    while _beyond(low, alpha) < p:
        low *= 2
    while _beyond(high, alpha) > p:
        high *= 2
    found = root_scalar(lambda log_z: math.log(_beyond(log_z, alpha) / p), bracket=(low, high), xtol=1e-15)
    return float(np.exp(found.root))
