"""The compiled program: what is in its loops, when it is compiled again, and every kind of study runs.

Programs are counted and compared exactly. The tests that are statistical say so: 2^15 trajectories, seed 0,
five standard errors, which is 1% to 3% of a standard deviation.
"""

import re

import economy
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agreement import scores

import jaxsgd as js
from jaxsgd.engine import compiled
from jaxsgd.engine.kernel import Kernel, Span
from jaxsgd.engine.plan import Form
from jaxsgd.runs.simulation import DEFAULT_STATISTICS
from jaxsgd.runs.tasks import make_layout, make_task

STUDY = js.chapter.study("polynomial")
STEPS = 50
PLAN = js.Plan.choose(2, STEPS, 10**6)
SMALL = economy.quick(PLAN).replace(tile=1024, chunk=2048)


def compiled_text(study, form=None):
    """The optimised program of the quick tile, as XLA prints it."""
    plan = PLAN if form is None else PLAN.replace(form=form)
    layout = make_layout(study, statistics=DEFAULT_STATISTICS)
    task = make_task(study, layout.statistics, {}, 0, 10**6, 0, plan)
    span = Span(np.uint32(0), np.int32(0), np.int32(plan.tile))
    return task.tile(careful=False).jitted.lower(task.inputs, task.key, span).compile().as_text()


def generators_in_loops(text):
    """How often a pass of the outermost loop, loops inside it included, evaluates the generator.

    A square root occurs once in each evaluation (the radius of Box and Muller) and nowhere else in the
    chapter's studies. Fusions are followed from the bodies of loops, so that one that is called twice
    counts twice.
    """
    bodies = dict(re.findall(r"^(?:ENTRY )?%([\w.\-]+) \(.*?\{$(.*?)^\}", text, re.M | re.S))

    def count(name):
        called = re.findall(r"(?:calls|body|to_apply)=%([\w.\-]+)", bodies[name])
        return len(re.findall(r" sqrt\(", bodies[name])) + sum(map(count, called))

    inner = {name for body in bodies.values() for name in re.findall(r"body=%([\w.\-]+)", body)}
    nested = {name for body in inner for name in re.findall(r"body=%([\w.\-]+)", bodies[body])}
    assert inner
    return sum(count(name) for name in inner - nested)


GRIDS = {"all": js.record.every(1), "every tenth": js.record.every(10), "uneven": js.record.log_spaced(20)}


@pytest.mark.parametrize("grid", GRIDS)
def test_the_generator_is_evaluated_once_a_step(grid):
    """What is observed and the update read one draw, which the loop carries: XLA would make it again for each.

    A square root in the loop is the marker of the generator, see `generators_in_loops`.
    """
    text = compiled_text(STUDY.replace(record=GRIDS[grid]))
    assert generators_in_loops(text) == 1
    assert not re.search("callback|infeed|outfeed", text)  # a pass never waits for the host


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the form of an accelerator is another")
def test_control_a_draw_that_is_not_carried_is_made_more_than_once():
    assert generators_in_loops(compiled_text(STUDY, Form(carry_draws=False))) > 1


def test_control_callbacks_to_the_host_are_seen():
    def talking(x):
        jax.debug.callback(lambda value: None, x)
        return x

    assert "callback" in jax.jit(talking).lower(1.0).compile().as_text()


# no second compilation


def test_other_numbers_do_not_compile_again():
    """Curvature, minimiser, noise, start, every kind of schedule and average, seed and number of trajectories."""

    def run(**arguments):
        study = STUDY.replace(**{key: arguments.pop(key) for key in list(arguments) if hasattr(STUDY, key)})
        return js.simulate(study, **({"trajectories": PLAN.tile} | arguments), plan=PLAN, progress=False)

    def oracle(curvature, std, minimiser=0.0):
        return js.oracles.AdditiveNoise(js.problems.Quadratic(curvature, minimiser), js.noise.Gaussian(std=std))

    run()
    before, sizes = compiled.compiled.cache_info().misses, []
    for changes in (
        {"oracle": oracle([1.0, 3.0], 2.0, [1.0, -1.0])},
        {"schedule": js.schedules.cosine(0.2, 50)},
        {"schedule": lambda t: 0.1 / (1 + t)},
        {"schedule": js.schedules.table(np.linspace(0.1, 0.2, 50))},
        {"x0": [3.0, 1.0]},
        {"averages": {"eta": js.averages.Uniform()}},
        {"averages": {"eta": js.averages.Exponential(0.9)}},
        {"seed": 5, "trajectories": 3 * PLAN.tile + 17, "first_trajectory": 12345},
    ):
        run(**changes)
        layout = make_layout(STUDY, statistics=DEFAULT_STATISTICS)
        tile = make_task(STUDY, layout.statistics, {}, 0, 10**6, 0, PLAN).tile(careful=False)
        sizes.append(tile.jitted._cache_size())
    assert compiled.compiled.cache_info().misses == before
    assert set(sizes) == {1}


