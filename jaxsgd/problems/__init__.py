"""What is minimised, and what is known of it."""

from jaxsgd.problems.function import Function
from jaxsgd.problems.problem import Problem
from jaxsgd.problems.quadratic import Quadratic

__all__ = ["Function", "Problem", "Quadratic"]
