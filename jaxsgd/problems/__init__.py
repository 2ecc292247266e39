"""What is minimised, and what is known of it."""

from jaxsgd.problems.absolute_value import AbsoluteValue
from jaxsgd.problems.function import Function
from jaxsgd.problems.huber import Huber
from jaxsgd.problems.max_affine import MaxAffine
from jaxsgd.problems.problem import Problem
from jaxsgd.problems.quadratic import Quadratic

__all__ = ["AbsoluteValue", "Function", "Huber", "MaxAffine", "Problem", "Quadratic"]
