"""The result of one study: labelled estimates, with the sums that they were made of."""

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import xarray as xr

from jaxsgd.engine.ledger import Ledger
from jaxsgd.engine.statistics.event_counts import CONFIDENCE
from jaxsgd.errors import InvalidInput
from jaxsgd.results import rounding as roundings
from jaxsgd.results import storage
from jaxsgd.results.estimates import Estimates
from jaxsgd.results.layout import Layout
from jaxsgd.results.rounding import Roundings
from jaxsgd.results.storage import Saved
from jaxsgd.results.tails import why_withheld, without_standard_error
from jaxsgd.study import Study


class Result(Estimates):
    """What simulate returns.

    - `dataset`: an ``xarray.Dataset`` with the dimension "step"; every estimate `o_mean` comes with
      `o_variance` and its standard error `o_sem`, which is NaN where the sample carries none: where one trajectory
      makes up too much of the variance, or the skewness is too large for so many trajectories; see
      [`jaxsgd.inference.tails`][]. Without "extremes" and "shape" that is checked from 16 blocks of 1024 on. It is NaN,
      too, where declared facts say that a built-in observable has no variance, or no mean; mean and variance are then
      those of the sample alone. The attributes say how it was made.
    - `study`: the study, or None for a result read from a file (its repr is in the attributes).
    - `trajectories`, `seed`: how many, under which seed.
    - `rounding`: by observable, what float32 may have done to it; None in float64. Where bounds do not show that it is
      small, the dataset has `o_rounding`: about so much the mean departs from that of exact arithmetic.
    """

    kind = "study"

    def __init__(
        self,
        layout: Layout,
        ledgers: Sequence[Ledger],
        attributes: Mapping[str, Any],
        study: Study | None = None,
        rounding: Roundings | None = None,
    ) -> None:
        super().__init__(ledgers, {**attributes, "asked": layout.to_json()})
        self.study, self._layout, self.rounding = study, layout, rounding

    @classmethod
    def restored(cls, saved: Saved) -> Self:
        """The result that a file holds."""
        layout = Layout.from_json(saved.attributes["asked"])
        attributes = dict(saved.attributes)
        text = attributes.pop("rounding", "")
        rounding = roundings.from_json(text) if text else None
        return cls(layout, saved.ledgers([layout.statistics]), attributes, rounding=rounding)

    @functools.cached_property
    def dataset(self) -> xr.Dataset:
        """The estimates."""
        made = self._layout.dataset(self._ledgers[0].total(), self.trajectories, self.rounding)
        made.attrs = {key: value for key, value in self._attributes.items() if key != "asked"}
        return made

    def at(self, step: int) -> xr.Dataset:
        """The estimates at one recorded step."""
        if step not in self._layout.steps:
            raise InvalidInput(
                f"step {step} was not recorded (recorded: {_shortened(self._layout.steps)}); "
                f"run the study with record=js.record.at([..., {step}])"
            )
        return self.dataset.sel(step=step)

    def save(self, path: str | os.PathLike[str]) -> None:
        own = {"rounding": roundings.to_json(self.rounding)} if self.rounding else {}
        storage.write(path, self.dataset.assign_attrs(self._attributes | own), self._ledgers)

    save.__doc__ = Estimates.save.__doc__

    def with_sums(self, ledgers: Sequence[Ledger], attributes: Mapping[str, Any]) -> Self:
        return type(self)(self._layout, ledgers, attributes, self.study, self.rounding)

    def merged(self, others: Sequence[Estimates]) -> Self:
        made = super().merged(others)
        for other in others:
            assert isinstance(other, Result)  # as of one kind they merge
            made.rounding = roundings.joined(made.rounding, other.rounding)
        return made

    merged.__doc__ = Estimates.merged.__doc__

    def __repr__(self) -> str:
        last = self.dataset.isel(step=-1)
        lines = [f"Result: {self.trajectories:,} trajectories, seed {self.seed}, {len(self._layout.steps)} records"]
        lines += [f"  at step {self._layout.steps[-1]}:"]
        for name in self._layout.observed[:20]:
            shown = self._shown(float(last[f"{name}_mean"]), float(last[f"{name}_sem"]))
            reason = why_withheld(last, self._layout, name, self.trajectories)
            if reason:
                shown = f"{float(last[f'{name}_mean']):.6g} (no standard error: {reason})"
            if f"{name}_rounding" in last:
                shown += f", moved by rounding by {float(last[f'{name}_rounding']):.2g} or so"
            lines.append(f"    {name} = {shown}")
        lines += [f"    {self.of_event(name)}" for name in self.events[:20]]
        return "\n".join([*lines, *(f"  {line}" for line in (self.divergence, self.underflow, self.look) if line)])

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the events that were counted."""
        return self._layout.events

    def of_event(self, name: str) -> str:
        """How often an event has happened by the last record, in words, with the exact limits of its probability."""
        last = self.dataset.isel(step=-1)
        count, finite = int(last[f"{name}_count"]), int(last[f"{name}_count_finite"])
        lower, upper = (float(last[f"{name}_probability_{limit}"]) for limit in ("lower", "upper"))
        whole = finite == self.trajectories
        trajectories = f"{finite:,} trajectories" if whole else f"the {finite:,} trajectories that are finite"
        estimate = f" = {count / finite:.4g}," if whole else ""
        return (
            f"P({name}){estimate} in [{lower:.3g}, {upper:.3g}] at confidence {CONFIDENCE:g}: "
            f"{count:,} of {trajectories}"
        )

    def _shown(self, mean: float, sem: float) -> str:
        """A mean with its standard error; where values do not vary, what is known instead of one."""
        if sem:
            return f"{mean:.6g} +- {sem:.2g}"
        if mean:
            return f"{mean:.6g} in every trajectory"
        smallest = np.finfo(self._attributes["precision"]).tiny
        return f"0 in every trajectory, or below {smallest:.2g}, the smallest number of {self._attributes['precision']}"

    @property
    def look(self) -> str:
        """Whether the target of the run was reached, in words; empty if there was none."""
        return self._attributes.get("target", "")

    @property
    def heavy_tails(self) -> str:
        """Which estimates have no standard error, and why, in words; empty if all have one."""
        sums = self._ledgers[0].total()
        named = without_standard_error([self._layout], self._layout.statistics, sums, self.trajectories)
        reasons: dict[str, list[str]] = {}
        for name in named:
            reasons.setdefault(why_withheld(self.dataset, self._layout, name, self.trajectories), []).append(name)
        return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())

    @property
    def underflow(self) -> str:
        """Of which observables all values have underflowed by the last record, in words; empty if of none."""
        last, precision = self.dataset.isel(step=-1), self._attributes["precision"]
        with_extremes = [name for name in self._layout.observed if f"{name}_max" in last]
        lost = [name for name in with_extremes if last[f"{name}_max"] == 0 and last[f"{name}_count_finite"] == 0]
        smallest = f"the smallest number of {precision}, {np.finfo(precision).tiny:.2g}"
        return f"{', '.join(lost)}: positive, and below {smallest}" if lost else ""

    @property
    def divergence(self) -> str:
        """How many trajectories diverged since which step, in words; empty if none did."""
        diverged = self.dataset["diverged"].values
        if not diverged.any():
            return ""
        first = self._layout.steps[np.flatnonzero(diverged)[0]]
        return f"{diverged[-1]:,} of {self.trajectories:,} trajectories diverged, the first by step {first}"


def _shortened(steps: Sequence[int]) -> str:
    shown = [str(step) for step in steps]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:3], "...", *shown[-2:]])
