"""What users state of a problem, at a handful of points around the start and the minimiser."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxsgd.errors import InvalidInput
from jaxsgd.problems import EmpiricalRisk, FiniteSum
from jaxsgd.remembering import remember
from jaxsgd.stated_facts.held import Held, contradiction, evaluated, number, quick, shown
from jaxsgd.structure import Skeleton, Structure, flat

_POINTS = 8
_MOST = 2**23  # numbers that all evaluations of the check may touch; a larger problem is not checked
_EXAMPLES = 32  # of those at most facts are checked
_EXACT, _ROUGH = 1e-9, 1e-5  # of the values: rounding in float64, and in what users compute in float32
_CLOSE = 1e-6  # relative, of constants
_FACTS = ("minimiser", "minimum", "strong_convexity", "smoothness", "lipschitz", "convex", "hessian")
_OF_EXAMPLES = ("example_strong_convexity", "example_smoothness")
_STEPS = np.array([1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4, 1e-5])  # down the gradient, in units of the radius


class Probe(NamedTuple):
    """R (m,), its gradients (m, d) and whether all are finite (m,), at points (m, d); and the rounding of values."""

    points: np.ndarray
    values: np.ndarray
    gradients: np.ndarray
    rounding: float

    def only(self, chosen: np.ndarray) -> "Probe":
        return Probe(self.points[chosen], self.values[chosen], self.gradients[chosen], self.rounding)


@remember(256)
def check_problem(held: Held, start: Held, onto: Held) -> None:
    """An error if minimiser, minimum, convexity, constants or Hessian are contradicted.

    Points lie in the ball around the minimiser through the start (around the start, where no minimiser is stated), and
    in the set on which the method projects: what is stated for it alone passes. The gradient need not vanish at a
    minimiser, which may be a kink or lie on the border of that set: it must not lead to lower values. Constants are
    compared between points that lie nowhere in particular, so that no kink is hit. A value counts as lower by more than
    1e-9 of the largest value seen, a constant as wrong by more than 1e-6 of it.
    """
    problem, x0 = held.item, flat(start.item)
    if _POINTS * (held.size + x0.size) > _MOST or not _states_anything(problem):
        return
    x_star = None if problem.minimiser is None else flat(problem.minimiser)
    if x_star is not None and x_star.shape != x0.shape:
        return
    centre = x0 if x_star is None else x_star
    reach = float(np.linalg.norm(x0 - centre)) or 2 * max(1.0, float(np.abs(centre).max()))
    inside = _inside(onto)
    evaluate = _evaluator(held, start)
    at = evaluate(np.concatenate([centre[None], inside(_around(centre, x0, reach))]))
    if at is None:
        return
    generic = at.only(np.arange(len(at.points)) > 0)
    seen = [at]
    slope = float(np.linalg.norm(at.gradients[0]))
    if 0 < slope < np.inf and (x_star is not None or problem.minimum is not None):
        down = evaluate(inside(centre - reach * _STEPS[:, None] * at.gradients[0] / slope))
        seen += [] if down is None else [down]
    if x_star is not None:
        _check_minimiser(seen)
    _check_minimum(number(problem.minimum), seen, x_star is not None)
    of_problem = {name: number(getattr(problem, name)) for name in ("strong_convexity", "smoothness", "lipschitz")}
    finite = generic.only(np.isfinite(generic.values) & np.isfinite(generic.gradients).all(1))
    _check_curvature("the problem", problem.convex, of_problem, finite)
    _check_hessian(problem, finite)
    if isinstance(problem, EmpiricalRisk):
        _check_examples(problem, held, start, finite.points)


def _states_anything(problem: Any) -> bool:
    facts = (*_FACTS, *_OF_EXAMPLES) if isinstance(problem, EmpiricalRisk) else _FACTS
    return any(getattr(problem, fact) is not None for fact in facts)


def _around(centre: np.ndarray, x0: np.ndarray, reach: float) -> np.ndarray:
    """Near the start, between it and the centre, and in four directions: (7, d), nowhere in particular."""
    directions = np.random.default_rng(0).normal(size=(_POINTS - 1, len(centre)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    share = np.array([0.98, 0.51, 0.11, 0.0, 0.0, 0.0, 0.0])[:, None]
    away = np.array([0.003, 0.003, 0.003, 0.9, 0.5, 0.2, 0.05])[:, None]
    return centre + share * (x0 - centre) + away * reach * directions


def _inside(of_set: Held) -> Callable[[np.ndarray], np.ndarray]:
    """Points projected on a set, if there is one."""
    if of_set.item is None:
        return lambda points: points

    def project(points: np.ndarray) -> np.ndarray:
        found = evaluated(_compiled_projection(of_set.skeleton), of_set.copies, points)
        return points if found is None else np.asarray(found, np.float64)

    return project


@remember(64)
def _compiled_projection(skeleton: Skeleton) -> Callable[..., Any]:
    """Projections of points on a set, given its numbers."""
    return quick(jax.vmap(lambda numbers, point: skeleton.filled(numbers).project(point), (None, 0)))


def _evaluator(held: Held, start: Held) -> Callable[[np.ndarray], Probe | None]:
    """R and its gradient at 8 points, in float64; None where they cannot be computed."""
    compiled = _compiled(held.skeleton, Structure.of(start.item))

    def evaluate(points: np.ndarray) -> Probe | None:
        found = evaluated(compiled, held.copies, points)
        if found is None:
            return None
        values, gradients = found
        rounding = _EXACT if values.dtype == np.float64 else _ROUGH
        return Probe(points, values.astype(np.float64), gradients.astype(np.float64), rounding)

    return evaluate


@remember(64)
def _compiled(skeleton: Skeleton, point: Structure) -> Callable[[list[np.ndarray], np.ndarray], Any]:
    """R and its gradients of problems of one structure, a function of their numbers and of points (m, d)."""
    unflatten = _unflatten(point)

    def at(numbers: list[jax.Array], x: jax.Array) -> Any:
        problem, tree = skeleton.filled(numbers), unflatten(x)
        return problem.value(tree), ravel_pytree(problem.gradient(tree))[0]

    return quick(jax.vmap(at, (None, 0)))


def _unflatten(point: Structure) -> Callable[[jax.Array], Any]:
    return lambda x: jax.tree.map(lambda leaf: leaf[..., 0], point.unflatten(x[:, None]))


def _check_minimiser(seen: list[Probe]) -> None:
    """No lower value at the other points, nor down the gradient; the first point is the minimiser."""
    x, value, slope = seen[0].points[0], seen[0].values[0], float(np.linalg.norm(seen[0].gradients[0]))
    allowed = seen[0].rounding * _largest(seen[0].values)
    point, least = _lowest(seen)
    if np.isfinite(value) and least < value - allowed:
        raise contradiction(
            "the problem",
            f"minimiser={shown(x)}",
            f"the gradient there has length {slope:.3g}, and R falls from {value:.9g} there to {least:.9g} at "
            f"{shown(point)}, by more than rounding ({allowed:.1g})",
        )


def _check_minimum(minimum: float | None, seen: list[Probe], has_minimiser: bool) -> None:
    if minimum is None:
        return
    allowed = max(seen[0].rounding, _CLOSE) * max(_largest(seen[0].values), abs(minimum))
    value = seen[0].values[0]
    if has_minimiser and np.isfinite(value) and abs(value - minimum) > allowed:
        raise contradiction(
            "the problem", f"minimum={minimum:.9g}", f"R is {value:.9g} at the minimiser that it states"
        )
    point, least = _lowest(seen)
    if least < minimum - allowed:
        raise contradiction("the problem", f"minimum={minimum:.9g}", f"R is {least:.9g} at {shown(point)}")


def _lowest(seen: list[Probe]) -> tuple[np.ndarray, float]:
    """The point with the least finite value, and that."""
    points, values = np.concatenate([each.points for each in seen]), np.concatenate([each.values for each in seen])
    lowest = int(np.argmin(np.where(np.isfinite(values), values, np.inf)))
    return points[lowest], float(values[lowest]) if np.isfinite(values[lowest]) else np.inf


def _check_curvature(what: str, convex: Any, constants: dict[str, float | None], at: Probe) -> None:
    """Between any two points: <g(y) - g(x), y - x> / ||y - x||^2, and ||g(y) - g(x)|| / ||y - x||; and ||g||."""
    i, j = np.triu_indices(len(at.points), 1)
    apart, grown = at.points[j] - at.points[i], at.gradients[j] - at.gradients[i]
    squared = (apart**2).sum(1)
    usable = squared > 0
    i, j, apart, grown, squared = i[usable], j[usable], apart[usable], grown[usable], squared[usable]
    steepest = float(np.linalg.norm(at.gradients, axis=1).max(initial=0.0))
    if len(i):
        along, across = (apart * grown).sum(1) / squared, np.linalg.norm(grown, axis=1) / np.sqrt(squared)
        uncertain = at.rounding * (steepest + _largest(at.values) / np.sqrt(squared)) / np.sqrt(squared)
        mu, L = constants.get("strong_convexity"), constants.get("smoothness")
        for name, least in (("strong_convexity", mu), ("convex", 0.0 if convex is True else None)):
            if least is None:
                continue
            short = along + uncertain < least - _CLOSE * max(abs(least), across.max())
            if short.any():
                k = int(np.argmin(np.where(short, along, np.inf)))
                stated = f"{name}={least:.6g}" if name != "convex" else "convex=True"
                raise contradiction(
                    what,
                    stated,
                    f"between x={shown(at.points[i[k]])} and x'={shown(at.points[j[k]])} the gradient grows by "
                    f"{along[k]:.6g} ||x' - x|| only, along x' - x",
                )
        if L is not None and (across - uncertain > L * (1 + _CLOSE)).any():
            k = int(np.argmax(across - uncertain))
            raise contradiction(
                what,
                f"smoothness={L:.6g}",
                f"between x={shown(at.points[i[k]])} and x'={shown(at.points[j[k]])} the gradient changes by "
                f"{across[k]:.6g} ||x' - x||",
            )
    G = constants.get("lipschitz")
    if G is not None and steepest > G * (1 + _CLOSE) + at.rounding * _largest(at.values):
        k = int(np.argmax(np.linalg.norm(at.gradients, axis=1)))
        raise contradiction(
            what, f"lipschitz={G:.6g}", f"the gradient at {shown(at.points[k])} has length {steepest:.6g}"
        )


def _check_hessian(problem: Any, at: Probe) -> None:
    """Gradients grow by A (y - x)."""
    if problem.hessian is None or len(at.points) < 2:
        return
    A, apart = np.asarray(problem.hessian, np.float64), np.diff(at.points, axis=0)
    if A.shape not in ((apart.shape[1],), (apart.shape[1],) * 2) or not np.array_equal(A, A.T):
        return  # theory says what is wrong with these
    grown = np.diff(at.gradients, axis=0)
    expected = apart * A if A.ndim == 1 else apart @ A
    off = np.linalg.norm(grown - expected, axis=1)
    scale = np.linalg.norm(grown, axis=1) + np.linalg.norm(expected, axis=1)
    wrong = off > _CLOSE * scale + at.rounding * np.linalg.norm(at.gradients, axis=1).max()
    if wrong.any():
        k = int(np.argmax(np.where(wrong, off, 0)))
        raise contradiction(
            "the problem",
            "a constant hessian A",
            f"from x={shown(at.points[k])} to x'={shown(at.points[k + 1])} the gradient grows by {shown(grown[k])}, "
            f"not by A (x' - x) = {shown(expected[k])}",
        )


def _check_examples(problem: Any, held: Held, start: Held, points: np.ndarray) -> None:
    """Convexity and smoothness of some of the examples, and the mean square of their gradients at the minimiser."""
    names = {"strong_convexity": "example_strong_convexity", "smoothness": "example_smoothness"}
    constants = {short: number(getattr(problem, name)) for short, name in names.items()}
    noise = None if isinstance(problem, FiniteSum) or problem.minimiser is None else number(problem.gradient_noise)
    n = problem.examples
    if n * points.shape[-1] * _POINTS > _MOST or (noise is None and not any(v is not None for v in constants.values())):
        return
    chosen = np.unique(np.linspace(0, n - 1, min(n, _EXAMPLES)).astype(np.int32))
    compiled = _compiled_examples(held.skeleton, Structure.of(start.item))
    found = evaluated(compiled, held.copies, points[:4], chosen)
    for example, gradients in zip(chosen, () if found is None else found, strict=False):
        probe = Probe(points[:4], np.zeros(len(gradients)), gradients, _EXACT)
        try:
            _check_curvature(f"of example {example} the problem", None, constants, probe)
        except InvalidInput as error:
            raise InvalidInput(str(error).replace(" states ", " states example_", 1)) from None
    if noise is not None:
        found = evaluated(compiled, held.copies, flat(problem.minimiser)[None], np.arange(n, dtype=np.int32))
        mean = np.nan if found is None else float((found**2).sum(-1).mean())
        if np.isfinite(mean) and abs(mean - noise) > _CLOSE * max(mean, noise):
            raise contradiction(
                "the problem", f"gradient_noise={noise:.6g}", f"the mean square at the minimiser is {mean:.6g}"
            )


@remember(64)
def _compiled_examples(skeleton: Skeleton, point: Structure) -> Callable[..., Any]:
    """Gradients of examples (k, m, d), a function of the problem's numbers, of points (m, d), and of indices (k,)."""
    unflatten = _unflatten(point)

    def at(numbers: list[jax.Array], x: jax.Array, index: jax.Array) -> jax.Array:
        problem = skeleton.filled(numbers)
        return ravel_pytree(problem.example_gradient(unflatten(x), problem.examples_at(index)))[0]

    return quick(jax.vmap(jax.vmap(at, (None, 0, None)), (None, None, 0)))


def _largest(values: np.ndarray) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max(initial=0.0))
