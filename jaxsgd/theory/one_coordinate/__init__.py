"""SGD on a risk of one coordinate: the law of x_t by quadrature, exits from a set, landscapes."""

from jaxsgd.theory.one_coordinate.descent import gradient_descent
from jaxsgd.theory.one_coordinate.kernel import MarkovKernel, markov_kernel
from jaxsgd.theory.one_coordinate.landscapes import Landscape, landscape
from jaxsgd.theory.one_coordinate.moments import OneCoordinate

__all__ = ["Landscape", "MarkovKernel", "OneCoordinate", "gradient_descent", "landscape", "markov_kernel"]
