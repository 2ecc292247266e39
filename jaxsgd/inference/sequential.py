"""Estimation to a stated precision: when the running estimate may be stopped."""

import math
from dataclasses import dataclass

from jaxsgd.errors import InvalidInput, InvalidType, integer, scalar
from jaxsgd.inference.checks import level, real_scalar
from jaxsgd.inference.intervals import proportion_interval
from jaxsgd.inference.skewed import skewed_quantile
from jaxsgd.inference.tails import needed_for_skewness, probability_unseen, why_no_test
from jaxsgd.module import AbstractOrFinal

PILOT = 4096
"""A mean takes at least so many trajectories, and the first look comes after so many."""

EVENTS = 100
"""The relative precision of a probability takes at least so many events."""


@dataclass(frozen=True)
class Look:
    """What one look at a running estimate shows.

    - `reached`: whether the run may stop.
    - `hopeless`: whether it may as well: the mean is not finite, or its tails take more trajectories than `limit`.
    - `lower`, `upper`: confidence limits, valid for all looks at once and therefore for the one that stops the run.
    - `half_width`: the greater distance from the estimate to a limit.
    - `allowed`: the half-width that the target asks for.
    - `message`: all of it in one sentence.
    """

    reached: bool
    lower: float
    upper: float
    half_width: float
    allowed: float
    message: str
    hopeless: bool = False


