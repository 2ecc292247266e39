"""What rounding may have done to an estimate, kept beside its standard error."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

_CERTAIN = 1e-5
"""Of the largest mean: what rounding makes of a number without spread is small below it, as verdicts take it."""
SHARE = 0.25
"""Of the standard error: rounding above it is not small."""


@dataclasses.dataclass(frozen=True)
class Rounding:
    """What is known of the rounding of one observable; (records,) each where not said otherwise.

    Of several cells all have an axis of cells in front, numbers as (cells, 1).

    - `spread`: a bound on what rounding of the path does to the mean, in standard deviations over trajectories.
    - `relative`, `absolute`: bounds on what rounding does where the observable is evaluated; of its mean, and besides.
    - `certain`: where the observable has one value by definition, such as R(x_0).
    - `departure`, `departure_error`: of trajectories run in float32 and in float64 on the same draws, the mean
      difference and its standard error; NaN where bounds were enough.
    - `is_open`: whether bounds alone do not show that rounding is small. Then a dataset has its size.
    """

    spread: np.ndarray
    relative: Any
    absolute: Any
    certain: np.ndarray
    departure: np.ndarray
    departure_error: np.ndarray
    is_open: bool = False

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """That of all cells of which these are parts."""
        names = [field.name for field in dataclasses.fields(cls) if field.name != "is_open"]
        whole: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return cls(**whole)

    def of_cell(self, cell: int, is_open: bool = False) -> "Rounding":
        """That of one of several cells."""
        relative, absolute = float(self.relative[cell, 0]), float(self.absolute[cell, 0])
        departure = self.departure[cell], self.departure_error[cell]
        return Rounding(self.spread[cell], relative, absolute, self.certain[cell], *departure, is_open)

    def size(self, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """At most so much, about, the mean departs from that of exact arithmetic; NaN where there is no mean."""
        with np.errstate(invalid="ignore", over="ignore"):
            deviation = np.sqrt(variance)
            path = np.where(self.spread > 0, self.spread * deviation, 0.0)
            bound = np.where(self.certain, 0.0, path) + self.relative * np.abs(mean) + self.absolute
            seen = np.abs(self.departure) + 2 * self.departure_error
        return np.where(np.isnan(mean), np.nan, np.where(np.isnan(seen), bound, seen))

    def is_settled(self, mean: np.ndarray, variance: np.ndarray, trajectories: int) -> np.ndarray:
        """Where rounding is small against the standard error, or there is no mean to be right or wrong."""
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.sqrt(variance / trajectories)
            largest = np.max(np.abs(np.nan_to_num(mean)), -1, keepdims=True, initial=0.0)
            allowed = np.where(self.certain, np.maximum(SHARE * error, _CERTAIN * largest), SHARE * error)
            # A spread of 0 over trajectories that are random may itself be what rounding has made of them.
            vague = ~self.certain & (error == 0) & (self.spread > SHARE / np.sqrt(trajectories))
            size = self.size(mean, variance)
        lost = np.isnan(mean) & self.certain & ~np.isfinite(self.departure)  # too large for float32 from the start
        return (~lost & np.isnan(mean)) | (trajectories < 2) | ((size <= allowed) & ~(vague & np.isnan(self.departure)))

    def saved(self) -> dict[str, Any]:
        return {field.name: _listed(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> Self:
        made: dict[str, Any] = {
            name: np.array(value) if isinstance(value, list) else value for name, value in saved.items()
        }
        return cls(**made)


Roundings = Mapping[str, Rounding]


def to_json(roundings: Roundings) -> str:
    return json.dumps({name: each.saved() for name, each in roundings.items()})


def from_json(text: str) -> Roundings:
    return {name: Rounding.restored(saved) for name, saved in json.loads(text).items()}


def joined(first: Roundings | None, second: Roundings | None) -> Roundings | None:
    """Of two runs of one study: what trajectories in both precisions have shown of either."""
    if first is None or second is None:
        return first or second
    made = {}
    for name, mine in first.items():
        more = max(mine, second[name], key=lambda each: int(np.isfinite(each.departure).sum()))
        made[name] = dataclasses.replace(more, is_open=mine.is_open or second[name].is_open)
    return made


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value
