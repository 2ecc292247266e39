"""Exact second moments of SGD on finite sums of quadratic losses."""

from jaxsgd.theory.finite_sums.moments import applies, exact_moments
from jaxsgd.theory.finite_sums.stationary import mean_square_limit, stationary_moments

__all__ = ["applies", "exact_moments", "mean_square_limit", "stationary_moments"]
