"""What users state of the law of a noise, against some thousand draws."""

from typing import Any, Literal

import numpy as np

from jaxsgd.noise import Noise
from jaxsgd.remembering import remember
from jaxsgd.stated_facts.draws import FALSE, Sample, check_covariance
from jaxsgd.stated_facts.held import Held, contradiction, dimension_of, shown
from jaxsgd.stated_facts.laws import check_mean, sample_of_law

_LOOKED_AT = 64  # draws at which distribution functions are compared; those of stable laws take a millisecond each


@remember(256)
def check_noise(held: Held, start: Held) -> None:
    """An error if the mean is not 0, or covariance, variances or the laws of coordinates are not the stated ones.

    Checked are 4096 draws, fewer in many coordinates; wrong by chance with probability 4e-10 at most. A variance is
    found wrong if it is off by some 15% (normal noise), a law if its distribution function is off by 0.07 somewhere,
    more in many coordinates. Higher cumulants, and whether a law is normal, symmetric, bounded or stable, are not
    checked; of noise that is not additive only the mean is.
    """
    noise, d, sample = held.item, dimension_of(start), sample_of_law(held, start)
    if sample is None:
        return
    what = f"the noise {type(noise).__name__}"
    check_mean(what, "mean 0, as every noise", sample, np.zeros(sample.values.shape[1]))
    if not noise.is_additive:
        return
    covariance = noise.covariance_matrix(d)
    if covariance is not None and np.shape(covariance) in ((d,), (d, d)):
        covariance = np.asarray(covariance, np.float64)
        check_covariance(what, "covariance_matrix", sample, covariance)
    _check_variances(what, noise, covariance, sample)
    _check_marginal(what, noise.marginal(d), sample.values)


def _check_variances(what: str, noise: Noise, covariance: np.ndarray | None, sample: Sample) -> None:
    """An error if kappa_2 is not the variance that is stated, or, of independent coordinates, that of the draws."""
    d = sample.values.shape[1]
    variances = noise.cumulants(2, d)
    if variances is None or np.shape(variances) != (d,):
        return
    variances = np.asarray(variances, np.float64)
    if covariance is not None:
        stated = covariance if covariance.ndim == 1 else np.diag(covariance)
        if not np.allclose(variances, stated, rtol=1e-9):
            raise contradiction(what, f"cumulants(2, {d}) = {shown(variances)}", f"variances of {shown(stated)}")
    elif noise.independent:
        check_covariance(what, f"independent coordinates and cumulants(2, {d})", sample, variances)


def _check_marginal(what: str, marginal: Any, values: np.ndarray) -> None:
    """An error if distribution functions are farther apart than they are with probability 1e-10.

    P(sup |F_n - F| > D) <= 2 exp(-2 n D^2), whatever F is: Massart (1990), "The tight constant in the
    Dvoretzky-Kiefer-Wolfowitz inequality", Ann. Probab. 18. It is looked at 64 of the draws alone, and just below them.
    """
    if marginal is None:
        return
    n, d = values.shape
    ordered = np.sort(values, axis=0)
    at = ordered[np.linspace(0, n - 1, _LOOKED_AT).astype(int)]
    distances = np.zeros(d)
    sides: tuple[tuple[np.ndarray, Literal["left", "right"]], ...] = (at, "right"), (np.nextafter(at, -np.inf), "left")
    for x, side in sides:
        share = np.stack([np.searchsorted(*pair, side) for pair in zip(ordered.T, at.T, strict=True)], 1) / n
        distances = np.maximum(distances, np.abs(share - marginal.cdf(x)).max(0))
    k = int(np.argmax(distances))
    if distances[k] > np.sqrt(np.log(2 * d / FALSE) / (2 * n)):
        raise contradiction(
            what,
            f"the law of coordinate {k} in marginal({d})",
            f"the distribution function of {n} draws differs from its own by {distances[k]:.2f}",
        )
