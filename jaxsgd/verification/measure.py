"""From claims to measurements: as many trajectories as the resolution asks for."""

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import inference, streams
from jaxsgd.errors import InvalidInput, Unresolved
from jaxsgd.inference import Measurement
from jaxsgd.record import at
from jaxsgd.runs.simulation import simulate, trajectory_values
from jaxsgd.state import State
from jaxsgd.study import Study
from jaxsgd.tracing import blank_state, takes_state
from jaxsgd.verification.claim import Claim

PILOT = 2**14
"""Trajectories that tell the standard deviations; the measurement is made on others."""
MOST = 2**23
"""Trajectories beyond which a claim stays INCONCLUSIVE rather than run on."""
POWER = 0.99
"""Probability that all claims come out CONSISTENT if all are true, where the count is not given."""
_SPARE = 1.1  # times as many as that takes, since the pilot's variance is an estimate, too
_ROUNDING = {"float32": 1e-5, "float64": 1e-12}  # of the magnitude
_VALUES_AT_ONCE = 2**24  # of single trajectories, held at a time for paired differences


@dataclasses.dataclass(frozen=True)
class Sample:
    """Count, mean and M2 (sum of squared deviations) of a variable; NaN if it is not finite everywhere.

    - `lost`: how many trajectories had no finite value.
    """

    count: int
    mean: float
    m2: float
    lost: int

    @classmethod
    def of(cls, values: np.ndarray) -> "Sample":
        """The sample of the values (n,)."""
        lost = values.size - int(np.isfinite(values).sum())
        if lost:
            return cls(values.size, math.nan, math.nan, lost)
        centred = values - values[0]  # what does not vary has variance 0 exactly
        mean = centred.mean()
        return cls(values.size, float(values[0] + mean), float(np.sum((centred - mean) ** 2)), 0)

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return math.sqrt(self.m2 / (self.count - 1))

    def merge(self, other: "Sample") -> "Sample":
        """Of both samples together (Chan, Golub and LeVeque, 1983)."""
        count = self.count + other.count
        delta, share = other.mean - self.mean, other.count / count
        m2 = self.m2 + other.m2 + self.count * share * delta**2
        return Sample(count, self.mean + share * delta, m2, self.lost + other.lost)


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
        return _precision() * scale if math.isfinite(scale) and not self.event else 0.0

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
        if not math.isfinite(deviation):
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
            return math.ceil(_SPARE * inference.needed(deviation, room, **options))
        except InvalidInput:  # more than can be counted
            return MOST

    def measured(self, sample: Sample, resolution: float, deviation: float) -> Measured:
        """The measurement, with tolerances from the standard deviation that was planned with."""
        claim, (margin, rounding) = self.claim, self.tolerances(resolution, deviation)
        if self.event and not sample.lost:
            successes = round(sample.mean * sample.count)
            measurement = Measurement.proportion(claim.relation, claim.value, successes, sample.count, margin)
        else:
            error = sample.deviation / math.sqrt(sample.count)
            if error == 0 and not self.deterministic:
                error = math.inf  # a sample without spread does not say that there is none
            measurement = Measurement(claim.relation, claim.value, sample.mean, error, sample.count, margin, rounding)
        return Measured(measurement, sample.lost)


