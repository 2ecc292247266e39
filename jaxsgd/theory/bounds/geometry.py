"""Distances between points and convex sets; points are flat, as methods see them."""

import jax
import numpy as np

from jaxsgd.errors import InvalidInput
from jaxsgd.methods import ConvexSet
from jaxsgd.structure import flat
from jaxsgd.study import Study
from jaxsgd.theory.starts import mean_distance_squared, unknown_start


def minimiser(study: Study) -> np.ndarray | None:
    """x* (d,), where the problem states it."""
    problem = study.oracle.problem
    return None if problem is None or problem.minimiser is None else flat(problem.minimiser)


def distance_squared(study: Study) -> float:
    """r^2 = ||x_0 - x*||^2, where the minimiser is known; its expectation where x_0 is drawn.

    What is linear in r^2 given x_0 holds for the expectations.
    """
    x_star = minimiser(study)
    if x_star is None:
        raise InvalidInput("r = ||x_0 - x*|| needs a problem that states its minimiser")
    reason = unknown_start(study)
    if reason:
        raise InvalidInput(f"E||x_0 - x*||^2 is needed: {reason}")
    return mean_distance_squared(study, x_star)


def contains(onto: ConvexSet, point: np.ndarray) -> bool:
    """Whether a point is its own projection, to rounding."""
    with jax.enable_x64(True):
        projected = np.asarray(onto.project(point))  # type: ignore[arg-type]
    size = onto.farthest(point)
    return bool(np.linalg.norm(projected - point) <= 1e-12 * (size if np.isfinite(size) else np.linalg.norm(point)))
