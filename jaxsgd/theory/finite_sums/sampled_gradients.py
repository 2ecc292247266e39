"""Linear methods on a quadratic with noise that depends on the point, such as that of examples drawn afresh."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import compiler
from jaxsgd.remembering import remember
from jaxsgd.structure import Skeleton
from jaxsgd.study import Study
from jaxsgd.theory.finite_sums.cost_limit import OVERHEAD
from jaxsgd.theory.finite_sums.fresh_batches import Draws
from jaxsgd.theory.finite_sums.moments_at_a_step import Snapshot
from jaxsgd.theory.finite_sums.quadratic_examples import QuadraticExamples, ShiftedQuadratic
from jaxsgd.theory.linear.affine_update import affine_update, in_float64
from jaxsgd.theory.linear.maps import Law, Maps, MapsOfMethod, PlainMaps
from jaxsgd.theory.linear.propagation import Augmented, EnteringNoise, conjugated, recorded
from jaxsgd.theory.linear.setting import places_of
from jaxsgd.theory.linear.traced_maps import MethodOnQuadratic, Quadratic, TracedMaps
from jaxsgd.theory.noise_at_point import NoiseAtPoint
from jaxsgd.theory.recursion import MeanAndCovariance
from jaxsgd.theory.starts import law_of_start

_COMPILED = 2000
"""Steps from which on a loop is worth its compilation."""


def snapshots(examples: QuadraticExamples, study: Study) -> Iterator[Snapshot]:
    """The moments at the recorded steps, of examples that are drawn afresh."""
    steps = int(study.recorded_steps.max())
    draws = Draws(examples, study.oracle, steps, OVERHEAD if steps >= _COMPILED else 0.0)
    return with_noise(examples, draws, study)


def with_noise(quadratic: ShiftedQuadratic, noise: NoiseAtPoint, study: Study) -> Iterator[Snapshot]:
    """The moments at the recorded steps.

    With H = diag(h) the mean Hessian, and z_{t+1} = M z + N g + c for a gradient that is taken at e = P z + p,

        E z+ = (M + N H P) E z + N (H p + drift) + c,
        Cov z+ = (M + N H P) Cov z (M + N H P)' + N E Cov(g | e) N',

    E Cov(g | e) being linear in second moments of e. Of plain SGD M = P = I and N = -eta I, which for `Draws` is
    E ee'+ = M - eta (H M + M H) + eta^2 (q Q + (1 - q) H M H) for M = E ee', with Q = E g_i g_i' and the share q of a
    batch.
    """
    steps, d, h = int(study.recorded_steps.max()), study.dimension, quadratic.eigenvalues
    rates = study.learning_rates
    mixings = [average.mixing(rates[: study.steps]) for average in study.averages.values()]
    for law in recorded(_maps(quadratic, study), SampledNoise(noise, steps), mixings, study.recorded_steps):
        x, *others = (
            MeanAndCovariance(mean.reshape(d), covariance.reshape(d, d), known)
            for mean, covariance, known in (law.x, *law.averages, *law.points)
        )
        squared_norm = np.sum((h * x.mean + quadratic.drift) ** 2) + h**2 @ np.diag(x.covariance)
        yield Snapshot(x, squared_norm + np.trace(noise.noise(x)), others)


def _maps(examples: ShiftedQuadratic, study: Study) -> MapsOfMethod:
    """Those of the method with the mean gradient, in the eigenbasis."""
    d, rates, (mean, covariance, _) = study.dimension, study.learning_rates, law_of_start(study)
    e = examples.start_of(study)
    start = Law(e.mean[:, None], e.covariance[..., None, None])
    if study.method.plain:
        return PlainMaps(examples.eigenvalues, start, rates, examples.drift)
    update, numbers = affine_update(study.method, study.point), in_float64(Skeleton.split(study.method)[1])
    places = places_of(update, numbers, rates, rotated=True)
    if len(places.of_x) == d:
        on_it = MethodOnQuadratic(update, numbers, Quadratic(None, examples.centre @ examples.vectors), rates)
        maps, turn = TracedMaps(on_it, start, places), None
    else:
        on_it = MethodOnQuadratic(update, numbers, Quadratic(None, examples.centre), rates)
        start = Law((mean - examples.centre)[None], (np.diag(covariance) if covariance.ndim == 1 else covariance)[None])
        maps, turn = TracedMaps(on_it, start, places), examples.vectors
    return _WithMeanGradient(maps, examples, turn)


class _WithMeanGradient(MapsOfMethod):
    """Maps of a method in which its gradient is replaced by its mean, of which noise is left.

    **Arguments**

    - `maps`: with the gradient as what enters.
    - `turn`: Q, where the method runs in the coordinates of x in one block; these are then turned into the eigenbasis.
    """

    def __init__(self, maps: MapsOfMethod, examples: ShiftedQuadratic, turn: np.ndarray | None) -> None:
        self._maps, self._examples, self._turn = maps, examples, turn
        mean, covariance = maps.start
        if turn is not None:
            mean = self._turned(mean[..., None])[..., 0]
            covariance = self._from_turned(self._turned(covariance))
        self.start = Law(mean, covariance)

    def between(self, first: int, last: int) -> Maps:
        M, N, c, points, taken = self._maps.between(first, last)
        P, p = taken  # type: ignore[misc]
        if self._turn is not None:
            Q = self._turn
            M, N, c = self._from_turned(self._turned(M)), self._turned(N) @ Q, self._turned(c[..., None])[..., 0]
            points = [(Q.T @ self._from_turned(rows), offset @ Q) for rows, offset in points]
            P, p = Q.T @ self._from_turned(P), p @ Q
        h, drift, r = self._examples.eigenvalues, self._examples.drift, N.shape[-1]
        H = h[:, None, None] if r == 1 else np.diag(h)[None]
        mean = (H @ p[..., None])[..., 0] + drift.reshape(-1, r)
        return Maps(M + N @ H @ P, N, c + (N @ mean[..., None])[..., 0], points, (P, p))

    def _turned(self, rows: np.ndarray) -> np.ndarray:
        """With the rows of x turned into the eigenbasis (.., m, k)."""
        Q = self._turn
        assert Q is not None
        return np.concatenate([Q.T @ rows[..., : len(Q), :], rows[..., len(Q) :, :]], axis=-2)

    def _from_turned(self, columns: np.ndarray) -> np.ndarray:
        """As a map of what is turned (.., k, m)."""
        return self._turned(columns.swapaxes(-1, -2)).swapaxes(-1, -2)


class SampledNoise(EnteringNoise):
    """The noise of gradients of batches, whose covariance is linear in second moments of the point of the gradient.

    **Arguments**

    - `draws`: of the examples, or other noise of this kind.
    - `steps`: how many there are.
    """

    correlates = True

    def __init__(self, draws: NoiseAtPoint, steps: int) -> None:
        self._draws, self.multiplications = draws, draws.multiplications + OVERHEAD
        self._matrix = draws.matrix if steps >= _COMPILED else None
        self._length = 0  # of the longest stretch so far: programs are compiled for one length

    def laws(self, first: int, maps: Augmented, start: Law) -> Law:
        given = (*maps[:3], *maps.taken)  # type: ignore[misc]
        if self._matrix is not None:
            count = len(maps.matrices)
            self._length = max(self._length, count)
            given = tuple(np.pad(each, [(0, self._length - count), *[(0, 0)] * (each.ndim - 1)]) for each in given)
            with jax.enable_x64(True):
                found = _scanned()(self._matrix, start, given)
            return Law(*(np.asarray(each)[: count + 1] for each in found))
        found = [start]
        for of_step in zip(*given, strict=True):
            found.append(_stepped(self._noise, found[-1], *of_step))
        return Law(*map(np.array, zip(*found, strict=True)))

    def _noise(self, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        return self._draws.noise(MeanAndCovariance(mean, covariance))


def _stepped(noise: Callable[[Any, Any], Any], law: Law, M: Any, c: Any, N: Any, P: Any, p: Any) -> Law:
    """The law after a step, by NumPy or JAX, where the gradient is taken at P z + p."""
    blocks, r = p.shape
    d = blocks * r
    mean, covariance = (P @ law.mean[..., None])[..., 0] + p, conjugated(P, law.covariance)
    S = noise(mean.reshape(d), covariance.reshape(d, d)).reshape(blocks, blocks, r, r)
    return Law((M @ law.mean[..., None])[..., 0] + c, conjugated(M, law.covariance) + conjugated(N, S))


@remember(1)
def _scanned() -> Callable[..., Any]:
    """The laws before each step and after the last, of the matrix of `Draws`, the law at the start and all maps."""

    def laws(matrix: Any, start: Law, maps: Any) -> Law:
        def noise(mean: Any, covariance: Any) -> Any:
            z = jnp.append(mean, 1.0)
            Z = jnp.outer(z, z).at[:-1, :-1].add(covariance)
            return matrix @ Z.ravel()

        def step(law: Law, of_step: Any) -> tuple[Law, Law]:
            return _stepped(noise, law, *of_step), law

        last, before = jax.lax.scan(step, start, maps)
        return jax.tree.map(lambda each, end: jnp.concatenate([each, end[None]]), before, last)

    return compiler.jit(laws)
