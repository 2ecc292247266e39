"""Whether a run finds out that its precision does not resolve what it states."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.engine import compiled
from jaxsgd.engine.program import prepare
from jaxsgd.errors import InvalidInput, Unresolved
from jaxsgd.runs import resolution
from jaxsgd.runs.numpy_evaluation import evaluate
from jaxsgd.runs.resolution import unresolved

FLAT = np.full((2, 2), 0.5)  # eigenvalues 1 and 0
AT_THE_END = {"record": js.record.at([40]), "observe": ["risk"]}


def study(curvature=(1.0,), minimiser=0.0, std=1.0, rate=0.1, steps=40, **options):
    oracle = js.oracles.AdditiveNoise(js.problems.Quadratic(curvature, minimiser), js.noise.Gaussian(std))
    return js.Study(oracle=oracle, schedule=js.schedules.constant(rate), steps=steps, **(AT_THE_END | options))


def function(f, std=0.1, **options):
    oracle = js.oracles.AdditiveNoise(js.problems.Function(f), js.noise.Gaussian(std))
    given = {"schedule": js.schedules.constant(0.1), "steps": 40, "x0": [1.0]}
    return js.Study(oracle=oracle, **(AT_THE_END | given | options))


@pytest.fixture
def twins(monkeypatch):
    """Counts the studies of which trajectories ran in both precisions."""
    ran = []
    compared = resolution._compared
    monkeypatch.setattr(resolution, "_compared", lambda *given: (ran.append(1), compared(*given))[1])
    return ran


def bounds_settle(study: js.Study, trajectories: int, deviation: float = 1.0, mean: float = 1.0) -> bool:
    """Whether bounds are enough, for observables with this mean and standard deviation."""
    program, _ = prepare(study, (), {})
    means, variances = (np.full(len(study.recorded_steps), value) for value in (mean, deviation**2))
    found = resolution.bounded(study, program).values()
    return all(each.is_settled(means, variances, trajectories).all() for each in found)


def ordinary_sums():
    features = np.random.default_rng(0).normal(size=(64, 3))
    yield js.problems.LeastSquares(features, features @ [1.0, 2.0, 3.0] + np.sin(np.arange(64)))
    yield js.problems.LogisticRegression(features, features[:, 0] + features[:, 1] ** 2 > 0.5, l2=0.1)
    yield js.problems.FiniteSum(lambda x, a: jnp.sum((x - a) ** 2) / 2, features, start=np.zeros(3), convex=True)


def test_bounds_settle_what_is_ordinary():
    for kind in ("constant", "exponential", "polynomial", "piecewise"):
        assert bounds_settle(js.chapter.study(kind, steps=1000), 100_000), kind
    assert bounds_settle(js.chapter.study("polynomial", steps=1000), 2**20)
    assert bounds_settle(function(lambda x: jnp.sum(jnp.cos(x) + x**2)), 100_000)
    for problem in ordinary_sums():
        sampled = js.Study(
            oracle=js.oracles.ExampleSampling(problem), schedule=js.schedules.constant(0.05), **AT_THE_END, steps=40
        )
        assert bounds_settle(sampled, 100_000), problem


@pytest.mark.parametrize(
    "hard",
    [
        study(minimiser=1e4, std=0.01, rate=0.01, steps=1000, x0=[1e4], record=js.record.at([1000])),
        study(rate=1e-8, x0=[1.0]),
        study(FLAT, std=0.01, x0=[3e5, -3e5]),
        study(averages={"all": js.averages.Uniform()}, minimiser=1e4, observe=["risk_of_all"], x0=[1e4], rate=1e-3),
        function(lambda x: 1e6 + jnp.sum((x - 1) ** 2)),
        function(lambda x: jnp.sum((x - 1e4) ** 2), std=1e-3, x0=[1e4]),
    ],
    ids=["minimiser", "rate", "flat", "average", "offset", "uncentred"],
)
def test_bounds_leave_open_what_float32_does_not_resolve(hard):
    mean = 1e6 if isinstance(hard.oracle.problem, js.problems.Function) else 1.0
    assert not bounds_settle(hard, 4096, deviation=1e-4, mean=mean)


def test_bounds_are_those_of_updates_that_are_known():
    """Of another method nothing is known after x_0: not of its path, not of its points, not where nothing is random."""
    momentum = js.methods.Nesterov(0.9)
    of_noise = study(x0=[1.0])
    for known in (of_noise, of_noise.replace(oracle=js.oracles.FullGradient(of_noise.oracle.problem))):
        assert bounds_settle(known, 4096)
        assert not bounds_settle(known.replace(method=momentum), 4096)
    assert bounds_settle(of_noise.replace(method=momentum, record=js.record.at([0])), 4096)
    both = of_noise.replace(method=momentum, observe=["risk", "risk_of_y"])
    assert np.isinf(resolution.bounded(both, prepare(both, (), {})[0])["risk_of_y"].spread).all()


@pytest.mark.parametrize(
    ("hard", "exact"),
    [
        (study(minimiser=1e4, std=0.01, rate=0.01, x0=[1e4]), 1e-4 * 1e-4 / 2 * (1 - 0.99**80) / (1 - 0.99**2)),
        (study(rate=1e-8, x0=[1.0]), (1 - 1e-8) ** 80 / 2),
        (study(FLAT, std=0.01, x0=[3e5, -3e5]), 1e-6 / 2 * (1 - 0.9**80) / (1 - 0.9**2)),
    ],
    ids=["minimiser", "rate", "flat"],
)
def test_what_float32_does_not_resolve_is_warned_about(quick_compilation, twins, hard, exact):
    with pytest.warns(Unresolved, match=r"float32 does not resolve the mean of risk at step 40.*enable_x64"):
        result = js.simulate(hard, 1024, statistics=(), progress=False)
    assert len(twins) == 1
    at = result.at(40)
    off = abs(float(at["risk_mean"]) - exact)
    assert off > 5 * float(at["risk_sem"])  # without a word, it would be refuted
    assert off < float(at["risk_rounding"]) + 5 * exact / np.sqrt(1024)
    assert "rounding may move it" in unresolved(result, "risk", 40)
    assert unresolved(result, "risk", 40, tolerance=1.0) == ""
    with jax.enable_x64(True):  # the way out
        wide = js.simulate(hard, 1024, statistics=(), progress=False)
    assert unresolved(wide, "risk", 40) == ""
    assert "risk_rounding" not in wide.dataset
    assert abs(float(wide.at(40)["risk_mean"]) - exact) < 5 * float(wide.at(40)["risk_sem"]) + 1e-12 * exact


def test_both_precisions_of_functions_of_the_user_are_compiled_once(quick_compilation, twins):
    steep = function(lambda x: jnp.sum(1e-3 * jnp.cosh(x - 1e4)), x0=[1e4], std=1e-4)
    before = compiled.compiled.cache_info().misses
    counts = []
    for _ in range(2):
        with pytest.warns(Unresolved):
            js.simulate(steep, 1024, statistics=(), progress=False)
        counts.append(compiled.compiled.cache_info().misses - before)
    assert len(twins) == 2
    assert counts == [3, 3]  # of the run, and of each precision


def test_what_it_resolves_is_not(quick_compilation, twins):
    result = js.simulate(study(x0=[1.0], minimiser=0.3), 1024, statistics=(), progress=False)
    descent = js.Study(
        oracle=js.oracles.FullGradient(js.problems.Quadratic([1.0], 0.3)),
        schedule=js.schedules.constant(0.1),
        **AT_THE_END,
        steps=40,
    )
    js.simulate(descent, 1024, statistics=(), progress=False)
    js.simulate(study(rate=2.5, steps=200, record=js.record.at([200])), 1024, statistics=(), progress=False)  # diverges
    assert not twins
    assert unresolved(result, "risk", 40) == ""
    assert "risk_rounding" not in result.dataset
    at = result.dataset.isel(step=0)
    size = result.rounding["risk"].size(at["risk_mean"].values, at["risk_variance"].values)
    assert 0 < size[0] < 0.01 * float(at["risk_sem"])


def test_sums_of_updates_and_their_differences(quick_compilation):
    sums = {
        "path_sums": {"a": lambda u: jnp.sum(u.x**2), "b": lambda u: 1e5 + jnp.sum(u.x), "n": lambda _: 1.0},
        "observables": {
            "fine": lambda s: s.path_sums["a"],
            "offset": lambda s: s.path_sums["b"] - 4e6,
            "count": lambda s: s.path_sums["n"],
        },
    }
    with pytest.warns(Unresolved, match="the mean of offset"):
        result = js.simulate(study(x0=[1.0], **sums), 1024, statistics=(), progress=False)
    assert [bool(unresolved(result, name, 40)) for name in ("fine", "offset", "count")] == [False, True, False]


def test_rounding_is_kept_in_files_merges_and_sweeps(quick_compilation, tmp_path):
    def make(minimiser):
        return study(minimiser=minimiser, std=0.01, rate=0.01, x0=[1e4 if minimiser else 0.0])

    with pytest.warns(Unresolved, match="1 of 2 cells, the first minimiser=10000"):
        swept = js.sweep(make, {"minimiser": [0.0, 1e4]}, 1024, compare=(), progress=False)
    good, bad = swept.result(0), swept.result(1)
    assert unresolved(good, "risk", 40) == ""
    assert unresolved(bad, "risk", 40)
    swept.save(tmp_path / "sweep.nc")
    again = js.load(tmp_path / "sweep.nc")
    np.testing.assert_array_equal(again.dataset["risk_rounding"], swept.dataset["risk_rounding"])
    assert unresolved(again.result(1), "risk", 40) == unresolved(bad, "risk", 40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Unresolved)
        warnings.simplefilter("ignore", js.errors.InexactMerge)
        parts = [js.simulate(make(1e4), 1024, first_trajectory=i, progress=False) for i in (0, 1024)]
        parts[1].save(tmp_path / "part.nc")
        merged = js.merge([parts[0], js.load(tmp_path / "part.nc")])
    assert unresolved(merged, "risk", 40)
    np.testing.assert_array_equal(merged.dataset["risk_rounding"], parts[0].dataset["risk_rounding"])


def test_numpy_evaluates_traces_as_jax_does():
    def f(x, data):
        def add(total, row):
            return total + jnp.tanh(row @ x) ** 2, jnp.max(row)

        total, largest = jax.lax.scan(add, jnp.sum(jax.nn.softplus(x[::2])), data)
        padded = jnp.concatenate([jnp.where(x > 0, x, jnp.exp(x)), jnp.cumsum(largest)])
        return total / (1 + jnp.mean(padded)), jax.grad(lambda x: jnp.prod(jnp.cos(x[1:])))(x)

    random = np.random.default_rng(0)
    x, data = random.normal(size=(8, 4)).astype(np.float32), random.normal(size=(6, 4)).astype(np.float32)
    mapped = jax.vmap(f, (0, None))
    traced = jax.make_jaxpr(mapped)(x, data)
    single, double = (evaluate(traced, (x, data), wide) for wide in (False, True))
    assert single is not None
    assert double is not None
    for mine, wide, its in zip(single, double, mapped(x, data), strict=True):
        assert (mine.dtype, wide.dtype) == (np.float32, np.float64)
        np.testing.assert_allclose(mine, its, rtol=2e-5)
        np.testing.assert_allclose(mine, wide, rtol=2e-5)
        assert np.any(mine != wide)
    unknown = jax.make_jaxpr(lambda x: jax.lax.sort(x))(x)
    assert evaluate(unknown, (x,), wide=False) is None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: study(rate=3e-39), r"learning rate 3e-39 at t = 0.*float32.*0.*enable_x64"),
        (lambda: study(std=1e-40), r"oracle.noise.std = 1e-40 .*where it is 0.*enable_x64"),
        (lambda: study(x0=[1e39]), r"x0\[0\] = 1e\+39 .*infinite"),
        (lambda: study([1e39]), r"oracle.problem.curvature\[0\] = 1e\+39"),
    ],
    ids=["rate", "std", "start", "curvature"],
)
def test_numbers_outside_the_range_of_float32_are_refused(bad, message):
    with pytest.raises(InvalidInput, match=message):
        js.simulate(bad(), 8, progress=False)
    with jax.enable_x64(True):
        prepare(bad(), (), {})


def test_data_outside_it_are_refused_and_ends_of_schedules_are_not():
    problem = js.problems.LeastSquares(np.ones((3, 1)) * 1e3, np.array([1.0, 2.0, 1e39]))
    oracle = js.oracles.ExampleSampling(problem)
    with pytest.raises(InvalidInput, match=r"oracle.problem.targets\[2\] = 1e\+39"):
        prepare(js.Study(oracle=oracle, schedule=js.schedules.constant(0.1), steps=4), (), {})
    fading = study().replace(schedule=js.schedules.exponential(0.1, 1.0), steps=200, record=js.record.at([200]))
    assert 0 < fading.learning_rates[100] < 1e-38
    prepare(fading, (), {})  # what underflows is nothing beside the rest


def test_a_quadratic_is_a_sum_of_squares():
    problem = js.problems.Quadratic(FLAT)
    x = np.array([3e4, -3e4]) + np.array([2e-3, 1e-3])
    exact = (x.sum() ** 2) / 4
    assert float(problem.value(jnp.asarray(x, jnp.float32))) >= 0
    with jax.enable_x64(True):
        assert float(js.problems.Quadratic(FLAT).value(jnp.asarray(x))) == pytest.approx(exact, rel=1e-9)
        matrix = np.array([[3.0, 1.0], [1.0, 2.0]])
        assert float(js.problems.Quadratic(matrix).value(jnp.array([1.0, -2.0]))) == pytest.approx(3.5, rel=1e-14)
