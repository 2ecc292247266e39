"""Theorems that bound an expected risk or squared distance, all in one linear form.

    E Q <= c r^2 + sum_t a_t G_t^2 + e,    r = ||x_0 - x*||,    G_t^2 = E||g_t||^2,

where Q is R(point) - R* or ||x_T - x*||^2, t = 0 .. T-1, and c, a_t and e depend on what is known before the
run alone. One file states one theorem: its assumptions, its source, the idea of its proof, and its
coefficients. A new one is a subclass of
[`jaxsgd.theory.bounds.Bound`][], as short as `uniform_strongly_convex.py`; hand it to
``jaxsgd.theory.bounds(study, among=[...])``, or list it in `applicable.py`.

``jaxsgd.theory.bounds`` is this package and a function at once: ``jaxsgd.theory.bounds(study)`` calls
[`jaxsgd.theory.bounds.applicable.bounds`][], and what is in the package is found under its name as in any other.
"""

import sys
import types
from typing import Any

from jaxsgd.theory.bounds.applicable import EVERY, BoundsReport, Evaluation, Value, bounds
from jaxsgd.theory.bounds.assumption import Assumption
from jaxsgd.theory.bounds.bound import Bound, Coefficients
from jaxsgd.theory.bounds.distance_recursion import DistanceRecursion, Recursion
from jaxsgd.theory.bounds.lacoste_julien import LacosteJulien
from jaxsgd.theory.bounds.last_iterate import LastIterate
from jaxsgd.theory.bounds.last_iterate_any_schedule import LastIterateAnySchedule
from jaxsgd.theory.bounds.permutations_convex import PermutationsConvex
from jaxsgd.theory.bounds.permutations_strongly_convex import PermutationsStronglyConvex
from jaxsgd.theory.bounds.sampling_with_replacement import SamplingWithReplacement
from jaxsgd.theory.bounds.uniform_strongly_convex import UniformStronglyConvex
from jaxsgd.theory.bounds.weighted_average import Slack, WeightedAverage, slack, tuned_value

__all__ = [
    "EVERY",
    "Assumption",
    "Bound",
    "BoundsReport",
    "Coefficients",
    "DistanceRecursion",
    "Evaluation",
    "LacosteJulien",
    "LastIterate",
    "LastIterateAnySchedule",
    "PermutationsConvex",
    "PermutationsStronglyConvex",
    "Recursion",
    "SamplingWithReplacement",
    "Slack",
    "UniformStronglyConvex",
    "Value",
    "WeightedAverage",
    "bounds",
    "slack",
    "tuned_value",
]


class _CallablePackage(types.ModuleType):
    """A package that answers calls, so that one name stands for the theorems and for what they say of a study."""

    def __call__(self, *arguments: Any, **named: Any) -> BoundsReport:
        return bounds(*arguments, **named)


sys.modules[__name__].__class__ = _CallablePackage
