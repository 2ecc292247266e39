"""Theorems that bound an expected risk, squared distance or squared gradient, all in one linear form.

    E Q <= c r^2 + sum_t a_t G_t^2 + e,    r = ||x_0 - x*||,    G_t^2 = E||g_t||^2,

where Q is an excess risk, the squared distance ||x_T - x*||^2 or a weighted mean of ||grad R(x_t)||^2, t = 0 ..
T-1, and c, a_t and e depend on what is known before the run alone. One file states one theorem: its assumptions,
its source, the idea of its proof, and its coefficients. A new one is a subclass of
[`jaxsgd.theory.bounds.Bound`][], as short as `uniform_strongly_convex.py`; hand it to
``jaxsgd.theory.bounds(study, among=[...])``, or list it in `EVERY` below.

``jaxsgd.theory.bounds`` is this package and a function at once: ``jaxsgd.theory.bounds(study)`` calls the
function `bounds` below, and what is in the package is found under its name as in any other.
"""

import importlib
import sys
import types
from collections.abc import Sequence
from typing import Any

from jaxsgd.results.result import Result
from jaxsgd.study import Study
from jaxsgd.theory.bounds.applicable import BoundsReport, Evaluation, Value, evaluated
from jaxsgd.theory.bounds.assumption import Assumption
from jaxsgd.theory.bounds.bound import Bound, Coefficients
from jaxsgd.theory.bounds.descent_lemma import Descent, DescentLemma
from jaxsgd.theory.bounds.distance_recursion import DistanceRecursion, Recursion
from jaxsgd.theory.bounds.ghadimi_lan import GhadimiLan
from jaxsgd.theory.bounds.lacoste_julien import LacosteJulien
from jaxsgd.theory.bounds.last_iterate import LastIterate
from jaxsgd.theory.bounds.last_iterate_any_schedule import LastIterateAnySchedule
from jaxsgd.theory.bounds.permutations_convex import PermutationsConvex
from jaxsgd.theory.bounds.permutations_strongly_convex import PermutationsStronglyConvex
from jaxsgd.theory.bounds.polyak_lojasiewicz import PolyakLojasiewicz
from jaxsgd.theory.bounds.sampling_with_replacement import SamplingWithReplacement
from jaxsgd.theory.bounds.uniform_strongly_convex import UniformStronglyConvex
from jaxsgd.theory.bounds.weighted_average import Slack, WeightedAverage, slack, tuned_value

__all__ = [
    "EVERY",
    "Assumption",
    "Bound",
    "BoundsReport",
    "Coefficients",
    "Descent",
    "DescentLemma",
    "DistanceRecursion",
    "Evaluation",
    "GhadimiLan",
    "LacosteJulien",
    "LastIterate",
    "LastIterateAnySchedule",
    "PermutationsConvex",
    "PermutationsStronglyConvex",
    "PolyakLojasiewicz",
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


EVERY: tuple[Bound, ...] = (
    WeightedAverage(),
    LastIterate(),
    LastIterateAnySchedule(),
    UniformStronglyConvex(),
    LacosteJulien(),
    SamplingWithReplacement(),
    PermutationsStronglyConvex(),
    PermutationsConvex(),
    GhadimiLan(),
    PolyakLojasiewicz(),
)
"""The bounds that `bounds` looks at."""


def bounds(study: Study, result: Result | None = None, among: Sequence[Bound] = EVERY) -> BoundsReport:
    """Every bound that applies to a study, with its assumptions and whether they hold.

    A value is computed for each legal choice of the gradient bound: G_t^2 = E||g_t||^2 along the run, exact
    or, where a result is given, as measured there; its maximum; and an L^2 known before the run, which there
    is with additive noise, if the risk is Lipschitz or SGD is projected. Only this last value is a prediction;
    the others say what the theorem gives for this very run. A bound without gradients is known before the run.

    **Arguments**

    - `study`: any study; what it records does not matter.
    - `result`: of this study, with `gradient_norm_squared` recorded at every step. One of a study that computes
      something else is an error, which says what differs; a file of an older version, which has no fingerprint of its
      study, is compared by its learning rates and the representation of the study alone. The standard errors of its
      values are upper limits, since those of G_t^2 at different t are correlated.
    - `among`: the bounds to look at.

    **Returns** a [`jaxsgd.theory.bounds.BoundsReport`][].

    >>> from jaxsgd import chapter
    >>> report = bounds(chapter.study("constant"))
    >>> round(report["weighted_average"].values["along the run"].value, 6)
    3.395134
    """
    return evaluated(study, result, among)


class _CallablePackage(types.ModuleType):
    """A package that answers calls, so that one name stands for the theorems and for what they say of a study."""

    def __call__(self, study: Study, result: Result | None = None, among: Sequence[Bound] = EVERY) -> BoundsReport:
        return bounds(study, result, among)

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self.__name__,)


sys.modules[__name__].__class__ = _CallablePackage
