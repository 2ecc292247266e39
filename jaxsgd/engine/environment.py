"""What sums depend on besides their study: versions, device, processor, flags of the compiler."""

import functools
import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path

import jax

from jaxsgd import __version__

BITWISE = ("jaxsgd", "jax", "jaxlib", "numpy", "device", "cpu", "xla_flags")
"""Those on which the bits of sums depend."""

_VECTORS = ("sse", "ssse", "avx", "fma", "f16c", "amx", "bmi", "asimd", "sve")  # what XLA compiles for


@functools.cache
def environment() -> dict[str, str]:
    """That of this process."""
    device = jax.devices()[0]
    return {
        "jaxsgd": __version__,
        **{name: version(name) for name in ("jax", "jaxlib", "numpy", "equinox")},
        "python": platform.python_version(),
        "device": f"{device.platform} {device.device_kind}",
        "cpu": _cpu(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def _cpu() -> str:
    """The model of the processor, and a hash of the vector instructions it has: a virtual machine may hide some."""
    try:
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()]
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in reversed(lines)}  # those of the first core
    instructions = facts.get("flags", facts.get("Features", "")).split()
    vectors = sorted(name for name in instructions if name.startswith(_VECTORS))
    model = facts.get("model name", platform.machine())
    return f"{model}, instructions {hashlib.sha256(' '.join(vectors).encode()).hexdigest()[:8]}"
