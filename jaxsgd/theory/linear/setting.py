"""A study of a linear method, cut into blocks: the maps of its method, and the noise that enters them."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from jaxsgd.errors import NoExactSolution
from jaxsgd.methods import Method
from jaxsgd.start import Start
from jaxsgd.structure import Skeleton, Structure
from jaxsgd.study import Study
from jaxsgd.theory.eigenbasis import Eigenbasis
from jaxsgd.theory.finite_sums.cost_limit import check_cost
from jaxsgd.theory.linear.affine_update import AffineUpdate, affine_update, in_float64
from jaxsgd.theory.linear.blocks import of_coordinates
from jaxsgd.theory.linear.maps import Law, MapsOfMethod, PlainMaps
from jaxsgd.theory.linear.traced_maps import MethodOnQuadratic, Places, Quadratic, TracedMaps
from jaxsgd.theory.linear.treatment import treats_alike, treats_each
from jaxsgd.theory.recursion import MeanAndCovariance


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
        update = affine_update(study.method, study.point)
    except NoExactSolution as error:
        return str(error)
    if isinstance(study.x0, Start) and not update.starts_affine:
        name = f"methods.{type(study.method).__name__}"
        return f"the first state of {name} is not an affine function of x_0, which is random"
    return None


def setting_of(
    method: Method, point: Structure, basis: Eigenbasis, start: MeanAndCovariance, rates: np.ndarray
) -> Setting:
    """A method on a quadratic in blocks as small as it allows.

    A method that treats every coordinate for itself has d blocks where the Hessian is a diagonal, and so it has in the
    eigenbasis of any other, if it treats all coordinates alike. Otherwise there is one block.

    **Arguments**

    - `start`: the law of x_0, its covariance (d,) or (d, d).
    - `rates`: eta_t, one more than there are updates.
    """
    if method.plain:
        maps = PlainMaps(basis.eigenvalues, _in_eigenbasis(start, basis), rates)
        return Setting(basis, maps, _of_coordinates(basis.noise))
    update, numbers, Q = affine_update(method, point), in_float64(Skeleton.split(method)[1]), basis.vectors
    places = places_of(update, numbers, rates, rotated=Q is not None)
    if len(places.of_x) < point.size:
        return _in_one_block(update, numbers, basis, start, rates)
    quadratic = Quadratic(basis.eigenvalues, basis.minimiser if Q is None else basis.minimiser @ Q)
    maps = TracedMaps(MethodOnQuadratic(update, numbers, quadratic, rates), _in_eigenbasis(start, basis), places)
    return Setting(basis, maps, _of_coordinates(basis.noise))


def places_of(update: AffineUpdate, numbers: Any, rates: np.ndarray, rotated: bool) -> Places:
    """The smallest blocks into which a method falls: one for each coordinate, of x or a rotated one, or one for all."""
    d, of_z = update.point.size, of_coordinates(update)
    is_parted = treats_alike if rotated else treats_each
    if of_z is not None and is_parted(update, numbers, of_z, rates):
        return Places(of_z, np.arange(d)[:, None])
    check_cost(float(len(rates)) * update.size**3)
    return Places(np.arange(update.size)[None], np.arange(d)[None])


def _in_eigenbasis(start: MeanAndCovariance, basis: Eigenbasis) -> Law:
    """The law of e_0, of one coordinate a block."""
    mean, covariance, Q = start.mean - basis.minimiser, start.covariance, basis.vectors
    if basis.noise.ndim == 2:  # otherwise that of x_0 is a diagonal in the eigenbasis, too
        covariance = _matrix(covariance)
        covariance = covariance if Q is None else Q.T @ covariance @ Q
    mean = mean if Q is None else mean @ Q
    return Law(mean[:, None], _of_coordinates(covariance))


def _of_coordinates(covariance: np.ndarray) -> np.ndarray:
    """A covariance (d,) or (d, d) of blocks of one coordinate."""
    return covariance[..., None, None]


def _matrix(covariance: np.ndarray) -> np.ndarray:
    return np.diag(covariance) if covariance.ndim == 1 else covariance


def _in_one_block(
    update: AffineUpdate, numbers: Any, basis: Eigenbasis, start: MeanAndCovariance, rates: np.ndarray
) -> Setting:
    """All in one block, in the coordinates of x."""
    Q, S, d = basis.vectors, _matrix(basis.noise), update.point.size
    basis = dataclasses.replace(basis, noise=S)
    A = basis.eigenvalues if Q is None else (Q * basis.eigenvalues) @ Q.T
    x0 = Law((start.mean - basis.minimiser)[None], _matrix(start.covariance)[None])
    on_it = MethodOnQuadratic(update, numbers, Quadratic(A, basis.minimiser), rates)
    maps = TracedMaps(on_it, x0, Places(np.arange(update.size)[None], np.arange(d)[None]))
    return Setting(basis, maps, (S if Q is None else Q @ S @ Q.T)[None])
