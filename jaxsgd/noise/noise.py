"""The interface of a noise, and what may be known of its law."""

import abc
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsgd.errors import InvalidInput, finite_array
from jaxsgd.module import Facts, Module
from jaxsgd.streams import Stream


class Stable(NamedTuple):
    """A symmetric stable law of each coordinate: E exp(i u xi_j) = exp(-|c_j u|^alpha).

    - `alpha`: the exponent; 2 of a normal law, whose standard deviation is sqrt(2) c.
    - `scales`: c (d,).
    """

    alpha: float
    scales: np.ndarray


class NoiseFacts(Facts):
    """What may be known of the law of a noise xi. None stands for not known.

    - `is_additive`: whether g = grad R(x) + xi with a law of xi that does not depend on x. Of any other noise
      covariance, cumulants, marginal and stable law are None.
    - `normal`: whether xi is normal. With it the variances of observables are exact on a quadratic.
    - `symmetric`: whether xi and -xi have one law.
    - `bounded`: whether ||xi|| is at most some number.
    - `independent`: whether the coordinates of xi are independent.
    - `tail_index`: alpha, with which E||xi||^k is finite for k < alpha and infinite for k >= alpha; inf where all
      moments are finite. Of Student's t it is the degrees of freedom, of a stable law its exponent below 2.
    """

    is_additive: bool = True
    normal: bool | None = None
    symmetric: bool | None = None
    bounded: bool | None = None
    independent: bool | None = None
    tail_index: float | None = None

    def covariance_matrix(self, dimension: int) -> np.ndarray | None:
        """Cov xi, (d, d) in ``jax.flatten_util`` order; (d,) where it is diagonal. None: infinite, or not known."""
        return None

    def cumulants(self, order: int, dimension: int) -> np.ndarray | None:
        """kappa_k of each coordinate (d,), of order k = 2, 3, 4, ..; None: infinite, or not known.

        The first is the variance; kappa_3 is the skewness times variance^(3/2), kappa_4 the excess kurtosis times
        variance^2.
        """
        return None

    def stable_law(self, dimension: int) -> Stable | None:
        """The law of each coordinate where all are symmetric stable ones of one exponent; None: not, or not known."""
        return None

    def marginal(self, dimension: int) -> Any:
        """The law of each coordinate: a frozen distribution of scipy.stats, or another object with a method `cdf`.

        ``cdf`` of (.., d) is (.., d). All else is optional: ``support()``, the ends (lower, upper) of the law, tells
        integrals where the distribution function is not smooth. None: not known.
        """
        return None

    def relative_marginal(self, dimension: int) -> Any:
        """The continuous law of zeta_j in g_j = (grad R)_j (1 + zeta_j) + xi_j; xi has one law, independent of zeta.

        An object with methods `cdf`, `pdf` and `ppf`, of which those of (.., d) are (.., d), such as a frozen
        distribution of scipy.stats. ``ppf`` of 0 and 1 are the ends of the law; if they are the same, zeta_j is that
        number. None: not known, or g is not of this form.
        """
        return None

    def relative_variance(self, dimension: int) -> np.ndarray | None:
        """r (d,) with Cov(g | x) = diag(r (grad R(x))^2) + `covariance_at_rest`, of noise that grows with the gradient.

        None: it does not, or not in this way, or that is not known.
        """
        return None

    def covariance_at_rest(self, dimension: int) -> np.ndarray | None:
        """Cov(g | x) where grad R(x) = 0, of noise with a `relative_variance`; (d, d), or (d,) where it is diagonal."""
        return None


class Noise(NoiseFacts, Module):
    """The law of the noise xi in g = grad R(x) + xi, of mean zero and independent of everything before.

    A noise of one's own gives `sample`, and declares what is known of its law. With the covariance
    [`jaxsgd.theory.exact`][] knows means and covariances, and bounds have values before the run. Mean, covariance,
    variances among the cumulants, and the marginal law are checked against 4096 draws when a study is made; a variance
    that is too large passes where extreme draws show tails that these lack. Whether the law is normal, symmetric or
    bounded is not checked.

    >>> class Uniform(Noise):
    ...     half: float
    ...     symmetric, bounded, independent, tail_index = True, True, True, np.inf
    ...
    ...     def sample(self, stream, like):
    ...         return jax.tree.map(lambda leaf: self.half * (2 * stream.uniform(leaf.shape) - 1), like)
    ...
    ...     def covariance_matrix(self, dimension):
    ...         return np.full(dimension, self.half**2 / 3)
    """

    @abc.abstractmethod
    def sample(self, stream: Stream, like: Any) -> Any:
        """One draw of xi in the structure of ``like``."""

    def perturbed(self, gradient: Any, xi: Any) -> Any:
        """The stochastic gradient, of grad R(x) and a draw: their sum unless the noise is not additive."""
        return jax.tree.map(lambda g, noise: g + noise, gradient, xi)

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        """An error unless the noise fits parameters whose leaves have these shapes; most noise fits all."""


