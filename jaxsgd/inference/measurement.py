"""A statement about an expectation, and what was measured about it."""

import math
from dataclasses import dataclass
from typing import Any

from scipy.special import ndtri, stdtr

from jaxsgd.errors import InvalidInput, integer, scalar
from jaxsgd.inference.binomial import at_least, critical_count, probability_reaching
from jaxsgd.inference.checks import level, real_scalar
from jaxsgd.inference.intervals import proportion_interval
from jaxsgd.inference.relation import Relation
from jaxsgd.inference.skewed import skewed_quantile, skewed_tail


@dataclass(frozen=True)
class Measurement:
    """A statement "E Z `relation` `value`" and an estimate of E Z from independent trajectories.

    **Arguments**

    - `relation`: a `Relation`, or its text.
    - `value`: v, the value that the statement is about.
    - `estimate`, `standard_error`: of E Z. NaN or infinite ones leave the statement undecided. A
      standard error of 0 says that Z is deterministic; estimate and value are then compared as numbers.
    - `count`: how many trajectories. Tests and limits of means are Student's, with `count` - 1 degrees of freedom.
    - `margin`: m > 0, the smallest departure from the statement that matters, in the units of Z.
    - `rounding`: r, departures up to this are floating-point error; below the margin.
    - `successes`: for a variable that is 0 or 1, how often it was 1; exact binomial methods then
      replace those of means. `Measurement.proportion` fills in estimate and standard error.
    - `withheld`: why the estimate carries no test, in words: tails too heavy for `count` trajectories, a precision that
      does not resolve it. Then there is no z, nothing is known of E Z, and the statement is undecided.
    - `takes`: of a measurement that is withheld, how many trajectories would carry a test; inf if no number would,
      NaN where that is not known, or where it takes something else.
    - `skewness`: of Z, where it is known; tests and limits of the side on which it makes errors more frequent are
      widened (`jaxsgd.inference.skewed`).

    **Raises** `InvalidInput` or `InvalidType` if an argument is not as stated.

    >>> Measurement("<=", value=1.0, estimate=1.5, standard_error=0.25, count=400, margin=0.5).z
    2.0
    """

    relation: Relation | str
    value: float
    estimate: float
    standard_error: float
    count: int
    margin: float
    rounding: float = 0.0
    successes: int | None = None
    withheld: str = ""
    takes: float = math.nan
    skewness: float = 0.0

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)  # the dataclass is frozen

        put("relation", Relation(self.relation))
        put("value", float(scalar("value", self.value)))
        put("estimate", real_scalar("estimate", self.estimate))
        put("standard_error", real_scalar("standard_error", self.standard_error))
        put("count", integer("count", self.count, at_least=0))
        put("margin", float(scalar("margin", self.margin, above=0.0)))
        put("rounding", float(scalar("rounding", self.rounding, at_least=0.0)))
        if self.standard_error < 0:
            raise InvalidInput(f"standard_error must be at least 0, got {self.standard_error:g}")
        if self.rounding >= self.margin:
            raise InvalidInput(
                f"rounding must be below the margin {self.margin:g}, got {self.rounding:g}: "
                f"floating-point error would hide what matters; use a larger margin, or float64"
            )
        if self.successes is not None:
            put("successes", integer("successes", self.successes, at_least=0, below=self.count + 1))
            self._check_proportion(self.successes)

    @classmethod
    def proportion(
        cls, relation: Relation | str, value: float, successes: int, count: int, margin: float, rounding: float = 0.0
    ) -> "Measurement":
        """A statement about a probability, from a number of successes in `count` independent trials.

        >>> Measurement.proportion("<=", value=0.5, successes=9, count=10, margin=0.1).p_value  # 11/1024
        0.0107421875
        """
        count = integer("count", count, at_least=0)
        successes = integer("successes", successes, at_least=0, below=count + 1)
        estimate = successes / count if count else math.nan
        error = math.sqrt(estimate * (1 - estimate) / count) if count else math.nan
        return cls(relation, value, estimate, error, count, margin, rounding, successes)

    def _check_proportion(self, successes: int) -> None:
        if self.count and not math.isclose(self.estimate, successes / self.count, abs_tol=1e-6):
            raise InvalidInput(
                f"estimate must be successes / count = {successes / self.count:g}, got {self.estimate:g}; "
                f"Measurement.proportion computes it"
            )
        low, high = self.tolerated
        if low > 1 or high < 0:
            raise InvalidInput(
                f"no probability is {self.relation} {self.value:g} with a margin of {self.margin:g}; "
                f"state a value from 0 to 1, and a margin that leaves room"
            )

    @property
    def informative(self) -> bool:
        """Whether there is an estimate of E Z with a finite standard error, and nothing against its use."""
        if self.withheld or self.count == 0:
            return False
        measured = self.count > 1 and math.isfinite(self.estimate) and math.isfinite(self.standard_error)
        return self.successes is not None or measured

    @property
    def tolerated(self) -> tuple[float, float]:
        """The least and the greatest E Z that do not count against the statement: the null hypothesis.

        From v - w to v + w (from -inf for "<=" and "<", to inf for ">=" and ">"), where w is r for "==",
        "<=" and ">=", m + r for "within", and r - m for "<" and ">".
        """
        relation, width = Relation(self.relation), self.rounding
        if relation is Relation.WITHIN:
            width += self.margin
        elif relation.strict:
            width -= self.margin
        return self.around(width)

    def around(self, width: float) -> tuple[float, float]:
        """The least and the greatest number that depart from v by at most `width` against the statement."""
        low = -math.inf if self.relation in ("<=", "<") else self.value - width
        high = math.inf if self.relation in (">=", ">") else self.value + width
        return low, high

    @property
    def z(self) -> float | None:
        """(estimate - value) / SE, differences up to `rounding` being 0; None for a probability, or if withheld."""
        if self.successes is not None or self.withheld:
            return None
        difference = self.estimate - self.value
        excess = math.copysign(max(abs(difference) - self.rounding, 0.0), difference)
        if self.standard_error == 0:
            return math.copysign(math.inf, excess) if excess else 0.0
        return excess / self.standard_error

    @property
    def p_value(self) -> float:
        """The probability of an estimate at least as far on the wrong side, where E Z is at the end of `tolerated`.

        One-sided for inequalities; twice the smaller tail for "==" and "within". A small p speaks against
        the statement, and for "<" and ">" against a difference of at least the margin.
        """
        if not self.informative:
            return 1.0
        low, high = self.tolerated
        if self.successes is not None:
            upper = at_least(self.successes, self.count, high)
            lower = at_least(self.count - self.successes, self.count, 1 - low)
        else:
            upper = self._tail(self.estimate - high, -self.skewness)
            lower = self._tail(low - self.estimate, self.skewness)
        return min(1.0, Relation(self.relation).sides * min(upper, lower))

    def limits(self, confidence: float) -> tuple[float, float]:
        """Two-sided confidence limits of E Z: Student's, or Clopper-Pearson; -inf and inf if nothing is known."""
        if self.successes is not None and not self.withheld:
            lower, upper = proportion_interval(self.successes, self.count, confidence)
        elif self.informative:
            tail = (1 - level("confidence", confidence)) / 2
            lower, upper = (self.estimate + sign * self._width(tail, sign * self.skewness) for sign in (-1, 1))
        else:
            lower, upper = -math.inf, math.inf
        return float(lower), float(upper)

    def detectable(self, alpha: float, power: float = 0.9) -> float:
        """The smallest departure that p <= alpha would have shown with probability `power`.

            r + (t_{1 - alpha / sides} + z_power) SE,

        t being Student's quantile, and for a probability the exact binomial counterpart, the larger of the two
        directions; no departure can be larger than [0, 1] has room for. The departure is from v for "==", "<=" and
        ">=", from v -+ m for "<" and ">", and from the nearer of v -+ m for "within".
        """
        alpha, power = level("alpha", alpha) / Relation(self.relation).sides, level("power", power)
        if not self.informative:
            return math.inf
        if self.successes is None:
            signs = {"<=": (-1,), "<": (-1,), ">=": (1,), ">": (1,)}.get(self.relation, (-1, 1))  # of what endangers
            widest = max(self._width(alpha, sign * self.skewness) for sign in signs)
            return self.rounding + float(ndtri(power)) * self.standard_error + widest
        low, high = self.tolerated
        return max(self._detectable_above(high, alpha, power), self._detectable_above(1 - low, alpha, power))

    def _detectable_above(self, end: float, alpha: float, power: float) -> float:
        critical = critical_count(self.count, end, alpha)
        farthest = 1.0 if critical > self.count else probability_reaching(critical, self.count, power)
        return max(0.0, farthest - (end - self.rounding))

    def _tail(self, excess: float, skewness: float) -> float:
        """The probability of an estimate so far beyond the end of `tolerated`, where E Z is at that end."""
        if self.standard_error == 0:
            return 0.0 if excess > 0 else 1.0
        x = excess / self.standard_error
        return skewed_tail(x, self.count, skewness) if x > 0 else float(stdtr(self.count - 1, -x))

    def _width(self, tail: float, skewness: float) -> float:
        """The distance from the estimate to a limit that is passed with this probability."""
        return skewed_quantile(tail, self.count, skewness) * self.standard_error if self.standard_error else 0.0
