"""What a family of measurements says about the statements they test."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from jaxsgd.errors import InvalidType
from jaxsgd.inference.checks import level
from jaxsgd.inference.deciding import agreeing, near_enough, what_would_decide
from jaxsgd.inference.holm import holm
from jaxsgd.inference.measurement import Measurement
from jaxsgd.inference.relation import Relation


class Verdict(enum.StrEnum):
    """The answer to a statement that was tested."""

    CONSISTENT = "CONSISTENT"
    """No departure that matters, from data that would have shown one."""
    REFUTED = "REFUTED"
    """The statement is wrong, or, for "<" and ">", the difference that matters is not there."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """The data cannot tell; the judgement says what would decide."""


@dataclass(frozen=True)
class Judgement:
    """A verdict with the numbers that it rests on.

    - `p_adjusted`: Holm's adjusted p-value.
    - `lower`, `upper`: limits of E Z; those of all statements cover together with probability 1 - alpha.
    - `detectable`: the smallest departure that would have been refuted with probability 0.9.
    - `confirmed`: the statement is true, up to rounding, of every E Z between the limits: it is shown
      to hold, not only to be wrong by less than the margin.
    - `decides`: where the verdict is INCONCLUSIVE, what would decide, in words; empty where `withheld` of the
      measurement says it.
    """

    verdict: Verdict
    p_adjusted: float
    lower: float
    upper: float
    detectable: float
    confirmed: bool
    decides: str = ""


def judge(measurements: Iterable[Measurement], alpha: float = 0.01) -> list[Judgement]:
    """Verdicts on a family of k statements, the first rule that applies:

    1. CONSISTENT if confirmed: the statement is true, up to rounding, of every E Z between the limits.
    2. REFUTED if Holm's adjusted p is at most alpha.
    3. CONSISTENT, for "==", "<=" and ">=", if no E Z between the limits departs from the statement by
       more than the margin, and the data would have refuted a departure as large as the margin.
    4. INCONCLUSIVE: in particular where a departure that matters could have gone unseen, where there
       is no finite estimate, and where the measurement withholds it.

    The limits are two-sided at confidence 1 - alpha / k. In the whole family, whatever the dependence
    between measurements, the probability that any true statement is refuted is at most alpha, and so is
    the probability that any statement wrong by more than the margin is called consistent. For "<" and
    ">", refuted wrongly means that the difference is at least the margin.

    **Arguments**

    - `measurements`: `Measurement`s, of any relations.
    - `alpha`: the familywise error probability, in (0, 1).

    **Returns** a `Judgement` for each, in order.

    **Raises** `InvalidInput` or `InvalidType` if alpha or the measurements are not as stated.

    Source: Holm (1979), Scand. J. Stat. 6; two one-sided tests: Schuirmann (1987), J. Pharmacokinet.
    Biopharm. 15.

    >>> good = Measurement("==", value=1.0, estimate=1.001, standard_error=0.001, count=10_000, margin=0.01)
    >>> rough = Measurement("==", value=1.0, estimate=1.001, standard_error=0.1, count=100, margin=0.01)
    >>> wrong = Measurement("<=", value=1.0, estimate=1.2, standard_error=0.01, count=1000, margin=0.01)
    >>> [str(judgement.verdict) for judgement in judge([good, rough, wrong])]
    ['CONSISTENT', 'INCONCLUSIVE', 'REFUTED']
    """
    alpha, family = level("alpha", alpha), list(measurements)
    for given in family:
        if not isinstance(given, Measurement):
            raise InvalidType(f"measurements must hold Measurements, got {given!r}")
    adjusted = holm([measurement.p_value for measurement in family])
    return [assess(measured, float(p), alpha, len(family)) for measured, p in zip(family, adjusted, strict=True)]


def assess(measurement: Measurement, p_adjusted: float, alpha: float, tests: int) -> Judgement:
    """The judgement of one measurement out of a family of `tests`, by the rules of `judge`."""
    lower, upper = measurement.limits(1 - alpha / tests)
    detectable = measurement.detectable(alpha / tests)
    near = near_enough(measurement)
    confirmed = measurement.informative and _inside(lower, upper, agreeing(measurement), Relation(measurement.relation))
    decides = ""
    if confirmed:
        verdict = Verdict.CONSISTENT
    elif p_adjusted <= alpha:
        verdict = Verdict.REFUTED
    elif near is not None and detectable <= measurement.margin and near[0] <= lower and upper <= near[1]:
        verdict = Verdict.CONSISTENT
    else:
        verdict = Verdict.INCONCLUSIVE
        decides = what_would_decide(measurement, (upper - lower) / 2, detectable)
    return Judgement(verdict, p_adjusted, lower, upper, detectable, confirmed, decides)


def _inside(lower: float, upper: float, interval: tuple[float, float], relation: Relation) -> bool:
    if relation.strict:
        return interval[0] < lower and upper < interval[1]
    return interval[0] <= lower and upper <= interval[1]
