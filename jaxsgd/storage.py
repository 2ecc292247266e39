"""Result files: netCDF with the estimates, and with the sums that they were made of in groups of their own.

`sums/<job>/<start>_<stop>` holds the sums of the trajectories start .. stop - 1 of one job: a study is one
job, a sweep has several. A file appears whole or not at all: it is written beside its place and renamed.
Nothing in it is executed when it is read.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from jaxsgd.engine.ledger import Entry, Ledger, Sums
from jaxsgd.engine.statistics import Statistic
from jaxsgd.errors import InvalidInput

FORMAT = 2  # a reader refuses any other
_GROUP = "sums"
_ENGINE = "h5netcdf"


@dataclasses.dataclass(frozen=True)
class Saved:
    """The content of a file: how the estimates were made, and of each job its chunk and its sums."""

    attributes: Mapping[str, Any]
    sums: Sequence[tuple[int, Sequence[Entry]]]

    def ledgers(self, statistics: Sequence[tuple[Statistic, ...]]) -> list[Ledger]:
        """The sums of each job, which are those of these statistics."""
        made = []
        for kinds, (chunk, entries) in zip(statistics, self.sums, strict=True):
            made.append(Ledger(kinds, chunk))
            for (start, stop), sums in entries:
                made[-1].add(start, stop, sums)
        return made


def write(path: str | os.PathLike[str], root: xr.Dataset, ledgers: Sequence[Ledger]) -> None:
    """Write a file that `read` reads back exactly."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        root.assign_attrs(seed=np.uint64(root.attrs["seed"])).to_netcdf(part, engine=_ENGINE)
        for job, ledger in enumerate(ledgers):
            group = f"{_GROUP}/{job}"
            xr.Dataset(attrs={"chunk": ledger.chunk}).to_netcdf(part, group=group, mode="a", engine=_ENGINE)
            for (start, stop), sums in ledger:
                _to_dataset(sums).to_netcdf(part, group=f"{group}/{start}_{stop}", mode="a", engine=_ENGINE)
        part.replace(path)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> Saved:
    """Read a file that `write` wrote.

    **Raises** `InvalidInput` if there is none, or it is of another format, and anything that damage may cause.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}")
    with h5py.File(path, "r"):  # h5netcdf 1.8 prints tracebacks about files that it cannot open
        pass
    tree = xr.load_datatree(path, engine=_ENGINE)
    found = int(tree.attrs["file_format"])
    if found != FORMAT:
        raise InvalidInput(f"{path} has file format {found}; this version reads {FORMAT}")
    attributes = {str(key): value.item() if isinstance(value, np.generic) else value
                  for key, value in tree.attrs.items()}  # fmt: skip
    jobs = tree[_GROUP].children
    sums = [(int(jobs[str(job)].attrs["chunk"]), list(_entries(jobs[str(job)]))) for job in range(len(jobs))]
    return Saved(attributes, sums)


def _entries(job: Any) -> Iterator[Entry]:
    for name, node in job.children.items():
        start, stop = map(int, name.split("_"))
        yield (start, stop), _from_dataset(node.to_dataset())


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