@dataclass(frozen=True)
class Precision(AbstractOrFinal):
    """A target: the half-width of a confidence interval for the expectation of an observable.

    The estimate is looked at after n_j = 2^(j-1) n_1 trajectories, j = 1, 2, ..., and look j has the interval
    of confidence

        1 - delta_j,    delta_j = delta / (j (j + 1)),    delta = 1 - confidence.

    As sum_j delta_j = delta, all intervals hold together with probability at least `confidence`, and so does the one
    at which the run stops, for whatever reason it stops there. At confidence 0.95 z is 2.24 at the first
    look, 3.14 at the fifth and 3.51 at the tenth. For a mean the intervals are Student's, which takes some
    25 skewness^2 trajectories. For a probability they are exact.

    **Arguments**

    - `observable`: its name.
    - `relative` or `absolute`: the half-width as a fraction of the estimate, in (0, 1), or as it is. Give one.
    - `confidence`: in (0, 1).
    - `limit`: no more trajectories than this, at least `PILOT`.
    - `step`: at which recorded step; default the last.

    **Raises** `InvalidInput` or `InvalidType` if an argument is not as stated.

    Source: Lan and DeMets (1983), "Discrete sequential boundaries for clinical trials", Biometrika 70. Stopping at
    a measured width: Chow and Robbins (1965), Ann. Math. Stat. 36.

    >>> target = Precision("risk", relative=0.01, limit=20_000)
    >>> target.checkpoints()
    [4096, 8192, 16384, 20000]
    >>> target.look(2, count=8192, mean=0.5, variance=0.25).message
    'risk is 0.5 -+ 0.0146 (2.92%) after 8192 trajectories; the target of 1% takes some 70000'
    """

    observable: str
    relative: float | None = None
    absolute: float | None = None
    confidence: float = 0.95
    limit: int = 10_000_000
    step: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.observable, str):
            raise InvalidType(f"observable must be the name of one, got {self.observable!r}")
        if (self.relative is None) == (self.absolute is None):
            raise InvalidInput(
                f"give either relative or absolute, got relative={self.relative!r} and absolute={self.absolute!r}"
            )
        if self.absolute is not None:
            scalar("absolute", self.absolute, above=0.0)
        elif not 0 < scalar("relative", self.relative) < 1:
            raise InvalidInput(f"relative is a fraction and must lie strictly between 0 and 1, got {self.relative:g}")
        level("confidence", self.confidence)
        integer("limit", self.limit, at_least=PILOT)
        if self.step is not None:
            integer("step", self.step, at_least=0)

    def checkpoints(self, unit: int = 1) -> list[int]:
        """The counts to look at: n_1, 2 n_1, 4 n_1, ... below `limit`, and `limit`.

        n_1 is the least multiple of `unit` that is at least `PILOT`, so that runs that work in units look between them.
        """
        unit = integer("unit", unit, at_least=1)
        counts, count = [], -(-PILOT // unit) * unit
        while count < self.limit:
            counts.append(count)
            count *= 2
        return [*counts, self.limit]

    def look(
        self,
        number: int,
        count: int,
        mean: float,
        variance: float,
        *,
        share: float = math.nan,
        skewness: float = math.nan,
        reach: tuple[float, float] | None = None,
    ) -> Look:
        """Look j = `number` at a mean and a variance over the first `count` trajectories.

        The target is not reached with fewer than `PILOT` trajectories, nor without variation, from which no interval
        can be had, nor by a mean or variance that is not finite, nor with tails that are too heavy for an interval
        (`jaxsgd.inference.tails`): then the look is hopeless if more than `limit` trajectories would be needed.

        **Arguments**

        - `share`, `skewness`: what is known of the tails.
        - `reach`: the least and the greatest value that the variable may have. The target is not reached while an
          event that the sample need not show could move the mean by more than is allowed.

        **Raises** `InvalidInput` or `InvalidType` unless number and count are positive and variance at least 0.
        """
        count = integer("count", count, at_least=1)
        mean, variance = real_scalar("mean", mean), real_scalar("variance", variance)
        if variance < 0:
            raise InvalidInput(f"variance must be at least 0, got {variance:g}")
        confidence = self._confidence(number)
        error = math.sqrt(variance / count)
        tails = why_no_test(count, share, skewness)
        known = 0.0 if math.isnan(skewness) else skewness
        lower, upper = (
            mean + sign * error * skewed_quantile((1 - confidence) / 2, max(count, 2), sign * known) for sign in (-1, 1)
        )
        hopeless = ""
        if not math.isfinite(mean + variance):
            hopeless, reason = "no finite mean", "trajectories diverge"
        elif tails and needed_for_skewness(skewness, 1 - confidence) > self.limit:
            hopeless, reason = "no interval", tails
        elif count < PILOT:
            reason = f"it needs {PILOT} trajectories"
        elif variance == 0:
            reason = "nothing varies, which gives no interval"
        else:
            reason = tails or self._unseen(count, mean, confidence, reach)
        return self._look(count, mean, float(lower), float(upper), reason, hopeless)

    def _unseen(self, count: int, mean: float, confidence: float, reach: tuple[float, float] | None) -> str:
        if reach is None:
            return ""
        p = probability_unseen(count, 1 - confidence)
        farthest = max(reach, key=lambda value: abs(value - mean))
        moved = p * abs(farthest - mean)
        if moved <= self._allowed(mean):
            return ""
        return (
            f"where the draws reach further it is {farthest:.3g}, and an event of probability {p:.2g}, which {count} "
            f"trajectories need not show, could move the mean by {moved:.2g}"
        )

    def _allowed(self, estimate: float) -> float:
        return (self.absolute or 0.0) + (self.relative or 0.0) * abs(estimate)  # one of them is None

    def look_at_events(self, number: int, count: int, successes: int) -> Look:
        """Look j = `number` at an event seen in `successes` of the first `count` trajectories.

        The relative precision takes at least `EVENTS` events, as stopping early favours runs with many: with fewer
        the interval would still hold, but its centre would lean upwards.

        **Raises** `InvalidInput` or `InvalidType` unless number and count are positive and 0 <= successes <= count.
        """
        count = integer("count", count, at_least=1)
        successes = integer("successes", successes, at_least=0, below=count + 1)
        lower, upper = proportion_interval(successes, count, self._confidence(number))
        few = self.relative is not None and successes < EVENTS
        reason = f"it needs {EVENTS} events, and {successes} were seen" if few else ""
        return self._look(count, successes / count, float(lower), float(upper), reason)

    def _confidence(self, number: int) -> float:
        number = integer("number", number, at_least=1)
        return 1 - (1 - self.confidence) / (number * (number + 1))

    def _look(self, count: int, estimate: float, lower: float, upper: float, reason: str, hopeless: str = "") -> Look:
        half_width = max(upper - estimate, estimate - lower)
        allowed = self._allowed(estimate)
        reached = not reason and half_width <= allowed
        if reached:
            verdict = "is reached"
        elif reason or not allowed:
            verdict = f"is not reached: {reason or 'the estimate is 0'}"
        else:
            verdict = f"takes some {float(f'{count * (half_width / allowed) ** 2:.2g}'):.0f}"
        if not reached and count >= self.limit and not hopeless:
            verdict += f"; limit={self.limit} ends the run: raise it, or ask for less"
        share = f" ({half_width / abs(estimate):.2%})" if self.relative and estimate else ""
        target = f"{100 * self.relative:g}%" if self.relative else f"{self.absolute:g}"
        if hopeless:
            message = f"{self.observable} has {hopeless} after {count} trajectories; the target of {target} {verdict}"
            return Look(False, lower, upper, half_width, allowed, message, True)
        message = (
            f"{self.observable} is {estimate:.6g} -+ {half_width:.3g}{share} after {count} trajectories; "
            f"the target of {target} {verdict}"
        )
        return Look(reached, lower, upper, half_width, allowed, message)
