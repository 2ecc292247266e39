"""Exact second moments on a quadratic whose noise grows with the gradient."""

from jaxsgd.theory.growing_noise.quadratic_moments import QuadraticWithGrowingNoise, why_not
from jaxsgd.theory.growing_noise.settling import mean_square_limit, stationary_moments

__all__ = ["QuadraticWithGrowingNoise", "mean_square_limit", "stationary_moments", "why_not"]
