"""A statement about an expectation, as it can be tested."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType, integer, nearest, scalar
from jaxsgd.inference import Relation
from jaxsgd.module import AbstractOrFinal, brief
from jaxsgd.study import Study
from jaxsgd.tracing import takes_state, traced

Variable = str | Callable[[Any], Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Claim(AbstractOrFinal):
    """E Z `relation` `value`, where Z is a variable of one trajectory of a study.

    **Arguments**

    - `name`: a short identifier.
    - `statement`: what is claimed, in words; LaTeX between dollar signs.
    - `study`: whose trajectories are looked at.
    - `variable`: Z, the name of an observable, or a function of x or of a [`jaxsgd.State`][] with averages and
      folds. A function that returns a boolean makes E Z a probability, tested by exact binomial methods: P(Z <= q) = p
      says that q is a p-quantile of Z.
    - `relation`: "==", "<=", ">=", "<", ">" or "within", see [`jaxsgd.inference.Relation`][]: "<" and ">" claim a
      difference that matters, "within" an equivalence up to the margin.
    - `value`: what E Z is compared with.
    - `reference`: where the claim comes from.
    - `assumptions`: what it assumes, in words.
    - `step`: the step at which Z is taken; default the last.
    - `against`: another study; Z is then the difference, variable of `study` minus variable of `against`, of
      trajectories with the same draws.
    - `margin`: the smallest departure that matters, in the units of Z. Default: `resolution` of ``verify``
      times |value|, or times the standard deviation of Z where value is 0, but no less than
      floating-point errors can be told from; for a probability `resolution` itself.
    - `magnitude`: the size of the terms that Z is made of, to which floating-point errors are relative. Default:
      |value|, or the standard deviation of Z where value is 0. Give it where terms cancel: a balance that is 0 on
      every path has no standard deviation but that of rounding.
    - `quadratic`: whether Z grows like ||x - x*||^2, as squared distances, balances and bounds do. Then what theory
      knows of the moments of x ([`jaxsgd.theory.tails`][]) is asked, beside the sample, whether a mean of Z can be
      tested; it is asked of built-in observables anyway.

    **Raises** `ValueError` or `TypeError` that say what was given, what is allowed and what to do.

    >>> from jaxsgd import chapter
    >>> study = chapter.study("constant")
    >>> Claim("contracts", "E|x_50|^2 is below 1", study, "distance_squared", "<", 1.0)
    Claim('contracts': E distance_squared < 1 at step 50)

    That the median of x_1 is 0, a claim on a quantile, whose test is exact whatever the tails of x_1 are:

    >>> Claim("median", "half of all x_1 are below 0", study, lambda x: x[0] <= 0.0, "==", 0.5)
    Claim('median': E Z == 0.5 at step 50)
    """

    name: str
    statement: str
    study: Study
    variable: Variable
    relation: Relation | str
    value: float = 0.0
    reference: str = ""
    assumptions: Sequence[str] = ()
    step: int | None = None
    against: Study | None = None
    margin: float | None = None
    magnitude: float | None = None
    quadratic: bool = False

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        if not isinstance(self.name, str) or not self.name:
            raise InvalidType(f"name must be a string that is not empty, got {self.name!r}")
        for name in ("study", "against"):
            given = getattr(self, name)
            if not (isinstance(given, Study) or (name == "against" and given is None)):
                raise InvalidType(f"{name} of claim {self.name!r} must be a jaxsgd.Study, got {brief(given)}")
        put("relation", Relation(self.relation))
        put("value", float(scalar("value", self.value)))
        for name in ("margin", "magnitude"):
            if getattr(self, name) is not None:
                put(name, float(scalar(f"{name} of claim {self.name!r}", getattr(self, name), above=0.0)))
        if isinstance(self.assumptions, str):
            raise InvalidType(f"assumptions of claim {self.name!r} must be a list of texts, got {self.assumptions!r}")
        put("assumptions", tuple(self.assumptions))
        if self.step is not None:
            put("step", integer(f"step of claim {self.name!r}", self.step, at_least=0))
        for study in self.studies:
            self._check(study)

    def _check(self, study: Study) -> None:
        if self.at > study.steps:
            raise InvalidInput(f"step of claim {self.name!r} must lie in 0..{study.steps}, got {self.at}")
        if isinstance(self.variable, str):
            self._check_name(self.variable, study)
        elif callable(self.variable):
            takes_state(f"variable of claim {self.name!r}", self.variable, traced(study).blank)
        else:
            raise InvalidType(
                f"variable of claim {self.name!r} must be the name of an observable or a function of x or of a State, "
                f"got {brief(self.variable)}"
            )

    def _check_name(self, variable: str, study: Study) -> None:
        names = (*study.built_in, *study.observables)
        if variable not in names:
            raise InvalidInput(f"claim {self.name!r} has no variable {variable!r}; {nearest(variable, names)}")
        average = None if variable in study.observables else study.averages.get(variable.partition("_of_")[2])
        if average is not None and average.undefined(np.array([self.at]), study.steps).any():
            raise InvalidInput(
                f"{variable!r} of claim {self.name!r} has no value at step {self.at}: the average starts later"
            )

    @property
    def at(self) -> int:
        """The step at which the variable is taken."""
        return self.study.steps if self.step is None else self.step

    @property
    def studies(self) -> tuple[Study, ...]:
        """The study, and the one it is compared with if there is one."""
        return (self.study,) if self.against is None else (self.study, self.against)

    @property
    def symbol(self) -> str:
        """The variable in a few characters."""
        return self.variable if isinstance(self.variable, str) else "Z"

    @property
    def formula(self) -> str:
        """What is tested, as LaTeX between dollar signs."""
        name = self.symbol.replace("_", r"\_")
        relation = {"==": "=", "<=": r"\le", ">=": r"\ge", "within": r"\approx"}.get(self.relation, self.relation)
        difference = "" if self.against is None else r"\,\Delta"
        return rf"$\mathbb{{E}}{difference}\,\text{{{name}}} {relation} {self.value:.6g}$ at step {self.at}"

    def default_margin(self, resolution: float, standard_deviation: float, probability: bool) -> float:
        """The margin where none is given."""
        if probability:
            return resolution
        scale = abs(self.value) or standard_deviation
        return resolution * (scale if math.isfinite(scale) and scale > 0 else 1.0)

    def __repr__(self) -> str:
        difference = "" if self.against is None else ", paired difference"
        return f"Claim({self.name!r}: E {self.symbol} {self.relation} {self.value:g} at step {self.at}{difference})"
