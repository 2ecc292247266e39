"""Whether what is stated of a noise has the form in which theory reads it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType, finite_array, scalar
from jaxsgd.noise import Noise


def check_forms(noise: Noise, dimension: int) -> None:
    """An error unless tail index, cumulants and laws that a noise states are numbers, shapes and methods as they read.

    Covariances have their own check where they are read. No draws are looked at.
    """
    of, d = f"of the noise {type(noise).__name__}", dimension
    _check_tail_index(of, noise.tail_index)
    for order in (2, 3, 4):
        kappa = noise.cumulants(order, d)
        if kappa is not None:
            _check_shape(f"cumulants({order}, {d}) {of}", kappa, d)
    _check_stable_law(f"stable_law({d}) {of}", noise.stable_law(d), d)
    check_law(f"marginal({d}) {of}", noise.marginal(d), ("cdf",), d)
    check_law(f"relative_marginal({d}) {of}", noise.relative_marginal(d), ("cdf", "pdf", "ppf"), d)
    relative = noise.relative_variance(d)
    if relative is not None and _check_shape(f"relative_variance({d}) {of}", relative, d).min() < 0:
        raise InvalidInput(f"relative_variance({d}) {of} must not be negative, got {np.min(relative):g}")


def check_law(name: str, law: Any, methods: Sequence[str], dimension: int) -> None:
    """An error unless a law that is stated has these methods, and a distribution function of each coordinate."""
    if law is None:
        return
    missing = [method for method in methods if not callable(getattr(law, method, None))]
    if missing:
        raise InvalidType(
            f"{name} must be a frozen distribution of scipy.stats, or an object with {' and '.join(methods)}, "
            f"got {law!r} without {' and '.join(missing)}"
        )
    try:
        found = law.cdf(np.zeros(dimension))
    except (TypeError, ValueError, IndexError) as error:
        raise InvalidInput(f"cdf of {name} must take x of shape ({dimension},), but raises {error!r}") from error
    at_0 = _check_shape(f"cdf at 0 of {name}", found, dimension)
    if not (at_0.min() >= 0 and at_0.max() <= 1):
        raise InvalidInput(f"cdf of {name} must be a probability, got {at_0.min():g} to {at_0.max():g} at 0")


def _check_tail_index(of: str, index: Any) -> None:
    """It is a number above 0, or inf."""
    try:
        fits = index is None or (not isinstance(index, str | bool) and float(index) > 0)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InvalidInput(f"tail_index {of} must be a number above 0, inf, or None where not known, got {index!r}")


def _check_stable_law(name: str, law: Any, dimension: int) -> None:
    if law is None:
        return
    if not (isinstance(law, tuple) and len(law) == 2):
        raise InvalidType(f"{name} must be noise.Stable(alpha, scales) or None, got {law!r}")
    alpha = float(scalar(f"alpha in {name}", law[0], above=0.0))
    if alpha > 2:
        raise InvalidInput(f"alpha in {name} must be at most 2, got {alpha:g}: there is no such stable law")
    if _check_shape(f"scales in {name}", law[1], dimension).min() < 0:
        raise InvalidInput(f"scales in {name} must not be negative, got {np.min(law[1]):g}")


def _check_shape(name: str, values: Any, dimension: int) -> np.ndarray:
    array = finite_array(name, values)
    if array.shape != (dimension,):
        raise InvalidInput(f"{name} must be of shape ({dimension},), a number of each coordinate, got {array.shape}")
    return array
