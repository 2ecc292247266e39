"""One contract for every registered kind of every family: noise, problems, oracles, orders, methods, sets, averages,
folds, schedules and grids.

The tables of contract_entries.py say how each is made and what is expected of it; a kind that is not in them fails.
Averages and grids are tabulated on the host, in NumPy: of them no function is compiled, and none is differentiated.
Orders give integers, and folds counts and times, which have no derivative. All other checks run for every entry.
"""

import dataclasses
import functools
import importlib
import pickle
import tomllib

import contract_entries
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from contract_entries import FAMILIES, kind_of
from contract_facts import FACTS, batches, of_method
from contract_false import FALSE
from contract_measures import (
    BATCH,
    as_floats,
    declared,
    dimension_of,
    examples_of,
    has_tail_index,
    start_of,
    variates,
)
from economy import QUICK

from jaxsgd import averages, folds, methods, noise, oracles, orders, problems, record, schedules, start
from jaxsgd.config.reader import Reader, kinds
from jaxsgd.module import AbstractOrFinal, Module, facts_of, is_abstract
from jaxsgd.state import State, Update
from jaxsgd.streams import Replay
from jaxsgd.structure import Skeleton

EACH = [(family, name) for family, entries in FAMILIES.items() for name in entries]
ON_THE_HOST = (averages.Average, record.Grid)
NOT_DIFFERENTIABLE = (*ON_THE_HOST, orders.Order, folds.PathFold)
COMPILED = [(family, name) for family, name in EACH if family not in ON_THE_HOST]
DIFFERENTIABLE = [(family, name) for family, name in EACH if family not in NOT_DIFFERENTIABLE]


def shown(item):
    return getattr(item, "__name__", item)


each = pytest.mark.parametrize(("family", "name"), EACH, ids=shown)
each_compiled = pytest.mark.parametrize(("family", "name"), COMPILED, ids=shown)
each_differentiable = pytest.mark.parametrize(("family", "name"), DIFFERENTIABLE, ids=shown)

# completeness


def without_an_entry(family):
    """Kinds that are registered and not in the table, or the other way round."""
    registered = kinds.__wrapped__(family)  # what it remembers may be older than a kind
    return set(registered) ^ set(map(kind_of, FAMILIES[family]))


@pytest.mark.parametrize("family", FAMILIES, ids=shown)
def test_every_kind_has_an_entry(family):
    assert not without_an_entry(family)


def test_control_a_kind_without_an_entry_is_found(monkeypatch):
    class Dummy(noise.Noise):
        def sample(self, stream, like):
            return like

    monkeypatch.setattr(noise, "Dummy", Dummy, raising=False)
    assert without_an_entry(noise.Noise) == {"dummy"}


def test_every_family_has_a_table():
    """Families are the abstract classes right below the roots. No study is made of theorems, statistics and results."""
    found, waiting = set(), [AbstractOrFinal]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        elsewhere = kind.__module__.startswith(("jaxsgd.theory.", "jaxsgd.engine.", "jaxsgd.module", "jaxsgd.results."))
        if {Module, AbstractOrFinal} & set(kind.__bases__) and is_abstract(kind) and not elsewhere:
            found.add(kind)
    assert found == set(FAMILIES)


# what is computed with each, for one trajectory, and at which points

POINTS = 6
LIKE = np.zeros(2)  # whose structure noise is to have
VECTORS = np.random.default_rng(1).normal(size=(POINTS, 2)) * 2


def of_noise(each, drawn):
    return each.sample(Replay(drawn), LIKE)


def of_problem(problem, x):
    return problem.value(x), problem.gradient(x)


def of_oracle(oracle, point):
    drawn, x, t = point
    sample, memory = oracle.sample(Replay(drawn), x, t, oracle.memory())
    return oracle.gradient(x, sample), oracle.risk(x, sample), memory


def of_order(order, point):
    drawn, t = point
    n = examples_of(order)
    return order.draw(Replay(drawn), t, order.memory(n), n, BATCH)


