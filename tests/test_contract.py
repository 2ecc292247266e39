"""One contract for every registered kind of every family: noise, problems, oracles, orders, methods, sets, averages,
schedules and grids.

The tables of contract_entries.py say how each is made and what is expected of it; a kind that is not in them fails.
Averages and grids are tabulated on the host, in NumPy: of them no function is compiled, and none is differentiated.
Orders give integers, which have no derivative. All other checks run for every entry.
"""

import dataclasses
import functools
import importlib
import pickle
import tomllib

import contract_entries
import jax
import numpy as np
import pytest
from contract_entries import FAMILIES, kind_of
from contract_facts import BATCH, FACTS, as_floats, declared, dimension_of, examples_of, start_of, variates

from jaxsgd import averages, methods, noise, oracles, orders, problems, record, schedules
from jaxsgd.config.reader import Reader, kinds
from jaxsgd.module import AbstractOrFinal, Module, facts_of, is_abstract
from jaxsgd.streams import Replay
from jaxsgd.structure import Skeleton

EACH = [(family, name) for family, entries in FAMILIES.items() for name in entries]
ON_THE_HOST = (averages.Average, record.Grid)
NOT_DIFFERENTIABLE = (*ON_THE_HOST, orders.Order)
COMPILED = [(family, name) for family, name in EACH if family not in ON_THE_HOST]
DIFFERENTIABLE = [(family, name) for family, name in EACH if family not in NOT_DIFFERENTIABLE]

each = pytest.mark.parametrize(("family", "name"), EACH, ids=lambda item: getattr(item, "__name__", item))
each_compiled = pytest.mark.parametrize(("family", "name"), COMPILED, ids=lambda item: getattr(item, "__name__", item))
each_differentiable = pytest.mark.parametrize(
    ("family", "name"), DIFFERENTIABLE, ids=lambda item: getattr(item, "__name__", item)
)

# completeness

IN_STUDY_FILES = ("noise", "problems", "oracles", "orders", "methods", "averages", "schedules", "record")


def without_an_entry(family):
    """Kinds that are registered and not in the table, or the other way round."""
    registered = kinds.__wrapped__(family)  # what it remembers may be older than a kind
    return set(registered) ^ set(map(kind_of, FAMILIES[family]))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_has_an_entry(family):
    assert not without_an_entry(family)


def test_control_a_kind_without_an_entry_is_found(monkeypatch):
    class Dummy(noise.Noise):
        def sample(self, stream, like):
            return like

    monkeypatch.setattr(noise, "Dummy", Dummy, raising=False)
    assert without_an_entry(noise.Noise) == {"dummy"}


def test_every_family_has_a_table():
    """Families are the abstract classes right below the roots, in modules with constructors for study files."""
    found, waiting = set(), [AbstractOrFinal]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        at_the_root = {Module, AbstractOrFinal} & set(kind.__bases__)
        if at_the_root and is_abstract(kind) and kind.__module__.split(".")[1] in IN_STUDY_FILES:
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


def of_method(method, point):
    return method.update(*point)


def of_set(convex, x):
    return convex.project(x)


def of_schedule(schedule, t):
    return schedule(t)


CALLS = {
    noise.Noise: of_noise,
    problems.Problem: of_problem,
    oracles.Oracle: of_oracle,
    orders.Order: of_order,
    methods.Method: of_method,
    methods.ConvexSet: of_set,
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
        return VECTORS, VECTORS[::-1], np.full(POINTS, 0.3)
    return VECTORS if family is methods.ConvexSet else counts


def at(points, index):
    return jax.tree.map(lambda leaf: leaf[index], points)


TRACED = []


@functools.partial(jax.jit, static_argnums=(0, 1))
def compiled(call, skeleton, numbers, point):
    """The call with an object that is made of its static part and of its numbers inside the program."""
    TRACED.append(skeleton)
    return call(skeleton.filled(numbers), point)


@functools.partial(jax.jit, static_argnums=(0, 1))
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
    others = [vars(module) for module in (problems, noise, orders, methods, schedules, averages, record)]
    modules = [*others, vars(importlib.import_module(".".join(family.__module__.split(".")[:2])))]
    known = {name: item for names in modules for name, item in names.items()}
    return eval(shown, known, {"contract_entries": contract_entries})


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


@pytest.mark.parametrize("family", FACTS, ids=lambda family: family.__name__)
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


@pytest.mark.parametrize(("family", "name", "fact"), OF_FACTS, ids=lambda item: getattr(item, "__name__", item))
def test_fact_is_true(family, name, fact):
    FACTS[family][fact](FAMILIES[family][name])
