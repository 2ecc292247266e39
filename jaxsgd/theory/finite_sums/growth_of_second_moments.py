"""How fast second moments of a linear method grow on a quadratic whose noise depends on the point."""

from collections.abc import Callable

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

from jaxsgd.structure import Skeleton
from jaxsgd.study import Study
from jaxsgd.theory.finite_sums.cost_limit import MOST
from jaxsgd.theory.finite_sums.quadratic_examples import ShiftedQuadratic
from jaxsgd.theory.finite_sums.sampled_gradients import maps_of
from jaxsgd.theory.linear.affine_update import affine_update, changes_with_time
from jaxsgd.theory.noise_at_point import NoiseAtPoint
from jaxsgd.theory.recursion import MeanAndCovariance

_DENSE = 16
"""Numbers of z up to which the map of second moments is a matrix."""

_ROUNDING = 1e-9
_APPLICATIONS = 500


def unstable(quadratic: ShiftedQuadratic, noise: NoiseAtPoint, study: Study) -> dict[str, bool | str]:
    """The attributes of a study with a linear method whose largest learning rate, kept constant, lets moments grow."""
    radius = growth_of_second_moments(quadratic, noise, study)
    if radius is None or radius <= 1 + _ROUNDING:
        return {}
    largest = float(study.learning_rates[: study.steps].max())
    return {
        "mean_square_stable": False,
        "mean_square_reason": (
            f"with the largest learning rate, {largest:g}, second moments grow by a factor of {radius:.4g} an update "
            "in the long run: means are dominated by rare trajectories, and an average over simulated ones is far too "
            "small, with a standard error that does not show it"
        ),
    }


def growth_of_second_moments(quadratic: ShiftedQuadratic, noise: NoiseAtPoint, study: Study) -> float | None:
    """The spectral radius of the map of second moments, at the largest learning rate; None where it is not known.

    Centred and without what does not depend on z, Z = E zz' passes to

        M Z M' + N K(P Z P') N',

    with K the linear part of E Cov(g | e). Directions in which the curvature is 0 are left out if no noise depends on
    them, and every coordinate is a block of its own; otherwise they are not known, nor are maps that change with t by
    more than the learning rate.
    """
    if not study.method.plain:
        numbers = Skeleton.split(study.method)[1]
        if changes_with_time(affine_update(study.method, study.point), numbers):
            return None
    t, h = int(np.argmax(study.learning_rates[: study.steps])), quadratic.eigenvalues
    some = maps_of(quadratic, study).between(t, t + 1)
    curved, d = h != 0, len(h)
    places, flat = np.ix_(curved, curved), np.diag((~curved).astype(float))

    def growing(X: np.ndarray) -> np.ndarray:
        """K(X), (d, d)."""
        zero = np.zeros(d)
        return noise.noise(MeanAndCovariance(zero, X)) - noise.noise(MeanAndCovariance(zero, X * 0))

    blocks = [some.matrices[0], some.noise[0], some.taken[0][0]]  # type: ignore[index]
    if not curved.all():
        if blocks[1].shape[-1] > 1 or np.any(growing(flat)):
            return None
        blocks = [each[curved] for each in blocks]
    M, N, P = [np.asarray(scipy.linalg.block_diag(*each)) for each in blocks]
    if _APPLICATIONS * (noise.multiplications + len(M) ** 3) > MOST / 30:  # two seconds
        return None

    def passed_on(Z: np.ndarray) -> np.ndarray:
        X = np.zeros((d, d))
        X[places] = P @ Z @ P.T
        return M @ Z @ M.T + N @ growing(X)[places] @ N.T

    return _spectral_radius(passed_on, len(M))


def _spectral_radius(operator: Callable[[np.ndarray], np.ndarray], n: int) -> float | None:
    """That of a map of symmetric matrices (n, n) which takes positive ones to such: it is its largest eigenvalue."""
    if n <= _DENSE:
        rows, columns = np.triu_indices(n)
        images = []
        for i, j in zip(rows, columns, strict=True):
            unit = np.zeros((n, n))
            unit[i, j] = unit[j, i] = 1.0
            images.append(operator(unit)[rows, columns])
        return float(np.abs(np.linalg.eigvals(np.array(images).T)).max(initial=0.0))

    def apply(vector: np.ndarray) -> np.ndarray:
        Z = vector.reshape(n, n)
        return operator((Z + Z.T) / 2).ravel()

    linear = scipy.sparse.linalg.LinearOperator((n * n, n * n), matvec=apply, dtype=float)  # type: ignore[call-arg]
    try:
        found = scipy.sparse.linalg.eigs(linear, 1, v0=np.eye(n).ravel(), maxiter=_APPLICATIONS)[0]
    except scipy.sparse.linalg.ArpackNoConvergence:
        return None
    return float(np.abs(np.asarray(found)).max())