def of_start(law, drawn):
    return law.sample(Replay(drawn), LIKE)


def of_set(convex, x):
    return convex.project(x)


def of_fold(fold, path):
    """What is seen after five updates along a path."""

    def update(t):
        return Update(jnp.int32(t), jnp.float32(0.1), path[t], path[t], path[t + 1])

    carry = jax.tree.map(jnp.asarray, fold.begin(State(path[0], {}, {}), update(0)))
    for t in range(5):
        carry = fold.take(carry, update(t))
    return fold.value(carry)


def of_schedule(schedule, t):
    return schedule(t)


CALLS = {
    noise.Noise: of_noise,
    problems.Problem: of_problem,
    oracles.Oracle: of_oracle,
    orders.Order: of_order,
    methods.Method: of_method,
    methods.ConvexSet: of_set,
    start.Start: of_start,
    folds.PathFold: of_fold,
    schedules.Schedule: of_schedule,
}


def points_of(family, entry):
    """Some points, along the first axis."""
    item, counts = entry.object, np.arange(POINTS, dtype=np.int32)
    if family is noise.Noise:
        return variates(lambda stream: item.sample(stream, LIKE), POINTS)
    if family is problems.Problem:
        normals = np.random.default_rng(2).normal
        return jax.tree.map(lambda leaf: leaf + normals(size=(POINTS, *np.shape(leaf))), start_of(item))
    if family is oracles.Oracle:
        drawn = variates(lambda stream: item.sample(stream, LIKE, 0, item.memory()), POINTS)
        return drawn, VECTORS, counts
    if family is orders.Order:
        n = examples_of(item)
        return variates(lambda stream: item.draw(stream, 0, item.memory(n), n, BATCH), POINTS), counts
    if family is methods.Method:
        return VECTORS, np.random.default_rng(3).normal(size=(POINTS, 2, 2)), np.full(POINTS, 0.3)
    if family is start.Start:
        return variates(lambda stream: item.sample(stream, LIKE), POINTS)
    if family is folds.PathFold:
        return np.random.default_rng(3).normal(size=(POINTS, 6, 2)) + 1
    return VECTORS if family is methods.ConvexSet else counts


def at(points, index):
    return jax.tree.map(lambda leaf: leaf[index], points)


TRACED = []


@functools.partial(jax.jit, static_argnums=(0, 1), compiler_options=dict(QUICK))
def compiled(call, skeleton, numbers, point):
    """The call with an object that is made of its static part and of its numbers inside the program."""
    TRACED.append(skeleton)
    return call(skeleton.filled(numbers), point)


@functools.partial(jax.jit, static_argnums=(0, 1), compiler_options=dict(QUICK))
def vectorised(call, skeleton, numbers, points):
    return jax.vmap(lambda point: call(skeleton.filled(numbers), point))(points)


def agree(computed, expected, relative=1e-5):
    """Equal integers; floats that are equal up to rounding, relative to the largest number of an array."""
    assert jax.tree.structure(computed) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(computed), jax.tree.leaves(expected), strict=True):
        one, other = np.asarray(one), np.asarray(other)
        assert one.shape == other.shape
        assert one.dtype.kind == other.dtype.kind
        scale = np.abs(other).max(initial=1e-3) if one.dtype.kind == "f" else 0
        np.testing.assert_allclose(one, other, rtol=0, atol=relative * scale)


@each_compiled
def test_compiled_is_eager_and_vectorised_is_a_loop(family, name):
    entry = FAMILIES[family][name]
    call, (skeleton, numbers) = CALLS[family], Skeleton.split(entry.object)
    points = as_floats(points_of(family, entry))
    loop = [compiled(call, skeleton, numbers, at(points, index)) for index in range(POINTS)]
    if name == kind_of(name):  # one entry of each kind: every operation is compiled alone
        agree(call(entry.object, at(points, 1)), loop[1])
    together = vectorised(call, skeleton, numbers, points)
    agree(together, jax.tree.map(lambda *leaves: np.stack(leaves), *loop))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(together))


