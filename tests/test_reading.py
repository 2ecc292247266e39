"""What functions read besides their arguments is seen, and decides which compiled program is theirs."""

import dataclasses
import functools
import os
import pickle
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.engine import compiled
from jaxsgd.engine.fingerprint import fingerprint
from jaxsgd.engine.job import Job
from jaxsgd.errors import InvalidInput
from jaxsgd.reading import Reading
from jaxsgd.remembering import Surroundings
from jaxsgd.results.same_study import check_is_of
from jaxsgd.runs.simulation import make_layout, make_task

pytestmark = pytest.mark.usefixtures("quick_compilation")

SCALE = 1.0
SETTINGS = types.ModuleType("own_settings")
SETTINGS.scale = 1.0
SPACE, LIST, DICT, ARRAY = types.SimpleNamespace(scale=1.0), [1.0], {"scale": 1.0}, np.ones(2)


class Options:
    scale = 1.0


class Holder:
    def __init__(self):
        self.inner = [types.SimpleNamespace(scale=1.0)]


HOLDER = Holder()


def helper(x):
    return SCALE * x


jitted = jax.jit(helper)


def body(_, x):
    return SCALE * x


def of_default(x, by=LIST):
    return by[0] * x[0]


def of_import(x):
    import own_settings

    return own_settings.scale * x[0]


class Scaled:
    def __init__(self):
        self.scale = 1.0

    def __call__(self, x):
        return self.scale * x[0]

    def method(self, x):
        return self.scale * x[0]


CALLABLE = Scaled()


def outside(name, value):
    return lambda patch: patch.setitem(globals(), name, value)


def attribute(item, value):
    return lambda patch: patch.setattr(item, "scale", value)


def element(item, key):
    """Two in place of one; the fixture below sets it back."""
    return lambda _: item.__setitem__(key, 2.0)


@pytest.fixture(autouse=True)
def restored():
    yield
    LIST[0], DICT["scale"], ARRAY[0] = 1.0, 1.0, 1.0


READERS = {
    "a global": (lambda x: SCALE * x[0], outside("SCALE", 2.0)),
    "a global of another function": (lambda x: helper(x[0]), outside("SCALE", 2.0)),
    "a global of the body of a loop": (lambda x: jax.lax.fori_loop(0, 1, body, x[0]), outside("SCALE", 2.0)),
    "a global of a jitted function": (lambda x: jitted(x[0]), outside("SCALE", 2.0)),
    "a global of a derivative": (jax.grad(lambda x: SCALE * x[0] ** 2 / 2), outside("SCALE", 2.0)),
    "a module": (lambda x: SETTINGS.scale * x[0], attribute(SETTINGS, 2.0)),
    "an import": (of_import, attribute(SETTINGS, 2.0)),
    "an object": (lambda x: SPACE.scale * x[0], attribute(SPACE, 2.0)),
    "an object in a list of an object": (lambda x: HOLDER.inner[0].scale * x[0], attribute(HOLDER.inner[0], 2.0)),
    "a class": (lambda x: Options.scale * x[0], attribute(Options, 2.0)),
    "a list": (lambda x: LIST[0] * x[0], element(LIST, 0)),
    "a dict": (lambda x: DICT["scale"] * x[0], element(DICT, "scale")),
    "an array": (lambda x: ARRAY[0] * x[0], element(ARRAY, 0)),
    "a default": (of_default, element(LIST, 0)),
    "a partial": (functools.partial(lambda by, x: by[0] * x[0], LIST), element(LIST, 0)),
    "itself": (CALLABLE, attribute(CALLABLE, 2.0)),
    "a bound method": (CALLABLE.method, attribute(CALLABLE, 2.0)),
}


@pytest.fixture(autouse=True)
def own_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "own_settings", SETTINGS)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_changed_is_seen(reader, monkeypatch):
    function, change = READERS[reader]
    before = Surroundings((function,))
    assert Surroundings((function,)) == before
    change(monkeypatch)
    assert Surroundings((function,)) != before


def test_what_is_not_read_is_not_seen(monkeypatch):
    """A global that has the name of an attribute, and what modules of others hold."""
    function = lambda state: jnp.sum(state.SCALE) * np.pi  # noqa: E731
    before = Surroundings((function,))
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    monkeypatch.setattr(np, "e", 3.0)
    assert Surroundings((function,)) == before


