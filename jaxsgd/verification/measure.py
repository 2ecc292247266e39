"""From claims to measurements: as many trajectories as the resolution asks for."""

import dataclasses
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from jaxsgd import streams
from jaxsgd.engine.program import prepare
from jaxsgd.engine.statistics import KeptValues
from jaxsgd.errors import InvalidInput, NoStandardError, Unresolved
from jaxsgd.inference import Judgement, Verdict, judge
from jaxsgd.results.result import Result
from jaxsgd.runs.reach import can_reach, extent, reaching_values
from jaxsgd.runs.resolution import examined, unresolved, why_unresolved
from jaxsgd.runs.simulation import simulate
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.study import Study
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.sample import Sample
from jaxsgd.verification.subject import MOST, PILOT, Measured, Subject, is_event, observing, precision

_VALUES_AT_ONCE = 2**24  # of single trajectories, held at a time for paired differences


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
        return cls(tuple(subjects), tuple(observing(study, subjects) for study in claims[0].studies))

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
            subject.measured(sample, resolution, plan.deviation, alpha / family)
            for subject, sample, plan in zip(self.subjects, samples, planned, strict=True)
        ]

    def sample(self, first: int, count: int, seed: int) -> list[Sample]:
        """Every variable over the trajectories first .. first + count - 1."""
        if len(self.studies) == 2:
            return self._sample_differences(first, count, seed)
        study, names = self.studies[0], ("extremes", "shape")
        with warnings.catch_warnings():  # verdicts say what the warnings say
            warnings.simplefilter("ignore", NoStandardError)
            warnings.simplefilter("ignore", Unresolved)
            result = simulate(study, count, seed, first_trajectory=first, statistics=names, progress=False)
        return [self._recorded(result, subject) for subject in self.subjects]

    def _recorded(self, result: Result, subject: Subject) -> Sample:
        sample = Sample.recorded(result.dataset, subject.name, subject.claim.at, result.trajectories)
        tolerance = 0.0 if subject.event else subject.rounding(sample.deviation)
        reason = unresolved(result, subject.name, subject.claim.at, tolerance)
        return dataclasses.replace(sample, unresolved=reason.replace(subject.name, subject.claim.symbol))

    def extents(self, seed: int) -> list[tuple[float, float]] | None:
        """How far every variable reaches where the draws do; None if no draws can reach further than they do."""
        if not any(map(can_reach, self.studies)):
            return None
        values = [reaching_values(study, seed, 0) for study in self.studies]
        return [extent(self._values(subject, values)) for subject in self.subjects]

    def _sample_differences(self, first: int, count: int, seed: int) -> list[Sample]:
        study = self.studies[0]
        at_once = 2 ** int(math.log2(_VALUES_AT_ONCE / (len(study.recorded_steps) * len(study.observed))))
        totals: list[Sample] = []
        reasons = [""] * len(self.subjects)
        for start in range(first, first + count, at_once):
            size = min(at_once, first + count - start)
            values = [trajectory_values(study, size, seed, first_trajectory=start) for study in self.studies]
            parts = [Sample.of(self._values(subject, values)) for subject in self.subjects]
            totals = [a.merge(b) for a, b in zip(totals, parts, strict=True)] if totals else parts
            if start == first:
                reasons = self._unresolved(values, count, seed)
        return [dataclasses.replace(each, unresolved=why) for each, why in zip(totals, reasons, strict=True)]

    def _unresolved(self, values: Sequence[np.ndarray], count: int, seed: int) -> list[str]:
        """For each subject, why the precision does not resolve its mean in one of the studies."""
        reasons = [""] * len(self.subjects)
        for study, array in zip(self.studies, values, strict=True):
            program, _ = prepare(study, (KeptValues(study.observed),), {})
            if program.precision != "float32":
                continue
            wide = array.astype(np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                seen = {
                    name: (wide[:, i].mean(-1), wide[:, i].var(-1, ddof=1)) for i, name in enumerate(study.observed)
                }
            found = examined(study, program, seen, count, seed)
            for position, subject in enumerate(self.subjects):
                name, step = subject.name, subject.claim.at
                record = study.recorded_steps.tolist().index(step)
                why = why_unresolved(found[name], seen[name], subject.claim.symbol, step, record, count)
                reasons[position] = why or reasons[position]
        return reasons

    def _values(self, subject: Subject, values: Sequence[np.ndarray]) -> np.ndarray:
        """A variable of each trajectory, from what was observed along those of each study."""
        mine, *other = (
            array[study.recorded_steps.tolist().index(subject.claim.at), study.observed.index(subject.name)]
            for study, array in zip(self.studies, values, strict=True)
        )
        with np.errstate(invalid="ignore"):  # inf - inf
            return mine.astype(np.float64) - (other[0] if other else 0.0)


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
    if resolution < 2 * precision():
        raise InvalidInput(
            f"resolution must be at least {2 * precision():g}, twice the floating-point error to expect, "
            f"got {resolution:g}; use a coarser one, or jax.enable_x64(True)"
        )
    streams.make_key(seed, "gradient")
    positions = _by_studies(claims, range(len(claims)))
    groups = [Group.of([claims[i] for i in where]) for where in positions]
    for group in groups:
        group.check(resolution, trajectories)
    measured: dict[int, Measured] = {}
    for where, group in zip(positions, groups, strict=True):
        measured |= zip(where, group.measure(resolution, alpha, len(claims), trajectories, seed), strict=True)
        done(len(where))
    return [measured[i] for i in range(len(claims))]


def settle(
    claims: Sequence[Claim], measured: Sequence[Measured], alpha: float, seed: int
) -> tuple[list[Measured], list[Judgement]]:
    """The judgements on all claims together, once it is known that no refutation may be a rare event's.

    What is refuted is looked at again, along trajectories whose draws reach further than those of the study: if the
    variable may be so large there that an event which the sample need not show explains the departure, then the
    measurement is withheld, and all are judged again.
    """
    found, level, settled = list(measured), alpha / len(claims), set()
    while True:
        judgements = judge([each.measurement for each in found], alpha)
        refuted = {i for i, judged in enumerate(judgements) if judged.verdict is Verdict.REFUTED}
        doubtful = sorted(i for i in refuted - settled if found[i].measurement.successes is None)
        if not doubtful:
            return found, judgements
        for where in _by_studies(claims, doubtful):
            group = Group.of([claims[i] for i in where])
            for i, subject, reached in zip(where, group.subjects, group.extents(seed) or (), strict=False):
                found[i] = subject.doubted(found[i], *reached, level)
        settled.update(doubtful)


def _by_studies(claims: Sequence[Claim], positions: Iterable[int]) -> list[list[int]]:
    """Positions of claims, those on the same studies together."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i in positions:
        groups.setdefault(tuple(map(id, claims[i].studies)), []).append(i)
    return list(groups.values())


def _unused(taken: set[str]) -> str:
    return next(name for name in (f"variable {i}" for i in range(len(taken) + 1)) if name not in taken)
