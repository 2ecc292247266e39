"""Study files: what they build, and what each mistake in them is answered with."""

import pathlib
import re
import sys

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import config
from jaxsgd.averages import Average
from jaxsgd.methods import ConvexSet, Method
from jaxsgd.noise import Noise
from jaxsgd.oracles import Oracle
from jaxsgd.orders import Order
from jaxsgd.problems import Problem
from jaxsgd.record import Grid
from jaxsgd.schedules import Schedule

CHAPTER = pathlib.Path(__file__).parents[1] / "scripts" / "chapter"

TOP = "steps = 20\n"
PROBLEM = '[problem]\nkind = "quadratic"\ncurvature = [2.0, 4.0]\n'
NOISE = '[noise]\nkind = "gaussian"\nstd = 1.0\n'
SCHEDULE = '[schedule]\nkind = "constant"\nvalue = 0.1\n'
VALID = TOP + PROBLEM + NOISE + SCHEDULE

OWN_MODULE = """
import jaxsgd as js
import jax.numpy as jnp
import optax

half_power = lambda t, initial=0.1: initial / (t + 1) ** 0.5
cosine = lambda initial: js.schedules.cosine(initial, 20)
quartic = lambda x: jnp.sum(x**4)
gaussian = lambda std: js.noise.Gaussian(std)
loss = lambda xi, x: jnp.sum((x - xi) ** 2)
sampler = lambda stream: stream.normal((2,))
heavy_ball = lambda learning_rate, beta: optax.sgd(learning_rate, beta)
finished = lambda beta=0.5: optax.sgd(0.1, beta)
first = lambda x: x[0]
length = lambda update: update.learning_rate
number = lambda: 3
three = 3

def broken():
    raise KeyError("lost")
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a study file beside the module `own`, and gives its path."""
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own", raising=False)
    (tmp_path / "own.py").write_text(OWN_MODULE)

    def to_file(content: str) -> pathlib.Path:
        path = tmp_path / "study.toml"
        path.write_text(content)
        return path

    return to_file


def message(path: pathlib.Path) -> str:
    """What is said of a file, without its name."""
    with pytest.raises((js.errors.InvalidInput, js.errors.InvalidType)) as caught:
        config.read(path)
    start, said = str(caught.value)[: len(str(path)) + 2], str(caught.value)[len(str(path)) + 2 :]
    assert start == f"{path}: "
    return said


@pytest.mark.parametrize("name", ["constant", "exponential", "polynomial"])
def test_chapter_files_are_the_studies_of_the_chapter(name):
    file, expected = config.read(CHAPTER / f"{name}.toml"), js.chapter.study(name)
    assert file.arguments == {"trajectories": 100_000}
    assert repr(file.study) == repr(expected)
    np.testing.assert_array_equal(file.study.learning_rates, expected.learning_rates)
    np.testing.assert_array_equal(file.study.x0, expected.x0)
    np.testing.assert_array_equal(file.study.recorded_steps, expected.recorded_steps)
    np.testing.assert_array_equal(file.study.oracle.problem.curvature, expected.oracle.problem.curvature)


LEAST_SQUARES = "features = [[1.0, 0.0], [0.0, 2.0]]\ntargets = [1, 2.0]\ntest = [[[1.0, 1.0]], [0.0]]"

