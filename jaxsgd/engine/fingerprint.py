"""A hash that ties sums to the study that made them."""

import functools
import hashlib
import re
from typing import Any

import jax
import numpy as np

from jaxsgd.engine.cells import CellsTask
from jaxsgd.engine.driver import Task
from jaxsgd.engine.kernel import Span, run_tile
from jaxsgd.engine.plan import Form
from jaxsgd.engine.program import Program
from jaxsgd.engine.statistics import BLOCK


def fingerprint(task: Task) -> str:
    """SHA-256 of the traced program, of all its numbers, of the record grid and of the precision."""
    numbers, structure = jax.tree.flatten((task.inputs, task.key))
    varied = (*task.varied, False) if isinstance(task, CellsTask) else (False,) * len(numbers)
    arrays = [np.asarray(number) for number in numbers]
    shapes = tuple(
        jax.ShapeDtypeStruct(array.shape[1:] if varies else array.shape, array.dtype)  # those of one cell
        for array, varies in zip(arrays, varied, strict=True)
    )
    digest = hashlib.sha256(_trace(task.program, structure, shapes))
    for number in numbers:
        _add(digest, number)
    return digest.hexdigest()


@functools.lru_cache(maxsize=64)
def _trace(program: Program, structure: Any, shapes: tuple[jax.ShapeDtypeStruct, ...]) -> bytes:
    """A hash of the program as JAX prints it, and of the arrays that it closes over.

    The trace is that of one block, so that it does not depend on how the study is cut. It does depend
    on the version of JAX.
    """
    inputs, key = jax.tree.unflatten(structure, shapes)
    span = Span(np.uint32(0), np.int32(0), np.int32(BLOCK))
    with jax.enable_x64(program.precision == "float64"):
        closed = jax.make_jaxpr(functools.partial(run_tile, program, Form(), BLOCK, False))(inputs, key, span)
    text = re.sub(r" at 0x[0-9a-f]+", "", str(closed.jaxpr))
    digest = hashlib.sha256(repr((text, program.record, program.precision, program.observed)).encode())
    for constant in closed.consts:
        _add(digest, constant)
    return digest.digest()


def _add(digest: Any, number: Any) -> None:
    array = np.asarray(number)
    digest.update(f"{array.dtype}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())
