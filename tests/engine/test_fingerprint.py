"""What a fingerprint sees of a study, and what it does not: no trajectory is run, no tile is traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.engine import fingerprint as module
from jaxsgd.engine.fingerprint import fingerprint
from jaxsgd.engine.kernel import Kernel
from jaxsgd.engine.plan import Form
from jaxsgd.runs import arrangement, axes
from jaxsgd.runs.tasks import make_layout, make_task

STUDY = js.chapter.study("polynomial", steps=20).replace(record=js.record.every(10))
PLAN = js.Plan(chunk=2048, tile=1024, workers=2)
SCALE = 1.0


@pytest.fixture(autouse=True)
def no_tile(monkeypatch):
    monkeypatch.setattr(Kernel, "__init__", None)


def task_of(study=STUDY, plan=PLAN, seed=0, events=None, **asked):
    layout = make_layout(study, probabilities=events, **asked)
    return make_task(study, layout.statistics, events or {}, 0, 5000, seed, plan)


def print_of(*arguments, **keywords):
    module._of_program.cache_clear()  # so that equal ones are equal for what they are, not because they are kept
    return fingerprint(task_of(*arguments, **keywords))


def scaled(by):
    return lambda x: by * x[0]


def shifted(by):
    """The numbers are in a function of a function, which JAX traces once and holds by itself."""
    inner = jax.jit(lambda x: x + by)
    return lambda x: jnp.sum(inner(x))


def chosen(by):
    return lambda x: jax.lax.cond(x[0] > 0, lambda x: x[0], lambda x: jnp.sum(x * by), x)


@jax.custom_vjp
def doubled(x):
    """JAX prints the address of a rule of its own making with it."""
    return 2 * x


doubled.defvjp(lambda x: (doubled(x), None), lambda _, cotangent: (2 * cotangent,))


def of_global(x):
    return SCALE * x[0]


def observing(function):
    return STUDY.replace(observables={"o": function})


def test_it_does_not_depend_on_how_the_work_is_cut():
    plain = print_of()
    for plan in (
        js.Plan(chunk=4096, tile=4096, workers=1),
        js.Plan(chunk=2048, tile=1024, workers=2, form=Form(carry_draws=False, split_state=True, unroll=4)),
        None,
    ):
        assert print_of(plan=plan) == plain


def test_it_is_that_of_what_the_functions_compute_not_of_the_objects():
    """Also when JAX holds inner functions of one of them already, and not of the other."""
    for make in (scaled, shifted, chosen):
        assert print_of(observing(make(np.float32([1.0, 2.0])[0]))) == print_of(observing(make(np.float32(1.0))))
    twice = lambda x: jnp.where(x[0] > 0, x[0], 0.0) + jnp.where(x[1] > 0, x[1], 0.0)  # noqa: E731
    before = print_of(observing(twice))
    jnp.where(jnp.float32(1) > 0, jnp.float32(1), 0.0)
    assert print_of(observing(twice)) == before
    ruled = lambda x: doubled(x[0])  # noqa: E731
    assert print_of(observing(ruled)) == print_of(observing(ruled))


def users_of(function):
    """Tasks that compute a function of x each in another place."""
    random_loss = js.oracles.RandomLoss
    of_x = random_loss(lambda xi, x: function(x) + xi[0] * x[1], lambda stream: stream.normal((1,)))
    of_draws = random_loss(lambda xi, x: xi * jnp.sum(x**2), lambda stream: function(stream.normal((2,))))
    return {
        "observable": print_of(observing(function)),
        "event": print_of(events={"e": lambda x: function(x) > 0}),
        "path sum": print_of(STUDY.replace(path_sums={"s": lambda update: function(update.x_next)})),
        "gradient": print_of(STUDY.replace(oracle=of_x)),
        "sample": print_of(STUDY.replace(oracle=of_draws)),
    }


@pytest.mark.parametrize("make", [scaled, shifted, chosen])
def test_numbers_in_functions_are_seen(make):
    """As literals of an operation, as constants of an inner function, as constants of a branch."""
    one, other = (1.0, 2.0) if make is scaled else (np.float32([1.0, 1.0]), np.float32([1.0, 2.0]))
    first, again, second = users_of(make(one)), users_of(make(one)), users_of(make(other))
    assert again == first
    assert [place for place, found in second.items() if found == first[place]] == []


def test_numbers_of_modules_are_seen(monkeypatch):
    before = print_of(observing(of_global))
    assert print_of(observing(of_global)) == before
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert print_of(observing(of_global)) != before


def _padded(*sizes):
    return lambda x: jax.lax.pad(x, jnp.zeros((), x.dtype), (sizes,))[1]


def _part(start, stop):
    return lambda x: jax.lax.slice(jnp.tile(x, 8), (start,), (stop,))[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [(_padded(1, 10, 0), _padded(11, 0, 0)), (_part(1, 12), _part(0, 11))],
    ids=["paddings", "slices"],
)
def test_parameters_of_operations_are_told_apart(first, second):
    """Those of one length as text, too: 1 and 10 are not 11 and 0."""
    assert print_of(observing(first)) != print_of(observing(second))


@pytest.mark.parametrize(
    "changes",
    [
        {"x0": [-5.0, -2.5]},
        {"schedule": js.schedules.constant(0.1)},
        {"steps": 21},
        {"record": js.record.every(5)},
        {"observe": ("risk",)},
        {"averages": {"other": js.averages.StepSizeWeighted()}},
        {"averages": {"eta": js.averages.Uniform()}},
        {"method": js.methods.Projected(js.methods.Ball(3.0))},
        {"oracle": js.oracles.AdditiveNoise(STUDY.oracle.problem, js.noise.Gaussian(std=2.0))},
        {"oracle": js.oracles.FullGradient(STUDY.oracle.problem)},
        {"x0": [-5.0, -2.0], "observables": {"o": lambda state: state.x[0]}},
    ],
    ids=" ".join,
)
def test_everything_of_a_study_is_seen(changes):
    assert print_of(STUDY.replace(**changes)) != print_of()


def test_the_run_is_seen(monkeypatch):
    found = [print_of(), print_of(seed=1), print_of(statistics=("extremes",)), print_of(quantiles=(0.5,))]
    found += [print_of(events={name: of_global}) for name in ("a", "b")]
    with jax.enable_x64(True):
        found.append(print_of())
    monkeypatch.setattr(module, "REVISION", module.REVISION + 1)
    found.append(print_of())
    assert len(set(found)) == len(found)


def test_of_cells_the_numbers_of_all_are_seen():
    def print_of_cells(rates):
        made = axes.make_cells(lambda rate: STUDY.replace(schedule=js.schedules.constant(rate)), {"rate": rates})
        return [fingerprint(job.task) for job in arrangement.arrange(made, 0, 5000, 0).jobs]

    first = print_of_cells([0.1, 0.2])
    assert len(first) == 1
    assert print_of_cells([0.1, 0.2]) == first
    assert print_of_cells([0.1, 0.3]) != first