@dataclasses.dataclass(frozen=True)
class Group:
    """Claims that share their studies, and so their trajectories.

    - `studies`: one, or two of which differences are taken, with the variables of the claims as their
      observables, at the steps of the claims.
    """

    subjects: tuple[Subject, ...]
    studies: tuple[Study, ...]

    @classmethod
    def of(cls, claims: Sequence[Claim]) -> "Group":
        """The group of claims on the same studies."""
        names: dict[Any, str] = {}  # claims with one and the same function share an observable
        taken = {name for study in claims[0].studies for name in (*study.built_in, *study.observables)}
        subjects = []
        for claim in claims:
            if claim.variable not in names:
                names[claim.variable] = claim.variable if isinstance(claim.variable, str) else _unused(taken)
                taken.add(names[claim.variable])
            subjects.append(Subject(claim, names[claim.variable], is_event(claim)))
        return cls(tuple(subjects), tuple(_observing(study, subjects) for study in claims[0].studies))

    def check(self, resolution: float, trajectories: int | None) -> None:
        """An error if the claims cannot be measured."""
        for study in self.studies:
            words = sum(request.words for request in study.requests)
            streams.check_counters(PILOT + MOST if trajectories is None else trajectories, study.steps + 1, words)
        for subject in self.subjects:
            subject.check(resolution)

    def measure(
        self, resolution: float, alpha: float, family: int, trajectories: int | None, seed: int
    ) -> list[Measured]:
        """A measurement for each claim; ``family`` is the number of all claims that are judged together."""
        if trajectories is None:
            planned = self.sample(0, PILOT, seed)
            needed = [
                subject.needed(pilot, resolution, alpha, family)
                for subject, pilot in zip(self.subjects, planned, strict=True)
            ]
            samples = self.sample(PILOT, -(-min(max(needed), MOST) // PILOT) * PILOT, seed)
        else:
            planned = samples = self.sample(0, trajectories, seed)
        return [
            subject.measured(sample, resolution, plan.deviation)
            for subject, sample, plan in zip(self.subjects, samples, planned, strict=True)
        ]

    def sample(self, first: int, count: int, seed: int) -> list[Sample]:
        """Every variable over the trajectories first .. first + count - 1."""
        if len(self.studies) == 2:
            return self._sample_differences(first, count, seed)
        with warnings.catch_warnings():  # verdicts have tolerances of their own
            warnings.simplefilter("ignore", Unresolved)
            result = simulate(self.studies[0], count, seed, first_trajectory=first, statistics=(), progress=False)
        dataset = result.dataset
        samples = []
        for subject in self.subjects:
            mean, variance, finite = (
                float(dataset[f"{subject.name}_{statistic}"].sel(step=subject.claim.at))
                for statistic in ("mean", "variance", "count_finite")
            )
            samples.append(Sample(count, mean, variance * (count - 1), count - int(finite)))
        return samples

    def _sample_differences(self, first: int, count: int, seed: int) -> list[Sample]:
        study = self.studies[0]
        at_once = 2 ** int(math.log2(_VALUES_AT_ONCE / (len(study.recorded_steps) * len(study.observed))))
        totals: list[Sample] = []
        for start in range(first, first + count, at_once):
            size = min(at_once, first + count - start)
            values = [trajectory_values(study, size, seed, first_trajectory=start) for study in self.studies]
            parts = [Sample.of(self._difference(subject, values)) for subject in self.subjects]
            totals = [a.merge(b) for a, b in zip(totals, parts, strict=True)] if totals else parts
        return totals

    def _difference(self, subject: Subject, values: Sequence[np.ndarray]) -> np.ndarray:
        mine, its = (
            array[study.recorded_steps.tolist().index(subject.claim.at), study.observed.index(subject.name)]
            for study, array in zip(self.studies, values, strict=True)
        )
        with np.errstate(invalid="ignore"):  # inf - inf
            return mine.astype(np.float64) - its


def measure(
    claims: Sequence[Claim],
    resolution: float,
    alpha: float,
    trajectories: int | None,
    seed: int,
    done: Callable[[int], None] = lambda _: None,
) -> list[Measured]:
    """A measurement for each claim, in order; ``done`` hears how many claims were measured.

    Claims on the same study are measured on the same trajectories: on 0 .. ``trajectories`` - 1, or, where
    that is None, on as many as a pilot of `PILOT` others says are needed.
    """
    if resolution < 2 * _precision():
        raise InvalidInput(
            f"resolution must be at least {2 * _precision():g}, twice the floating-point error to expect, "
            f"got {resolution:g}; use a coarser one, or jax.enable_x64(True)"
        )
    streams.make_key(seed, "gradient")
    positions: dict[tuple[int, ...], list[int]] = {}
    for i, claim in enumerate(claims):
        positions.setdefault(tuple(map(id, claim.studies)), []).append(i)
    groups = [Group.of([claims[i] for i in group]) for group in positions.values()]
    for group in groups:
        group.check(resolution, trajectories)
    measured: dict[int, Measured] = {}
    for where, group in zip(positions.values(), groups, strict=True):
        measured |= zip(where, group.measure(resolution, alpha, len(claims), trajectories, seed), strict=True)
        done(len(where))
    return [measured[i] for i in range(len(claims))]


def is_event(claim: Claim) -> bool:
    """Whether the variable is a boolean one, of a single study."""
    function = claim.study.observables.get(claim.variable) if isinstance(claim.variable, str) else claim.variable
    return function is not None and claim.against is None and _is_boolean(function, claim.study)


def _is_boolean(function: Callable[[Any], Any], study: Study) -> bool:
    state = blank_state(study)
    if takes_state("variable", function, state):
        fields = (state.x, dict(state.averages), dict(state.path_sums))
        return jax.eval_shape(lambda *fields: function(State(*fields)), *fields).dtype == bool
    return jax.eval_shape(function, state.x).dtype == bool


@dataclasses.dataclass(frozen=True)
class _OfFinite:
    """A boolean variable as 0 or 1, and NaN where the trajectory diverged: there it would say False."""

    function: Callable[[Any], Any]

    def __call__(self, seen: Any) -> jax.Array:
        looked_at = (seen.x, dict(seen.averages), dict(seen.path_sums)) if isinstance(seen, State) else seen
        finite = jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(looked_at)])
        return jnp.where(jnp.all(finite), self.function(seen), jnp.nan)


def _observing(study: Study, subjects: Sequence[Subject]) -> Study:
    """The study with the variables as its observables, at their steps."""
    names = {subject.name for subject in subjects}
    functions = {subject.name: subject.claim.variable for subject in subjects if callable(subject.claim.variable)}
    return study.replace(
        observe=tuple(name for name in study.built_in if name in names),
        observables={
            name: _OfFinite(function) if _is_boolean(function, study) else function
            for name, function in {**study.observables, **functions}.items()
            if name in names
        },
        record=at(sorted({subject.claim.at for subject in subjects})),
    )


def _unused(taken: set[str]) -> str:
    return next(name for name in (f"variable {i}" for i in range(len(taken) + 1)) if name not in taken)


def _precision() -> float:
    return _ROUNDING[jnp.zeros(()).dtype.name]
