"""Linear methods with a constant learning rate: how they contract, up to which rate, and where they settle."""

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.methods import Method
from jaxsgd.structure import Skeleton, Structure
from jaxsgd.theory.eigenbasis import Eigenbasis
from jaxsgd.theory.linear.affine_update import affine_update, changes_with_time
from jaxsgd.theory.linear.maps import Maps
from jaxsgd.theory.linear.propagation import conjugated
from jaxsgd.theory.linear.setting import Setting, setting_of
from jaxsgd.theory.recursion import MeanAndCovariance

LOWEST, HIGHEST = 1e-3, 1e3
"""Between these shares of 2 / lambda_max it is searched for the stability limit."""

_AT_ONCE = 64
_DOUBLINGS = 60


def spectral_radii(method: Method, basis: Eigenbasis, point: Structure, rates: np.ndarray) -> np.ndarray:
    """The largest absolute eigenvalue of M for each learning rate, flat directions left out.

    Directions in which the curvature is 0 are left out as blocks of their own, and in one block where z stays what it
    is along them.
    """
    maps, setting = _constant(method, basis, point, rates)
    if setting.noise.shape[-1] > 1:
        flat = int(np.sum(basis.eigenvalues == 0))
        return np.array([_radius(_without_fixed(M, flat)) for M in maps.matrices[:, 0]])
    return np.abs(np.linalg.eigvals(maps.matrices)).max(-1)[:, basis.eigenvalues > 0].max(1, initial=0.0)


def stability_limit_of(method: Method, basis: Eigenbasis, point: Structure) -> float:
    """The first learning rate, from `LOWEST` of 2 / lambda_max on, at which the spectral radius of M is 1 or more.

    It is looked for on a grid with 64 rates to a factor of 10^6, and then between two of them. 0 where the lowest is
    not stable, inf where all are, or no direction has a curvature.
    """
    largest = basis.eigenvalues.max()
    if largest <= 0:
        return np.inf
    rates = np.geomspace(LOWEST, HIGHEST, _AT_ONCE) * 2 / largest
    stable = spectral_radii(method, basis, point, rates) < 1
    if stable.all():
        return np.inf
    first = int(np.argmin(stable))
    if first == 0:
        return 0.0
    low, high = rates[first - 1], rates[first]
    while high - low > 4 * np.finfo(float).eps * high:
        rates = np.linspace(low, high, _AT_ONCE)
        stable = spectral_radii(method, basis, point, rates) < 1
        first = max(1, int(np.argmin(stable)))
        if stable.all() or (low, high) == (rates[first - 1], rates[first]):
            break
        low, high = rates[first - 1], rates[first]
    return float(high)


def stationary_law(
    method: Method, basis: Eigenbasis, point: Structure, rate: float
) -> tuple[MeanAndCovariance, Eigenbasis]:
    """Mean and covariance of e in the stationary law, for a spectral radius below 1, and the eigenbasis of both.

    m = M m + c, and V = M V M' + N S N' is the sum of M^k N S N' M'^k: with its first n terms in V and M^n it has 2 n
    in V + M^n V M^n'.
    """
    maps, setting = _constant(method, basis, point, np.array([rate]))
    M, c, N, S = maps.matrices[0], maps.offsets[0], maps.noise[0], setting.noise
    r, h = S.shape[-1], basis.eigenvalues
    curved = h > 0 if r == 1 else np.ones(1, bool)  # along a flat direction there is no noise, and nothing to settle
    if r > 1 and len(_without_fixed(M[0], int(np.sum(h == 0)))) < len(M[0]):
        raise NoExactSolution(
            f"the curvature has a zero eigenvalue, and methods.{type(method).__name__} does not treat coordinates "
            "alike: where x_t stays along that direction is not known; use a curvature without zero eigenvalues"
        )
    M, c, N, S = M[curved], c[curved], N[curved], S[curved][:, curved] if S.ndim == 4 else S[curved]
    mean = np.linalg.solve(np.eye(M.shape[-1]) - M, c[..., None])[..., 0]
    covariance = conjugated(N, S)
    for _ in range(_DOUBLINGS):
        added = conjugated(M, covariance)
        covariance, M = covariance + added, M @ M
        if np.abs(added).max() <= 1e-17 * np.abs(covariance).max():
            break
    mean, covariance = mean[:, :r], covariance[..., :r, :r]
    if r == 1:
        settled = np.flatnonzero(curved)
        mean, covariance = _among(mean, len(h), (settled,)), _among(covariance, len(h), (settled,) * (S.ndim - 2))
    law = setting.in_eigenbasis(mean[None], covariance[None])
    return MeanAndCovariance(*(each[0] for each in law)), setting.basis


def _radius(M: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvals(M)).max(initial=0.0))


def _without_fixed(M: np.ndarray, most: int) -> np.ndarray:
    """What M makes of z less its part in the directions that it leaves as they are, up to so many of them.

    In an orthogonal basis that begins with such directions M is block triangular, and this is its other block.
    """
    _, sizes, directions = np.linalg.svd(M - np.eye(len(M)))
    fixed = min(most, int(np.sum(sizes <= len(M) * np.finfo(float).eps * max(1.0, np.abs(M).max()))))
    others = directions[: len(M) - fixed]
    return others @ M @ others.T


def _among(values: np.ndarray, d: int, places: tuple[np.ndarray, ...]) -> np.ndarray:
    """These blocks at their places among d, with 0 for the others."""
    whole = np.zeros((*(d for _ in places), *values.shape[len(places) :]))
    whole[np.ix_(*places)] = values
    return whole


def _constant(method: Method, basis: Eigenbasis, point: Structure, rates: np.ndarray) -> tuple[Maps, Setting]:
    """The maps with each of these learning rates; an error where they change with t besides."""
    if not method.plain and changes_with_time(affine_update(method, point), Skeleton.split(method)[1]):
        raise NoExactSolution(
            f"the update of methods.{type(method).__name__} changes with t: it has no stationary law, and no one "
            "spectral radius; theory.exact gives the moments of every step"
        )
    start = MeanAndCovariance(basis.minimiser, np.zeros(len(basis.minimiser)))
    setting = setting_of(method, point, basis, start, rates)
    maps = setting.maps.between(0, len(rates))
    maps.check()
    return maps, setting
