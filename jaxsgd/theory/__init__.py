"""What theory says: exact moments and laws, bounds, stationary laws, probabilities of sampling. NumPy, float64."""

from typing import TYPE_CHECKING

from jaxsgd.theory import bounds as bounds  # a package that can be called
from jaxsgd.theory.bounds import Bound, slack
from jaxsgd.theory.clipping_bias import clipping_bias
from jaxsgd.theory.cumulants import cumulants
from jaxsgd.theory.diffusion import diffusion
from jaxsgd.theory.exact_law import exact_law
from jaxsgd.theory.exact_moments import exact
from jaxsgd.theory.growth_of_distance import growth_probability
from jaxsgd.theory.one_coordinate import (
    Landscape,
    MarkovKernel,
    gradient_descent,
    landscape,
    markov_kernel,
)
from jaxsgd.theory.sampling import (
    AT_LEAST_ONCE_LIMIT,
    EXACTLY_ONCE_LIMIT,
    at_least_once,
    coupon_collector,
    coupon_probability,
    coverage,
    distinct_distribution,
    exactly_once,
    examples_used,
)
from jaxsgd.theory.stationary_law import spectral_radius, stability_limit, stationary
from jaxsgd.theory.stationary_tail_index import stationary_tail_index
from jaxsgd.theory.symmetric_stable import SymmetricStable

if TYPE_CHECKING:
    from jaxsgd.theory.bounds import bounds as bounds  # what a call of the package does

__all__ = [
    "AT_LEAST_ONCE_LIMIT",
    "EXACTLY_ONCE_LIMIT",
    "Bound",
    "Landscape",
    "MarkovKernel",
    "SymmetricStable",
    "at_least_once",
    "bounds",
    "clipping_bias",
    "coupon_collector",
    "coupon_probability",
    "coverage",
    "cumulants",
    "diffusion",
    "distinct_distribution",
    "exact",
    "exact_law",
    "exactly_once",
    "examples_used",
    "gradient_descent",
    "growth_probability",
    "landscape",
    "markov_kernel",
    "slack",
    "spectral_radius",
    "stability_limit",
    "stationary",
    "stationary_tail_index",
]