EXAMPLES = {
    Problem: {
        "quadratic": "curvature = [2.0, 4.0]",
        "function": "f = 'own:quartic'\nminimiser = [0.0, 0.0]",
        "absolute_value": "scale = [1.0, 2.0]",
        "rippled_parabola": "dimension = 2",
        "double_well": "dimension = 2",
        "rosenbrock": "dimension = 2",
        "separable_cosine": "dimension = 2\namplitude = 0.5",
        "polyak_lojasiewicz": "dimension = 2",
        "huber": "delta = 0.5\nscale = [1.0, 2.0]",
        "max_affine": "slopes = [[1, 0], [0, 1], [-1, -1]]",
        "finite_sum": "loss = 'own:loss'\ndata = [[1.0, 0.0], [0.0, 2.0]]\nminimiser = [0.5, 1.0]",
        "least_squares": LEAST_SQUARES,
        "logistic_regression": "features = [[1.0, 0.0], [0.0, 2.0]]\nlabels = [0, 1]\nl2 = 0.1",
    },
    Noise: {
        "gaussian": "std = [1, 2.0]",
        "rademacher": "scale = 2.0",
        "laplace": "scale = [1, 2.0]",
        "student_t": "df = 3",
        "centered_exponential": "scale = 0.5",
        "alpha_stable": "alpha = 1.5\nscale = 0.1",
        "multiplicative": "std = 0.5\nadditive = {kind = 'student_t', df = 5.0}",
    },
    Oracle: {
        "additive_noise": "",
        "full_gradient": "",
        "random_loss": "loss = 'own:loss'\nsampler = 'own:sampler'",
        "example_sampling": "batch = 2",
    },
    Order: {
        "with_replacement": "distinct = true",
        "importance_sampling": "probabilities = [0.25, 0.75]",
        "random_reshuffling": "",
        "shuffle_once": "drop_last = true",
        "incremental": "",
    },
    Schedule: {
        "constant": "value = 0.1",
        "piecewise_constant": "boundaries = [5, 10]\nvalues = [0.3, 0.2, 0.1]",
        "exponential": "initial = 0.1\nrate = 0.1",
        "polynomial": "initial = 0.1\nrate = 0.1\npower = 0.5",
        "inverse_time": "initial = 0.1\nrate = 0.1",
        "inverse_sqrt": "initial = 0.1",
        "strongly_convex": "mu = 2",
        "lacoste_julien": "mu = 2",
        "linear_decay": "initial = 0.1\nhorizon = 20",
        "cosine": "initial = 0.1\nhorizon = 20\nfinal = 0.01",
        "warmup": "steps = 5\nschedule = {kind = 'constant', value = 0.1}",
        "wsd": "initial = 0.1\nhorizon = 21\nwarmup = 3\ncooldown = 5",
        "cyclic": "low = 0.01\nhigh = 0.1\nperiod = 10",
        "alternating": "low = 0.01\nhigh = 0.1\nevery = 2",
        "restarts": "period = 5\nschedule = {kind = 'cosine', initial = 0.1, horizon = 5}",
        "table": f"values = {[0.1] * 21}",
        "shift": "by = 2\nschedule = {kind = 'scale', factor = 2, schedule = {kind = 'inverse_sqrt', initial = 0.1}}",
        "scale": "factor = 0.5\nschedule = 'own:half_power'",
        "tuned_constant": "distance = 5.0\ngradient_bound = 10\nsteps = 20",
    },
    Method: {
        "sgd": "",
        "optax": "make = 'optax:adam'",
        "projected": "onto = {kind = 'ball', radius = 9.0}",
        "heavy_ball": "momentum = 0.9",
        "nesterov": "momentum = 0.9",
        "delayed": "tau = 2",
        "clipped": "norm = 1.0\nmethod = 'sgd'",
        "preconditioned": "diagonal = [1, 2.0]\nmethod = {kind = 'nesterov', momentum = 0.5}",
        "sign_sgd": "",
        "normalised": "",
        "polyak_step": "c = 1\nminimum = -1.0",
        "svrg": "every = 4",
        "sam": "radius = 0.1",
        "reduce_on_plateau": "patience = 3\nfactor = 0.1\n[method.method]\nkind = 'clipped'\nvalue = 1\nmethod = 'sgd'",
    },
    ConvexSet: {"ball": "radius = 9\ncentre = [0, 0]", "box": "lower = -9\nupper = [9.0, 9.0]"},
    Average: {
        "step_size_weighted": "",
        "uniform": "",
        "suffix": "fraction = 0.5",
        "polynomial": "power = 1",
        "exponential": "decay = 0.9",
    },
    Grid: {"every": "7", "every_epoch": "2", "log_spaced": "5", "at": "[0, 3, 20]"},
}


EXAMPLE_PROBLEM = f"[problem]\nkind = 'least_squares'\n{LEAST_SQUARES}\n"


