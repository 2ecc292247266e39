"""What a result holds, and how sums become a labelled dataset."""

import dataclasses
import json
from typing import Any, Self

import numpy as np
import xarray as xr

from jaxsgd.engine import statistics as kinds
from jaxsgd.engine.ledger import Sums
from jaxsgd.engine.statistics.histogram import quantiles


@dataclasses.dataclass(frozen=True)
class Layout:
    """The shape of a result: what was recorded, where, and under which names. Saved as JSON.

    - `undefined`: for each observable of an average, the steps at which the average has no value.
    """

    steps: tuple[int, ...]
    observed: tuple[str, ...]
    coordinates: tuple[str, ...]
    learning_rate: tuple[float, ...]
    example_gradients: tuple[int, ...]
    undefined: dict[str, tuple[int, ...]]
    extremes: bool = True
    x: bool = True
    x_covariance: bool = True
    quantiles: tuple[float, ...] = ()
    events: tuple[str, ...] = ()
    step_covariance: tuple[str, ...] = ()

    @property
    def statistics(self) -> tuple[kinds.Statistic, ...]:
        """The statistics that fill this layout."""
        wanted: list[kinds.Statistic] = [kinds.Diverged(len(self.steps))]
        if self.observed:
            wanted.append(kinds.Moments(self.observed))
        if self.observed and self.extremes:
            wanted.append(kinds.Extremes(self.observed))
        if self.x:
            wanted.append(kinds.Coordinates(len(self.coordinates), self.x_covariance))
        if self.quantiles:
            wanted.append(kinds.Histogram(self.observed))
        if self.events:
            wanted.append(kinds.Events(self.events))
        if self.step_covariance:
            wanted.append(kinds.StepCovariance(self.step_covariance))
        return tuple(wanted)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        read = json.loads(text)
        undefined = {name: tuple(steps) for name, steps in read.pop("undefined").items()}
        lists: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in read.items()
        }
        return cls(undefined=undefined, **lists)

    def dataset(self, sums: Sums, trajectories: int) -> xr.Dataset:
        """Estimates of everything that was recorded."""
        return xr.Dataset(self.variables(sums, trajectories), self.labels())

    def variables(self, sums: Sums, trajectories: int) -> dict[str, tuple[Any, np.ndarray]]:
        """The same as (dimensions, values) by name."""
        variables: dict[str, Any] = {
            "learning_rate": ("step", np.array(self.learning_rate)),
            "example_gradients": ("step", np.array(self.example_gradients)),
            "diverged": ("step", sums["diverged"]["diverged"].astype(np.int64)),
        }
        for position, name in enumerate(self.observed):
            undefined = np.isin(self.steps, self.undefined.get(name, ()))
            for suffix, values in self._estimates(sums, position, trajectories).items():
                if suffix == "count_finite":
                    values = np.where(undefined, 0, values)
                elif undefined.any():
                    values = np.where(undefined, np.nan, values)
                dims = ("quantile", "step") if suffix.startswith("quantile") else "step"
                variables[f"{name}_{suffix}"] = (dims, values)
        if self.x:
            variables |= self._coordinates(sums["coordinates"], trajectories)
        for position, name in enumerate(self.events):
            count = sums["events"]["count"][:, position]
            share = count / trajectories
            variables[f"{name}_count"] = ("step", count.astype(np.int64))
            variables[f"{name}_probability"] = ("step", share)
            variables[f"{name}_probability_sem"] = ("step", np.sqrt(share * (1 - share) / trajectories))
        for position, name in enumerate(self.step_covariance):
            count = sums["step_covariance"]["count"][position]
            matrix = _variance(sums["step_covariance"]["m2"][position], count)
            defined = ~np.isin(self.steps, self.undefined.get(name, ())) & (count == trajectories)
            matrix = np.where(defined[:, None] & defined, matrix, np.nan)
            variables[f"{name}_step_covariance"] = (("step", "step_2"), matrix)
        return variables

    def labels(self) -> dict[str, Any]:
        """The coordinates of the dimensions."""
        steps = np.array(self.steps, np.int64)
        labels: dict[str, Any] = {"step": steps}
        if self.x:
            labels["coordinate"] = list(self.coordinates)
            if self.x_covariance:
                labels["coordinate_2"] = list(self.coordinates)
        if self.quantiles:
            labels["quantile"] = np.array(self.quantiles)
        if self.step_covariance:
            labels["step_2"] = steps
        return labels

    def _estimates(self, sums: Sums, position: int, trajectories: int) -> dict[str, np.ndarray]:
        moments = {key: array[:, position] for key, array in sums["moments"].items()}
        count = moments["count"]
        whole = count == trajectories
        variance = np.where(whole, _variance(moments["m2"], count), np.nan)
        mean_finite = np.where(count > 0, moments["mean"], np.nan)
        estimates = {
            "mean": np.where(whole, mean_finite, np.nan),
            "variance": variance,
            "sem": np.sqrt(variance / trajectories),
            "mean_finite": mean_finite,
            "count_finite": count.astype(np.int64),
        }
        if self.extremes:
            estimates |= {key: sums["extremes"][key][:, position] for key in ("min", "max")}
        if self.quantiles:
            values, widths = quantiles(sums["histogram"], np.array(self.quantiles))
            value = values[..., position]
            if self.extremes:
                value = np.clip(value, estimates["min"], estimates["max"])
            estimates |= {"quantile": value, "quantile_width": widths[..., position]}
        return estimates

    def _coordinates(self, sums: dict[str, np.ndarray], trajectories: int) -> dict[str, Any]:
        count = sums["count"]
        whole = (count == trajectories)[:, None]
        finite = np.where(count[:, None] > 0, sums["mean"], np.nan)
        variables: dict[str, Any] = {
            "x_mean": (("step", "coordinate"), np.where(whole, finite, np.nan)),
            "x_mean_finite": (("step", "coordinate"), finite),
            "x_count_finite": ("step", count.astype(np.int64)),
        }
        if self.x_covariance:
            covariance = np.where(whole[..., None], _variance(sums["m2"], count[:, None, None]), np.nan)
            variables["x_covariance"] = (("step", "coordinate", "coordinate_2"), covariance)
        return variables


def _variance(m2: np.ndarray, count: np.ndarray) -> np.ndarray:
    """M2 / (n - 1); NaN for fewer than two."""
    return np.where(np.asarray(count) > 1, m2 / np.maximum(np.asarray(count) - 1, 1), np.nan)
