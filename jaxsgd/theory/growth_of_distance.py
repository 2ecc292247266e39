"""How likely one update takes an iterate away from the minimiser."""

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr

from jaxsgd.errors import InvalidInput, NoExactSolution, integer
from jaxsgd.record import at
from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import Eigenbasis
from jaxsgd.theory.exact_moments import exact
from jaxsgd.theory.route import not_plain
from jaxsgd.theory.starts import law_of_start

_CERTAIN, _ERROR = 37.0, 1e-6


def growth_probability(study: Study, step: int) -> float:
    """P(||x_{s+1} - x*|| > ||x_s - x*||), exact where [`jaxsgd.theory.exact`][] is.

    With K = I - eta A and e = x_s - x*, the growth ||K e - eta xi||^2 - ||e||^2 is a quadratic form of the
    Gaussian vector (e, xi). In its eigenbasis it is sum_j (lambda_j u_j^2 + beta_j u_j) + c with independent
    standard normals u_j, which has the characteristic function

        phi(t) = e^{ict} prod_j (1 - 2i t lambda_j)^{-1/2} exp(-t^2 beta_j^2 / (2 (1 - 2i t lambda_j))),

    and P(growth > 0) = 1/2 + (1/pi) int_0^inf Im phi(t) / t dt.

    **Arguments**

    - `study`: a quadratic with normal additive noise, plain SGD; a random start must be normal, too.
    - `step`: s, from 0 to T-1.

    **Raises** `NoExactSolution` for any other study, and where the integral is not known to 1e-6.

    Source: Imhof (1961), Biometrika 48; Gil-Pelaez (1951), Biometrika 38.

    >>> from jaxsgd import chapter
    >>> round(growth_probability(chapter.study("constant"), 49), 4)
    0.5
    """
    step = integer("step", step, at_least=0)
    if step >= study.steps:
        raise InvalidInput(f"step must be below the number of updates, {study.steps}, got {step}")
    reason = not_plain(study)
    if reason:
        raise NoExactSolution(f"this probability is one of plain SGD, and {reason}")
    plain = {"observe": None, "observables": {}, "path_sums": {}, "averages": {}}
    moments = exact(study.replace(record=at([step]), **plain)).isel(step=0)
    basis = Eigenbasis.of(study.oracle)
    if not basis.normal:
        raise NoExactSolution(f"this probability needs normal noise, which {study.oracle!r} does not state")
    if not law_of_start(study).normal:
        raise NoExactSolution(f"this probability needs a normal start, which {study.x0!r} does not state")
    Q = np.eye(study.dimension) if basis.vectors is None else basis.vectors
    noise = np.diag(basis.noise) if basis.noise.ndim == 1 else basis.noise
    mean, covariance = Q.T @ (moments["x_mean"].values - basis.minimiser), Q.T @ moments["x_covariance"].values @ Q
    eta, zero = study.learning_rates[step], np.zeros_like(covariance)
    K = np.diag(1 - eta * basis.eigenvalues)
    form = np.block([[K @ K - np.eye(len(K)), -eta * K], [-eta * K, eta**2 * np.eye(len(K))]])
    return _positive(form, np.append(mean, 0 * mean), np.block([[covariance, zero], [zero, noise]]))


def _positive(form: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> float:
    """P(z'Fz > 0) for z ~ N(mean, covariance)."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0))
    lam, rotation = np.linalg.eigh(root.T @ form @ root)
    beta, c = 2 * rotation.T @ (root.T @ form @ mean), float(mean @ form @ mean)
    scale = float(np.sqrt(np.sum(2 * lam**2 + beta**2)))
    if scale == 0:
        return float(c > 0)
    expected = c + float(lam.sum())
    # Laurent and Massart (2000), Lemma 1: beyond this the sign is the other one with probability below e^-t = 1e-16,
    # and the integrand would oscillate faster than any rule follows.
    if abs(expected) > np.sqrt(2 * _CERTAIN) * scale + 2 * _CERTAIN * np.abs(lam).max():
        return float(expected > 0)
    random = (np.abs(lam) > 1e-14 * scale) | (np.abs(beta) > 1e-14 * scale)
    if random.sum() == 1:  # the integral below would converge too slowly
        return _positive_quadratic(float(lam[random][0]), float(beta[random][0]), c)

    def integrand(t: float) -> float:
        factor = 1 - 2j * t * lam / scale
        exponent = 1j * c * t / scale - np.sum((t * beta / scale) ** 2 / (2 * factor))
        return float(np.imag(np.exp(exponent) / np.prod(np.sqrt(factor))) / t)

    value, error, *_ = quad(integrand, 0, np.inf, limit=2000, epsabs=1e-10, epsrel=1e-10, full_output=1)
    if not error <= _ERROR:
        raise NoExactSolution(f"the integral for this probability is known only to {error:.1g}")
    return float(np.clip(0.5 + value / np.pi, 0, 1))


def _positive_quadratic(a: float, b: float, c: float) -> float:
    """P(a u^2 + b u + c > 0) for a standard normal u."""
    roots = np.roots([a, b, c])
    ends = np.sort(roots.real) if np.allclose(roots.imag, 0) else np.zeros(0)
    inside = float(np.abs(np.diff(ndtr(ends))).sum()) if len(ends) == 2 else 0.0
    if len(ends) == 1:  # a is 0
        return float(ndtr(-ends[0]) if b > 0 else ndtr(ends[0]))
    return 1 - inside if a > 0 else inside