def study_with(family: type, kind: str, keys: str) -> str:
    """A study file in which one object is of this kind."""
    body = f'kind = "{kind}"\n{keys}\n'
    if family is Problem:
        return TOP + "x0 = [1.0, 1.0]\n[problem]\n" + body + NOISE + SCHEDULE
    if family is Noise:
        return TOP + PROBLEM + "[noise]\n" + body + SCHEDULE
    if family is Oracle:
        problem = PROBLEM if kind != "example_sampling" else EXAMPLE_PROBLEM
        return TOP + problem + (NOISE if kind == "additive_noise" else "") + "[oracle]\n" + body + SCHEDULE
    if family is Order:
        return TOP + EXAMPLE_PROBLEM + "[oracle]\nkind = 'example_sampling'\n[oracle.order]\n" + body + SCHEDULE
    if family is Schedule:
        return TOP + PROBLEM + NOISE + "[schedule]\n" + body
    table = {
        Method: f"[method]\n{body}",
        ConvexSet: f"[method]\nkind = 'projected'\n[method.onto]\n{body}",
        Average: f"[averages.mine]\n{body}",
        Grid: f"[record]\n{kind} = {keys}\n",
    }
    if kind in ("every_epoch", "polyak_step", "reduce_on_plateau"):  # they need examples, or losses
        return TOP + EXAMPLE_PROBLEM + "[oracle]\nkind = 'example_sampling'\n" + SCHEDULE + table[family]
    return VALID + table[family]


@pytest.mark.parametrize("family", list(EXAMPLES), ids=lambda family: family.__name__)
def test_every_kind_has_an_example(family):
    assert config.kinds(family).keys() == EXAMPLES[family].keys()


@pytest.mark.parametrize(
    ("family", "kind"), [(family, kind) for family, examples in EXAMPLES.items() for kind in examples]
)
def test_every_kind_can_be_built(write, family, kind):
    study = config.read(write(study_with(family, kind, EXAMPLES[family][kind]))).study
    made = {
        Problem: lambda: study.oracle.problem,
        Noise: lambda: study.oracle.noise,
        Oracle: lambda: study.oracle,
        Order: lambda: study.oracle.order,
        Schedule: lambda: study.schedule,
        Method: lambda: study.method,
        ConvexSet: lambda: study.method.onto,
        Average: lambda: study.averages["mine"],
        Grid: lambda: study.record,
    }[family]()
    constructor = config.kinds(family)[kind]
    assert isinstance(made, constructor if isinstance(constructor, type) else family)


DATA = """epochs = 4
[problem]
kind = "KIND"
l2 = 0.1
data = {path = "train.csv", target = "y", standardise = true}
test = {path = "held_out.npz"}
[oracle]
kind = "example_sampling"
order = "random_reshuffling"
[schedule]
kind = "constant"
value = 0.1
[record]
every_epoch = 1
"""


@pytest.fixture
def data_files(tmp_path):
    """Two files of examples beside the study file."""
    (tmp_path / "train.csv").write_text("y,a,b\n1,2,10\n0,4,30\n1,6,20\n0,8,20\n")
    np.savez(tmp_path / "held_out.npz", X=[[5.0, 20.0], [6.0, 30.0]], y=[1.0, 0.0])


def test_examples_come_from_files(write, data_files):
    """Held-out data are standardised as the data are, with means and standard deviations of those."""
    study = config.read(write(DATA.replace("KIND", "least_squares"))).study
    X = np.array([[2.0, 10.0], [4.0, 30.0], [6.0, 20.0], [8.0, 20.0]])
    problem = study.oracle.problem
    np.testing.assert_allclose(problem.features, (X - X.mean(0)) / X.std(0))
    np.testing.assert_array_equal(problem.targets, [1.0, 0.0, 1.0, 0.0])
    np.testing.assert_allclose(problem.test[0], ([[5.0, 20.0], [6.0, 30.0]] - X.mean(0)) / X.std(0))
    assert study.steps == 16
    assert study.recorded_steps.tolist() == [0, 4, 8, 12, 16]
    labels = config.read(write(DATA.replace("KIND", "logistic_regression"))).study.oracle.problem.labels
    np.testing.assert_array_equal(labels, [1.0, -1.0, 1.0, -1.0])
    both = "[sweep]\n'oracle.order' = ['with_replacement', 'random_reshuffling']\n"
    axes = config.read(write(DATA.replace("KIND", "least_squares") + both)).axes
    assert list(axes["oracle.order"]) == ["with_replacement", "random_reshuffling"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('path = "train.csv"', 'path = "lost.csv"'), "problem.data: .*lost.csv: No such file"),
        (('target = "y"', 'target = "z"'), "problem.data: .*train.csv: .*z"),
        (('path = "train.csv", ', ""), "problem.data.path: missing"),
        (('"train.csv"', "3"), "problem.data.path: expected a string, the name of a file, got 3"),
        (("train.csv", r"a\u0000b"), "problem.data.path: expected a string, the name of a file, got 'a.x00b'"),
        (('target = "y"', "target = ['y']"), "problem.data: target must be the name or the index of a column, got"),
        (('target = "y"', 'column = "y"'), "problem.data.column: unknown key"),
        (("l2 = 0.1", "targets = [1.0]"), "problem.targets: given twice, here and in the file"),
        (("standardise = true", "standardise = 3"), "problem.data: .*standardise must be features"),
    ],
)
def test_mistakes_in_data_are_located(write, data_files, change, expected):
    assert re.match(expected, message(write(DATA.replace("KIND", "least_squares").replace(*change))))