def test_a_closure_is_seen_by_content():
    def over(number):
        return lambda x: number * x

    assert Reading(over(1.0)).digest == Reading(over(1.0)).digest != Reading(over(2.0)).digest
    assert Reading(over(np.ones(3))).digest == Reading(over(np.ones(3))).digest != Reading(over(np.ones(4))).digest


PLAN = js.Plan(chunk=1024, tile=1024, workers=1)
QUADRATIC = js.oracles.FullGradient(js.problems.Quadratic([1.0, 1.0]))
BASE = js.Study(
    oracle=QUADRATIC,
    schedule=js.schedules.constant(0.5),
    x0=[1.0, 1.0],
    steps=1,
    record=js.record.at([1]),
    observe=(),
)


def run(study, **options):
    return js.simulate(study, 1024, plan=PLAN, progress=False, statistics=(), **options)


def every_reader(x):
    """The sum of x_0 times what each of the readers reads."""
    return sum(jnp.ravel(function(x))[0] for function, _ in READERS.values())


def test_a_run_computes_what_its_functions_compute_now(monkeypatch, tmp_path):
    """The second run is that of a fresh process, also with a checkpoint, and is not joined with the first."""
    study = BASE.replace(observables={"all": every_reader})
    first = run(study, checkpoint=tmp_path)
    assert float(first.at(1).all_mean) == 0.5 * len(READERS)
    before = compiled.compiled.cache_info().misses
    run(study)
    assert compiled.compiled.cache_info().misses == before  # nothing has changed
    for _, change in READERS.values():
        change(monkeypatch)
    second = run(study)
    assert float(second.at(1).all_mean) == 2 * 0.5 * len(READERS)
    with pytest.raises(InvalidInput, match="functions or numbers of the study"):
        run(study, checkpoint=tmp_path)
    with pytest.raises(InvalidInput, match="they differ in what the functions of their studies compute"):
        js.merge([first, second])


def test_learning_rates_are_those_of_the_schedule_now(monkeypatch):
    study = BASE.replace(schedule=lambda t: 0.1 * SCALE)
    assert study.learning_rates[0] == 0.1
    assert study.learning_rates is study.learning_rates
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert study.learning_rates[0] == 0.2
    monkeypatch.setitem(globals(), "SCALE", -2.0)
    with pytest.raises(InvalidInput, match="must be finite and not negative"):
        _ = study.learning_rates


class Half(js.methods.Method):
    """Plain SGD with a rate that is scaled by a global."""

    def step(self, x, learning_rate, t, state, draw):
        return x - SCALE * learning_rate * draw.gradient(x), state


def test_methods_of_classes_are_functions_too(monkeypatch):
    study = BASE.replace(method=Half(), observe=("risk",))
    before = task_of(study)
    printed = fingerprint(before)
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    after = task_of(study)
    assert before.program != after.program
    assert printed != fingerprint(after)


def task_of(study):
    return make_task(study, make_layout(study).statistics, {}, 0, 1024, 0, PLAN)


def test_built_in_kinds_are_not_looked_into():
    """So that runs and sweeps of them cost nothing: no object is read, and the same key stands for all."""
    programs = [task_of(js.chapter.study(name, 5)).program for name in ("constant", "polynomial")]
    assert [program.around._reading._kept for program in programs] == [[], []]
    assert Surroundings(()) == programs[0].around == programs[1].around


# what functions write themselves

COUNT = [0]


def counting(x):
    COUNT[0] += 1
    return COUNT[0] * x[0]


def test_functions_of_how_often_they_are_called_are_refused():
    state = {"t": 1}

    def rate(_):
        state["t"] += 1
        return 0.1 / state["t"]

    for _ in range(2):  # also when it is tried again
        with pytest.raises(InvalidInput, match="schedule must be a function of t, but it gives other rates"):
            BASE.replace(schedule=rate)
        with pytest.raises(InvalidInput, match="observable 'o' must be a function of its arguments, but"):
            BASE.replace(observables={"o": counting})
        with pytest.raises(InvalidInput, match="path sum 'p' must be a function of its arguments, but"):
            BASE.replace(path_sums={"p": lambda update: counting(update.x)})


def test_what_functions_write_and_do_not_compute_with_is_theirs(monkeypatch):
    """A count of calls and a cache: neither is a change from outside, which is still seen."""
    calls, cache = {"n": 0}, {}

    def observed(x):
        calls["n"] += 1
        return cache.setdefault("scale", SCALE) * x[0] + SCALE * x[1]

    study = BASE.replace(observables={"o": observed})
    first = task_of(study).program
    assert task_of(study).program == first
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert task_of(study).program != first


