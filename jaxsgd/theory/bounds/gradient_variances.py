"""The variance of a stochastic gradient, where it is the same wherever x is."""

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import stated_covariances
from jaxsgd.theory.finite_sums.fresh_batches import Draws, drawn_afresh
from jaxsgd.theory.finite_sums.quadratic_examples import examples_of
from jaxsgd.theory.recursion import MeanAndCovariance


def gradient_variances(study: Study) -> np.ndarray | str:
    """s_t^2 = E[||g_t - E[g_t | x_t]||^2 | x_t] (T,), the same at every x_t; or why no such number is known.

    There is one with additive noise, none with full gradients, and that of examples drawn afresh whose quadratic losses
    have one Hessian. Losses of different curvature have a variance that grows with ||x - x*||^2 without bound.
    """
    oracle, d, T = study.oracle, study.dimension, study.steps
    stated = stated_covariances(oracle, d, T)
    if stated is not None:
        covariance, factors = stated
        return float(covariance.sum() if covariance.ndim == 1 else np.trace(covariance)) * factors[:T]
    if not (oracle.averages_examples and drawn_afresh(oracle)):
        return f"oracles.{type(oracle).__name__} does not state a covariance of g_t that is the same at every x"
    try:
        examples = examples_of(oracle.problem, study.point.unravel(np.zeros(d)))  # type: ignore[arg-type]
    except NoExactSolution as reason:
        return f"no bound of the variance of sampled gradients is known: {reason}"
    if not examples.common_hessian:
        return "the losses of examples differ in curvature, so that the variance grows with the distance"
    nowhere_in_particular = MeanAndCovariance(np.zeros(d), np.zeros((d, d)))
    return np.full(T, np.trace(Draws(examples, oracle, times=1).noise(nowhere_in_particular)))
