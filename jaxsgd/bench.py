"""`jaxsgd bench`: the throughput of this machine on the chapter's study."""

import json as json_format
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from jaxsgd import chapter, record
from jaxsgd.simulation import DEFAULT_STATISTICS, simulate
from jaxsgd.study import Study

TRAJECTORIES = 2**20
STEPS = 1000
_REPEATS = 3
_THREE = ("risk", "distance_squared", "risk_of_eta")


def workloads() -> dict[str, tuple[Study, tuple[str, ...]]]:
    """Studies and statistics by name: recorded at each or each 10th step, little or the default."""
    named = {}
    for gap in (1, 10):
        study = chapter.study("polynomial", steps=STEPS, as_printed=True).replace(record=record.every(gap))
        named[f"every {gap}, three observables"] = (study.replace(observe=_THREE), ("mean", "variance"))
        named[f"every {gap}, default"] = (study, DEFAULT_STATISTICS)
    return named


def measure(trajectories: int = TRAJECTORIES) -> list[dict[str, Any]]:
    """Median seconds of three runs of each workload, interleaved; the first call, which compiles, apart."""
    rows = []
    for name, (study, kept) in workloads().items():
        start = time.perf_counter()
        simulate(study, min(trajectories, TRAJECTORIES // 8), statistics=kept, progress=False)
        rows.append({"workload": name, "first_call": time.perf_counter() - start, "seconds": []})
    for _ in range(_REPEATS):
        for row, (study, kept) in zip(rows, workloads().values(), strict=True):
            start = time.perf_counter()
            simulate(study, trajectories, statistics=kept, progress=False)
            row["seconds"].append(time.perf_counter() - start)
    for row in rows:
        row["seconds"] = statistics.median(row["seconds"])
        row["million_steps_per_second"] = trajectories * STEPS / row["seconds"] / 1e6
    return rows


def main(trajectories: int | None = None, json: Path | None = None) -> None:
    """Print the table, and write it to a file if one is named."""
    trajectories = trajectories or TRAJECTORIES
    rows = measure(trajectories)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
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
