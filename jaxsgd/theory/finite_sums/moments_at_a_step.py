"""Moments of a finite sum at one step."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxsgd.theory.recursion import MeanAndCovariance


class Snapshot(NamedTuple):
    """What is known of x_s, in the eigenbasis: its law, E||g_s||^2 of the gradient drawn there, and other laws.

    - `averages`: those of averages, and then of further points of the method.
    """

    x: MeanAndCovariance
    gradient_norm_squared: float
    averages: Sequence[MeanAndCovariance]
