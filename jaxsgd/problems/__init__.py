"""What is minimised, and what is known of it."""

from jaxsgd.problems.absolute_value import AbsoluteValue
from jaxsgd.problems.empirical_risk import EmpiricalRisk, SquaredResiduals
from jaxsgd.problems.finite_sum import FiniteSum
from jaxsgd.problems.function import Function
from jaxsgd.problems.held_out_risk import HeldOutRisk
from jaxsgd.problems.huber import Huber
from jaxsgd.problems.least_squares import LeastSquares
from jaxsgd.problems.linear_model import LinearModel
from jaxsgd.problems.logistic_regression import LogisticRegression
from jaxsgd.problems.max_affine import MaxAffine
from jaxsgd.problems.problem import CentredConvex, Problem
from jaxsgd.problems.quadratic import Quadratic

__all__ = [
    "AbsoluteValue", "CentredConvex", "EmpiricalRisk", "FiniteSum", "Function", "HeldOutRisk", "Huber", "LeastSquares",
    "LinearModel", "LogisticRegression", "MaxAffine", "Problem", "Quadratic", "SquaredResiduals",
]  # fmt: skip
