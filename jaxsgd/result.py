"""Results: labelled estimates, with the sums that they were made of."""

import functools
import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from jaxsgd.engine.ledger import Ledger, Sums
from jaxsgd.errors import InexactMerge, InvalidInput, InvalidType
from jaxsgd.layout import Layout
from jaxsgd.study import Study

FORMAT = 1  # of result files; a reader refuses a higher one
_GROUP = "sums"


class Result:
    """What simulate returns.

    - `dataset`: an ``xarray.Dataset`` with the dimension "step"; every estimate `o_mean` comes with
      `o_variance` and its standard error `o_sem`. The attributes say how it was made.
    - `study`: the study, or None for a result read from a file (its repr is in the attributes).
    - `trajectories`, `seed`: how many, under which seed.
    """

    def __init__(self, layout: Layout, ledger: Ledger, attributes: dict[str, Any], study: Study | None = None) -> None:
        self.study = study
        self._layout, self._ledger = layout, ledger
        self._attributes = attributes | {
            "trajectories": ledger.count,
            "ranges": json.dumps([entry for entry, _ in ledger]),
            "merge_is_bitwise": int(attributes.get("merge_is_bitwise", 1)),
            "file_format": FORMAT,
        }

    @functools.cached_property
    def dataset(self) -> xr.Dataset:
        """The estimates."""
        made = self._layout.dataset(self._ledger.total(), self.trajectories)
        made.attrs = {key: value for key, value in self._attributes.items() if key not in ("layout", "ranges")}
        return made

    @property
    def trajectories(self) -> int:
        return self._ledger.count

    @property
    def seed(self) -> int:
        return int(self._attributes["seed"])

    def at(self, step: int) -> xr.Dataset:
        """The estimates at one recorded step."""
        if step not in self._layout.steps:
            raise InvalidInput(
                f"step {step} was not recorded (recorded: {_shortened(self._layout.steps)}); "
                f"run the study with record=js.record.at([..., {step}])"
            )
        return self.dataset.sel(step=step)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a netCDF file that `load` reads back exactly, with the sums that `merge` needs.

        The file appears whole or not at all: it is written beside its place and renamed.
        """
        path = Path(path)
        part = path.with_name(path.name + ".part")
        try:
            root = self.dataset.assign_attrs(self._attributes | {"layout": self._layout.to_json()})
            root.attrs["seed"] = np.uint64(self.seed)
            root.to_netcdf(part, engine="h5netcdf")
            for (start, stop), sums in self._ledger:
                _to_dataset(sums).to_netcdf(part, group=f"{_GROUP}/{start}_{stop}", mode="a", engine="h5netcdf")
            part.replace(path)
        except OSError as error:
            raise InvalidInput(f"cannot write {path}: {error}") from error
        finally:
            part.unlink(missing_ok=True)

    def __repr__(self) -> str:
        last = self.dataset.isel(step=-1)
        lines = [f"Result: {self.trajectories:,} trajectories, seed {self.seed}, {len(self._layout.steps)} records"]
        lines += [f"  at step {self._layout.steps[-1]}:"]
        for name in self._layout.observed[:20]:
            lines.append(f"    {name} = {float(last[f'{name}_mean']):.6g} +- {float(last[f'{name}_sem']):.2g}")
        return "\n".join([*lines, *(f"  {line}" for line in [self.divergence] if line)])

    @property
    def divergence(self) -> str:
        """How many trajectories diverged since which step, in words; empty if none did."""
        diverged = self.dataset["diverged"].values
        if not diverged.any():
            return ""
        first = self._layout.steps[np.flatnonzero(diverged)[0]]
        return f"{diverged[-1]:,} of {self.trajectories:,} trajectories diverged, the first by step {first}"


def load(path: str | os.PathLike[str]) -> Result:
    """Read a result that `Result.save` wrote. Nothing in the file is executed."""
    path = Path(path)
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}")
    try:
        with h5py.File(path, "r"):  # h5netcdf 1.8 prints tracebacks about files that it cannot open
            pass
        tree = xr.load_datatree(path, engine="h5netcdf")
        attributes = dict(tree.attrs)
        if int(attributes["file_format"]) > FORMAT:
            raise InvalidInput(f"{path} has file format {attributes['file_format']}; this version reads up to {FORMAT}")
        layout = Layout.from_json(attributes["layout"])
        ledger = Ledger(layout.statistics, int(attributes["chunk"]))
        for name, node in tree[_GROUP].children.items():
            start, stop = map(int, name.split("_"))
            ledger.add(start, stop, _from_dataset(node.to_dataset()))
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:  # as damage may have it
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path} is not a result of jaxsgd: {error}") from error
    plain = {str(key): value.item() if isinstance(value, np.generic) else value for key, value in attributes.items()}
    return Result(layout, ledger, plain)


def merge(results: Sequence[Result]) -> Result:
    """One result of several runs of the same study and seed over disjoint ranges of trajectories.

    Bitwise equal to one run over the union when the ranges meet at multiples of the plan's chunk;
    otherwise right to rounding, with an [`jaxsgd.errors.InexactMerge`][] warning: to 1e-12 when they
    meet at multiples of a block, 1024, and to that of the state's precision inside a block.

    **Raises** `ValueError` when the results are of different studies, seeds, precisions or versions, or
    when trajectories would be counted twice.
    """
    if isinstance(results, Result) or not all(isinstance(result, Result) for result in results):
        raise InvalidType(f"merge takes a list of results, got {results!r}")
    if not results:
        raise InvalidInput("merge needs at least one result")
    first = results[0]
    for other in results[1:]:
        # The fingerprint covers all of these; what has a name of its own is named first.
        for name in ("seed", "precision", "chunk", "jax", "jaxlib", "xla_flags", "study", "fingerprint"):
            mine, its = first._attributes[name], other._attributes[name]
            if mine != its:
                raise InvalidInput(f"these results cannot be merged: they differ in {name} ({mine} and {its})")
        if first._layout.to_json() != other._layout.to_json():
            raise InvalidInput("these results cannot be merged: they differ in the statistics that were asked for")
    ledger = Ledger(first._layout.statistics, int(first._attributes["chunk"]))
    for result in results:
        for (start, stop), sums in result._ledger:
            ledger.add(start, stop, sums)
    bitwise = all(result._attributes["merge_is_bitwise"] for result in results) and _meet_at_chunks(ledger)
    if not bitwise:
        warnings.warn(
            f"the ranges {ledger.fragments} do not meet at multiples of the chunk, {ledger.chunk} trajectories: "
            "the merged result is right to rounding, not bitwise that of one run",
            InexactMerge,
            stacklevel=2,
        )
    return Result(first._layout, ledger, first._attributes | {"merge_is_bitwise": int(bitwise)}, first.study)


def _meet_at_chunks(ledger: Ledger) -> bool:
    """Whether no two parts of one chunk are apart."""
    chunks = [start // ledger.chunk for start, _ in ledger.fragments]
    return len(set(chunks)) == len(chunks)


def _to_dataset(sums: Sums) -> xr.Dataset:
    variables = {}
    for statistic, arrays in sums.items():
        for key, array in arrays.items():
            name = f"{statistic}.{key}"
            variables[name] = ([f"{name}.{axis}" for axis in range(np.ndim(array))], array)
    return xr.Dataset(variables)


def _from_dataset(dataset: xr.Dataset) -> Sums:
    sums: Sums = {}
    for name, variable in dataset.data_vars.items():
        statistic, key = str(name).split(".")
        sums.setdefault(statistic, {})[key] = variable.values
    return sums


def _shortened(steps: Sequence[int]) -> str:
    shown = [str(step) for step in steps]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:3], "...", *shown[-2:]])