def test_abstract_and_private_names_are_not_kinds():
    assert "schedule" not in config.kinds(Schedule)
    assert "problem" not in config.kinds(Problem)
    assert "ball" not in config.kinds(Method)


def test_nested_schedules(write):
    schedule = config.read(write(study_with(Schedule, "shift", EXAMPLES[Schedule]["shift"]))).study.schedule
    np.testing.assert_allclose(schedule(np.arange(3)), 0.2 / np.sqrt(np.arange(3) + 3))


@pytest.mark.parametrize(
    ("table", "shown"),
    [
        ("kind = 'optax:adam'\nb1 = 1\nnesterov = true", "Optax(optax.adam, b1=1, nesterov=True)"),
        ("kind = 'optax:lion'\nb2 = 0.5", "Optax(optax.lion, b2=0.5)"),
        ("kind = 'optax.contrib:prodigy'\nbetas = [0.5, 0.9]", "Optax(optax.contrib.prodigy, betas=[0.5, 0.9])"),
        ("kind = 'optax.contrib:muon'\npreconditioning = 'aol'", "Optax(optax.contrib.muon, preconditioning='aol')"),
        ("kind = 'own:heavy_ball'\nbeta = 0.5", "Optax(own.<lambda>, beta=0.5)"),
        (
            "kind = 'optax.contrib:schedule_free_sgd'\n"
            "points = {x = 'optax.contrib:schedule_free_eval_params'}\nb1 = 0.8",
            "Optax(optax.contrib.schedule_free_sgd, b1=0.8, points={'x': optax.contrib.schedule_free_eval_params})",
        ),
    ],
)
def test_transformations_of_optax_are_methods(write, table, shown):
    assert repr(config.read(write(f"{VALID}[method]\n{table}")).study.method) == shown


def test_a_finished_transformation_needs_no_schedule(write):
    study = config.read(write(f"{TOP}{PROBLEM}{NOISE}[method]\nkind = 'own:finished'\nbeta = 0.9")).study
    assert study.schedule is None
    assert repr(study.method) == "Optax(own.<lambda>, beta=0.9)"


def test_numbers_of_optax_can_be_swept(write):
    file = config.read(write(f"{VALID}[method]\nkind = 'optax:adam'\n[sweep]\n'method.b1' = [0.5, 0.9]"))
    assert [repr(file.make(**{"method.b1": b1}).method) for b1 in file.axes["method.b1"]] == [
        "Optax(optax.adam, b1=0.5)",
        "Optax(optax.adam, b1=0.9)",
    ]
    with pytest.raises(js.errors.InvalidInput, match=r"cell method.beta=0.5: method: optax.adam takes no 'beta'"):
        config.read(write(f"{VALID}[method]\nkind = 'optax:adam'\n[sweep]\n'method.beta' = [0.5, 0.9]"))


def test_arguments_of_simulate_and_short_forms(write):
    top = TOP + 'trajectories = 2_000\nseed = 7\nquantiles = [0.05, 0.95]\nstatistics = ["mean"]\nobserve = ["risk"]\n'
    short = 'x0 = [1, -1]\nnoise = "gaussian"\nmethod = "sgd"\n'
    averages = '[averages]\neta = "step_size_weighted"\ntail = {kind = "suffix", fraction = 0.5}\n'
    file = config.read(write(top + short + PROBLEM + SCHEDULE + averages))
    assert file.arguments == {
        "trajectories": 2000,
        "seed": 7,
        "quantiles": (0.05, 0.95),
        "statistics": ("mean",),
    }
    assert file.study.observe == ("risk",)
    assert repr(file.study.averages) == "{'eta': StepSizeWeighted(), 'tail': Suffix(fraction=0.5)}"


