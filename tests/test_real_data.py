"""Real data, written to files and read back: minima are those of scikit-learn's solvers, and SGD comes near them."""

import importlib.util
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import jaxsgd as js

datasets = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn, the extra `data`")

FOLDER = pathlib.Path(__file__).parents[1] / "scripts" / "finite_sums"


@pytest.fixture(scope="module")
def study():
    """The module study.py, beside its own data.py and figures.py."""
    names = {name: sys.modules.pop(name, None) for name in ("data", "figures", "study")}
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("study_of_finite_sums", FOLDER / "study.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(FOLDER))
        for name, before in names.items():
            sys.modules.pop(name, None)
            if before is not None:
                sys.modules[name] = before


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    study.data.write(folder)
    return folder


@pytest.fixture(scope="module")
def problems(study, folder):
    return study.problems(folder)


def test_files_hold_the_data(folder):
    for name, load in (("diabetes.csv", "load_diabetes"), ("breast-cancer.svm", "load_breast_cancer")):
        options = {"scaled": False} if "diabetes" in load else {}
        raw = getattr(datasets, load)(**options)
        parts = [js.data.read(folder / part) for part in (name, name.replace(".", "-test."))]
        features = np.concatenate([part.features for part in parts])
        targets = np.concatenate([part.targets for part in parts])
        assert np.all(features[:, -1] == 1)
        found = np.column_stack([features[:, :-1], targets])
        expected = np.column_stack([raw.data, raw.target])
        np.testing.assert_allclose(np.sort(found, 0), np.sort(expected, 0), rtol=1e-11)
        assert len(parts[1].targets) == len(raw.target) // 5


def test_standardised(problems):
    for problem in problems.values():
        features, _ = problem.data
        np.testing.assert_allclose(features[:, :-1].mean(0), 0, atol=1e-12)
        np.testing.assert_allclose(features[:, :-1].std(0), 1)
        assert np.all(features[:, -1] == 1)
        held_out = problem.test[0][:, :-1]
        assert np.all(np.abs(held_out.mean(0)) < 0.5)
        assert np.any(np.abs(held_out.mean(0)) > 0.01)  # by the mean of the training data


def test_minima_are_those_of_scikit_learn(study, problems):
    for problem in problems.values():
        assert abs(study.solved_by_others(problem) - problem.minimum) < 1e-12


@pytest.mark.parametrize(("name", "rate", "tolerance"), [("diabetes", 0.02, 1e-3), ("breast cancer", 0.018, 1e-3)])
def test_sgd_ends_at_the_risk_of_scikit_learn(compiled_for_a_long_run, study, problems, name, rate, tolerance):
    """The average over the second half of 50 epochs is within a thousandth of R*, of one epoch it is not."""
    problem, excess = problems[name], {}
    for epochs in (1, 50):
        run = study.study_of(problem, js.orders.RandomReshuffling(), js.schedules.constant(rate), epochs)
        run = run.replace(
            averages={"suffix": js.averages.Suffix(0.5)},
            observe=("risk_of_suffix",),
            observables={},
            record=js.record.at([run.steps]),
        )
        last = js.simulate(run, 1024, progress=False, statistics=("mean", "variance")).at(run.steps)
        excess[epochs] = float(last.risk_of_suffix_mean) - study.solved_by_others(problem)
        error = 5 * float(last.risk_of_suffix_sem)
    assert excess[50] + error < tolerance * problem.minimum < excess[1]
    assert excess[50] > -error


@pytest.mark.slow
def test_the_study_runs(tmp_path):
    subprocess.run([sys.executable, FOLDER / "study.py", "--quick", "--out", tmp_path], check=True, capture_output=True)
    names = {"orders", "batches", "averages"}
    expected = {f"{name}.{kind}" for name in names for kind in ("csv", "png")} | {"summary.txt"}
    assert {path.name for path in tmp_path.iterdir()} == expected
    assert (tmp_path / "summary.txt").read_text().count("*") > 3
