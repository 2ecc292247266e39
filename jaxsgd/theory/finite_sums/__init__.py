"""Exact second moments of SGD on finite sums of quadratic losses."""

from jaxsgd.theory.finite_sums.mean_square_stability import mean_square_limit, stationary_moments
from jaxsgd.theory.finite_sums.sampled_quadratics import QuadraticLossesOfExamples, why_not

__all__ = ["QuadraticLossesOfExamples", "mean_square_limit", "stationary_moments", "why_not"]
