"""What is known of the tails of the observables of a study before it is run."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from jaxsgd.known_tails.infinite_moments import growth, has_moment, parts, why_infinite
from jaxsgd.known_tails.moments_of_noise import holds_noise
from jaxsgd.known_tails.multiplied_gradients import least_of_coordinates
from jaxsgd.known_tails.skewness import trajectories_needed
from jaxsgd.study import Study

_HARMLESS = 3.0  # of E q^2 / (E q)^2: no more than that of the square of a normal variable


class KnownTails(NamedTuple):
    """What is known of the tails of one observable.

    - `needed`: at each record, how many trajectories a standard error takes; 0 where nothing is known to be wrong, inf
      where there is no variance, (records,).
    - `has_mean`: at each record, whether its mean is not known to be infinite (records,).
    - `reason`: of the last record at which something is wrong, in words.
    """

    needed: np.ndarray
    has_mean: np.ndarray
    reason: str

    def withheld(self, trajectories: int) -> np.ndarray:
        """At which records so many trajectories have no standard error, (records,)."""
        return trajectories < self.needed

    def saved(self) -> dict[str, Any]:
        return {"needed": self.needed.tolist(), "has_mean": self.has_mean.tolist(), "reason": self.reason}

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> Self:
        return cls(np.array(saved["needed"], float), np.array(saved["has_mean"], bool), saved["reason"])


def known_tails(study: Study, observables: Sequence[str]) -> dict[str, KnownTails]:
    """What is known of the built-in ones of some observables, from declared facts alone; none where nothing is wrong.

    Moments do not exist from the tail index of the noise on; and where gradients are multiplied by noise, kappa =
    E q^2 / (E q)^2 may be so large that no sample of a feasible size shows the mean.
    """
    index, steps = study.oracle.tail_index, study.recorded_steps
    named = [name for name in observables if name in study.built_in]
    kappas = least_of_coordinates(study) if named else None
    held = functools.cache(lambda average: holds_noise(study, steps, average))
    found = {}
    for name in named:
        has_mean, needed, reason = np.ones(len(steps), bool), np.zeros(len(steps)), ""
        kappa = (kappas or {}).get(name)
        if kappa is not None and kappa.max() > _HARMLESS:
            needed = np.array([trajectories_needed(each) if each > _HARMLESS else 0.0 for each in kappa])
            last = int(np.flatnonzero(needed)[-1])
            reason = why_unseen(name, kappa[last], int(steps[last]))
        if index is not None and growth(study, parts(name)[0]) * 2 >= index:
            has_mean, has_variance = (has_moment(study, name, order, steps, held) for order in (1, 2))
            needed = np.where(has_variance, needed, np.inf)
            if not has_variance.all():
                reason = why_infinite(study, name, int(steps[~has_variance][-1]))
        if needed.any():
            found[name] = KnownTails(needed, has_mean, reason)
    return found


def why_unseen(observable: str | None, kappa: float, step: int, count: int | str = "so few", remark: str = "") -> str:
    """That a mean of so many trajectories has no standard error, of a q with this kappa at a step."""
    needed = trajectories_needed(kappa)
    q = {"risk": "R - R*", "gradient_norm_squared": "||g||^2"}.get(parts(observable or "")[0], "||x - x*||^2")
    more = f"it would take about {needed:.0e} of them" if np.isfinite(needed) else "no number of them would do"
    return (
        f"E q^2 / (E q)^2 = {kappa:.2g} at step {step} for q = {q}: a mean of {count} trajectories has no standard "
        f"error that a sample could show; {remark}{more}"
    )