@each_compiled
def test_other_numbers_do_not_trace_again(family, name):
    entry = FAMILIES[family][name]
    call, (skeleton, numbers) = CALLS[family], Skeleton.split(entry.object)
    if entry.other is None:
        assert not numbers
        return
    assert numbers
    other, others = Skeleton.split(entry.other())
    assert other == skeleton
    point = at(as_floats(points_of(family, entry)), 1)
    first = compiled(call, skeleton, numbers, point)
    traces = len(TRACED)
    second = compiled(call, other, others, point)
    assert len(TRACED) == traces
    unchanged = all(map(np.array_equal, jax.tree.leaves(first), jax.tree.leaves(second)))
    assert unchanged == (entry.silent is not None)


def test_control_another_structure_is_traced_again():
    call, point = of_noise, (np.zeros(2, np.float32),)
    compiled(call, *Skeleton.split(noise.Gaussian(std=[1.0, 2.0])), point)
    traces = len(TRACED)
    compiled(call, *Skeleton.split(noise.Gaussian(std=1.0)), point)
    assert len(TRACED) == traces + 1


def in_float64(call, item, points):
    """The call at all points with JAX set to float64."""
    with jax.enable_x64(True):
        computed = vectorised(call, *Skeleton.split(item), as_floats(points))
        assert all(leaf.dtype == np.float64 for leaf in jax.tree.leaves(computed) if leaf.dtype.kind == "f")
        return jax.tree.map(np.asarray, computed)


@each_compiled
def test_precision_is_that_of_jax_and_both_agree(family, name):
    """To 1e-5 of the largest number; the same integers."""
    item, points = FAMILIES[family][name].object, points_of(family, FAMILIES[family][name])
    points = jax.tree.map(lambda leaf: leaf.astype(np.float32) if leaf.dtype.kind == "f" else leaf, points)
    computed = vectorised(CALLS[family], *Skeleton.split(item), points)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(computed) if leaf.dtype.kind == "f")
    agree(computed, in_float64(CALLS[family], item, points))


@functools.partial(jax.jit, static_argnums=(0, 1), compiler_options=dict(QUICK))
def differentiated(call, skeleton, numbers, points):
    """The gradients of the sum of all floats that come out, in the numbers of an object and at each point."""

    def total(numbers, point):
        leaves = jax.tree.leaves(call(skeleton.filled(numbers), point))
        return sum(jnp.sum(leaf) for leaf in leaves if leaf.dtype.kind == "f")

    at_one = jax.grad(total, argnums=(0, 1), allow_int=True)
    return jax.vmap(at_one, (None, 0))(numbers, points)


@each_differentiable
def test_gradients_are_finite(family, name):
    entry = FAMILIES[family][name]
    points = as_floats(points_of(family, entry))
    gradients = jax.tree.leaves(differentiated(CALLS[family], *Skeleton.split(entry.object), points))
    floats = [np.asarray(leaf) for leaf in gradients if leaf.dtype != jax.dtypes.float0]
    assert floats
    assert all(np.isfinite(leaf).all() for leaf in floats)


def value_differentiated(problem, x):
    return jax.grad(problem.value)(x)


@pytest.mark.parametrize("name", FAMILIES[problems.Problem])
def test_gradient_is_the_derivative_of_the_value(name):
    """Away from kinks, in float64."""
    item, points = (
        FAMILIES[problems.Problem][name].object,
        points_of(problems.Problem, FAMILIES[problems.Problem][name]),
    )
    _, gradient = in_float64(of_problem, item, points)
    agree(gradient, in_float64(value_differentiated, item, points), relative=1e-12)


