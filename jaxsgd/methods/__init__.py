"""What is done with a stochastic gradient."""

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
