"""Result files: netCDF with the estimates, and with the sums that they were made of in groups of their own.

`sums/<job>/<start>_<stop>/<statistic>` holds the sums of the trajectories start .. stop - 1 of one job: a study is
one job, a sweep has several. A file appears whole or not at all: it is written beside its place and renamed.
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

from jaxsgd.engine.ledger import Entry, Ledger
from jaxsgd.engine.statistics import Statistic
from jaxsgd.errors import InvalidInput
from jaxsgd.results.old_layouts import with_decided_events

FORMAT = 4
_READABLE = (2, 3, 4)  # others are refused; what files of formats 2 and 3 hold otherwise is said in `old_layouts`
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
        _write_sums(part, ledgers)
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
    with h5py.File(path, "r") as file:
        attributes = {name: _plain(value) for name, value in file.attrs.items() if name[0] != "_"}
        found = int(attributes["file_format"])
        if found not in _READABLE:
            readable = " and ".join(map(str, _READABLE))
            raise InvalidInput(f"{path} has file format {found}; this version reads {readable}")
        jobs: Any = file[_GROUP]
        sums = [
            (int(_plain(jobs[str(job)].attrs["chunk"])), list(_entries(jobs[str(job)]))) for job in range(len(jobs))
        ]
    return Saved(
        attributes, sums if found >= FORMAT else [(chunk, with_decided_events(parts)) for chunk, parts in sums]
    )


def _write_sums(path: Path, ledgers: Sequence[Ledger]) -> None:
    with h5py.File(path, "a") as file:
        for job, ledger in enumerate(ledgers):
            group = file.create_group(f"{_GROUP}/{job}")
            group.attrs["chunk"] = ledger.chunk
            for (start, stop), sums in ledger:
                for statistic, arrays in sums.items():
                    for key, array in arrays.items():
                        group.create_dataset(f"{start}_{stop}/{statistic}/{key}", data=array)


def _plain(value: Any) -> Any:
    """An attribute as it was given: numbers are kept as arrays of one."""
    return value if isinstance(value, str) else np.ravel(value)[0].item()


def _entries(job: Any) -> Iterator[Entry]:
    for name, statistics in job.items():
        start, stop = map(int, name.split("_"))
        yield (
            (start, stop),
            {statistic: {key: array[()] for key, array in arrays.items()} for statistic, arrays in statistics.items()},
        )
