"""What theory says: exact moments, stationary laws, probabilities of sampling. NumPy, float64."""

from jaxsgd.theory.moments import exact
from jaxsgd.theory.sampling import AT_LEAST_ONCE_LIMIT, EXACTLY_ONCE_LIMIT, at_least_once, exactly_once
from jaxsgd.theory.stationary_law import stability_limit, stationary

__all__ = [
    "AT_LEAST_ONCE_LIMIT",
    "EXACTLY_ONCE_LIMIT",
    "at_least_once",
    "exact",
    "exactly_once",
    "stability_limit",
    "stationary",
]
