"""A claim as it is measured: tolerances, how many trajectories it needs, and the measurement made of a sample."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsgd import inference
from jaxsgd.errors import InvalidInput
from jaxsgd.inference import Measurement
from jaxsgd.inference.tails import needed_for_skewness, takes_to_see, unseen_event_explains, why_no_test
from jaxsgd.record import at
from jaxsgd.state import State
from jaxsgd.study import Study
from jaxsgd.theory.tails import why_no_standard_error
from jaxsgd.tracing import takes_state, traced, what_is_read
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.sample import Sample

PILOT = 2**14
"""Trajectories that tell the standard deviations; the measurement is made on others."""
MOST = 2**23
"""Trajectories beyond which a claim stays INCONCLUSIVE rather than run on."""
POWER = 0.99
"""Probability that all claims come out CONSISTENT if all are true, where the count is not given."""
_SPARE = 1.1  # times as many as that takes, since the pilot's variance is an estimate, too
_ROUNDING = {"float32": 1e-5, "float64": 1e-12}  # of the magnitude


class Measured(NamedTuple):
    """A measurement, and how many trajectories had no finite value of its variable."""

    measurement: Measurement
    lost: int


@dataclasses.dataclass(frozen=True)
class Subject:
    """A claim as it is measured.

    - `name`: the observable that is its variable.
    - `event`: whether the variable is a boolean, so that exact binomial methods apply.
    """

    claim: Claim
    name: str
    event: bool

    def tolerances(self, resolution: float, deviation: float) -> tuple[float, float]:
        """The smallest departure that matters, and what floating-point errors may make, at most half of that."""
        stated, rounding = self.claim.margin, self.rounding(deviation)
        if stated is None:
            return max(self.claim.default_margin(resolution, deviation, self.event), 2 * rounding), rounding
        # What `check` lets pass can be below twice the rounding only if it is below 2e-5 standard deviations,
        # which no number of trajectories resolves.
        return stated, min(rounding, stated / 2)

    @property
    def deterministic(self) -> bool:
        """Whether all trajectories have one value: nothing is drawn, or the claim states the size of rounding."""
        drawn = any(study.requests for study in self.claim.studies)
        return not drawn or self.claim.magnitude is not None

    def rounding(self, deviation: float) -> float:
        """What floating-point errors may make of a variable with this standard deviation."""
        scale = self.claim.magnitude or abs(self.claim.value) or deviation
        return precision() * scale if math.isfinite(scale) and not self.event else 0.0

    def check(self, resolution: float) -> None:
        """An error if the claim is of no probability, or of a margin that cannot be seen at all."""
        claim, least = self.claim, 2 * self.rounding(0.0)
        if self.event:
            margin, _ = self.tolerances(resolution, 0.0)
            Measurement.proportion(claim.relation, claim.value, 0, 0, margin)
        elif claim.margin is not None and claim.margin < least:
            raise InvalidInput(
                f"margin of claim {claim.name!r} must be at least {least:.2g}, twice the floating-point error to "
                f"expect, got {claim.margin:g}; use a larger one, or jax.enable_x64(True)"
            )

    def needed(self, pilot: Sample, resolution: float, alpha: float, family: int) -> int:
        """Trajectories that let this claim, if it is true, miss CONSISTENT with its share of 1 - `POWER` only."""
        claim, deviation = self.claim, pilot.deviation
        if not math.isfinite(deviation) or self.known_tails(MOST):
            return PILOT  # no number of them would do
        margin, rounding = self.tolerances(resolution, deviation)
        power = 1 - max(1 - POWER, alpha) / family  # true claims are refuted with probability alpha, however many run
        options: dict[str, Any] = {"relation": claim.relation, "alpha": alpha, "power": power, "tests": family}
        try:
            if self.event:
                return inference.needed_for_proportion(claim.value, margin, **options)
            room = margin - rounding
            if claim.relation == "within":  # what lies off the value takes its part of the margin
                noise = 2 * deviation / math.sqrt(pilot.count)
                room -= max(min(abs(pilot.mean - claim.value) - noise, 0.9 * room), 0.0)
            for_tails = 0.0 if self.event else needed_for_skewness(pilot.skewness, alpha / family)
            return math.ceil(_SPARE * max(inference.needed(deviation, room, **options), for_tails))
        except InvalidInput:  # more than can be counted
            return MOST

    def measured(self, sample: Sample, resolution: float, deviation: float, level: float) -> Measured:
        """The measurement, with tolerances from the standard deviation that was planned with.

        It is withheld where the sample carries no test at ``level``.
        """
        claim, (margin, rounding) = self.claim, self.tolerances(resolution, deviation)
        if self.event and not sample.lost:
            successes = round(sample.mean * sample.count)
            measurement = Measurement.proportion(claim.relation, claim.value, successes, sample.count, margin)
            measurement = dataclasses.replace(measurement, withheld=sample.unresolved)
        else:
            error = sample.deviation / math.sqrt(sample.count)
            withheld, takes = self._withheld(sample, rounding, level)
            measurement = Measurement(
                claim.relation, claim.value, sample.mean, error, sample.count, margin, rounding,
                withheld=withheld, takes=takes, skewness=sample.skewness if math.isfinite(sample.skewness) else 0.0,
            )  # fmt: skip
        return Measured(measurement, sample.lost)

    def known_tails(self, trajectories: int) -> str:
        """What theory knows against a test of the mean of so many trajectories, in words; empty if nothing."""
        claim = self.claim
        if self.event or not (claim.quadratic or isinstance(claim.variable, str)):
            return ""
        observable = claim.variable if isinstance(claim.variable, str) else None
        reasons = (why_no_standard_error(study, observable, claim.at, trajectories) for study in claim.studies)
        return next(filter(None, reasons), "")

    def _withheld(self, sample: Sample, rounding: float, level: float) -> tuple[str, float]:
        """Why a sample carries no test, and how many trajectories would."""
        known = sample.unresolved or self.known_tails(sample.count)
        if known:
            return known, math.nan
        if sample.lost or sample.greatest - sample.least <= rounding:
            if sample.m2 == 0 and not self.deterministic:
                return (
                    f"all {sample.count} trajectories have one value, which does not say that all others have",
                    math.nan,
                )
            return "", math.nan
        reason = why_no_test(sample.count, sample.share, sample.skewness)
        return reason, needed_for_skewness(sample.skewness, level) if reason else math.nan

    def doubted(self, measured: Measured, least: float, greatest: float, level: float) -> Measured:
        """The measurement of a refuted claim, withheld if an event that its sample need not show explains it.

        ``least`` and ``greatest`` are values to which the variable is known to reach.
        """
        measurement = measured.measurement
        reason = unseen_event_explains(measurement, least, greatest, level)
        if not reason:
            return measured
        takes = takes_to_see(measurement, least, greatest, level)
        return measured._replace(measurement=dataclasses.replace(measurement, withheld=reason, takes=takes))


def is_event(claim: Claim) -> bool:
    """Whether the variable is a boolean one, of a single study."""
    function = claim.study.observables.get(claim.variable) if isinstance(claim.variable, str) else claim.variable
    return function is not None and claim.against is None and _is_boolean(function, claim.study)


def _is_boolean(function: Callable[[Any], Any], study: Study) -> bool:
    blank = traced(study).blank
    if takes_state("variable", function, blank):
        return jax.eval_shape(lambda *parts: function(blank.state(*parts)), *blank.parts).dtype == bool
    return jax.eval_shape(function, blank.parts[0]).dtype == bool


@dataclasses.dataclass(frozen=True)
class _OfFinite:
    """A boolean variable as 0 or 1; NaN where x, or whatever else it reads, is not finite: there it would say False.

    - `averages`, `folds`: the names of those that it reads; for folds, whether they may be infinite.
    """

    function: Callable[[Any], Any]
    averages: tuple[str, ...] = ()
    folds: tuple[tuple[str, bool], ...] = ()

    def __call__(self, seen: Any) -> jax.Array:
        looked_at, endless = seen, []
        if isinstance(seen, State):
            finite = [seen.folds[name] for name, may_be_infinite in self.folds if not may_be_infinite]
            looked_at = seen.x, [seen.averages[name] for name in self.averages], finite
            endless = [seen.folds[name] for name, may_be_infinite in self.folds if may_be_infinite]
        known = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(looked_at)]
        known += [~jnp.any(jnp.isnan(leaf)) for leaf in jax.tree.leaves(endless)]
        return jnp.where(jnp.all(jnp.array(known)), self.function(seen), jnp.nan)


def _of_finite(function: Callable[[Any], Any], study: Study) -> _OfFinite:
    blank, folds = traced(study).blank, study.parts[-1]
    _, *reads, _ = what_is_read(function, blank, takes_state("variable", function, blank))
    is_read = iter(reads)  # of each average, then of each fold
    averages = [name for name in blank.averages if next(is_read)]
    of_folds = [(name, folds[name].may_be_infinite) for name, _ in blank.folds if next(is_read)]
    return _OfFinite(function, tuple(averages), tuple(of_folds))


def observing(study: Study, subjects: Sequence[Subject]) -> Study:
    """The study with the variables as its observables, at their steps."""
    names = {subject.name for subject in subjects}
    functions = {subject.name: subject.claim.variable for subject in subjects if callable(subject.claim.variable)}
    return study.replace(
        observe=tuple(name for name in study.built_in if name in names),
        observables={
            name: _of_finite(function, study) if _is_boolean(function, study) else function
            for name, function in {**study.observables, **functions}.items()
            if name in names
        },
        record=at(sorted({subject.claim.at for subject in subjects})),
    )


def precision() -> float:
    return _ROUNDING[jnp.zeros(()).dtype.name]
