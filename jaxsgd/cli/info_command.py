"""``jaxsgd info``: what a result depends on besides its study."""

import importlib.metadata
import os
import platform

import jax
import jax.numpy as jnp

from jaxsgd import __version__


def show() -> None:
    """Print versions, machine and precision."""
    packages = {name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "numpy", "equinox", "xarray")}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {
        "jaxsgd": __version__,
        "python": platform.python_version(),
        **packages,
        "platform": platform.platform(),
        "cores": cores,
        "devices": ", ".join(f"{device.platform}: {device.device_kind}" for device in jax.devices()),
        "precision": jnp.zeros(()).dtype.name,
    }
    for name, fact in facts.items():
        print(f"{name:<10}{fact}")
