"""Moments of SGD on any one-dimensional risk with additive Gaussian noise, by quadrature."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.extend.core import Jaxpr, Literal
from jax.flatten_util import ravel_pytree

from jaxsgd import compiler
from jaxsgd.errors import NoExactSolution
from jaxsgd.problems import Problem
from jaxsgd.remembering import remember
from jaxsgd.structure import Skeleton, Structure, flat
from jaxsgd.study import Study
from jaxsgd.theory.density import Law, Resolution, densities, finest_rates
from jaxsgd.theory.eigenbasis import labelled, stated_covariance
from jaxsgd.theory.fine_cells import FineCells, fine_cells, regions
from jaxsgd.theory.route import Route, not_plain
from jaxsgd.theory.starts import drawn_start

Values = tuple[np.ndarray, np.ndarray]
"""R and R' at points (n,)."""

TOLERANCE = 1e-6
"""Moments on two grids that differ by more than this count as wrong."""

FINE_GRIDS = (Resolution(3.0, 1e-15), Resolution(1.5, 1e-15), Resolution(0.75, 1e-15))
"""Those where panels are cut into cells: they interpolate densities to 1e-9 and better."""

GRIDS = (Resolution(8.0, 1e-14), Resolution(6.0, 1e-15), Resolution(3.0, 1e-15), Resolution(1.5, 1e-15))
"""The grids that are tried, until two after each other agree."""

MOST_NUMBERS = 64
"""So many numbers of the risk, at most, are looked around."""

CHUNKS = 128, 1024
"""Points at which the risk is computed by one call of the compiled function: few points are computed fastest."""


class OneCoordinate(Route):
    """The density of x_{t+1} = x_t - eta_t (R'(x_t) + xi_t) from that of x_t, for normal noise on any risk.

    It has the moments of x_s and of what depends on it alone. There are none of averages: x_s and its average together
    have a law in two dimensions.

    The attribute `quadrature_error` estimates the relative error: it is the largest difference from a coarser
    grid, of a mean relative to the root of the second moment, of a variance relative to itself; or the mass
    that is missing, if that is larger. Grids agree on what no node of theirs sees; therefore R and R' are also
    looked at between the nodes (`jaxsgd.theory.fine_cells`), wherever x_0 .. x_T may be, once in each interval of the
    length `quadrature_spacing`. Where they vary there, panels are cut, the moments are computed again, and what was
    missed is found, or refused. What is narrower than that interval is seen with the probability of their ratio, unless
    it is near a number that stands in the program of the risk.
    """

    title = "a risk of one coordinate with normal noise"
    sentence = "In one dimension, with Gaussian noise, the law of an iterate determines that of the next."
    reference = "Nystroem (1930), Acta Math. 54, for the quadrature of the density"
    slow = True

    def applies(self, study: Study) -> str | None:
        oracle = study.oracle
        if not_plain(study) or study.dimension != 1:
            return not_plain(study) or f"x has {study.dimension} coordinates"
        if oracle.problem is None:
            return "there is no problem"
        if drawn_start(study):
            return drawn_start(study)
        covariance = stated_covariance(oracle, 1)
        if not (oracle.unbiased and oracle.normal) or covariance is None:
            return (
                f"oracles.{type(oracle).__name__} does not state that its gradients are unbiased and normal, with one "
                "variance everywhere"
            )
        return None if np.ravel(covariance)[0] > 0 else "the gradient has no noise"

    def moments(self, study: Study) -> xr.Dataset:
        evaluate = _pointwise(study)
        found = _agreed(study, evaluate, GRIDS)
        cells = _unseen(study, evaluate, found)
        while len(cells.low):
            again = _agreed(study, evaluate, FINE_GRIDS, cells)
            difference = max(found.error, again.error, _difference(found.moments, again.moments))
            if difference <= TOLERANCE:
                found = found._replace(error=difference)
                break
            found, before = again, cells
            cells = _unseen(study, evaluate, found)
            if np.isin(cells.low, before.low).all():
                break
        labels = labelled(found.moments, study.coordinates, step=study.recorded_steps)
        return labels.assign_attrs(quadrature_error=found.error, quadrature_spacing=cells.spacing)


class Agreed(NamedTuple):
    """The moments on which two grids agree, by how much, and the finer grid with the intervals of its laws."""

    moments: dict[str, np.ndarray]
    error: float
    grid: Resolution
    spans: np.ndarray


def _agreed(
    study: Study, evaluate: Callable[[np.ndarray], Values], grids: Sequence[Resolution], cells: FineCells | None = None
) -> Agreed:
    """The moments on the first of some grids that agrees with the one before; with panels cut, if cells are given."""
    previous, error = None, np.inf
    for grid in grids:
        fine = None if cells is None else cells.ends(grid.width, _std(study))
        moments, mass, spans = _on_grids(study, evaluate, grid, fine)
        if previous is not None:
            error = max(_difference(moments, previous), float(np.abs(mass - 1).max()))
        if error <= TOLERANCE:
            return Agreed(moments, error, grid, spans)
        previous = moments
    raise NoExactSolution(
        f"the law of x is found by quadrature, and the moments on two grids differ by {error:.1g}, which is more "
        f"than {TOLERANCE:g}: the risk must be smooth except at its minimiser and at the kinks that the problem "
        "states"
    )


def _unseen(study: Study, evaluate: Callable[[np.ndarray], Values], found: Agreed) -> FineCells:
    """The cells that the panels need, wherever the laws are."""
    problem, std = cast(Problem, study.oracle.problem), _std(study)
    widths = found.grid.width * std * finest_rates(study.learning_rates[: len(found.spans) - 1])
    places = regions(found.spans[1:], widths)
    return fine_cells(evaluate, places, np.unique(problem.kinks), _numbers(study), std)