def test_parameters_may_be_a_pytree(write):
    own = '[problem]\nkind = "function"\nf = "own:sum_of_squares"\n[x0]\nw = [1.0, 2.0]\nb = 0.5\n'
    path = write(TOP + own + '[oracle]\nkind = "full_gradient"\n' + SCHEDULE)
    with (path.parent / "own.py").open("a") as module:
        module.write("sum_of_squares = lambda x: jnp.sum(x['w'] ** 2) + x['b'] ** 2\n")
    assert config.read(path).study.coordinates == ("b", "w[0]", "w[1]")


@pytest.mark.parametrize(
    ("keys", "rates"),
    [
        ('kind = "own:half_power"', [0.1, 0.1 / 2**0.5]),
        ('kind = "own:half_power"\ninitial = 0.2', [0.2, 0.2 / 2**0.5]),
        ('kind = "own:cosine"\ninitial = 0.2', [0.2, 0.1 * (1 + np.cos(np.pi / 20))]),
        ('kind = "optax:exponential_decay"\ninit_value = 0.4\ntransition_steps = 1\ndecay_rate = 0.5', [0.4, 0.2]),
    ],
)
def test_own_schedules(write, keys, rates):
    study = config.read(write(TOP + PROBLEM + NOISE + f"[schedule]\n{keys}\n")).study
    np.testing.assert_allclose(study.learning_rates[:2], rates, rtol=1e-6)


def test_own_noise_observables_and_path_sums(write):
    own = '[noise]\nkind = "own:gaussian"\nstd = 2.0\n'
    sums = '[observables]\nfirst = "own:first"\n[path_sums]\nlength = "own:length"\n'
    study = config.read(write(TOP + PROBLEM + own + SCHEDULE + sums)).study
    assert repr(study.oracle.noise) == "Gaussian(std=2)"
    assert study.observed[-1] == "first"
    assert list(study.path_sums) == ["length"]


TARGET = "[target]\nobservable = 'risk'\nrelative = 0.05\n"


def test_target_and_probabilities(write):
    path = write(VALID + "[probabilities]\nfar = 'own:first'\n" + TARGET + "limit = 50_000\n")
    arguments = config.read(path).arguments
    assert arguments["target"] == js.inference.Precision("risk", relative=0.05, limit=50_000)
    assert arguments["probabilities"]["far"]([3]) == 3


