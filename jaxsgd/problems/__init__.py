"""What is minimised, and what is known of it."""

from jaxsgd.problems.absolute_value import AbsoluteValue
from jaxsgd.problems.double_well import DoubleWell
from jaxsgd.problems.empirical_risk import EmpiricalRisk, SquaredResiduals
from jaxsgd.problems.finite_sum import FiniteSum
from jaxsgd.problems.function import Function
from jaxsgd.problems.held_out_risk import HeldOutRisk
from jaxsgd.problems.huber import Huber
from jaxsgd.problems.least_squares import LeastSquares
from jaxsgd.problems.linear_model import LinearModel
from jaxsgd.problems.logistic_regression import LogisticRegression
from jaxsgd.problems.max_affine import MaxAffine
from jaxsgd.problems.polyak_lojasiewicz import PolyakLojasiewicz
from jaxsgd.problems.problem import CentredConvex, Problem
from jaxsgd.problems.quadratic import Quadratic
from jaxsgd.problems.rippled_parabola import RippledParabola
from jaxsgd.problems.rosenbrock import Rosenbrock
from jaxsgd.problems.separable import Separable
from jaxsgd.problems.separable_cosine import SeparableCosine

__all__ = [
    "AbsoluteValue", "CentredConvex", "DoubleWell", "EmpiricalRisk", "FiniteSum", "Function", "HeldOutRisk", "Huber",
    "LeastSquares", "LinearModel", "LogisticRegression", "MaxAffine", "PolyakLojasiewicz", "Problem", "Quadratic",
    "RippledParabola", "Rosenbrock", "Separable", "SeparableCosine", "SquaredResiduals",
]  # fmt: skip
