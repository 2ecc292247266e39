"""How things are measured, and what a section of the report is."""

import dataclasses
import itertools
import os
import platform
import statistics
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import jax
from workload import CORES

import jaxsgd

GAPS = {1: "every step", 10: "every 10th"}
Row = dict[str, str | int | float | None]


class Section(NamedTuple):
    """A table of the report: rows with the same columns; None where nothing was measured."""

    title: str
    rows: list[Row]
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is measured.

    - `rounds`: runs of each measurement, of which the median counts.
    - `share`: of the trajectories of a full benchmark.
    - `quick`: whether most rows are left out.
    """

    rounds: int = 3
    share: float = 1.0
    quick: bool = False

    def some(self, rows: Mapping[str, Any], number: int = 2) -> dict[str, Any]:
        """All rows; the first ones if the benchmark is quick."""
        return dict(itertools.islice(rows.items(), number if self.quick else None))


FULL, QUICK = Scale(), Scale(rounds=1, share=1 / 64, quick=True)


def interleaved(runs: Mapping[Any, Callable[[], float]], rounds: int) -> dict[Any, float]:
    """The median of what each run returns, after a first run of each that compiles.

    Every round runs all of them once, so that a machine that slows down slows all of them.
    """
    for run in runs.values():
        run()
    measured = [{key: run() for key, run in runs.items()} for _ in range(rounds)]
    return {key: statistics.median(one[key] for one in measured) for key in runs}


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    packages = ("jax", "jaxlib", "numpy", "torch", "numba")
    return {
        "processor": _processor(),
        "cores": CORES,
        "device": f"{jax.devices()[0].platform}: {jax.devices()[0].device_kind}",
        "system": platform.platform(),
        "load before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
        "python": platform.python_version(),
        "jaxsgd": jaxsgd.__version__,
        **{package: _version(package) for package in packages},
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
