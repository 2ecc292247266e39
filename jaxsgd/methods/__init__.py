"""What is done with a stochastic gradient."""

import importlib
from typing import TYPE_CHECKING, Any

from jaxsgd.methods.clipped import Clipped
from jaxsgd.methods.convex_sets import Ball, Box, ConvexSet
from jaxsgd.methods.delayed import Delayed
from jaxsgd.methods.draw import Draw, Gradients
from jaxsgd.methods.heavy_ball import HeavyBall
from jaxsgd.methods.method import Method, MethodFacts
from jaxsgd.methods.nesterov import Nesterov
from jaxsgd.methods.normalised import Normalised
from jaxsgd.methods.polyak_step import PolyakStep
from jaxsgd.methods.preconditioned import Preconditioned
from jaxsgd.methods.reduce_on_plateau import ReduceOnPlateau
from jaxsgd.methods.sam import Sam
from jaxsgd.methods.sgd import Projected, Sgd
from jaxsgd.methods.sign_sgd import SignSgd
from jaxsgd.methods.svrg import Svrg
from jaxsgd.methods.wrapper import ChangedGradient, Wrapper

if TYPE_CHECKING:
    from jaxsgd.methods.optax_method import Optax

__all__ = [
    "Ball",
    "Box",
    "ChangedGradient",
    "Clipped",
    "ConvexSet",
    "Delayed",
    "Draw",
    "Gradients",
    "HeavyBall",
    "Method",
    "MethodFacts",
    "Nesterov",
    "Normalised",
    "Optax",
    "PolyakStep",
    "Preconditioned",
    "Projected",
    "ReduceOnPlateau",
    "Sam",
    "Sgd",
    "SignSgd",
    "Svrg",
    "Wrapper",
]


def __getattr__(name: str) -> Any:
    """`Optax`, on first use: loading optax takes time that other methods need not."""
    if name == "Optax":
        globals()[name] = importlib.import_module("jaxsgd.methods.optax_method").Optax
        return globals()[name]
    raise AttributeError(f"module 'jaxsgd.methods' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
