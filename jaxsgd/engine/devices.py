"""Which device a thread computes on, where threads of one process share several."""

import contextlib
import itertools
import threading
from collections.abc import Callable
from typing import Any

import jax

_THREAD = threading.local()  # has a `device` where threads share several


def in_turn() -> Callable[[], None] | None:
    """What threads of a pool call first, so that each takes the next device; None where there is no choice."""
    if len(jax.local_devices()) < 2 or jax.config.jax_default_device is not None:  # type: ignore[attr-defined]
        return None
    devices = itertools.cycle(jax.local_devices())

    def take() -> None:
        _THREAD.device = next(devices)

    return take


def own_device() -> contextlib.AbstractContextManager[Any]:
    """The setting under which this thread computes on its own device, if it has one."""
    device = getattr(_THREAD, "device", None)
    return contextlib.nullcontext() if device is None else jax.default_device(device)
