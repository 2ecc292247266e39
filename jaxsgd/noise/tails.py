"""How heavy tails may be whose draws are floats."""

from typing import Any

LEAST_INDEX = 0.5
"""Draws with the tail index alpha reach 2^(64 / alpha) with uniforms down to 2^-64; float32 ends at 2^128."""


def too_heavy(name: str, value: Any) -> str:
    """Why an exponent below `LEAST_INDEX` is refused."""
    return (
        f"{name} must be at least {LEAST_INDEX:g}, got {float(value):g}: below, draws leave the range of float32, "
        f"which ends at 3.4e38; with {float(value):g} about one in {2.0 ** (128 * float(value)):.2g} does"
    )
