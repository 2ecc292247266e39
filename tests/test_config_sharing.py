"""Study files: what no axis touches is made once for all cells, and a data file is read once a command."""

import functools
import itertools
import sys

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import config, data
from jaxsgd.config.sharing import content_of
from jaxsgd.problems import least_squares

EXAMPLES = """epochs = 2
[problem]
kind = "least_squares"
l2 = 0.1
data = {path = "train.csv", standardise = true}
test = {path = "held_out.npz"}
[oracle]
kind = "example_sampling"
order = "random_reshuffling"
[method]
kind = "projected"
onto = {kind = "ball", radius = 9.0}
[schedule]
kind = "constant"
value = 0.1
[averages]
tail = {kind = "suffix", fraction = 0.5}
[record]
every_epoch = 1
"""
OWN = """steps = 4
[problem]
kind = "own:quadratic"
curvature = [2.0, 4.0]
[noise]
kind = "own:gaussian"
std = 1
[schedule]
kind = "own:falling"
initial = 0.1
"""
OWN_MODULE = """
import jaxsgd as js

calls = []

def quadratic(curvature):
    calls.append(("quadratic", tuple(curvature)))
    return js.problems.Quadratic(curvature)

def gaussian(std):
    calls.append(("gaussian", std))
    return js.noise.Gaussian(std)

def falling(initial):
    calls.append(("falling", initial))
    return js.schedules.inverse_sqrt(initial)
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a study file beside its data and the module `own`, and gives its path."""
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own", raising=False)
    (tmp_path / "own.py").write_text(OWN_MODULE)
    (tmp_path / "train.csv").write_text("a,b,y\n2,10,1\n4,30,0\n6,20,1\n8,20,0\n")
    np.savez(tmp_path / "held_out.npz", X=[[5.0, 20.0], [6.0, 30.0]], y=[1.0, 0.0])

    def to_file(content, name="study.toml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        return path

    return to_file


@pytest.fixture
def count(monkeypatch):
    """Counts the calls of a function of a module: a list of their first arguments."""

    def counted(module, name):
        function, calls = getattr(module, name), []

        @functools.wraps(function)
        def call(*arguments, **options):
            calls.append(arguments[0])
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, call)
        return calls

    return counted


def cells(file):
    """The studies of all cells, by their values."""
    return {
        point: file.make(**dict(zip(file.axes, point, strict=True))) for point in itertools.product(*file.axes.values())
    }


def test_axes_beside_the_problem_leave_one(write, count):
    read, solved = count(data, "read"), count(least_squares, "_solve")
    file = config.read(write(EXAMPLES + '[sweep]\n"schedule.value" = [0.1, 0.2, 0.3]\n"oracle.batch" = [1, 2]\n'))
    assert [path.name for path in read] == ["train.csv", "held_out.npz"]
    assert len(solved) == 1
    first, *others = cells(file).values()
    assert len(others) == 5
    for study in others:
        assert study.oracle.problem is first.oracle.problem
        assert study.oracle.order is first.oracle.order
        assert study.method is first.method
        assert study.averages["tail"] is first.averages["tail"]
        assert study.record is first.record
    assert len({id(study.schedule) for study in (first, *others)}) == 3
    assert len({id(study.oracle) for study in (first, *others)}) == 2


def test_an_axis_of_the_problem_makes_one_for_each_value(write, count):
    read, solved = count(data, "read"), count(least_squares, "_solve")
    file = config.read(write(EXAMPLES + '[sweep]\n"problem.l2" = [0.1, 0.2]\n"schedule.value" = [0.1, 0.2, 0.3]\n'))
    assert (len(read), len(solved)) == (2, 2)
    for (l2, _), study in cells(file).items():
        assert study.oracle.problem.l2 == l2
        assert study.oracle.problem is file.make(**{"problem.l2": l2, "schedule.value": 0.1}).oracle.problem


