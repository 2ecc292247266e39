"""The risk of least squares on test data, as a quadratic function of x."""

from typing import NamedTuple

import numpy as np

from jaxsgd.problems import EmpiricalRisk
from jaxsgd.study import Study
from jaxsgd.theory.finite_sums.quadratic_examples import QuadraticExamples
from jaxsgd.theory.recursion import MeanAndCovariance


class HeldOut(NamedTuple):
    """value + slope'e + e'S e / 2, e = Q'(x - c)."""

    value: float
    slope: np.ndarray
    hessian: np.ndarray

    def mean(self, law: MeanAndCovariance) -> float:
        """Its mean under a law of e."""
        moment = law.covariance + np.outer(law.mean, law.mean)
        return float(self.value + self.slope @ law.mean + np.sum(self.hessian * moment) / 2)


def held_out(examples: QuadraticExamples, study: Study) -> dict[str, HeldOut]:
    """The observables of a study that are the `test_risk` of its problem, by name."""
    problem = study.oracle.problem
    if not isinstance(problem, EmpiricalRisk) or problem.test_residuals is None:
        return {}
    names = [name for name, function in study.observables.items() if function == problem.test_risk]
    features, targets, ridge = problem.test_residuals
    Q, c, n = examples.vectors, examples.centre, len(targets)
    a, residuals = features @ Q, features @ c - targets
    value = float(residuals @ residuals) / (2 * n) + ridge * float(c @ c) / 2
    risk = HeldOut(value, a.T @ residuals / n + ridge * c @ Q, a.T @ a / n + ridge * np.eye(len(c)))
    return dict.fromkeys(names, risk)