def _numbers(study: Study) -> np.ndarray:
    """The numbers that the program of the risk contains, and those that the problem holds."""
    problem = cast(Problem, study.oracle.problem)
    with jax.enable_x64(True):
        program = jax.make_jaxpr(problem.value)(study.point.like(float))
    held = [np.ravel(leaf) for leaf in (*program.consts, *Skeleton.split(problem)[1]) if np.size(leaf) <= MOST_NUMBERS]
    known = np.concatenate([np.array(list(_literals(program.jaxpr)), float), *held]).astype(float)
    known = np.unique(np.abs(known[np.isfinite(known)]))[:MOST_NUMBERS]
    return np.unique(np.concatenate([known, -known]))


def _literals(program: Jaxpr) -> Iterator[float]:
    for equation in program.eqns:
        yield from (float(atom.val) for atom in equation.invars if isinstance(atom, Literal) and np.ndim(atom.val) == 0)
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda part: hasattr(part, "eqns")):
            if hasattr(inner, "eqns"):
                yield from _literals(getattr(inner, "jaxpr", inner))


def _std(study: Study) -> float:
    return float(np.sqrt(np.ravel(stated_covariance(study.oracle, 1))[0]))  # type: ignore[arg-type] - it is known


def _pointwise(study: Study) -> Callable[[np.ndarray], Values]:
    """R and R' at points (n,), in float64."""
    skeleton, leaves = Skeleton.split(study.oracle.problem)
    compiled = _compiled(skeleton, study.point)
    with jax.enable_x64(True):
        # Copies, as JAX 0.10 remembers an array that it was given in one precision, and returns it in another.
        numbers = [jnp.asarray(np.array(leaf)) for leaf in leaves]

    def evaluate(points: np.ndarray) -> Values:
        chunk = CHUNKS[len(points) > CHUNKS[0]]
        padded = np.full(-(-len(points) // chunk) * chunk, points[-1])
        padded[: len(points)] = points
        with jax.enable_x64(True):
            parts = [np.asarray(compiled(numbers, part)) for part in padded.reshape(-1, chunk)]
        risks, slopes = np.concatenate(parts, axis=1)[:, : len(points)]
        return risks, slopes

    return evaluate


@remember(maxsize=32)
def _compiled(skeleton: Skeleton, point: Structure) -> Callable[[list[jax.Array], Any], jax.Array]:
    """R and R' of problems of one structure, as (2, n): a function of their numbers and of points (n,)."""

    def both(numbers: list[jax.Array], points: jax.Array) -> jax.Array:
        problem = skeleton.filled(numbers)

        def at(x: Any) -> jax.Array:
            return jnp.stack([problem.value(x), ravel_pytree(problem.gradient(x))[0][0]])

        return jax.vmap(at, in_axes=-1, out_axes=-1)(point.unflatten(points[None]))

    return compiler.jit(both)


def _on_grids(
    study: Study, evaluate: Callable[[np.ndarray], Values], grid: Resolution, fine: np.ndarray | None
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """The moments at the recorded steps, the mass of each law there, and the interval of each law, (laws, 2)."""
    problem, std = cast(Problem, study.oracle.problem), _std(study)
    minimiser = None if problem.minimiser is None else float(flat(problem.minimiser)[0])
    steps = set(study.recorded_steps.tolist())
    rates = study.learning_rates[: max(steps)]
    kept, spans = [], []
    for step, law in enumerate(densities(float(flat(study.x0)[0]), rates, std, evaluate, problem.kinks, grid, fine)):
        spans.append((law.points[0], law.points[-1]))
        if step in steps:
            kept.append(law)
    rows = [_moments(law, minimiser, std) for law in kept]
    moments = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    moments["learning_rate"] = study.learning_rates[study.recorded_steps]
    return moments, np.array([law.masses.sum() for law in kept]), np.array(spans)


def _moments(law: Law, minimiser: float | None, std: float) -> dict[str, np.ndarray | float]:
    def mean_and_variance(values: np.ndarray) -> tuple[float, float]:
        mean = float(law.masses @ values)
        return mean, float(law.masses @ (values - mean) ** 2)

    x_mean, x_variance = mean_and_variance(law.points)
    observables = {"risk": mean_and_variance(law.risks)}
    if minimiser is not None:
        observables["distance_squared"] = mean_and_variance((law.points - minimiser) ** 2)
    # g = R'(x) + sigma z has E[g^2 | x] = R'^2 + sigma^2 and Var(g^2 | x) = 4 sigma^2 R'^2 + 2 sigma^4.
    mean, variance = mean_and_variance(law.slopes**2)
    observables["gradient_norm_squared"] = (mean + std**2, variance + 4 * std**2 * mean + 2 * std**4)
    return {
        **{f"{name}_mean": mean for name, (mean, _) in observables.items()},
        **{f"{name}_variance": variance for name, (_, variance) in observables.items()},
        "x_mean": np.array([x_mean]),
        "x_covariance": np.array([[x_variance]]),
    }


def _difference(moments: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> float:
    """The largest relative difference, as `OneCoordinate` defines it."""
    largest = 0.0
    for name, values in moments.items():
        if name == "learning_rate":
            continue
        scale = np.abs(values)
        if name.endswith("_mean"):
            variance = moments["x_covariance"][..., 0] if name == "x_mean" else moments[name[:-5] + "_variance"]
            scale = np.sqrt(values**2 + variance)
        difference = np.abs(values - others[name])
        largest = max(largest, float(np.divide(difference, scale, out=difference, where=scale > 0).max()))
    return largest