MISTAKES = {
    "unknown key": (VALID.replace("steps", "stpes"), "stpes: unknown key; allowed: .*; did you mean 'steps'"),
    "unknown table": (VALID + "[sweeep]\n", "sweeep: unknown key; allowed: averages, .*'sweep'"),
    "misspelt argument": (VALID.replace("std", "sdt"), "noise.sdt: unknown key of Gaussian; .*did you mean 'std'"),
    "argument of a kind without": (
        VALID + "[averages.eta]\nkind = 'uniform'\nfraction = 1",
        "averages.eta.fraction: unknown key of Uniform; none is allowed",
    ),
    "unknown kind": (
        VALID.replace('"constant"', '"constnat"'),
        "schedule.kind: unknown kind 'constnat'; allowed: alternating, constant, .*; did you mean 'constant'",
    ),
    "unknown short kind": (VALID + "[averages]\neta = 'unifrom'", "averages.eta: unknown kind 'unifrom'; .*'uniform'"),
    "missing kind": (
        VALID.replace('kind = "gaussian"\n', ""),
        "noise.kind: missing; allowed: alpha_stable, ",
    ),
    "kind not a string": (VALID.replace('"gaussian"', "1"), "noise.kind: expected a string, got 1"),
    "missing argument": (VALID.replace("value = 0.1", ""), "schedule.value: missing; constant needs it"),
    "missing key": (VALID.replace(TOP, ""), "steps is needed, the number of updates; or epochs"),
    "missing table": (TOP + PROBLEM + NOISE, "schedule is needed, eta_t as a function of t"),
    "missing noise": (TOP + PROBLEM + SCHEDULE, "oracle.noise: missing; AdditiveNoise needs it"),
    "noise of gradient descent": (VALID + "[oracle]\nkind = 'full_gradient'", "oracle.noise: unknown key of Full"),
    "part given twice": (
        VALID + "[oracle]\nproblem = {kind = 'quadratic', curvature = [1]}",
        r"oracle.problem: given twice, here and as \[problem\]",
    ),
    "string for a number": (VALID.replace("0.1", "'fast'"), "schedule.value: expected a number, got 'fast'"),
    "boolean for a number": (VALID.replace("0.1", "true"), "schedule.value: expected a number, got True"),
    "string in a list": (VALID.replace("4.0", "'x'"), r"problem.curvature\[1\]: expected a number, got 'x'"),
    "boolean in the start": ("x0 = [1.0, false]\n" + VALID, r"x0\[1\]: expected a number, got False"),
    "number for an integer": (VALID.replace("20", "20.0"), "steps: expected an integer, got 20.0"),
    "boolean for an integer": ("trajectories = true\n" + VALID, "trajectories: expected an integer, got True"),
    "string for a list": ("statistics = 'mean'\n" + VALID, "statistics: expected a list, got 'mean'"),
    "number for a string": ("observe = [1]\n" + VALID, r"observe\[0\]: expected a string, got 1"),
    "number for a table": ("schedule = 0.1\n" + TOP + PROBLEM + NOISE, "schedule: expected a table, got 0.1"),
    "string for a table of names": ("averages = 'uniform'\n" + VALID, "averages: expected a table, got 'uniform'"),
    "number for a function": (VALID + "[observables]\na = 1", "observables.a: expected a string 'module:function'"),
    "wrong value": (VALID.replace("0.1", "nan"), "schedule: value must be finite, got nan"),
    "wrong nested value": (
        VALID + "[method]\nkind = 'projected'\nonto = {kind = 'ball', radius = -1}",
        "method.onto: radius must be greater than 0, got -1",
    ),
    "unknown number of optax": (
        VALID + "[method]\nkind = 'optax:adam'\nbeta = 1",
        "method: optax.adam takes no 'beta'; allowed: b1, b2, eps",
    ),
    "learning rate of optax": (
        VALID + "[method]\nkind = 'optax:adam'\nlearning_rate = 0.1",
        "method: learning_rate of optax.adam is the schedule of the study",
    ),
    "table for a number of optax": (
        VALID + "[method]\nkind = 'optax:adam'\nb1 = {from = 1, to = 'x'}",
        "method.b1.to: expected a number, got 'x'",
    ),
    "unknown function of optax": (
        VALID + "[method]\nkind = 'optax:adm'",
        "method.kind: no function 'adm' in 'optax'.*'adam'",
    ),
    "schedule of a finished transformation": (
        VALID + "[method]\nkind = 'own:finished'",
        r"schedule has no use: the method Optax.* has its own learning rate",
    ),
    "wrong study": (VALID.replace("20", "0"), "steps must be at least 1, got 0"),
    "unknown grid": (VALID + "[record]\nevrey = 10", "record.evrey: unknown key; .*did you mean 'every'"),
    "two grids": (VALID + "[record]\nevery = 10\nat = [3]", "record: expected a table with one of every, "),
    "wrong grid": (VALID + "[record]\nevery = 0", r"record.every: every\(k\): k must be at least 1, got 0"),
    "wrong type of grid": (VALID + "[record]\nat = 'end'", r"record.at: at\(points\) takes a list of steps, got 'end'"),
    "not TOML": (VALID + "[averages\n", r"not a TOML file: .*line 11"),
    "unknown module": (VALID + "[observables]\na = 'onw:first'", "observables.a: cannot import 'onw': ModuleNotFound"),
    "unknown function": (
        VALID + "[observables]\na = 'own:frist'",
        "observables.a: no function 'frist' in 'own'; .*did you mean 'first'",
    ),
    "not a function": (VALID + "[observables]\na = 'own:three'", "observables.a: no function 'three' in 'own'"),
    "own of another kind": (
        TOP + PROBLEM + SCHEDULE + "[noise]\nkind = 'own:number'",
        "noise.kind: expected own:number to return a Noise, got 3",
    ),
    "own that fails": (
        TOP + PROBLEM + SCHEDULE + "[noise]\nkind = 'own:broken'",
        "noise.kind: own:broken failed: KeyError: 'lost'",
    ),
    "own with a wrong argument": (
        TOP + PROBLEM + SCHEDULE + "[noise]\nkind = 'own:gaussian'\nsdt = 1.0",
        "noise.kind: own:gaussian failed: TypeError: .*'sdt'",
    ),
}


