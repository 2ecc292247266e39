"""Compiled tiles: one program for a structure of studies, whatever their numbers."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxsgd.compiler import Options
from jaxsgd.engine.kernel import Kernel, Span
from jaxsgd.engine.plan import Form
from jaxsgd.engine.program import Inputs, Program
from jaxsgd.remembering import Surroundings


def run_tile(
    program: Program, form: Form, lanes: int, careful: bool, inputs: Inputs, key: jax.Array, span: Span
) -> dict[str, Any]:
    """One tile of one program; the first four arguments are static."""
    return Kernel(program, form, lanes, careful, inputs, key, span).run()


def run_cells(
    program: Program,
    form: Form,
    lanes: int,
    careful: bool,
    varied: tuple[bool, ...],
    inputs: Inputs,
    key: jax.Array,
    span: Span,
) -> dict[str, Any]:
    """The same tile of several cells, whose varied inputs have a leading axis of cells; so has what is kept.

    The draws do not depend on what varies, so they are made once and shared by all cells.
    """
    leaves, structure = jax.tree.flatten(inputs)

    def of_one(*leaves: Any) -> dict[str, Any]:
        return run_tile(program, form, lanes, careful, jax.tree.unflatten(structure, leaves), key, span)

    shared = {"counts": None, "valid": None}
    kept = {name: shared.get(name, 0) for name in (*(s.name for s in program.statistics), "finite", *shared)}
    return jax.vmap(of_one, [0 if varies else None for varies in varied], kept)(*leaves)


class CompiledTile:
    """The jitted tile, a function of (inputs, key, span). The first call compiles, in one thread only."""

    def __init__(self, tile: Callable[..., dict[str, Any]], options: Options, around: Surroundings) -> None:
        self.jitted, self._around = jax.jit(tile, compiler_options=dict(options)), around
        self._lock, self._ready = threading.Lock(), False

    def __call__(self, inputs: Inputs, key: np.ndarray, span: Span) -> dict[str, Any]:
        if self._ready:
            with self._around.entered():
                return self.jitted(inputs, key, span)
        with self._lock, self._around.traced():
            result = jax.block_until_ready(self.jitted(inputs, key, span))
            self._ready = True
            return result


@functools.lru_cache(maxsize=64)
def compiled(
    program: Program, form: Form, lanes: int, careful: bool, options: Options, varied: tuple[bool, ...] = ()
) -> CompiledTile:
    """The tile of a program, or of cells of which some inputs vary; equal programs share it."""
    if not varied:
        return CompiledTile(functools.partial(run_tile, program, form, lanes, careful), options, program.around)
    return CompiledTile(functools.partial(run_cells, program, form, lanes, careful, varied), options, program.around)