@pytest.mark.parametrize("name", FAMILIES[methods.ConvexSet])
def test_projection_is_on_the_nearest_point(name):
    """Idempotent, no two points farther apart than before, none of the set nearer; and the farthest point is there."""
    convex, points = FAMILIES[methods.ConvexSet][name].object, 4 * np.random.default_rng(8).normal(size=(400, 2))
    projected = in_float64(of_set, convex, points)
    np.testing.assert_allclose(in_float64(of_set, convex, projected), projected, rtol=1e-13, atol=1e-13)
    between, before = (pairwise_distances(each, each) for each in (projected, points))
    assert (between <= before + 1e-12).all()
    assert (np.linalg.norm(points - projected, axis=1)[:, None] <= pairwise_distances(points, projected) + 1e-12).all()
    assert (between < 0.5 * before).any()
    for point in (np.zeros(2), np.array([3.0, -1.0])):
        largest = np.linalg.norm(projected - point, axis=1).max()
        assert 0.99 * convex.farthest(point) <= largest <= convex.farthest(point) * (1 + 1e-13)


def pairwise_distances(one, other):
    return np.linalg.norm(one[:, None] - other, axis=-1)


@pytest.mark.parametrize("name", FAMILIES[averages.Average])
def test_averages_are_tabulated_in_float64(name):
    """The running form is the weighted sum at the last step; other numbers give others of the same structure."""
    entry = FAMILIES[averages.Average][name]
    rates, path = 0.3 / np.sqrt(1 + np.arange(12.0)), np.arange(12.0) ** 2
    weights, mixing = entry.object.weights(rates), entry.object.mixing(rates)
    assert weights.dtype == mixing.dtype == np.float64
    assert weights.shape == mixing.shape == rates.shape
    mean = 0.0
    for coefficient, x in zip(mixing, path, strict=True):
        mean += coefficient * (x - mean)
    np.testing.assert_allclose(mean, weights @ path / weights.sum(), rtol=1e-13)
    undefined = entry.object.undefined(np.arange(13), 12)
    np.testing.assert_array_equal(undefined[1:], np.cumsum(mixing) == 0)
    if entry.other is None:
        assert not jax.tree.leaves(entry.object)
    else:
        assert jax.tree.structure(entry.other()) == jax.tree.structure(entry.object)
        assert not np.allclose(entry.other().mixing(rates), mixing)


@pytest.mark.parametrize("name", FAMILIES[record.Grid])
def test_grids_increase_from_the_start_to_the_end(name):
    entry = FAMILIES[record.Grid][name]
    steps = entry.object.steps(12, 4)
    assert steps.dtype == np.int64
    assert (np.diff(steps) > 0).all()
    assert steps[0] >= 0
    assert steps[-1] <= 12
    assert not np.array_equal(entry.other().steps(12, 4), steps)


# study files, repr, replace, pickling


def same(one, other):
    """Whether two objects are equal in structure, in all numbers, and as they are shown."""
    assert type(one) is type(other)
    assert repr(one) == repr(other)
    first, second = jax.tree.flatten(one), jax.tree.flatten(other)
    assert first[1] == second[1]
    for a, b in zip(first[0], second[0], strict=True):
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        else:
            assert a == b


@pytest.fixture(scope="module")
def study_file(tmp_path_factory):
    """All entries in one file, each family a table."""
    lines = []
    for family, entries in FAMILIES.items():
        lines.append(f"[{family.__name__}]")
        for name, entry in entries.items():
            if family is record.Grid:
                table = f"{{{name} = {entry.toml}}}"
            else:
                table = f'{{kind = "{kind_of(name)}"{entry.toml and ", " + entry.toml}}}'
            lines.append(f'"{name}" = {table}')
    path = tmp_path_factory.mktemp("contract") / "entries.toml"
    path.write_text("\n".join(lines))
    return path.parent, tomllib.loads(path.read_text())


@each
def test_study_file_gives_the_same_object(family, name, study_file):
    folder, content = study_file
    reader, table = Reader(folder), content[family.__name__][name]
    read = reader.grid(table, name) if family is record.Grid else reader.make(family, table, name)
    same(read, FAMILIES[family][name].object)


