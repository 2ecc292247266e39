"""A hash that ties sums to the study that made them."""

import hashlib
import re

import jax
import numpy as np

from jaxsgd.engine.driver import Task
from jaxsgd.engine.kernel import Span, run_tile
from jaxsgd.engine.statistics import BLOCK


def fingerprint(task: Task) -> str:
    """SHA-256 of the traced program, of all its numbers, of the record grid and of the precision.

    The trace is that of one block, so that it does not depend on how the study is cut. It does depend
    on the version of JAX, which prints it.
    """
    with jax.enable_x64(task.program.precision == "float64"):
        closed = jax.make_jaxpr(lambda inputs, key, span: run_tile(task.program, BLOCK, False, inputs, key, span))(
            task.inputs, task.key, Span(np.uint32(0), np.int32(0), np.int32(BLOCK))
        )
    digest = hashlib.sha256()
    digest.update(re.sub(r" at 0x[0-9a-f]+", "", str(closed.jaxpr)).encode())
    digest.update(repr((task.program.record, task.program.precision, task.program.observed)).encode())
    for number in jax.tree.leaves((task.inputs, task.key, closed.consts)):
        array = np.asarray(number)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
