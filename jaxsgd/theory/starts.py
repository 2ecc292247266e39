"""What theory knows of x_0: a point, or the mean and the covariance of its law."""

from typing import NamedTuple

import numpy as np

from jaxsgd.errors import InvalidInput, NoExactSolution, finite_array, semidefinite
from jaxsgd.start import Start
from jaxsgd.structure import flat
from jaxsgd.study import Study


class LawOfStart(NamedTuple):
    """E x_0 (d,), Cov x_0 (d,) where it is diagonal, otherwise (d, d), and whether x_0 is normal; a point is."""

    mean: np.ndarray
    covariance: np.ndarray
    normal: bool


def law_of_start(study: Study) -> LawOfStart:
    """Mean and covariance of x_0; `NoExactSolution` where its law does not state them."""
    d = study.dimension
    if not isinstance(study.x0, Start):
        return LawOfStart(flat(study.x0), np.zeros(d), True)
    mean, covariance = study.x0.mean_vector(d), study.x0.covariance_matrix(d)
    if mean is None or covariance is None:
        raise NoExactSolution(_why_unknown(study))
    mean, covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
    if mean.shape != (d,) or covariance.shape not in ((d,), (d, d)):
        raise InvalidInput(
            f"the law {study.x0!r} of x0 must state a mean ({d},) and a covariance ({d},) or ({d}, {d}), got shapes "
            f"{mean.shape} and {covariance.shape}"
        )
    semidefinite(f"the covariance that {study.x0!r} states", covariance, "a variance would be negative")
    return LawOfStart(finite_array(f"the mean that {study.x0!r} states", mean), covariance, bool(study.x0.normal))


def unknown_start(study: Study) -> str | None:
    """Why mean and covariance of x_0 are not known; None where they are."""
    law, d = study.x0, study.dimension
    if not isinstance(law, Start) or not (law.mean_vector(d) is None or law.covariance_matrix(d) is None):
        return None
    return _why_unknown(study)


def drawn_start(study: Study) -> str | None:
    """Why x_0 is no one point; None where it is."""
    return "x_0 is drawn, and one start is needed" if isinstance(study.x0, Start) else None


def mean_distance_squared(study: Study, point: np.ndarray) -> float:
    """E||x_0 - point||^2; `NoExactSolution` where the law of x_0 does not state mean and covariance."""
    mean, covariance, _ = law_of_start(study)
    trace = covariance.sum() if covariance.ndim == 1 else np.trace(covariance)
    return float(np.sum((mean - point) ** 2) + trace)


def _why_unknown(study: Study) -> str:
    return f"start.{type(study.x0).__name__}, the law of x_0, does not state its mean and covariance"
