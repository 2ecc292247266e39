"""Peers that are written in C, compiled for this processor: limit.c when this file is imported."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from workload import CORES, STEPS

_FLAGS = ("-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math", "-pthread")
_VECTORS = {"__AVX512F__": "AVX-512", "__AVX2__": "AVX2", "__ARM_NEON": "NEON"}  # the widest comes first


class Program:
    """A compiled file, in a temporary folder that goes when this does. ``note`` says how it was compiled."""

    def __init__(self, source: str) -> None:
        compiler = _compiler()
        self._folder = tempfile.TemporaryDirectory(prefix="jaxsgd-benchmark-")
        self._path = str(Path(self._folder.name, "limit"))
        empty = ("-E", "-x", "c", os.devnull)
        flags = [flag for flag in _FLAGS if not _call(compiler, flag, *empty).returncode]
        built = _call(compiler, *flags, str(Path(__file__).with_name(source)), "-lm", "-o", self._path)
        if built.returncode:
            raise ImportError(f"{compiler} does not compile {source}: {' '.join(built.stderr.split())}")
        macros = _call(compiler, *flags, "-dM", *empty).stdout
        vectors = next((name for macro, name in _VECTORS.items() if f" {macro} " in macros), "no known vectors")
        self.note = f"{vectors}: {Path(compiler).name} {' '.join(flags)}"

    def lines(self, *arguments: object) -> list[str]:
        """What it prints."""
        return _call(self._path, *map(str, arguments)).stdout.splitlines()


class Limit(Program):
    """The peer of the chapter's quadratic."""

    def measure(self, trajectories: int, every: int) -> tuple[float, np.ndarray]:
        """Seconds by the program's own clock, which does not count the start of a process; moments."""
        seconds, *moments = self.lines(trajectories, STEPS, every, CORES)
        return float(seconds), np.array([line.split() for line in moments], float)

    def __call__(self, trajectories: int, every: int) -> np.ndarray:
        return self.measure(trajectories, every)[1]


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _compiler() -> str:
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        found = name and shutil.which(name)
        if found:
            return found
    raise ImportError("there is no C compiler")


limit = Limit("limit.c")
