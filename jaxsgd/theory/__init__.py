"""What theory says: exact moments, bounds, stationary laws, probabilities of sampling. NumPy, float64."""

# Like every import of a submodule it sets jaxsgd.theory.bounds, here to the package, and only the first
# time: the function that is then imported under this name stays.
from jaxsgd.theory.bounds.applicable import bounds
from jaxsgd.theory.bounds.weighted_average import slack
from jaxsgd.theory.growth import growth_probability
from jaxsgd.theory.moments import exact
from jaxsgd.theory.sampling import (
    AT_LEAST_ONCE_LIMIT,
    EXACTLY_ONCE_LIMIT,
    at_least_once,
    coupon_collector,
    coupon_probability,
    coverage,
    distinct_distribution,
    exactly_once,
)
from jaxsgd.theory.stationary_law import stability_limit, stationary

__all__ = [
    "AT_LEAST_ONCE_LIMIT",
    "EXACTLY_ONCE_LIMIT",
    "at_least_once",
    "bounds",
    "coupon_collector",
    "coupon_probability",
    "coverage",
    "distinct_distribution",
    "exact",
    "exactly_once",
    "growth_probability",
    "slack",
    "stability_limit",
    "stationary",
]
