"""Landscapes of risks of one coordinate: every stationary point in an interval, certified."""

from jaxsgd.theory.one_coordinate.landscapes.landscape import Landscape, landscape

__all__ = ["Landscape", "landscape"]
