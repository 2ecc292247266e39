"""How a study is cut: the one place that chooses sizes and compiler options."""

import dataclasses
import functools
import os
from typing import Self

import jax
import numpy as np

from jaxsgd.engine.statistics import BLOCK
from jaxsgd.errors import InvalidInput, integer

_CHUNK_WORK = 2**25  # coordinate-steps of a chunk, some 50 ms of one core
_TILE_FLOATS = 2**14  # coordinates of a tile, so that its state stays in the cache of a core
# Measured on a 2-core Zen 5 machine with jaxlib 0.10.2, the chapter's study, 1000 steps:
_CPU_OPTIONS = (
    ("xla_cpu_prefer_vector_width", 512),  # 1.6 times; no slower without 512-bit vectors
    ("xla_cpu_copy_insertion_use_region_analysis", True),  # 1.1 times: fewer copies of the carry
    ("xla_cpu_scheduler_type", 1),  # 1.1 times where much is recorded: kernels in order, not queued
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """How trajectories are grouped and who runs them.

    - `chunk`: trajectories of one unit of work, of checkpoints and of merging. Depends on the study
      alone, so that results cut at its multiples merge bitwise.
    - `tile`: trajectories that one call of the compiled program runs, a divisor of `chunk`.
    - `workers`: threads of the default executor.
    - `compiler_options`: handed to XLA.
    """

    chunk: int
    tile: int
    workers: int
    compiler_options: tuple[tuple[str, str | int | bool], ...] = ()

    def __post_init__(self) -> None:
        for name in ("chunk", "tile"):
            if integer(name, getattr(self, name), at_least=BLOCK) % BLOCK:
                raise InvalidInput(f"{name} must be a multiple of {BLOCK}, got {getattr(self, name)}")
        if self.chunk % self.tile:
            raise InvalidInput(f"tile must divide chunk ({self.chunk}), got {self.tile}")
        integer("workers", self.workers, at_least=1)

    @classmethod
    def choose(cls, dimension: int, steps: int, trajectories: int) -> "Plan":
        """The plan for a study on this machine."""
        tile = BLOCK * _power_of_two(_TILE_FLOATS // (BLOCK * dimension))
        chunk = max(tile, BLOCK * _power_of_two(_CHUNK_WORK // (BLOCK * dimension * steps)))
        needed = BLOCK * _power_of_two(-(-trajectories // BLOCK), up=True)
        cpu = jax.default_backend() == "cpu"
        return cls(
            chunk=chunk,
            tile=min(tile if cpu else chunk, needed),
            workers=os.cpu_count() or 1 if cpu else 1,
            compiler_options=_accepted_options() if cpu else (),
        )

    def replace(self, **changes: int) -> Self:
        """The same plan with some numbers changed, validated again."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


@functools.cache
def _accepted_options() -> tuple[tuple[str, int | bool], ...]:
    """Those of the measured options that this version of XLA knows."""
    return tuple(option for option in _CPU_OPTIONS if _accepted(option))


def _accepted(option: tuple[str, int | bool]) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options=dict([option])).lower(np.float32(0)).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def _power_of_two(number: int, up: bool = False) -> int:
    """The power of two at or below (or above) a number; at least 1."""
    return 1 << max((number - 1 if up else number).bit_length() - (0 if up else 1), 0)
