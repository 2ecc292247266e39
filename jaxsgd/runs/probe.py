"""What a study computes at a few points that it may reach, in float32 and in float64: without compiling anything."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr

from jaxsgd.engine.program import Program
from jaxsgd.one_update import OneUpdate
from jaxsgd.oracles import ExampleSampling
from jaxsgd.problems.examples import count
from jaxsgd.runs.numpy_evaluation import evaluate
from jaxsgd.runs.rounding_bounds import EPSILON
from jaxsgd.state import State, Update
from jaxsgd.streams import DTYPES, Replay
from jaxsgd.structure import Skeleton, whole
from jaxsgd.study import Study

POINTS = 32
_NUMBERS = 2**20  # that are held at once, of points and examples


class Values(NamedTuple):
    """At each point, in one precision: g (points, d), the risk, and the observables of the user (points,)."""

    gradient: np.ndarray
    risk: np.ndarray
    observables: dict[str, np.ndarray]


class Probe(NamedTuple):
    """The same in both precisions."""

    single: Values
    double: Values

    @classmethod
    def of(cls, study: Study, program: Program, centres: list[np.ndarray], spread: np.ndarray) -> "Probe | None":
        """At points around the centres (d,), which spread so far (d,); None where NumPy cannot tell."""
        random = np.random.default_rng(0)
        points = max(2, min(POINTS, _NUMBERS // (study.dimension + _examples(study) * study.oracle.example_floats)))
        centre = np.stack([centres[i % len(centres)] for i in range(points)])

        def around(size: float) -> np.ndarray:  # on floats, so that both precisions see the same points
            return (centre + size * spread * random.normal(size=centre.shape)).astype(np.float32)

        x, averages = around(1.0), np.stack([around(0.5) for _ in program.averages] or [centre], 1)
        example = ()
        if isinstance(study.oracle, ExampleSampling):
            chosen = np.linspace(0, count(study.oracle.problem.data) - 1, points).astype(int)
            example = jax.tree.map(lambda leaf: np.asarray(leaf)[chosen], study.oracle.problem.data)
        served = tuple(request.by_numpy(random, points) for request in program.requests)
        _, leaves = Skeleton.split(study.parts)
        rate = study.learning_rates[: study.steps].mean()
        # What a sum over all updates loses, as from independent roundings.
        lost = EPSILON * np.sqrt(study.steps) * random.choice([-1.0, 1.0], (points, max(len(program.folds), 1)))
        sampled = isinstance(study.oracle, ExampleSampling)
        traced = _traced(
            dataclasses.replace(program, statistics=()), _shapes(leaves), points, _shapes(example), sampled
        )
        found = []
        for wide in (False, True):
            arguments = (leaves, x, averages, served, example, lost * (not wide), rate, float(study.steps))
            values = evaluate(traced, jax.tree.leaves(arguments), wide)
            if values is None:
                return None
            gradient, risk, *rest = values
            names = [event.name for event in program.observables]
            found.append(Values(gradient, risk, dict(zip(names, rest, strict=True))))
        return cls(*found)


def _examples(study: Study) -> int:
    return 1 if study.oracle.problem is None else study.oracle.problem.examples


def _shapes(tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple((np.shape(leaf), np.asarray(leaf).dtype.name) for leaf in leaves)


@functools.lru_cache(maxsize=64)
def _traced(program: Program, leaves: Any, points: int, example: Any, sampled: bool) -> ClosedJaxpr:
    """g, R and the observables, of the leaves and of (points, ...) x, averages, draws, examples and lost parts."""

    def shaped(described: Any, lead: tuple[int, ...] = ()) -> Any:
        made = [jax.ShapeDtypeStruct((*lead, *shape), _type(name, program.precision)) for shape, name in described[1]]
        return jax.tree.unflatten(described[0], made)

    def floats(*shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, program.precision)

    def of_one(leaves: Any, x: Any, averages: Any, served: Any, example: Any, lost: Any, rate: Any, steps: Any) -> Any:
        oracle, method, folds = program.rebuild(leaves)
        one, as_point, t = OneUpdate(oracle, method, program.point), program.point.unravel, jax.numpy.int32(0)
        x = as_point(x)
        sample = None
        if not sampled:
            like = program.point.like(program.precision)
            sample, _ = oracle.sample(Replay(served, program.requests), like, np.int32(0), oracle.memory())
        tree = oracle.problem.example_gradient(x, example) if sampled else oracle.gradient(x, sample)
        gradient = program.point.ravel(tree)
        named = {name: as_point(averages[i]) for i, name in enumerate(program.averages)}
        state = method.init(one.as_seen(x))
        values = [oracle.risk(x, sample)]
        if program.observables:
            sample = _sample_of(program.blank.sample.like, example) if sampled else sample
            x_next, following = method.step(one.as_seen(x), rate, t, state, one.draw(sample))
            seen = Update(t, rate, x, tree, one.as_pytree(x_next), sample, named, state, following)
            carried = {}
            for i, (name, fold) in enumerate(folds.items()):
                carry = fold.begin(State(x, named, {}, state), program.blank.update)
                taken = fold.take(carry, seen)
                carried[name] = fold.value(steps * _with_loss(taken, lost[i]) if fold.is_sum else taken)
            seen_at_record = State(x, named, carried, state)
            values += [
                jax.numpy.asarray(event.function(seen_at_record if event.takes_state else whole(x)), program.precision)
                for event in program.observables
            ]
        return gradient, *values

    d, n = program.point.size, len(program.averages) or 1
    served = tuple(
        jax.tree.map(
            lambda leaf, kind=request.kind: jax.ShapeDtypeStruct(
                (points, *leaf.shape), DTYPES.get(kind, program.precision)
            ),
            request.structure.like(np.float32),
        )
        for request in program.requests
    )
    data = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((points, *leaf.shape[1:]), leaf.dtype), shaped(example))
    each = (None, 0, 0, 0, 0, 0, None, None)
    with jax.enable_x64(False):
        return jax.make_jaxpr(jax.vmap(of_one, each))(
            shaped(leaves), floats(points, d), floats(points, n, d), served, data,
            floats(points, max(len(program.folds), 1)), floats(), floats(),
        )  # fmt: skip


def _sample_of(like: Any, example: Any) -> Any:
    """A draw of one example as often as a draw holds some; of the first one where a draw holds their indices."""
    wanted, given = jax.tree.leaves(like.examples), jax.tree.leaves(example)
    at_once = jax.tree.structure(like.examples) == jax.tree.structure(example) and all(
        leaf.shape[len(leaf.shape) - one.ndim :] == one.shape and leaf.dtype == one.dtype
        for leaf, one in zip(wanted, given, strict=True)
    )
    held = jax.tree.map(
        lambda leaf, one: jax.numpy.broadcast_to(one, leaf.shape), like.examples, example
    ) if at_once else jax.numpy.zeros(like.examples.shape, like.examples.dtype)  # fmt: skip
    weights = None if like.weights is None else jax.numpy.ones(like.weights.shape, like.weights.dtype)
    return like._replace(examples=held, weights=weights)


def _with_loss(term: Any, lost: Any) -> Any:
    """A term of a sum, of which a part is lost unless it is a whole number, as of counts."""
    term = jax.numpy.asarray(term, lost.dtype)
    return jax.numpy.where(jax.numpy.floor(term) == term, term, term * (1 + lost))


def _type(name: str, precision: str) -> str:
    return (
        precision
        if name.startswith("float")
        else {"int64": "int32" if precision == "float32" else "int64"}.get(name, name)
    )