def test_an_axis_of_the_data_reads_each_file_once(write, count):
    other = write("a,b,y\n1,10,1\n4,30,0\n6,20,1\n", "other.csv")
    read, solved = count(data, "read"), count(least_squares, "_solve")
    sweep = '[sweep]\n"problem.data.path" = ["train.csv", "other.csv"]\n"problem.data.standardise" = [true, false]\n'
    file = config.read(write(EXAMPLES + sweep))
    assert sorted(path.name for path in read) == ["held_out.npz", "other.csv", "train.csv"]
    assert len(solved) == 4
    for (path, standardise), study in cells(file).items():
        expected = data.read(other.parent / path, standardise=standardise)
        np.testing.assert_array_equal(study.oracle.problem.features, expected.features)


def test_files_of_one_command_share_data_and_problems(write, count):
    below = EXAMPLES.replace("train.csv", "../train.csv").replace("held_out.npz", "../held_out.npz")
    paths = [
        write(EXAMPLES),
        write(EXAMPLES.replace("value = 0.1", "value = 0.2"), "b.toml"),
        write(below, "in/c.toml"),
    ]
    read, solved = count(data, "read"), count(least_squares, "_solve")
    first, second, third = (file.study.oracle.problem for file in config.read_all(paths))
    assert (len(read), len(solved)) == (2, 2)
    assert first is second
    np.testing.assert_array_equal(third.features, first.features)


def test_a_file_that_has_changed_is_read_again(write):
    path = write(EXAMPLES)
    before = config.read(path).study.oracle.problem.targets
    (path.parent / "train.csv").write_text("a,b,y\n2,10,5\n4,30,0\n")
    assert before.tolist() == [1, 0, 1, 0]
    assert config.read(path).study.oracle.problem.targets.tolist() == [5, 0]


def test_own_objects_are_made_once_for_each_content(write):
    path = write(OWN + '[sweep]\n"noise.std" = [1.0, 2.0]\n"schedule.initial" = [0.1, 0.2, 0.3]\n')
    config.read(path)
    made = sys.modules["own"].calls
    assert sorted(made) == [
        ("falling", 0.1), ("falling", 0.2), ("falling", 0.3), ("gaussian", 1.0), ("gaussian", 2.0),
        ("quadratic", (2.0, 4.0)),
    ]  # fmt: skip


def test_own_objects_of_an_integer_and_of_a_number_differ(write):
    config.read_all([write(OWN), write(OWN.replace("std = 1", "std = 1.0"), "other.toml")])
    made = [std for name, std in sys.modules["own"].calls if name == "gaussian"]
    assert [*map(repr, made)] == ["1", "1.0"]


def test_equal_tables_at_two_places_make_two_objects(write):
    averages = config.read(write(OWN + "[averages]\na = 'uniform'\nb = 'uniform'\n")).study.averages
    assert averages["a"] is not averages["b"]


def test_an_error_names_its_cell_each_time(write):
    path = write(OWN + '[sweep]\n"schedule.initial" = [0.1, 0.2]\n"noise.std" = [1.0, -1.0]\n')
    expected = "sweep: cell schedule.initial=0.1, noise.std=-1.0: noise.kind: own:gaussian failed: InvalidInput: std"
    with pytest.raises(js.errors.InvalidInput, match=expected):
        config.read(path)
    path = write(EXAMPLES + '[sweep]\n"schedule.value" = [0.1]\n"problem.data.path" = ["train.csv", "lost.csv"]\n')
    expected = "sweep: cell schedule.value=0.1, problem.data.path='lost.csv': problem.data: .*lost.csv: No such file"
    with pytest.raises(js.errors.InvalidInput, match=expected):
        config.read(path)


def test_content_is_equal_if_it_was_written_alike():
    alike = [lambda: {"a": [1.0, {"b": float("nan")}], "c": "x"}, lambda: [], lambda: -0.0]
    for make in alike:
        assert content_of(make()) == content_of(make())
    different = [
        True,
        1,
        1.0,
        "1",
        "true",
        0.0,
        -0.0,
        0,
        False,
        [],
        {},
        [1],
        [[1]],
        [True],
        {"a": 1},
        {"a": 1.0},
        {"b": 1},
    ]
    different += [js.noise.Gaussian(), js.noise.Gaussian()]  # of arrays too long to be shown, a repr would not tell
    assert len({content_of(value) for value in different}) == len(different)