def made_from_repr(family, shown):
    """What an expression gives where the modules of all families are known, that of its own first."""
    others = [vars(module) for module in (problems, noise, orders, methods, schedules, averages, record, start)]
    modules = [*others, vars(importlib.import_module(".".join(family.__module__.split(".")[:2])))]
    known = {name: item for names in modules for name, item in names.items()}
    return eval(shown, known, {"contract_entries": contract_entries, "optax": optax})


@each
def test_repr_makes_an_equal_object(family, name):
    entry = FAMILIES[family][name]
    if entry.unprinted is None:
        same(made_from_repr(family, repr(entry.object)), entry.object)
    else:
        with pytest.raises(NameError, match="array"):
            made_from_repr(family, repr(entry.object))
    assert len(repr(entry.object).splitlines()) == 1


@each
def test_replace_without_changes_and_pickling_give_an_equal_object(family, name):
    item = FAMILIES[family][name].object
    same(item.replace() if isinstance(item, Module) else dataclasses.replace(item), item)
    same(pickle.loads(pickle.dumps(item)), item)


# facts

OF_FACTS = [
    (family, name, fact) for family in FACTS for name, entry in FAMILIES[family].items() for fact in entry.facts.split()
]


@pytest.mark.parametrize("family", FACTS, ids=shown)
def test_every_fact_is_measured(family):
    """Of every fact that a member of the family may declare, there is a measurement, and an entry that declares it."""
    possible = {fact for entry in FAMILIES[family].values() for fact in facts_of(type(entry.object))}
    assert set(FACTS[family]) == possible
    assert {fact for entry in FAMILIES[family].values() for fact in entry.facts.split()} == possible


@each
def test_entry_declares_what_it_is_expected_to(family, name):
    """A fact that is lost makes theory silent; one that is new needs to be measured."""
    entry = FAMILIES[family][name]
    known = facts_of(type(entry.object)) if family in FACTS else []
    dimension = dimension_of(entry.object) if family is problems.Problem else 2
    assert {fact for fact in known if declared(entry.object, fact, dimension) is not None} == set(entry.facts.split())


@pytest.mark.parametrize(("family", "name", "fact"), OF_FACTS, ids=shown)
def test_fact_is_true(family, name, fact):
    FACTS[family][fact](FAMILIES[family][name])


@pytest.mark.parametrize(("family", "fact"), [(f, fact) for f in FACTS for fact in FACTS[f]], ids=shown)
def test_control_a_fact_that_is_not_true_is_noticed(family, fact):
    with pytest.raises(AssertionError):
        FACTS[family][fact](FALSE[family][fact])


def test_control_tail_indices_are_told_from_each_other():
    """Student's t with 3 degrees of freedom has not all moments, nor only those below 1.5; Laplace's law has all."""
    rng = np.random.default_rng(0)
    power, exponential = rng.standard_t(3, size=(2**16, 2)), rng.laplace(size=(2**16, 2))
    has_tail_index(power, 3.0)
    has_tail_index(exponential, np.inf)
    for samples, index in ((power, np.inf), (power, 1.5), (exponential, 3.0)):
        with pytest.raises(AssertionError):
            has_tail_index(samples, index)


@pytest.mark.parametrize("name", FAMILIES[orders.Order])
def test_orders_count_the_examples_that_they_use(name):
    """After every update, and in an epoch at most n."""
    entry = FAMILIES[orders.Order][name]
    order, n, drawn = entry.object, examples_of(entry.object), batches(entry).indices[:, 0] >= 0
    used = np.cumsum(drawn.sum(-1))
    np.testing.assert_array_equal([order.examples_used(t + 1, n, BATCH) for t in range(len(used))], used)
    epoch = order.updates_per_epoch(n, BATCH)
    assert order.shuffled is None or n - BATCH < used[epoch - 1] <= n
