"""The peer that is written in C: limit.c, compiled when this file is imported, for this processor."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from workload import CORES, STEPS

_FLAGS = ("-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math", "-pthread")
_VECTORS = {"__AVX512F__": "AVX-512", "__AVX2__": "AVX2", "__ARM_NEON": "NEON"}  # the widest comes first


class Limit:
    """The program, in a temporary folder that goes when this does. ``note`` says how it was compiled."""

    def __init__(self, compiler: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="jaxsgd-benchmark-")
        self._program = str(Path(self._folder.name, "limit"))
        empty = ("-E", "-x", "c", os.devnull)
        flags = [flag for flag in _FLAGS if not _call(compiler, flag, *empty).returncode]
        built = _call(compiler, *flags, str(Path(__file__).with_name("limit.c")), "-lm", "-o", self._program)
        if built.returncode:
            raise ImportError(f"{compiler} does not compile limit.c: {' '.join(built.stderr.split())}")
        macros = _call(compiler, *flags, "-dM", *empty).stdout
        vectors = next((name for macro, name in _VECTORS.items() if f" {macro} " in macros), "no known vectors")
        self.note = f"{vectors}: {Path(compiler).name} {' '.join(flags)}"

    def measure(self, trajectories: int, every: int) -> tuple[float, np.ndarray]:
        """Seconds by the program's own clock, which does not count the start of a process; moments."""
        done = _call(self._program, *map(str, (trajectories, STEPS, every, CORES)))
        lines = done.stdout.splitlines()
        return float(lines[0]), np.array([line.split() for line in lines[1:]], float)

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


limit = Limit(_compiler())