class Scaled(Noise):
    """Independent coordinates, each a multiple of one standard law: xi_j = scale_j Z_j.

    - `scale`: one number or one for each coordinate (d,), not negative.
    """

    scale: np.ndarray
    independent = True

    def __init__(self, scale: Any = 1.0) -> None:
        self.scale = non_negative("scale", scale)

    @abc.abstractmethod
    def standard(self, stream: Stream, shape: tuple[int, ...]) -> Any:
        """Independent draws of Z in an array of this shape."""

    def standard_cumulant(self, order: int) -> float | None:
        """kappa_k of Z; None: infinite."""
        return None

    @property
    def bounded(self) -> bool:
        """A law that reaches everywhere is bounded only if its scale is 0."""
        return not np.any(self.scale)

    def sample(self, stream: Stream, like: Any) -> Any:
        return jax.tree.map(lambda leaf: self.scale * self.standard(stream, leaf.shape), like)

    def check(self, shapes: list[tuple[int, ...]]) -> None:
        per_coordinate("scale", self.scale, shapes)

    def covariance_matrix(self, dimension: int) -> np.ndarray | None:
        return self.cumulants(2, dimension)

    def cumulants(self, order: int, dimension: int) -> np.ndarray | None:
        if not np.any(self.scale):
            return np.zeros(dimension)
        standard = self.standard_cumulant(order)
        return None if standard is None else standard * self.scales(dimension) ** order

    def scales(self, dimension: int) -> np.ndarray:
        """The scale of each coordinate (d,)."""
        return np.broadcast_to(self.scale, (dimension,))

    def frozen(self, law: Any, dimension: int, *shape: float, loc: float = 0.0, factor: float = 1.0) -> Any:
        """A law of scipy.stats with loc and factor times scale, for `marginal`."""
        return scaled_law(law, self.scales(dimension), *shape, loc=loc, factor=factor)


class _SomeAtZero:
    """A law of which some coordinates are the number 0: of these there is no density, NaN."""

    def __init__(self, law: Any, spread: np.ndarray) -> None:
        self._law, self._spread = law, spread

    def cdf(self, x: Any) -> np.ndarray:
        """P(xi <= x)."""
        return np.where(self._spread, self._law.cdf(x), np.asarray(x) >= 0)

    def pdf(self, x: Any) -> np.ndarray:
        """The density at x."""
        return np.where(self._spread, self._law.pdf(x), np.nan)

    def ppf(self, p: Any) -> np.ndarray:
        """The quantile."""
        return np.where(self._spread, self._law.ppf(p), 0.0)

    def support(self) -> tuple[np.ndarray, np.ndarray]:
        """The ends of the law."""
        lower, upper = (np.where(self._spread, end, 0.0) for end in self._law.support())
        return lower, upper


def scaled_law(law: Any, scales: np.ndarray, *shape: float, loc: float = 0.0, factor: float = 1.0) -> Any:
    """A frozen law of scipy.stats with loc and factor times these scales (d,); 0 where a scale is 0."""
    spread = scales > 0
    if spread.all():
        return law(*shape, loc=loc * scales, scale=factor * scales)
    positive = np.where(spread, scales, 1.0)
    return _SomeAtZero(law(*shape, loc=loc * positive, scale=factor * positive), spread)


def non_negative(name: str, value: Any) -> np.ndarray:
    """``value`` as one number or a vector (d,), not negative."""
    array = finite_array(name, value)
    if array.ndim > 1 or array.size == 0:
        matrix = "; a matrix is a covariance" if name == "std" else ""
        raise InvalidInput(
            f"{name} must be one number or one for each coordinate (d,), got shape {array.shape}{matrix}"
        )
    if array.min() < 0:
        raise InvalidInput(f"{name} must not be negative, got {array.min():g}")
    return array


def per_coordinate(name: str, value: np.ndarray, shapes: list[tuple[int, ...]]) -> None:
    """An error if numbers of an argument, one for each coordinate, do not fit leaves of these shapes."""
    shape = np.shape(value)
    if shape and shapes != [shape[:1]]:
        raise InvalidInput(
            f"{name} of shape {shape} needs x to be one vector of length {shape[0]}, "
            f"but x has leaves of shapes {shapes}"
        )


def cumulant_of_moments(moments: Sequence[float]) -> float:
    """kappa_n of the moments m_1 .. m_n about 0: kappa_n = m_n - sum_{k < n} C(n - 1, k - 1) kappa_k m_{n - k}."""
    found: list[float] = []
    for n, moment in enumerate(moments, 1):
        known = zip(range(1, n), found, strict=True)
        found.append(moment - sum(math.comb(n - 1, k - 1) * kappa * moments[n - k - 1] for k, kappa in known))
    return found[-1]
