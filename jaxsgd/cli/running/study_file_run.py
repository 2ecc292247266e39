"""What runs of one study and of a sweep have in common."""

import abc
import contextlib
import dataclasses
import json
import pathlib
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from jaxsgd import config
from jaxsgd.cli.shard import Shard
from jaxsgd.runs.cost import Cost

_UNITS = {"h": 3600.0, "min": 60.0, "s": 1.0}
_SIZES = {"GB": 1e9, "MB": 1e6, "kB": 1e3}


@dataclasses.dataclass(frozen=True)
class Run(abc.ABC):
    """One study file, the arguments of its call, and where its results go.

    - `shard`: the part of the trajectories that is run; None for all.
    """

    file: config.StudyFile
    arguments: Mapping[str, Any]
    folder: pathlib.Path
    shard: Shard | None = None

    @abc.abstractmethod
    def cut(self, shard: Shard) -> Mapping[str, Any]:
        """The arguments that make the call run one part of the trajectories."""

    @abc.abstractmethod
    def call(self, **options: Any) -> Any:
        """Run what the file says, with these arguments besides its own."""

    @abc.abstractmethod
    def write(self, result: Any) -> dict[str, Any]:
        """Write what there is to see of a result; the summary, with the names of its "files"."""

    @abc.abstractmethod
    def show(self, found: Mapping[str, Any], result: Any) -> None:
        """Print a summary and what else there is to say."""

    @abc.abstractmethod
    def outline(self) -> Sequence[str]:
        """What is going to be run, in lines."""

    @abc.abstractmethod
    def cost(self) -> Cost:
        """What it is going to cost."""

    @property
    def checkpoint(self) -> pathlib.Path:
        return self.folder / f"checkpoint{self._suffix}"

    @property
    def _suffix(self) -> str:
        """What tells the files of a shard from those of others."""
        return f"-{self.shard}" if self.shard else ""

    def part(self, shard: Shard) -> "Run":
        """The same for one part of the trajectories."""
        with config.located(str(self.file.path)):
            return dataclasses.replace(self, arguments={**self.arguments, **self.cut(shard)}, shard=shard)

    def run(self, quiet: bool, executor: Executor | None) -> None:
        """Run, write what was found, and print it unless all is to be quiet."""
        started = time.perf_counter()
        with config.located(str(self.file.path)), _warnings_in_one_line():
            result = self.call(progress=False if quiet else "auto", checkpoint=self.checkpoint, executor=executor)
        seconds = time.perf_counter() - started
        path = self.folder / f"result{self._suffix}.nc"
        result.save(path)
        if self.shard is None:
            found = self._write(result, seconds)
            if not quiet:
                self.show(found, result)
        elif not quiet:
            first = self.arguments["first_trajectory"]
            print(f"{self.file.path}: trajectories {first} to {first + result.trajectories - 1} written to {path}")
            parts, whole = self.folder / f"result-*-of-{self.shard.count}.nc", self.folder / "result.nc"
            print(f"when all shards are there, type: jaxsgd merge {parts} --out {whole}")

    def preview(self) -> None:
        """Print what is going to be run and what it will cost, from a short pilot; write nothing."""
        first, *others = self.outline()
        print(f"{self.file.path}: {first}")
        for line in others:
            print(f"  {line}")
        with config.located(str(self.file.path)):
            cost = self.cost()
        memory, seconds = _in_units(cost.memory, _SIZES), _in_units(cost.seconds, _UNITS)
        print(f"  {cost.trajectory_steps:.3g} trajectory-steps, {memory} of memory, {seconds} and compilation")

    def _write(self, result: Any, seconds: float) -> dict[str, Any]:
        found = {"study_file": str(self.file.path), **self.write(result)}
        files = ["result.nc", "summary.json", *found.pop("files")]
        found |= {"seconds": seconds, "folder": str(self.folder), "files": files}
        text = json.dumps(found, indent=2, allow_nan=False)
        (self.folder / "summary.json").write_text(text + "\n", encoding="utf-8")
        return found


def _in_units(amount: float, units: Mapping[str, float]) -> str:
    """An amount in the largest unit of which it has one."""
    name, size = next((item for item in units.items() if amount >= item[1]), list(units.items())[-1])
    return f"{amount / size:.3g} {name}"


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Print what jaxsgd warns of as the command prints errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *_, **__: print("warning:", message, file=sys.stderr)
        yield
