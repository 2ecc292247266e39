"""How far what is quadratic in x is spread where gradients are multiplied by noise, in any number of coordinates."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxsgd.noise import Noise
from jaxsgd.start import Start
from jaxsgd.structure import flat
from jaxsgd.study import Study

_LONGEST = 20_000  # updates that are taken one by one


def least_of_coordinates(study: Study) -> Mapping[str, np.ndarray] | None:
    """Lower bounds of E q^2 / (E q)^2 at the recorded steps for q = R(x_s) - R*, ||x_s - x*||^2 or ||g_s||^2.

    On a diagonal quadratic with g_j = h_j e_j (1 + c zeta_j) + c xi_j, e = x - x*, each coordinate goes its own way,

        e_j <- A e_j - eta c xi_j,    A = 1 - eta h_j (1 + c zeta_j),    zeta_j, xi_j and e_j independent.

    With a_k = E A^k and s^2 = (eta c)^2 E xi_j^2 its moments follow

        E e   <- a_1 E e,
        E e^2 <- a_2 E e^2 + s^2,
        E e^4 <- a_4 E e^4 + 6 a_2 s^2 E e^2 - 4 a_1 E e (eta c)^3 E xi^3 + (eta c)^4 E xi^4.

    Of normal xi the last two terms are 0 and 3 s^4. Of others E xi^4 / (E xi^2)^2 is at least 1 plus the square of the
    skewness, with which the two are at least s^4 - 4 (a_1 s E e)^2, and s^4 if xi is symmetric. E q^2 of a weighted
    sum of squares has E e_j^2 e_k^2 besides, E e_j^2 E e_k^2 if coordinates are independent, and at least 0 if not. The
    moments of g_j are one such update of those of e_j, with A = h_j (1 + c zeta_j) and 1 in place of eta.

    None where the study is not of this kind, or longer than 20,000 updates with changing factors.
    """
    oracle, d, T = study.oracle, study.dimension, study.steps
    problem, given = oracle.problem, oracle.noise_over_time(T + 1)
    if problem is None or given is None or given.noise.is_additive or not study.method.plain:
        return None
    noise, scales = given
    h, zeta, at_rest = problem.hessian, _moments_of_factor(noise, d), noise.covariance_at_rest(d)
    if h is None or np.ndim(h) != 1 or np.min(h) < 0 or problem.minimiser is None or isinstance(study.x0, Start):
        return None
    if zeta is None or at_rest is None:
        return None
    variance = at_rest if at_rest.ndim == 1 else np.diagonal(at_rest)
    kinds = np.stack([study.learning_rates[:T], scales[:T]], axis=1)
    if len(kinds) > _LONGEST and np.ptp(kinds, axis=0).any():
        return None
    h = np.asarray(h)
    e = flat(study.x0) - flat(problem.minimiser)
    moments = np.stack([np.ones(d), e**2, e**2, e**4], axis=1)  # 1, (E e)^2, E e^2, E e^4
    of_x, of_g, at = [], [], 0

    def update(u: np.ndarray, v: np.ndarray, size: Any) -> np.ndarray:
        return _update(u, v, zeta, size**2 * variance, noise)

    with np.errstate(over="ignore", invalid="ignore"):
        for step in study.recorded_steps.tolist():
            for (eta, c), repeated in _runs(kinds[at:step]):
                once = update(1 - eta * h, -eta * h * c, eta * c)
                moments = np.einsum("dij,dj->di", np.linalg.matrix_power(once, repeated), moments)
            of_x.append(moments)
            of_g.append(np.einsum("dij,dj->di", update(h, h * scales[step], scales[step]), moments))
            at = step
        squares = {"risk": (h / 2, of_x), "distance_squared": (np.ones(d), of_x)}
        squares["gradient_norm_squared"] = np.ones(d), of_g
        return {name: _ratio(w, of_it, bool(noise.independent)) for name, (w, of_it) in squares.items()}


def _moments_of_factor(noise: Noise, d: int) -> np.ndarray | None:
    """E zeta_j^k of k = 1 .. 4, (4, d); None where they are not known, or not finite."""
    variance = noise.relative_variance(d)
    if noise.normal and variance is not None:  # a normal g, of which SciPy need not be asked
        return np.stack([0 * variance, variance, 0 * variance, 3 * variance**2])
    law = noise.relative_marginal(d)
    if not hasattr(law, "moment"):
        return None
    found = np.stack([np.broadcast_to(law.moment(k), (d,)) for k in range(1, 5)])
    return found if np.isfinite(found).all() else None


def _runs(kinds: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Rows of which some are alike one after the other, each with how often it is repeated."""
    if not len(kinds):
        return []
    starts = np.append(0, np.flatnonzero(np.any(kinds[1:] != kinds[:-1], axis=1)) + 1)
    return list(zip(kinds[starts], np.diff(starts, append=len(kinds)).tolist(), strict=True))


def _update(u: np.ndarray, v: np.ndarray, zeta: np.ndarray, s2: np.ndarray, noise: Any) -> np.ndarray:
    """The linear map of (1, (E e)^2, E e^2, E e^4), (d, 4, 4), with A = u + v zeta."""
    a1 = u + v * zeta[0]
    a2 = u**2 + 2 * u * v * zeta[0] + v**2 * zeta[1]
    a4 = u**4 + 4 * u**3 * v * zeta[0] + 6 * u**2 * v**2 * zeta[1] + 4 * u * v**3 * zeta[2] + v**4 * zeta[3]
    update = np.zeros((len(u), 4, 4))
    update[:, 0, 0], update[:, 1, 1] = 1, a1**2
    update[:, 2, 0], update[:, 2, 2] = s2, a2
    update[:, 3, 0] = (3 if noise.normal else 1) * s2**2
    update[:, 3, 1] = 0 if noise.symmetric or noise.normal else -4 * a1**2 * s2
    update[:, 3, 2], update[:, 3, 3] = 6 * a2 * s2, a4
    return update


def _ratio(weights: np.ndarray, moments: list[np.ndarray], independent: bool) -> np.ndarray:
    """E q^2 / (E q)^2 of q = sum_j w_j e_j^2 at each record; 1 where q is 0, inf after an overflow."""
    second, fourth = np.array(moments)[:, :, 2], np.array(moments)[:, :, 3]
    mean = second @ weights
    largest = np.where(mean > 0, mean, 1)[:, None]
    shares = weights * second / largest
    ratio = (weights**2 * (fourth / largest) / largest).sum(1)
    if independent:
        ratio += shares.sum(1) ** 2 - (shares**2).sum(1)
    return np.where(mean == 0, 1.0, np.maximum(np.where(np.isnan(ratio), np.inf, ratio), 1.0))
