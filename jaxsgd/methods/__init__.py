"""What is done with a stochastic gradient."""

import importlib
from typing import TYPE_CHECKING, Any

from jaxsgd.methods.convex_sets import Ball, Box, ConvexSet
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.method import Method, MethodFacts
from jaxsgd.methods.sgd import Projected, Sgd

if TYPE_CHECKING:
    from jaxsgd.methods.optax_method import Optax

__all__ = ["Ball", "Box", "ConvexSet", "Draw", "Method", "MethodFacts", "Optax", "Projected", "Sgd"]


def __getattr__(name: str) -> Any:
    """`Optax`, on first use: loading optax takes time that other methods need not."""
    if name == "Optax":
        return importlib.import_module("jaxsgd.methods.optax_method").Optax
    raise AttributeError(f"module 'jaxsgd.methods' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
