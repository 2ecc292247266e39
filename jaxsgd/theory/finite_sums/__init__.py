"""Exact second moments of SGD on finite sums of quadratic losses."""

from jaxsgd.theory.finite_sums.sampled_quadratics import QuadraticLossesOfExamples, why_not
from jaxsgd.theory.finite_sums.settling import mean_square_limit, stationary_moments

__all__ = ["QuadraticLossesOfExamples", "mean_square_limit", "stationary_moments", "why_not"]
