"""How a study is cut: the one place that chooses sizes and compiler options."""

import dataclasses
import os
from typing import Self

import jax

from jaxsgd import compiler
from jaxsgd.compiler import Options
from jaxsgd.engine.statistics import BLOCK
from jaxsgd.errors import InvalidInput, integer
from jaxsgd.module import AbstractOrFinal
from jaxsgd.products import LARGE

_CHUNK_WORK = 2**25  # coordinate-steps of a chunk, some 50 ms of one core
_TILE_FLOATS = 2**16  # coordinates of a tile, so that its state stays in the cache of a core,
_WIDE = 2**14  # numbers of a trajectory of which a thousand would take too much memory
SMALL_BLOCK = 64  # trajectories of a block then, at most:
_BLOCK_FLOATS = 2**22  # numbers of a small block, 16 MB, of which a step holds a few copies
_STRIP_FLOATS = 2**18  # numbers of a strip, which stays in the second cache of a core
_ACCELERATOR_TILE_FLOATS = 2**24  # coordinates of a tile on an accelerator
MOST_SPLIT = 16  # coordinates up to which an accelerator carries each as its own array
_TILE_LANES = 2**14  # and trajectories of a tile, so that what is recorded of them does too
# Measured on a 2-core Zen 5 machine with jaxlib 0.10.2, the chapter's study, 1000 steps:
_CPU_OPTIONS = (
    ("xla_cpu_prefer_vector_width", 512),  # 1.6 times; no slower without 512-bit vectors
    ("xla_cpu_copy_insertion_use_region_analysis", True),  # 1.1 times: fewer copies of the carry
    ("xla_cpu_scheduler_type", 1),  # 1.1 times where much is recorded: kernels in order, not queued
    # 1.1 times, and 1.4 where examples are drawn: no kernel is shared between threads, all of which have their own tile
    ("xla_disable_hlo_passes", "cpu-parallel-task-assigner"),
)


@dataclasses.dataclass(frozen=True)
class Form:
    """How the loop over steps is written; the values are the same up to rounding.

    - `carry_draws`: whether the draw of the next step is carried through the loop. On a CPU that
      keeps XLA from evaluating the generator in every consumer; a GPU fuses the step into one kernel.
    - `split_state`: whether the state is carried as d arrays (trajectories,), not one (d, trajectories):
      one kernel a step on a GPU instead of two and a copy.
    - `unroll`: updates written out in one pass of the inner loop.
    - `block`: trajectories of one block, the unit of summation.
    - `strip`: lanes that take their steps together where products of matrices are what a step costs, see
      `jaxsgd.engine.strips`; 0 where they are not.
    """

    carry_draws: bool = True
    split_state: bool = False
    unroll: int = 1
    block: int = BLOCK
    strip: int = 0


@dataclasses.dataclass(frozen=True)
class Plan(AbstractOrFinal):
    """How trajectories are grouped and who runs them.

    - `chunk`: trajectories whose sums are the least that is kept and merged. Depends on the study
      alone, so that results cut at its multiples merge bitwise.
    - `tile`: trajectories that one call of the compiled program runs, a divisor or a multiple of
      `chunk`.
    - `workers`: threads of the default executor.
    - `form`: how the loop over steps is written.
    - `compiler_options`: handed to XLA.
    """

    chunk: int
    tile: int
    workers: int
    form: Form = Form()
    compiler_options: Options = ()

    def __post_init__(self) -> None:
        for name in ("chunk", "tile"):
            block = self.form.block
            if integer(name, getattr(self, name), at_least=block) % block:
                raise InvalidInput(f"{name} must be a multiple of {block}, got {getattr(self, name)}")
        if max(self.chunk, self.tile) % min(self.chunk, self.tile):
            raise InvalidInput(f"tile must divide chunk ({self.chunk}) or be a multiple of it, got {self.tile}")
        integer("workers", self.workers, at_least=1)

    @classmethod
    def choose(cls, width: int, steps: int, last: int, cells: int = 1, products: int = 0) -> "Plan":
        """The plan for a study on this machine, or for cells that run together, for ids up to ``last`` - 1.

        ``width`` is that of the study: d, or more where examples are sampled; ``products`` the multiplications of an
        update in products of matrices. Where these are many, or a trajectory is wide, blocks are small: then some
        hundred trajectories keep all workers busy, and the state of a few fits into memory; beyond a width of 2^16
        they are halved as it doubles, down to one trajectory.

        Tiles are smaller only for runs that end inside the first chunk: then the parts of a study that
        is cut at chunk bounds run the tiles of the whole.
        """
        if products >= LARGE or width > _WIDE:
            return cls.of_few_lanes(width, products, last)
        dimension = width * cells
        tile = min(_TILE_LANES, BLOCK * _power_of_two(_TILE_FLOATS // (BLOCK * dimension)))
        chunk = max(tile, BLOCK * _power_of_two(_CHUNK_WORK // (BLOCK * dimension * steps)))
        needed = BLOCK * _power_of_two(-(-last // BLOCK), up=True)
        if jax.default_backend() == "cpu":
            return cls(chunk, min(tile, needed), _cores(), Form(), compiler.accepted(_CPU_OPTIONS + compiler.SAFE))
        return cls.for_accelerator(dimension, chunk, needed)

    @classmethod
    def of_few_lanes(cls, width: int, products: int, last: int) -> Self:
        """One small block a tile, in strips where matrices are multiplied; on an accelerator all that fits at once."""
        block = min(SMALL_BLOCK, _power_of_two(_BLOCK_FLOATS // width))
        if jax.default_backend() != "cpu":
            fits = block * _power_of_two(_ACCELERATOR_TILE_FLOATS // (block * width))
            tile = min(fits, block * _power_of_two(-(-last // block), up=True))
            form = Form(carry_draws=False, block=block, strip=tile if products >= LARGE else 0)
            return cls(block, tile, jax.local_device_count(), form)
        strip = min(_power_of_two(_STRIP_FLOATS // width), block) if products >= LARGE else 0
        form, options = Form(block=block, strip=strip), compiler.accepted(_CPU_OPTIONS + compiler.SAFE)
        return cls(block, block, _cores(), form, options)

    @classmethod
    def for_accelerator(cls, dimension: int, chunk: int, needed: int) -> Self:
        """One worker a device, all trajectories that fit in one tile, and a step that fuses into one kernel.

        ``needed`` is a power of two of blocks that holds all trajectories.
        """
        tile = max(chunk, BLOCK * _power_of_two(_ACCELERATOR_TILE_FLOATS // (BLOCK * dimension)))
        unroll = min(max(16 // dimension, 1), 8)
        form = Form(carry_draws=False, split_state=dimension <= MOST_SPLIT, unroll=unroll)
        return cls(chunk, min(tile, needed), jax.local_device_count(), form)

    def replace(self, **changes: int) -> Self:
        """The same plan with some numbers changed, validated again."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def _cores() -> int:
    """Those that this process may use, which a cluster's scheduler may limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _power_of_two(number: int, up: bool = False) -> int:
    """The power of two at or below (or above) a number; at least 1."""
    return 1 << max((number - 1 if up else number).bit_length() - (0 if up else 1), 0)
