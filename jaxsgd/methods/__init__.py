"""What is done with a stochastic gradient."""

from jaxsgd.methods.convex_sets import Ball, Box, ConvexSet
from jaxsgd.methods.draw import Draw
from jaxsgd.methods.method import Method, MethodFacts
from jaxsgd.methods.optax_method import Optax
from jaxsgd.methods.sgd import Projected, Sgd

__all__ = ["Ball", "Box", "ConvexSet", "Draw", "Method", "MethodFacts", "Optax", "Projected", "Sgd"]
