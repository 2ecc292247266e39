"""Probabilities of sampling: how many of n examples are used, how often, and when all of them were."""

from jaxsgd.theory.sampling.coupon_collector import coupon_collector, coupon_probability
from jaxsgd.theory.sampling.distinct import distinct_distribution
from jaxsgd.theory.sampling.examples_used import examples_used
from jaxsgd.theory.sampling.occupancy import (
    AT_LEAST_ONCE_LIMIT,
    EXACTLY_ONCE_LIMIT,
    at_least_once,
    exactly_once,
)

coverage = examples_used
"""The name that `examples_used` had before: everywhere else coverage is that of intervals."""

__all__ = [
    "AT_LEAST_ONCE_LIMIT",
    "EXACTLY_ONCE_LIMIT",
    "at_least_once",
    "coupon_collector",
    "coupon_probability",
    "coverage",
    "distinct_distribution",
    "exactly_once",
    "examples_used",
]