# callbacks, and other processes


def of_callback(by):
    shape = jax.ShapeDtypeStruct((), jnp.float32)

    def observed(x):
        return jax.pure_callback(lambda v: np.float32(v * by), shape, x[0], vmap_method="sequential")

    return BASE.replace(observables={"o": observed})


def test_callbacks_are_told_apart_by_what_they_compute():
    one, again, other = (fingerprint(task_of(of_callback(by))) for by in (1.0, 1.0, 2.0))
    assert one == again != other


def test_a_worker_that_computes_something_else_refuses(monkeypatch):
    """Here the worker is this process, in which a global is set back."""
    study = BASE.replace(observables={"o": module_level})
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    sent = pickle.dumps(Job(study, {}, task_of(study)))
    assert pickle.loads(sent).task.program == task_of(study).program
    monkeypatch.undo()
    with pytest.raises(InvalidInput, match="a worker computes something else than the process that started it"):
        _ = pickle.loads(pickle.dumps(replaced(pickle.loads(sent)))).task


def replaced(job):
    """The same job under another identity, for which no task has been made."""
    job._recipe = dataclasses.replace(job._recipe, identity="another")
    return job


def module_level(x):
    return SCALE * x[0]


# results of a study


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    study = BASE.replace(record=js.record.every(1), observe=("gradient_norm_squared",))
    result = run(study)
    path = os.path.join(tmp_path_factory.mktemp("results"), "saved.nc")
    result.save(path)
    return study, result, js.load(path)


def of_loss(scale, **stated):
    problem = js.problems.Function(lambda x: scale * jnp.sum(x**2) / 2, **stated)
    return js.oracles.FullGradient(problem)


OTHERS = {
    "its x0 is": {"x0": [2.0, 1.0]},
    "its oracle is": {"oracle": js.oracles.FullGradient(js.problems.Quadratic([1.0, 2.0]))},
    "its method is": {"method": js.methods.Projected(js.methods.Ball(0.5))},
    "its learning rates": {"schedule": js.schedules.constant(0.25)},
}


@pytest.mark.parametrize("reason", OTHERS)
def test_results_of_another_study_are_named(results, reason):
    study, *found = results
    for result in found:
        with pytest.raises(InvalidInput, match=f"the result is of another study: {reason}"):
            js.theory.bounds(study.replace(**OTHERS[reason]), result)
        with pytest.raises(InvalidInput, match=f"the result is of another study: {reason}"):
            check_is_of(study.replace(**OTHERS[reason]), result)


def test_results_are_of_a_study_whatever_it_records(results):
    study, *found = results
    recorded = {"record": js.record.at([1]), "observables": {"o": module_level}}
    more = study.replace(**recorded, averages={"a": js.averages.Uniform()})
    for result in found:
        assert js.theory.bounds(study, result).applicable
        check_is_of(more, result)


def test_functions_of_one_name_and_other_numbers_are_other_studies():
    """What is stated of a function is not what it computes: bounds may need it, and the run did not."""
    study = BASE.replace(oracle=of_loss(1.0))
    result = run(study)
    stated = {"minimiser": [0.0, 0.0], "convex": True, "strong_convexity": 1.0}
    check_is_of(BASE.replace(oracle=of_loss(1.0, **stated)), result)
    with pytest.raises(InvalidInput, match="its functions compute something else, or it has other numbers"):
        check_is_of(BASE.replace(oracle=of_loss(2.0)), result)


def test_files_without_a_fingerprint_are_compared_by_what_they_show(results):
    study, _, loaded = results
    old = type(loaded)(
        loaded._layout,
        loaded._ledgers,
        {name: value for name, value in loaded._attributes.items() if name != "study_fingerprint"},
    )
    check_is_of(study, old)
    with pytest.raises(InvalidInput, match="its x0 is"):
        check_is_of(study.replace(x0=[3.0, 1.0]), old)


def test_cells_of_a_sweep_that_was_run_with_other_functions(monkeypatch):
    def make(rate):
        return BASE.replace(schedule=js.schedules.constant(rate), observables={"o": module_level})

    swept = js.sweep(make, {"rate": [0.1, 0.2]}, 1024, compare=("o",), progress=False, statistics=())
    check_is_of(make(0.2), swept.result(1))
    with pytest.raises(InvalidInput, match="its learning rates"):
        check_is_of(make(0.2), swept.result(0))
    assert "study_fingerprints" not in swept.dataset.attrs
