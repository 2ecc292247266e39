"""Diffusions that SGD approaches, of any smooth risk, by simulation; it needs the extra "sde"."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxsgd import streams
from jaxsgd.errors import InvalidInput, NoExactSolution, integer
from jaxsgd.module import with_own_arrays
from jaxsgd.problems import Problem
from jaxsgd.study import Study
from jaxsgd.theory.diffusion import constant_rate
from jaxsgd.theory.eigenbasis import stated_covariance
from jaxsgd.theory.starts import drawn_start

SUBSTEPS = 4
"""Steps of the solver for one update of SGD. Its weak error is of the order 2 in their size."""
_AT_ONCE = 2**14  # paths, to bound the memory


class MeanRisk(NamedTuple):
    """E R(X) at the time of the last update, and its standard error."""

    mean: float
    standard_error: float


def simulated_diffusion(
    study: Study, order: int, trajectories: int, seed: int = 0, substeps: int = SUBSTEPS
) -> MeanRisk:
    """E R(X_s) at s = eta T of the diffusion of an order, see [`jaxsgd.theory.diffusion`][], by simulation in float64.

    The solver is SRA1 of [diffrax](https://docs.kidger.site/diffrax), for noise that does not depend on x.

    **Arguments**

    - `study`: of plain SGD at one constant learning rate, on any smooth risk, with additive noise of a constant
      covariance, from one start.
    - `order`: 1 or 2.
    - `trajectories`: how many.
    - `seed`: of the Brownian paths.
    - `substeps`: steps of the solver for one update.

    **Raises** `InvalidInput` without diffrax, `NoExactSolution` for another study.

    Source: Roessler (2010), SIAM J. Numer. Anal. 48, for SRA1.
    """
    try:
        import diffrax  # type: ignore[import-not-found] - an extra
    except ImportError:
        raise InvalidInput('the simulation of diffusions needs diffrax: pip install "jaxsgd[sde]"') from None

    eta, root, problem = constant_rate(study, order), _root_of_covariance(study), _smooth(study)
    count, end = integer("trajectories", trajectories, at_least=2), eta * study.steps
    key = jax.random.wrap_key_data(jnp.asarray(streams.make_key(seed, "diffusion")))
    with jax.enable_x64(True):
        own = with_own_arrays(problem)

        def risk(x: jax.Array) -> jax.Array:
            return own.value(study.point.unravel(x))

        def potential(x: jax.Array) -> jax.Array:
            gradient = ravel_pytree(jax.grad(risk)(x))[0]
            return risk(x) + (eta / 4 * jnp.sum(gradient**2) if order == 2 else 0.0)

        def path(key: jax.Array) -> jax.Array:
            brownian = diffrax.UnsafeBrownianPath((study.dimension,), key, levy_area=diffrax.SpaceTimeLevyArea)
            terms = diffrax.MultiTerm(
                diffrax.ODETerm(lambda s, x, _: -jax.grad(potential)(x)),
                diffrax.ControlTerm(lambda s, x, _: np.sqrt(eta) * root, brownian),
            )
            steps = study.steps * substeps
            solution = diffrax.diffeqsolve(
                terms, diffrax.SRA1(), 0.0, end, end / steps, jnp.asarray(study.starting_points[0]),
                max_steps=steps + 1, adjoint=diffrax.DirectAdjoint(),
            )  # fmt: skip
            return risk(solution.ys[-1])

        in_batches = jax.jit(lambda keys: jax.lax.map(path, keys, batch_size=_AT_ONCE))
        values = np.asarray(in_batches(jax.random.split(key, count)))
    return MeanRisk(float(values.mean()), float(values.std(ddof=1) / np.sqrt(count)))


def _root_of_covariance(study: Study) -> np.ndarray:
    """C^(1/2) (d, d)."""
    C = stated_covariance(study.oracle, study.dimension)
    if C is None:
        raise NoExactSolution(
            f"oracles.{type(study.oracle).__name__} does not state a covariance of the gradient that is the same at "
            "every x, which the diffusion has"
        )
    variances, Q = np.linalg.eigh(np.diag(C) if C.ndim == 1 else C)
    return (Q * np.sqrt(np.maximum(variances, 0.0))) @ Q.T


def _smooth(study: Study) -> Problem:
    problem, reason = study.oracle.problem, drawn_start(study)
    if problem is None or reason:
        raise NoExactSolution(reason or "R is not known: there is no problem")
    return problem
