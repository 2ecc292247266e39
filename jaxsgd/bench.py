"""`jaxsgd bench`: the throughput of this machine on the chapter's study.

The studies are also those of ``scripts/benchmark``, which compares them with other tools.
"""

import json as json_format
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from rich.console import Console
from rich.table import Table

from jaxsgd import chapter, record
from jaxsgd.results.result import Result
from jaxsgd.runs.simulation import DEFAULT_STATISTICS, simulate
from jaxsgd.study import Study

TRAJECTORIES = 2**20
STEPS = 1000
THREE = ("risk", "distance_squared", "risk_of_eta")
_REPEATS = 3


class Workload(NamedTuple):
    """A study and what is kept of it."""

    study: Study
    statistics: Sequence[str]

    def run(self, trajectories: int) -> Result:
        return simulate(self.study, trajectories, statistics=self.statistics, progress=False)


def three_observables(every: int) -> Workload:
    """The chapter's quadratic: mean and variance of R(x), |x|^2 and R(xbar) at every so many steps."""
    study = chapter.study("polynomial", steps=STEPS, as_printed=True)
    return Workload(study.replace(record=record.every(every), observe=THREE), ("mean", "variance"))


def everything(every: int) -> Workload:
    """The same study with all that is recorded by default."""
    return Workload(three_observables(every).study.replace(observe=None), DEFAULT_STATISTICS)


def workloads() -> dict[str, Workload]:
    """What is measured, by name."""
    return {
        f"every {gap}, {name}": make(gap)
        for gap in (1, 10)
        for name, make in (("three observables", three_observables), ("default", everything))
    }


def measure(trajectories: int = TRAJECTORIES) -> list[dict[str, Any]]:
    """Median seconds of three runs of each workload, interleaved; the first call, which compiles, apart."""
    named = workloads()
    rows = []
    for name, workload in named.items():
        first = _seconds(workload, min(trajectories, TRAJECTORIES // 8))
        rows.append({"workload": name, "first_call": first})
    rounds = [[_seconds(workload, trajectories) for workload in named.values()] for _ in range(_REPEATS)]
    for row, seconds in zip(rows, zip(*rounds, strict=True), strict=True):
        row["seconds"] = statistics.median(seconds)
        row["million_steps_per_second"] = trajectories * STEPS / row["seconds"] / 1e6
    return rows


def _seconds(workload: Workload, trajectories: int) -> float:
    start = time.perf_counter()
    workload.run(trajectories)
    return time.perf_counter() - start


def peak_memory() -> float:
    """The most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where ru_maxrss starts from the peak of the process that started this one
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def main(trajectories: int | None = None, json: Path | None = None) -> None:
    """Print the table, and write it to a file if one is named."""
    if json is not None:
        _check_writable(json)
    trajectories = trajectories or TRAJECTORIES
    rows = measure(trajectories)
    peak = peak_memory()
    device = jax.devices()[0]
    table = Table(title=f"The chapter's quadratic, {STEPS} steps, {trajectories:,} trajectories, {device.device_kind}")
    for heading in ("recorded", "M trajectory-steps/s", "seconds", "first call, s"):
        table.add_column(heading, justify="left" if heading == "recorded" else "right")
    for row in rows:
        speed, seconds, first = row["million_steps_per_second"], row["seconds"], row["first_call"]
        table.add_row(row["workload"], f"{speed:.0f}", f"{seconds:.2f}", f"{first:.2f}")
    console = Console()
    console.print(table)
    console.print(f"peak memory of the process {peak:.0f} MiB")
    if json is not None:
        report = {"trajectories": trajectories, "steps": STEPS, "peak_memory_mib": peak, "rows": rows}
        report |= {"device": f"{device.platform} {device.device_kind}", "jax": jax.__version__}
        json.write_text(json_format.dumps(report, indent=2) + "\n")


def _check_writable(path: Path) -> None:
    """An OSError, before anything is measured, unless the file can be written."""
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a"):
        pass
    if new:
        path.unlink()
