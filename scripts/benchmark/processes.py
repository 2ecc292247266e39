"""What needs a process of its own: starting, compiling for the first time, peak memory.

The child of it: python processes.py first DIMENSION | memory TRAJECTORIES | speed TRAJECTORIES, prints numbers.
"""

import os
import statistics
import subprocess
import sys
import time

from measure import GAPS, Row, Scale, Section
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


def settings(scale: Scale) -> Section:
    """Speeds with and without the compiler's setting, which is one of the process, in turns."""
    number, kinds = int(scale.share * 2**19), {"as above": (), "without XLA_FLAGS": ("XLA_FLAGS",)}
    took = [{name: _numbers("speed", number, without) for name, without in kinds.items()} for _ in range(scale.rounds)]
    rows: list[Row] = []
    for name in kinds:
        speeds = [statistics.median(column) for column in zip(*(one[name] for one in took), strict=True)]
        rows.append({"": name} | {f"M/s, {gap}": speed for gap, speed in zip(GAPS.values(), speeds, strict=True)})
    return Section("The compiler's setting: three observables, M trajectory-steps/s", rows)


def _child(command: list[str], without: tuple[str, ...] = ()) -> tuple[float, str]:
    """Seconds and output of a Python process that finds no earlier compilations."""
    hidden = {"JAX_COMPILATION_CACHE_DIR", *without}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True, env=environment)
    return time.perf_counter() - began, done.stdout


def numbers_of(command: list[str], without: tuple[str, ...] = ()) -> list[float]:
    """The numbers that a Python process prints."""
    return [float(word) for word in _child(command, without)[1].split()]


def _numbers(what: str, number: int, without: tuple[str, ...] = ()) -> list[float]:
    return numbers_of([__file__, what, str(number)], without)


def _main(what: str, number: int) -> None:
    if what == "memory":
        bench.everything(10).run(number)
        print(bench.peak_memory())
        return
    if what == "speed":
        for every in GAPS:
            workload = bench.three_observables(every)
            workload.run(number)
            began = time.perf_counter()
            workload.run(number)
            print(number * bench.STEPS / (time.perf_counter() - began) / 1e6)
        return
    study = quadratic(number).replace(observe=None, record=record.log_spaced(100))
    workload = bench.Workload(study, bench.everything(1).statistics)
    for _ in range(2):
        began = time.perf_counter()
        workload.run(4096)
        print(time.perf_counter() - began)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