def test_control_another_program_is_compiled():
    before = compiled.compiled.cache_info().misses
    js.simulate(STUDY.replace(averages={"other": js.averages.Uniform()}), 100, plan=SMALL, progress=False)
    assert compiled.compiled.cache_info().misses == before + 1


def test_tracing_happens_once(monkeypatch):
    """A second run traces nothing of the user's functions: neither the tile nor the fingerprint."""
    calls = []

    def counted(x):
        calls.append(1)
        return jnp.sum(x)

    study = STUDY.replace(averages={}, observables={"sum": counted}, record=js.record.at([50]))
    js.simulate(study, 100, plan=SMALL, progress=False)
    first = len(calls)
    monkeypatch.setattr(Kernel, "run", None)
    js.simulate(study.replace(x0=[1.0, 1.0]), 200, plan=SMALL, progress=False)
    assert len(calls) - first <= 2  # the check of the new study, and of its program


@pytest.mark.parametrize("with_checkpoint", [False, True])
def test_a_fresh_program_is_traced_once(monkeypatch, tmp_path, with_checkpoint):
    """For the compiled tile, whatever else a run says of it."""
    traces, run = [], Kernel.run
    monkeypatch.setattr(Kernel, "run", lambda self: traces.append(1) or run(self))
    fresh = {f"checkpoint {with_checkpoint}": js.averages.Uniform()}  # a name that no other program has
    study = STUDY.replace(averages=fresh, record=js.record.at([50]))
    js.simulate(study, 100, plan=SMALL, progress=False, checkpoint=tmp_path if with_checkpoint else None)
    assert len(traces) == 1


# record grids


@pytest.fixture(scope="module")
def every_step():
    return js.simulate(STUDY, 1000, plan=SMALL, progress=False).dataset


@pytest.mark.parametrize(
    "grid",
    [
        js.record.every(7),
        js.record.log_spaced(6),
        js.record.at([0]),
        js.record.at([3]),
        js.record.at([50]),
        js.record.at([0, 10, 20, 50]),
    ],
    ids=repr,
)
def test_what_is_recorded_does_not_depend_on_what_else_is(every_step, grid):
    """To the rounding of float32, 1e-6 of the largest value; each grid is walked by another program."""
    study = STUDY.replace(record=grid)
    dataset = js.simulate(study, 1000, plan=SMALL, progress=False).dataset
    np.testing.assert_array_equal(dataset.step, study.recorded_steps)
    same = every_step.sel(step=dataset.step)
    for name, values in dataset.data_vars.items():
        expected = same[name].values
        scale = np.nanmax(np.abs(every_step[name].values))
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6 * scale, err_msg=str(name))
    np.testing.assert_array_equal(dataset.learning_rate, study.learning_rates[study.recorded_steps])
    np.testing.assert_array_equal(dataset.example_gradients, study.recorded_steps)


def test_one_step():
    """x_1 = x_0 - eta (A x_0 + xi), from the draws themselves: those at step 0 of a longer run."""
    one = STUDY.replace(steps=1, record=js.record.every(1))
    dataset = js.simulate(one, 1000, plan=SMALL, progress=False).dataset
    x = js.sample_paths(STUDY, 1000).x.values[:, 1]
    np.testing.assert_array_equal(dataset.step, [0, 1])
    np.testing.assert_allclose(dataset.x_mean, [[-5, -2], x.mean(0)], rtol=1e-6)
    np.testing.assert_allclose(dataset.risk_mean[1], (x**2 @ [1, 2]).mean(), rtol=1e-6)
    np.testing.assert_allclose(dataset.risk_of_eta_mean, [33, 33], rtol=1e-7)  # the average of x_0 alone


