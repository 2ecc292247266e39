"""Settings of the compiler: one that must be made before JAX starts, and one without which it computes wrongly."""

import functools
import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any

INTERLEAVE = "--xla_backend_extra_options=-force-vector-interleave=4"
"""Loops over lanes run four vectors at a time. The generator is one chain of dependent instructions, whose
latency that hides: 1.2 to 1.5 times the speed on a CPU. Sums differ in their last bits."""

Options = tuple[tuple[str, int | bool | str], ...]

SAFE: Options = (("xla_cpu_experimental_ynn_fusion_type", ""),)
"""No fusions for YNNPACK, which cost as much as they gain. With them jaxlib 0.10.2 computes sum(a * x, 1)[:, None] * a
wrongly in single precision, for x (4, 16, lanes) and a (16, lanes): what a sweep of least squares does."""

_ACCELERATORS = ("jax_cuda12_plugin", "jax_cuda13_plugin", "jax_rocm7_plugin", "libtpu")


def interleave() -> bool:
    """Put `INTERLEAVE` into the environment of this process, for programs that are jaxsgd's own.

    Not where JAX is loaded already, which reads it once; not where XLA_FLAGS has such options; and not
    where JAX may choose an accelerator. **Returns** whether it was put there.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    elsewhere = any(map(importlib.util.find_spec, _ACCELERATORS))
    if "jax" in sys.modules or "xla_backend_extra_options" in flags or elsewhere:
        return False
    os.environ["XLA_FLAGS"] = f"{flags} {INTERLEAVE}".strip()
    return True


@functools.cache
def accepted(options: Options) -> Options:
    """Those options that this version of XLA knows."""
    return tuple(option for option in options if _accepted(option))


def _accepted(option: tuple[str, int | bool | str]) -> bool:
    import jax  # only here: the command line answers --help without it

    try:
        jax.jit(lambda: 0, compiler_options=dict([option])).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """``jax.jit`` with the options that are `SAFE`."""
    import jax

    return jax.jit(function, compiler_options=dict(accepted(SAFE)))
