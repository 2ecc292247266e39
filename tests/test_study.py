"""Studies: defaults, names, grids, the studies of the chapter, and every way to give something wrong."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxsgd import averages, chapter, methods, noise, oracles, problems, record, schedules
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.study import Study
from jaxsgd.tracing import takes_state, traced

STEPS = 50  # one length for all, so that schedules are compiled once
QUADRATIC = problems.Quadratic(curvature=[2.0, 4.0])
NOISY = oracles.AdditiveNoise(QUADRATIC, noise.Gaussian(std=1.0))
TREE = {"w": np.ones((2, 2)), "b": np.array(0.5)}


def study_of(**changes):
    return Study(**({"oracle": NOISY, "schedule": schedules.constant(0.1), "steps": STEPS} | changes))


def study_of_function(f, **changes):
    oracle = oracles.AdditiveNoise(problems.Function(f), noise.Gaussian())
    return study_of(**({"oracle": oracle, "x0": [1.0, 2.0]} | changes))


def norm_squared(tree):
    return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree))


# what a study is


def test_defaults():
    study = study_of()
    np.testing.assert_array_equal(study.x0, [0, 0])
    assert study.dimension == 2
    assert study.coordinates == ("x[0]", "x[1]")
    assert isinstance(study.method, methods.Sgd)
    assert study.record == record.log_spaced(100)
    assert study.built_in == study.observed == ("risk", "distance_squared", "gradient_norm_squared")
    np.testing.assert_array_equal(study.learning_rates, np.full(STEPS + 1, 0.1))
    assert study.recorded_steps[0] == 0
    assert study.recorded_steps[-1] == STEPS


def test_start_is_float64_and_a_copy():
    start = np.array([-5, -2])
    study = study_of(x0=start)
    start[0] = 7
    np.testing.assert_array_equal(study.x0, [-5, -2])
    assert study.x0.dtype == np.float64
    np.testing.assert_array_equal(study_of(x0=jnp.array([-5.0, -2.0])).x0, [-5, -2])


@pytest.mark.parametrize(
    ("start", "names"),
    [
        (3.0, ("x",)),
        ([1, 2], ("x[0]", "x[1]")),
        ([[1, 2], [3, 4]], ("x[0,0]", "x[0,1]", "x[1,0]", "x[1,1]")),
        (TREE, ("b", "w[0,0]", "w[0,1]", "w[1,0]", "w[1,1]")),
        ({"layer": [np.ones(2), {"bias": 0.0}]}, ("layer.0[0]", "layer.0[1]", "layer.1.bias")),
    ],
)
def test_coordinates_are_paths_in_flatten_order(start, names):
    study = study_of_function(norm_squared, x0=start)
    assert study.coordinates == names
    assert study.dimension == len(names)


def test_observables_built_in_and_observed():
    study = study_of(
        averages={"eta": averages.StepSizeWeighted(), "half": averages.Suffix(0.5)},
        observables={"first": lambda x: x[0]},
    )
    built_in = (
        *("risk", "distance_squared", "gradient_norm_squared"),
        *("risk_of_eta", "distance_squared_of_eta", "risk_of_half", "distance_squared_of_half"),
    )
    assert study.built_in == built_in
    assert study.observed == (*built_in, "first")
    assert study.replace(observe=["risk_of_half", "risk"]).observed == ("risk", "risk_of_half", "first")
    assert study.replace(observe=()).observed == ("first",)
    assert study.replace(observe=["first"]).observed == ("first",)


def test_distances_need_a_minimiser():
    study = study_of_function(norm_squared, averages={"all": averages.Uniform()})
    assert study.built_in == ("risk", "gradient_norm_squared", "risk_of_all")
    random = study_of(oracle=oracles.RandomLoss(lambda xi, x: jnp.sum(xi * x**2), lambda s: s.uniform((2,))), x0=[1, 1])
    assert random.built_in == ("risk", "gradient_norm_squared")


def test_schedules_may_be_functions_or_from_optax():
    np.testing.assert_allclose(study_of(schedule=lambda t: 0.1 if t < 9 else 0.0).learning_rates[8:10], [0.1, 0])
    rates = study_of(schedule=optax.linear_schedule(0.1, 0.0, STEPS)).learning_rates
    np.testing.assert_allclose(rates, 0.1 * (1 - np.arange(STEPS + 1) / STEPS), atol=1e-9)


def test_a_table_needs_no_rate_for_the_update_that_is_not_made():
    rates = study_of(schedule=schedules.table(np.full(STEPS, 0.1))).learning_rates
    assert np.all(rates[:STEPS] == 0.1)
    assert np.isnan(rates[STEPS])


def test_replace_validates_again_and_keeps_the_rest():
    study = study_of(x0=[-5.0, -2.0]).replace(method=methods.Projected(methods.Ball(3.0)), steps=np.int64(STEPS))
    np.testing.assert_array_equal(study.x0, [-5, -2])
    assert type(study.steps) is int
    with pytest.raises(InvalidInput, match="steps must be at least 1, got 0"):
        study.replace(steps=0)
    with pytest.raises(AttributeError):
        study.steps = 3


def test_repr_shows_every_argument():
    lines = repr(study_of(x0=[-5, -2], observables={"n": norm_squared})).splitlines()
    assert lines[:5] == [
        "Study(",
        "    oracle=AdditiveNoise(problem=Quadratic(curvature=[2, 4], minimiser=[0, 0]), noise=Gaussian(std=1)),",
        "    schedule=constant(value=0.1),",
        f"    steps={STEPS},",
        "    x0=[-5, -2],",
    ]
    assert any("norm_squared" in line for line in lines)


# grids


@pytest.mark.parametrize(
    ("grid", "last", "expected"),
    [
        (record.every(10), 50, [0, 10, 20, 30, 40, 50]),
        (record.every(7), 20, [0, 7, 14, 20]),
        (record.every(100), 20, [0, 20]),
        (record.every(1), 3, [0, 1, 2, 3]),
        (record.log_spaced(1), 20, [0, 20]),
        (record.log_spaced(2), 20, [0, 1, 20]),
        (record.log_spaced(3), 100, [0, 1, 10, 100]),
        (record.log_spaced(100), 1, [0, 1]),
        (record.at([5, 0, 5, 3]), 5, [0, 3, 5]),
        (record.at((np.int64(7),)), 9, [7]),
    ],
)
def test_recorded_steps(grid, last, expected):
    steps = grid.steps(last)
    assert steps.dtype == np.int64
    assert steps.tolist() == expected


@pytest.mark.parametrize("m", [1, 2, 10, 100, 1000])
@pytest.mark.parametrize("last", [1, 2, 30, 1000, 10**6])
def test_log_spaced_has_at_most_one_step_more(m, last):
    steps = record.log_spaced(m).steps(last)
    assert len(steps) <= m + 1
    assert steps[0] == 0
    assert steps[-1] == last
    assert np.all(np.diff(steps) > 0)
    if last == 10**6 and m == 10:  # evenly spaced in the logarithm
        np.testing.assert_allclose(np.diff(np.log(steps[1:])), math.log(1e6) / 9, rtol=0.2)


# the chapter


@pytest.mark.parametrize(
    ("name", "as_printed", "steps", "factors"),
    [
        ("constant", False, 50, [1, 1, 1]),
        ("exponential", False, 1000, [math.exp(-0.2), math.exp(-0.3), math.exp(-0.4)]),
        ("exponential", True, 1000, [1, math.exp(-0.1), math.exp(-0.2)]),
        ("polynomial", False, 50, [1.2**-0.5, 1.3**-0.5, 1.4**-0.5]),
        ("polynomial", True, 50, [1, 1.1**-0.5, 1.2**-0.5]),
        ("piecewise", False, 50, [1, 1, 1]),
    ],
)
def test_studies_of_the_chapter(name, as_printed, steps, factors):
    study = chapter.study(name, as_printed=as_printed)
    assert study.steps == steps
    np.testing.assert_array_equal(study.x0, [-5, -2])
    np.testing.assert_allclose(study.learning_rates[:3], 0.1 * np.array(factors), rtol=1e-14)
    np.testing.assert_array_equal(study.oracle.problem.curvature, [2, 4])  # x1^2 + 2 x2^2
    assert study.oracle.noise.std == 1
    assert study.recorded_steps.tolist() == list(range(steps + 1))
    assert isinstance(study.averages["eta"], averages.StepSizeWeighted)


def test_the_code_of_the_chapter_runs_to_the_same_factors():
    """Its counter: t = 1 to begin with, incremented before use."""
    t = 1

    def exponential_lr():
        nonlocal t
        t += 1
        return math.exp(-0.1 * t)

    factors = [exponential_lr() for _ in range(1000)]
    np.testing.assert_allclose(chapter.study("exponential").learning_rates[:1000], 0.1 * np.array(factors), rtol=1e-13)


def test_piecewise_study_halves_twice():
    rates = chapter.study("piecewise").learning_rates
    np.testing.assert_allclose(rates, [0.1] * 20 + [0.05] * 20 + [0.025] * 11, rtol=1e-15)


def test_unknown_study_of_the_chapter():
    with pytest.raises(InvalidInput, match=r"no schedule 'polinomial'.*did you mean 'polynomial'"):
        chapter.study("polinomial")


# observables: functions of x, or of a State


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x[0] ** 2, False),
        (jnp.linalg.norm, False),
        (lambda x: jnp.sum(x), False),
        (norm_squared, False),  # jax.tree.leaves of a State is the State itself
        (lambda x: x @ x, False),
        (lambda x: jnp.max(jax.tree.leaves(x)[0]), False),
        (lambda state: jnp.sum(state.x), True),
        (lambda state: state.averages["eta"][0], True),
        (lambda state: state.path_sums["total"] - norm_squared(state.averages["eta"]), True),
        (lambda state: norm_squared(state.averages), True),
    ],
)
def test_functions_of_a_state_are_told_from_functions_of_x(function, expected):
    study = study_of(
        averages={"eta": averages.StepSizeWeighted()},
        path_sums={"total": lambda update: update.x[0]},
        observables={"o": function},
    )
    assert takes_state("o", function, traced(study).blank) is expected
    assert study.observed[-1] == "o"


def test_functions_of_a_pytree():
    tree = {"w": jnp.zeros((2, 2)), "b": jnp.zeros(())}
    state = traced(study_of_function(norm_squared, x0=tree)).blank
    assert not takes_state("o", lambda x: jnp.sum(x["w"]) + x["b"], state)
    assert not takes_state("o", norm_squared, state)
    assert takes_state("o", lambda s: jnp.sum(s.x["w"]) + s.x["b"], state)


# bad input

MISSPELT = {"a": lambda x: jnp.summ(x)}
BAD = {
    # the start
    "x0 of another length": (
        {"x0": [1, 2, 3]},
        r"x0 must have the shape .* minimiser, \(2,\), got \(3,\)",
    ),
    "x0 of another structure": ({"x0": {"w": [1, 2]}}, r"minimiser, \(2,\), got {'w': \(2,\)}"),
    "x0 not finite": ({"x0": [1, np.nan]}, r"x0 must be finite, got nan at index \[1\]"),
    "x0 infinite in a tree": (
        {"oracle": oracles.FullGradient(problems.Function(norm_squared)), "x0": {"w": np.array([[0, np.inf]])}},
        r"x0\['w'\] must be finite, got inf at index \[0, 1\]",
    ),
    "x0 of text": ({"x0": "start"}, "x0 must be a number or an array of numbers, got 'start'"),
    "x0 ragged": ({"x0": [[1, 2], [3]]}, "x0 must be a number or an array of numbers"),
    "x0 of nothing": (
        {"oracle": oracles.FullGradient(problems.Function(norm_squared)), "x0": {}},
        "x0 must hold at least one number, got {}",
    ),
    "x0 with an empty array": (
        {"oracle": oracles.FullGradient(problems.Function(norm_squared)), "x0": {"w": np.ones(0), "b": 1.0}},
        "x0 must hold at least one number in every array",
    ),
    "x0 missing": (
        {"oracle": oracles.FullGradient(problems.Function(norm_squared))},
        "x0 is needed, a pytree of arrays: the problem does not know where to start",
    ),
    # steps and records
    "no steps": ({"steps": 0}, "steps must be at least 1, got 0"),
    "negative steps": ({"steps": -5}, "steps must be at least 1, got -5"),
    "steps that are a float": ({"steps": 50.0}, "steps must be an integer, got 50.0"),
    "steps that are a bool": ({"steps": True}, "steps must be an integer, got True"),
    "record past the end": (
        {"record": record.at([0, STEPS + 1])},
        rf"recorded steps must lie in 0..{STEPS} \(the number of updates\), got {STEPS + 1}",
    ),
    "record that is a list": ({"record": [0, 10]}, r"record must be one of jaxsgd.record, got \[0, 10\]"),
    # schedules
    "schedule that is a number": (
        {"schedule": 0.1},
        r"schedule must be a function of t, got 0.1; for numbers use schedules.constant\(0.1\)",
    ),
    "schedule that is a list": ({"schedule": [0.1, 0.2]}, r"for numbers use schedules.table\(\[0.1, 0.2\]\)"),
    "negative rate": (
        {"schedule": schedules.constant(-0.1)},
        f"learning rate must be finite and not negative at t = 0..{STEPS - 1}, got -0.1 at t = 0",
    ),
    "rate that turns negative": ({"schedule": lambda t: 0.1 - 0.01 * t}, "got -0.01 at t = 11"),
    "rate of NaN": ({"schedule": lambda t: jnp.where(t == 7, jnp.nan, 0.1)}, "got nan at t = 7"),
    "rate of infinity": ({"schedule": lambda t: 1 / (jnp.abs(t - 9))}, "got inf at t = 9"),
    "table too short": (
        {"schedule": schedules.table([0.1] * 20)},
        "at t = 20; change the schedule or take fewer",
    ),
    "rate of two numbers": ({"schedule": lambda t: jnp.ones(2)}, r"one number for one t, got an array of shape \(2,\)"),
    "schedule without argument": ({"schedule": lambda: 0.1}, "schedule cannot be computed at t = 0: TypeError"),
    # parts of the wrong kind
    "oracle that is a problem": ({"oracle": QUADRATIC}, r"oracle must be one of jaxsgd.oracles, got Quadratic\("),
    "method that is a class": (
        {"method": methods.Sgd},
        "must be one of jaxsgd.methods, got jaxsgd.methods.Sgd; call it",
    ),
    "averages in a list": (
        {"averages": [averages.Uniform()]},
        r'averages must be a dict, {"name": ...}, got \[Uniform\(\)\]',
    ),
    "average that is a name": (
        {"averages": {"a": "uniform"}},
        r"averages\['a'\] must be one of jaxsgd.averages, got 'uniform'",
    ),
    "average without a name": ({"averages": {0: averages.Uniform()}}, "averages are named by strings, got 0"),
    "empty name": ({"observables": {"": norm_squared}}, "observables are named by strings, got ''"),
    "observable that is a number": ({"observables": {"a": 1}}, r"observables\['a'\] must be a function, got 1"),
    "path sum that is a number": ({"path_sums": {"a": 1}}, r"path_sums\['a'\] must be a function, got 1"),
    # dimensions
    "noise of another size": (
        {"oracle": oracles.AdditiveNoise(QUADRATIC, noise.Gaussian(covariance=np.eye(3)))},
        r"covariance of shape \(3, 3\) needs x to be one vector of length 3, but x has leaves of shapes \[\(2,\)\]",
    ),
    "standard deviations of another size": (
        {"oracle": oracles.AdditiveNoise(QUADRATIC, noise.Gaussian(std=[1, 2, 3]))},
        r"std of shape \(3,\) needs x to be one vector of length 3",
    ),
    "ball elsewhere": (
        {"method": methods.Projected(methods.Ball(1.0, [0, 0, 0]))},
        r"centre must be one number or have 2 coordinates, got shape \(3,\)",
    ),
    "box elsewhere": ({"method": methods.Projected(methods.Box([0, 0, 0], 1))}, "lower must be one number or have 2"),
    # averages
    "average of nothing": (
        {"averages": {"last": averages.Suffix(0.01)}},
        r"Suffix\(0.01\) of 50 iterates averages nothing; the fraction must be at least 1/50",
    ),
    # names
    "observe misspelt": ({"observe": ["risks"]}, "observe names 'risks'; allowed: .*; did you mean 'risk'?"),
    "observe an average that is not kept": (
        {"observe": ["risk_of_eta"], "averages": {"beta": averages.Uniform()}},
        "observe names 'risk_of_eta'; .*did you mean 'risk_of_beta'?",
    ),
    "observe a string": ({"observe": "risk"}, "observe must be a list of names or None, got 'risk'"),
    "observe a number": ({"observe": 3}, "observe must be a list of names or None, got 3"),
    "name taken": (
        {"observables": {"risk": norm_squared}},
        r"observables \['risk'\] have the names of built-in ones: choose others",
    ),
    "name taken by an average": (
        {"averages": {"a": averages.Uniform()}, "observables": {"risk_of_a": norm_squared}},
        r"observables \['risk_of_a'\] have the names of built-in ones",
    ),
    "name of x itself": (
        {"observables": {"x": lambda x: x[0]}},
        r"observables \['x'\] have the names of built-in",
    ),
    # functions
    "observable misspelt": (
        {"observables": MISSPELT},
        "observable 'a': .*lambda.* on x .*has no attribute 'summ'.* nor on a State",
    ),
    "observable of an average that is not kept": (
        {"observables": {"a": lambda state: state.averages["eta"][0]}},
        r"observable 'a': .*nor on a State \(KeyError: 'eta'\)",
    ),
    "observable of several numbers": (
        {"observables": {"a": lambda x: 2 * x}},
        r"observable 'a' must be one number for one x, got an array of shape \(2,\); take its sum or one component",
    ),
    "observable of a State of several numbers": (
        {"observables": {"a": lambda state: state.x}},
        r"observable 'a' must be one number for one x, got an array of shape \(2,\)",
    ),
    "observable of a tuple": (
        {"observables": {"a": lambda x: (x[0], x[1])}},
        "one number for one x, got a tuple of 2 values",
    ),
    "observable in float()": (
        {"observables": {"a": lambda x: float(x[0])}},
        r"observable 'a': .*write it with jax.numpy, without float\(\)",
    ),
    "observable in NumPy": (
        {"observables": {"a": lambda x: np.linalg.norm(x)}},
        "observable 'a': .*TracerArrayConversionError.*write it with jax.numpy",
    ),
    "observable with if": (
        {"observables": {"a": lambda x: 1.0 if x[0] > 0 else 0.0}},
        "observable 'a': .*TracerBoolConversionError.*write it with jax.numpy",
    ),
    "path sum misspelt": (
        {"path_sums": {"a": lambda update: update.lr}},
        "path sum 'a' cannot be computed: AttributeError: 'Update' object has no attribute 'lr'",
    ),
    "path sum of several numbers": (
        {"path_sums": {"a": lambda update: update.gradient}},
        r"path sum 'a' must be one number for one x, got an array of shape \(2,\)",
    ),
    "path sum in float()": (
        {"path_sums": {"a": lambda update: float(update.learning_rate)}},
        "path sum 'a' cannot be computed: .*write it with jax.numpy",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_says_what_is_wrong(what):
    changes, message = BAD[what]
    with pytest.raises((InvalidInput, InvalidType), match=message) as caught:
        study_of(**changes)
    assert isinstance(caught.value, ValueError | TypeError)
    assert len(str(caught.value)) < 700


BAD_RISKS = {
    "vector": (lambda x: x**2, r"the risk must be one number for one x, got an array of shape \(2,\)"),
    "vector of one": (lambda x: x[:1], r"the risk must be one number for one x, got an array of shape \(1,\)"),
    "tuple": (lambda x: (x[0], x[1]), "the risk must be one number for one x, got a tuple of 2 values"),
    "integer": (
        lambda x: jnp.sum(x).astype(int),
        "the gradient cannot be computed: TypeError: grad requires real",
    ),
    "float()": (lambda x: float(x[0]), "the risk cannot be computed: .*write it with jax.numpy"),
    "NumPy": (lambda x: np.linalg.norm(x), "the risk cannot be computed: .*write it with jax.numpy"),
    "if": (lambda x: x[0] if x[0] > 0 else -x[0], "the risk cannot be computed: .*write it with jax.numpy"),
    "two arguments": (lambda x1, x2: x1**2 + 2 * x2**2, "the risk cannot be computed: TypeError: .*missing 1 required"),
    "another structure": (lambda x: x["w"], "the risk cannot be computed: "),
    "nothing": (lambda x: None, "the risk must be one number for one x, got None"),
}


@pytest.mark.parametrize("what", BAD_RISKS)
def test_bad_risks_say_what_is_wrong(what):
    f, message = BAD_RISKS[what]
    with pytest.raises((InvalidInput, InvalidType), match=message):
        study_of_function(f)


def test_scalar_starts_are_checked_as_strictly():
    """float(x) works on a number that is not traced: it must fail here, as it would in a simulation."""
    with pytest.raises(InvalidType, match=r"the risk cannot be computed: .*write it with jax.numpy"):
        study_of_function(lambda x: float(x) ** 2, x0=1.0)
    with pytest.raises(InvalidType, match=r"observable 'a': .*write it with jax.numpy"):
        study_of_function(lambda x: x**2, x0=1.0, observables={"a": lambda x: float(x) ** 2})
    assert study_of_function(lambda x: x**2, x0=1.0).coordinates == ("x",)


@pytest.mark.parametrize(
    ("loss", "sampler", "message"),
    [
        (
            lambda xi, x: jnp.sum(xi * x),
            lambda stream: float(stream.normal()),
            "the sample of the oracle cannot",
        ),
        (lambda xi, x: xi * x, lambda stream: stream.normal(), "the risk must be one number for one x, got an array"),
        (lambda xi, x: jnp.sum(xi @ x), lambda stream: stream.normal((3,)), "the risk cannot be computed: TypeError"),
        (
            lambda xi, x: jnp.sum(x),
            lambda stream: stream.gamma(2.0),
            "'Recorder' object has no attribute 'gamma'",
        ),
        (lambda xi, x: jnp.sum(x), lambda stream: stream.integers(0), "bound must be at least 1"),
    ],
)
def test_bad_random_losses_say_what_is_wrong(loss, sampler, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        study_of(oracle=oracles.RandomLoss(loss, sampler), x0=[1.0, 2.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: record.at([]), r"at\(points\) needs at least one step"),
        (lambda: record.at(5), r"at\(points\) takes a list of steps, got 5"),
        (lambda: record.at([-1]), r"at\(points\): a step must be at least 0, got -1"),
        (lambda: record.at([1.5]), r"at\(points\): a step must be an integer, got 1.5"),
        (lambda: record.every(0), r"every\(k\): k must be at least 1, got 0"),
        (lambda: record.every(2.5), r"every\(k\): k must be an integer, got 2.5"),
        (lambda: record.log_spaced(0), r"log_spaced\(m\): m must be at least 1, got 0"),
        (lambda: record.log_spaced("10"), r"log_spaced\(m\): m must be an integer, got '10'"),
    ],
)
def test_bad_grids_say_what_is_wrong(make, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        make()