MISTAKES |= {
    "misspelt target": (VALID + TARGET + "limt = 1", "target.limt: unknown key of Precision; .*did you mean 'limit'"),
    "wrong target": (VALID + TARGET + "absolute = 1", "target: give either relative or absolute"),
    "number for a target": ("target = 0.1\n" + VALID, "target: expected a table, got 0.1"),
    "compare without sweep": ("compare = ['risk']\n" + VALID, r"compare: belongs to a sweep; add a table \[sweep\]"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_located(write, mistake):
    content, expected = MISTAKES[mistake]
    assert re.match(expected, message(write(content)))


def test_missing_file_and_folder(tmp_path):
    assert message(tmp_path / "none.toml") == "No such file or directory"
    assert message(tmp_path) == "Is a directory"


def test_not_text(tmp_path):
    path = tmp_path / "study.toml"
    path.write_bytes(b"steps = \xff")
    assert "not a TOML file" in message(path)


def test_a_module_with_the_name_of_another_is_refused(write):
    path = write(VALID + "[observables]\na = 'json:first'")
    (path.parent / "json.py").write_text("first = lambda x: x[0]\n")
    assert "another module is called 'json', too; rename" in message(path)


# sweeps

SWEPT = VALID.replace("value = 0.1\n", "") + "[sweep]\n"


def test_a_sweep(write):
    top = "x0 = [1.0, 2.0]\nnoise = 'gaussian'\ncompare = ['risk']\ncompare_at = 10\ncommon_random_numbers = false\n"
    table = "'schedule.value' = [0.1, 0.2, 1]\n'x0[1]' = [3.0]\n'noise.std' = {from = 1, to = 2, count = 2}\n"
    file = config.read(write(top + SWEPT.replace(NOISE, "") + table))
    assert file.axes == {"schedule.value": [0.1, 0.2, 1], "x0[1]": [3.0], "noise.std": [1, 2]}
    assert file.arguments == {"compare": ("risk",), "compare_at": 10, "common_random_numbers": False}
    point = {"schedule.value": 0.2, "x0[1]": 3.0, "noise.std": 2}
    study = file.make(**point)
    assert study is file.make(**point)
    assert (study.learning_rates[0], study.oracle.noise.std, list(study.x0)) == (0.2, 2, [1.0, 3.0])
    with pytest.raises(js.errors.InvalidInput, match="sweep: one study is needed here; remove this table"):
        file.study  # noqa: B018


def test_a_study_has_no_axes(write):
    file = config.read(write(VALID))
    assert file.axes is None
    assert file.study is file.make()


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("from = 0.1, to = 0.5, count = 5", [0.1, 0.2, 0.3, 0.4, 0.5]),
        ("from = 0.001, to = 1.0, count = 4, spacing = 'log'", [0.001, 0.01, 0.1, 1.0]),
        ("from = 0.3, to = 0.1, count = 2, spacing = 'linear'", [0.3, 0.1]),
        ("from = 0.3, to = 0.3, count = 1", [0.3]),
        ("from = 1, to = 100, count = 3, spacing = 'log'", [1, 10, 100]),
        ("from = 1, to = 2, count = 3", [1, 1.5, 2]),
    ],
)
def test_ranges(write, table, values):
    (found,) = config.read(write(SWEPT + f"'schedule.value' = {{{table}}}")).axes.values()
    assert found == values
    assert [*map(type, found)] == [*map(type, values)]


def test_a_sweep_over_kinds_and_without_quotes(write):
    kinds = ["exponential", "inverse_time"]
    swept = f"[schedule]\nrate = 0.5\n[sweep]\nschedule.kind = {kinds}\nschedule.initial = [1]\n"
    file = config.read(write(TOP + PROBLEM + NOISE + swept))
    assert file.axes == {"schedule.kind": kinds, "schedule.initial": [1]}
    rates = [file.make(**{"schedule.kind": kind, "schedule.initial": 1}).learning_rates[1] for kind in kinds]
    np.testing.assert_allclose(rates, [np.exp(-0.5), 1 / 1.5])


