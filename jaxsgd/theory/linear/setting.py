"""A study of a linear method, cut into blocks: the maps of its method, and the noise that enters them."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.structure import Skeleton, Structure, flat
from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import Eigenbasis
from jaxsgd.theory.finite_sums.cost_limit import check_cost
from jaxsgd.theory.linear.affine_update import AffineUpdate, affine_update, in_float64
from jaxsgd.theory.linear.blocks import of_coordinates
from jaxsgd.theory.linear.maps import Law, MapsOfMethod, PlainMaps
from jaxsgd.theory.linear.traced_maps import MethodOnQuadratic, Places, Quadratic, TracedMaps
from jaxsgd.theory.linear.treatment import Treatment, treatment


class Setting(NamedTuple):
    """What a recursion needs.

    - `basis`: the eigenbasis of the Hessian.
    - `maps`: of the method; in the eigenbasis if every coordinate is a block, otherwise in that of x.
    - `noise`: Cov xi (B, r, r), or (B, B, r, r).
    """

    basis: Eigenbasis
    maps: MapsOfMethod
    noise: np.ndarray

    def in_eigenbasis(self, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (steps, B, r) and covariance (steps, B, r, r), or (steps, B, B, r, r), as those of e (steps, d)."""
        if mean.shape[-1] == 1:
            return mean[..., 0], covariance[..., 0, 0]
        Q = self.basis.vectors
        mean, covariance = mean[:, 0], covariance[:, 0]
        return (mean, covariance) if Q is None else (mean @ Q, Q.T @ covariance @ Q)


def not_linear(study: Study) -> str | None:
    """Why the method of a study is not known to be linear; None where it is."""
    if study.method.plain:
        return None
    try:
        affine_update(study.method, Structure.of(study.x0))
    except NoExactSolution as error:
        return str(error)
    return None


def setting_of(study: Study, basis: Eigenbasis) -> Setting:
    """A study on a quadratic in blocks as small as its method allows.

    A method that treats every coordinate for itself has d blocks where the Hessian is a diagonal, and so it has in the
    eigenbasis of any other, if it treats all coordinates alike. Otherwise there is one block.
    """
    rates = study.learning_rates
    start = Law(basis.enter(study.x0)[:, None], np.zeros((study.dimension, 1, 1)))
    if study.method.plain:
        return Setting(basis, PlainMaps(basis.eigenvalues, start, rates), _between_coordinates(basis.noise))
    update, numbers = affine_update(study.method, Structure.of(study.x0)), in_float64(Skeleton.split(study.method)[1])
    places, Q = of_coordinates(update), basis.vectors
    treated = Treatment.none if places is None else treatment(update, numbers, places, rates)
    if places is not None and (treated is Treatment.alike or (treated is Treatment.each and Q is None)):
        of_x = np.arange(study.dimension)[:, None]
        quadratic = Quadratic(basis.eigenvalues, basis.minimiser if Q is None else basis.minimiser @ Q)
        maps = TracedMaps(MethodOnQuadratic(update, numbers, quadratic, rates), start, Places(places, of_x))
        return Setting(basis, maps, _between_coordinates(basis.noise))
    return _in_one_block(study, basis, update, numbers)


def _between_coordinates(noise: np.ndarray) -> np.ndarray:
    """A covariance (d,) or (d, d) of blocks of one coordinate."""
    return noise[..., None, None]


def _in_one_block(study: Study, basis: Eigenbasis, update: AffineUpdate, numbers: Any) -> Setting:
    """All in one block, in the coordinates of x."""
    Q, S, d = basis.vectors, np.broadcast_to(basis.noise, basis.noise.shape), study.dimension
    S = np.diag(S) if S.ndim == 1 else S
    basis = dataclasses.replace(basis, noise=S)
    A = basis.eigenvalues if Q is None else (Q * basis.eigenvalues) @ Q.T
    start = Law((flat(study.x0) - basis.minimiser)[None], np.zeros((1, d, d)))
    places = Places(np.arange(update.size)[None], np.arange(d)[None])
    check_cost(float(study.steps) * update.size**3, "take fewer steps or coordinates")
    method = MethodOnQuadratic(update, numbers, Quadratic(A, basis.minimiser), study.learning_rates)
    return Setting(basis, TracedMaps(method, start, places), (S if Q is None else Q @ S @ Q.T)[None])