# kinds of studies

N = 2**15


def run_of(study, **arguments):
    return js.simulate(study, N, plan=SMALL, progress=False, **arguments).dataset


def test_double_precision():
    """Statistical. Exact moments in float64, and what does not vary is exact to 1e-15."""
    study = STUDY.replace(steps=20, record=js.record.every(10))
    with jax.enable_x64(True):
        result = js.simulate(study, N, plan=SMALL, progress=False)
    exact, dataset = js.theory.exact(study), result.dataset
    assert result.dataset.attrs["precision"] == "float64"
    for o in ("risk", "risk_of_eta", "gradient_norm_squared"):
        z = scores(dataset[f"{o}_mean"], exact[f"{o}_mean"], np.sqrt(exact[f"{o}_variance"] / N))
        assert np.abs(z).max() < 5
    np.testing.assert_allclose(dataset.x_mean[0], [-5, -2], rtol=1e-15)
    # x_1, x_2, ... in float64 is no float32 number, which it would be if anything were rounded
    with jax.enable_x64(True):
        x = js.sample_paths(study, 100).x.values[:, -1]
    assert np.all(x != x.astype(np.float32))


def test_random_loss():
    """Statistical. f = |x - xi|^2 / 2 has the gradient x - xi, that is additive noise on |x|^2 / 2; the drawn
    loss has the mean R(x) + d / 2 where R is not known."""
    quadratic = js.problems.Quadratic([1.0, 1.0])
    known = js.Study(
        oracle=js.oracles.RandomLoss(
            lambda xi, x: 0.5 * jnp.sum((x - xi) ** 2), lambda stream: stream.normal((2,)), quadratic
        ),
        schedule=js.schedules.constant(0.3),
        x0=[2.0, -1.0],
        steps=10,
        averages={"all": js.averages.Uniform()},
        record=js.record.every(5),
    )
    exact = js.theory.exact(known.replace(oracle=js.oracles.AdditiveNoise(quadratic, js.noise.Gaussian())))
    dataset = run_of(known)
    for o in ("risk", "distance_squared", "gradient_norm_squared", "risk_of_all"):
        z = scores(dataset[f"{o}_mean"], exact[f"{o}_mean"], np.sqrt(exact[f"{o}_variance"] / N))
        assert np.abs(z).max() < 5, o
    drawn = run_of(known.replace(oracle=known.oracle.replace(problem=None)))
    assert "distance_squared_mean" not in drawn
    for o in ("risk", "risk_of_all"):
        z = (drawn[f"{o}_mean"] - exact[f"{o}_mean"] - 1) / drawn[f"{o}_sem"]
        assert np.abs(z).max() < 5, o
        assert np.all(drawn[f"{o}_variance"] > dataset[f"{o}_variance"])
    np.testing.assert_allclose(drawn.x_mean, dataset.x_mean, rtol=1e-5, atol=1e-6)  # the same trajectories


def test_gradient_descent():
    """Without noise every trajectory is that of NumPy."""
    study = STUDY.replace(oracle=js.oracles.FullGradient(STUDY.oracle.problem), record=js.record.every(25))
    dataset = run_of(study)
    x = [np.array([-5.0, -2.0])]
    for eta in study.learning_rates[:-1]:
        x.append(x[-1] - eta * np.array([2.0, 4.0]) * x[-1])
    np.testing.assert_allclose(dataset.x_mean, [x[0], x[25], x[50]], rtol=1e-5)
    np.testing.assert_allclose(dataset.risk_min, dataset.risk_max)
    np.testing.assert_allclose(dataset.risk_sem, 0, atol=1e-7)
    weights = study.learning_rates[:-1] / study.learning_rates[:-1].sum()
    np.testing.assert_allclose(dataset.risk_of_eta_mean[-1], (weights @ x[:-1]) ** 2 @ [1, 2], rtol=1e-5)