SWEEP_MISTAKES = {
    "nothing": ("", "sweep: needs a key with values"),
    "unknown key": ("'schedule.valeu' = [1]", "sweep.\"schedule.valeu\": unknown key of constant; .*'value'"),
    "unknown table": ("'schedul.value' = [1]", "sweep.\"schedul.value\": unknown key; .*'schedule'"),
    "below a number": ("'steps.a' = [1]", "sweep.\"steps.a\": 'a' is a key of a table, but the file has 20 there"),
    "element of nothing": ("'x0[0]' = [1]", r'sweep."x0\[0\]": \[0\] replaces an element .* has nothing there'),
    "element outside": ("'problem.curvature[2]' = [1]", r'sweep."problem.curvature\[2\]": .* has \[2.0, 4.0\] there'),
    "no path": ("'schedule..value' = [1]", 'sweep."schedule..value": is no path to a key of the study'),
    "argument of the run": ("seed = [1, 2]", 'sweep."seed": unknown key; allowed: averages'),
    "no list": ("'schedule.value' = 0.1", 'sweep."schedule.value": expected a list of values or a table with from'),
    "empty list": ("'schedule.value' = []", 'sweep."schedule.value": needs at least one value'),
    "mixed list": ("'schedule.value' = [1, 'a']", 'sweep."schedule.value": expected numbers, or strings'),
    "lists": ("x0 = [[1, 2], [3, 4]]", 'sweep."x0": expected numbers, or strings'),
    "repeated": ("'schedule.value' = [0.1, 1, 1.0]", 'sweep."schedule.value": 1.0 is given twice'),
    "wrong value": (
        "'schedule.value' = [0.1, -1]\n'noise.std' = [1]",
        "sweep: cell schedule.value=-1, noise.std=1: schedule: value must be at least 0|"
        "sweep: cell schedule.value=-1, noise.std=1: the learning rate must be finite and not negative",
    ),
    "wrong type": ("'schedule.value' = ['a']", "sweep: cell schedule.value='a': schedule.value: expected a number"),
    "kind that does not fit": (
        "'schedule.value' = [1]\n'schedule.kind' = ['constant', 'inverse_sqrt']",
        "sweep: cell schedule.value=1, schedule.kind='inverse_sqrt': schedule.value: unknown key of inverse_sqrt",
    ),
    "unknown key beside": ("'schedule.value' = [1]\n[method]\nkind='sgd'\na=1", "method.a: unknown key of Sgd"),
    "range without end": ("'noise.std' = {from = 1, count = 2}", 'sweep."noise.std".to: missing'),
    "misspelt range": ("'noise.std' = {form = 1, to = 2, count = 2}", 'sweep."noise.std".form: .*mean \'from\''),
    "text as end": ("'noise.std' = {from = '1', to = 2, count = 2}", 'sweep."noise.std".from: expected a number'),
    "infinite range": ("'noise.std' = {from = 1, to = inf, count = 2}", 'sweep."noise.std".to: must be finite'),
    "no count": ("'noise.std' = {from = 1, to = 2, count = 0}", 'sweep."noise.std".count: must be at least 1 and'),
    "count not whole": ("'noise.std' = {from = 1, to = 2, count = 2.5}", 'sweep."noise.std".count: must be an integer'),
    "one of two": ("'noise.std' = {from = 1, to = 2, count = 1}", 'sweep."noise.std": count = 1 needs from = to'),
    "two of one": ("'noise.std' = {from = 2, to = 2, count = 2}", 'sweep."noise.std": 2 is given twice'),
    "log from 0": (
        "'noise.std' = {from = 0, to = 2, count = 2, spacing = 'log'}",
        'sweep."noise.std": from and to must be greater than 0 for spacing = "log", got 0 and 2',
    ),
    "spacing": (
        "'noise.std' = {from = 1, to = 2, count = 2, spacing = 'lgo'}",
        "sweep.\"noise.std\".spacing: unknown spacing 'lgo'; .*did you mean 'log'",
    ),
    "too many": (
        "'noise.std' = {from = 1, to = 2, count = 1000}\n'schedule.value' = {from = 1, to = 2, count = 1000}",
        "sweep: 1,000,000 cells are too many, at most 100,000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", SWEEP_MISTAKES)
def test_mistakes_in_sweeps_are_located(write, mistake):
    table, expected = SWEEP_MISTAKES[mistake]
    assert re.match(expected, message(write(SWEPT + table)))


def test_a_sweep_that_is_no_table_or_has_a_target(write):
    assert message(write("sweep = 3\n" + VALID)) == "sweep: expected a table, got 3"
    swept = SWEPT + "'schedule.value' = [1]\n" + TARGET
    assert message(write(swept)) == "target: a sweep has none; give trajectories"
