"""What needs a process of its own: starting, compiling for the first time, peak memory.

The child of it: python processes.py first DIMENSION | memory TRAJECTORIES, prints numbers.
"""

import os
import statistics
import subprocess
import sys
import time

from measure import Row, Scale, Section
from own import quadratic

from jaxsgd import bench, record


def start(scale: Scale) -> Section:
    """Seconds until Python has done something for the first time."""
    commands = {
        "python -c pass": ["-c", "pass"],
        "jaxsgd --help": ["-m", "jaxsgd", "--help"],
        "import jaxsgd": ["-c", "import jaxsgd"],
        "import jaxsgd, and jaxsgd.simulate, which loads JAX": ["-c", "import jaxsgd; jaxsgd.simulate"],
    }
    rows: list[Row] = []
    for name, command in commands.items():
        _child(command)
        rows.append({"": name, "seconds": statistics.median(_child(command)[0] for _ in range(scale.rounds))})
    return Section("Start: seconds of a process", rows)


def first_call(scale: Scale) -> Section:
    """Seconds of the first call of a process, most of which compiles, and of the same call again."""
    rows: list[Row] = []
    named = {"a default study, d = 2": 2, "the same, d = 128": 128}
    for name, dimension in scale.some(named, 1).items():
        took = [_numbers("first", dimension) for _ in range(scale.rounds)]
        first, second = (statistics.median(column) for column in zip(*took, strict=True))
        rows.append({"": name, "first call, s": first, "second call, s": second})
    return Section("First call in a new process", rows)


def memory(scale: Scale) -> Section:
    """Peak memory of the chapter's quadratic, all recorded by default at each 10th step."""
    named = {f"N = {number:,}": number for number in (1000, 100_000, 10_000_000)}
    rows: list[Row] = [{"": name, "MiB": _numbers("memory", number)[0]} for name, number in scale.some(named).items()]
    return Section("Peak memory of a process, all by default, every 10th", rows)


def _child(command: list[str]) -> tuple[float, str]:
    """Seconds and output of a Python process that finds no earlier compilations."""
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, env=environment)
    return time.perf_counter() - began, done.stdout


def _numbers(what: str, number: int) -> list[float]:
    return [float(word) for word in _child([__file__, what, str(number)])[1].split()]


def _main(what: str, number: int) -> None:
    if what == "memory":
        bench.everything(10).run(number)
        print(bench.peak_memory())
        return
    study = quadratic(number).replace(observe=None, record=record.log_spaced(100))
    workload = bench.Workload(study, bench.everything(1).statistics)
    for _ in range(2):
        began = time.perf_counter()
        workload.run(4096)
        print(time.perf_counter() - began)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