@pytest.mark.parametrize(
    ("onto", "project"),
    [
        (js.methods.Ball(1.0), lambda y: y / np.maximum(1, np.linalg.norm(y, axis=-1, keepdims=True))),
        (js.methods.Box([-3.0, -1.0], 0.5), lambda y: np.clip(y, [-3.0, -1.0], 0.5)),
    ],
)
def test_projected(onto, project):
    """Each path is that of NumPy with the draws of the plain run; x_0 is not projected."""
    plain, steps = js.sample_paths(STUDY, 500).x.values, 10
    study = STUDY.replace(method=js.methods.Projected(onto), steps=steps, averages={})
    eta, h = study.learning_rates, np.array([2.0, 4.0])
    x = np.broadcast_to([-5.0, -2.0], (500, 2))
    for t in range(steps):
        noise = (plain[:, t] - plain[:, t + 1]) / STUDY.learning_rates[t] - h * plain[:, t]
        x = project(x - eta[t] * (h * x + noise))
    found = js.sample_paths(study, 500).x.values
    np.testing.assert_array_equal(found[:, 0], np.broadcast_to([-5.0, -2.0], (500, 2)))
    np.testing.assert_allclose(found[:, -1], x, atol=2e-5)


def flat_loss(x):
    return jnp.sum((x[:4].reshape(2, 2) @ jnp.array([1.0, 2.0]) + x[4]) ** 2) + jnp.sum(x**2)


def tree_loss(x):
    weights, bias = x["a"], x["b"][0]
    return jnp.sum((weights @ jnp.array([1.0, 2.0]) + bias) ** 2) + jnp.sum(weights**2) + bias**2


def test_pytrees_are_flat_vectors_with_names():
    start = np.array([1.0, -1.0, 0.5, 2.0, -0.3])
    trees = [
        (flat_loss, start, np.zeros(5), lambda x: x[4]),
        (
            tree_loss,
            {"a": start[:4].reshape(2, 2), "b": [start[4:].reshape(())]},
            {"a": np.zeros((2, 2)), "b": [np.zeros(())]},
            lambda state: state.x["b"][0] + 0 * state.averages["all"]["a"][0, 0],
        ),
    ]
    datasets = []
    for loss, x0, minimiser, bias in trees:
        study = js.Study(
            oracle=js.oracles.AdditiveNoise(js.problems.Function(loss, minimiser), js.noise.Gaussian(std=0.5)),
            schedule=js.schedules.constant(0.05),
            x0=x0,
            steps=20,
            averages={"all": js.averages.Uniform()},
            observables={"bias": bias},
            path_sums={"length": lambda update: sum(jnp.sum(g**2) for g in jax.tree.leaves(update.gradient))},
            record=js.record.every(10),
        )
        datasets.append(js.simulate(study, 1000, plan=SMALL, progress=False).dataset)
    flat, tree = datasets
    assert list(tree.coordinate.values) == ["a[0,0]", "a[0,1]", "a[1,0]", "a[1,1]", "b.0"]
    assert set(flat.data_vars) == set(tree.data_vars)
    for name in flat.data_vars:
        np.testing.assert_allclose(tree[name], flat[name], rtol=1e-4, atol=1e-5, err_msg=str(name))


def test_scalar_start():
    """One number, not a vector of one: the same trajectory."""
    runs = {}
    for x0, loss in ((2.0, lambda x: x**2), ([2.0], lambda x: x[0] ** 2)):
        study = js.Study(
            oracle=js.oracles.AdditiveNoise(
                js.problems.Function(loss, minimiser=np.zeros_like(x0)), js.noise.Gaussian()
            ),
            schedule=js.schedules.constant(0.1),
            x0=x0,
            steps=20,
            record=js.record.every(10),
        )
        dataset = js.simulate(study, 1000, plan=SMALL, progress=False).dataset
        runs[str(dataset.coordinate.values[0])] = dataset
    assert set(runs) == {"x", "x[0]"}
    for name in runs["x"].data_vars:
        np.testing.assert_allclose(runs["x"][name], runs["x[0]"][name], rtol=1e-5, atol=1e-6)
