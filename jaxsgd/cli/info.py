"""``jaxsgd info``: what a result depends on besides its study."""

import importlib.metadata
import os
import platform

import jax
import jax.numpy as jnp

from jaxsgd import __version__


def versions() -> dict[str, str]:
    """The versions of jaxsgd, Python and the packages that the numbers depend on."""
    packages = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy", "xarray")}
    return {"jaxsgd": __version__, "python": platform.python_version(), **packages}


def show() -> None:
    """Print versions, machine and precision."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = versions() | {
        "platform": platform.platform(),
        "cores": cores,
        "devices": ", ".join(f"{device.platform}: {device.device_kind}" for device in jax.devices()),
        "precision": jnp.zeros(()).dtype.name,
    }
    for name, fact in facts.items():
        print(f"{name:<10}{fact}")
