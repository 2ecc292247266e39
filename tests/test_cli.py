"""The command line: what it writes, and how it fails."""

import json
import subprocess
import sys

import pytest

import jaxsgd as js
from jaxsgd import config

STUDY = """
steps = 20
x0 = [-5.0, -2.0]
trajectories = 2000
seed = 3
[problem]
kind = "quadratic"
curvature = [2.0, 4.0]
[noise]
kind = "gaussian"
[schedule]
kind = "constant"
value = 0.1
[averages]
eta = "step_size_weighted"
"""
TARGET = """
[target]
observable = "risk"
relative = 0.05
limit = 5000
"""
FILES = ["result.nc", "summary.json", "learning_rate.png", "risk.png", "distance.png", "paths.png"]

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def no_simulation(monkeypatch):
    monkeypatch.setattr(js, "simulate", lambda *_, **__: pytest.fail("simulated too early"), raising=False)


def error_of(answer: tuple[int, str, str]) -> str:
    """The line of an error."""
    status, output, errors = answer
    assert (status, output) == (2, "")
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    return errors


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["run", "--misspelt"], []])
def test_help_and_misspelt_options_wait_for_no_library(arguments):
    code = (
        "import sys; from jaxsgd.cli import main\n"
        f"sys.argv = ['jaxsgd', *{arguments}]\n"
        "try: main()\n"
        "finally: print('loaded:', {'jax', 'numpy', 'xarray', 'matplotlib', 'scipy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == (0 if "--help" in arguments else 2)
    assert "loaded: set()" in done.stdout
    assert ("Usage: " in done.stdout) == ("--help" in arguments)


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "jaxsgd", "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: No such command 'nonsense'")


def test_info(invoke):
    status, output, errors = invoke("info")
    assert (status, errors) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in output.splitlines())
    assert facts["jaxsgd"] == js.__version__
    assert facts["precision"] == "float32"
    assert facts.keys() >= {"python", "jax", "numpy", "platform", "cores", "devices"}


def test_bad_options(invoke, study, tmp_path, no_simulation):
    assert "Missing argument" in error_of(invoke("run"))
    assert "--out" in error_of(invoke("run", study))
    assert "--trajectories" in error_of(invoke("run", study, "--out", tmp_path, "--trajectories", "0"))
    assert "--trajectories" in error_of(invoke("run", study, "--out", tmp_path, "--trajectories", "many"))
    assert "--sed" in error_of(invoke("run", study, "--out", tmp_path, "--sed", "1"))


def test_a_dry_run_writes_nothing(invoke, study, tmp_path, no_simulation):
    status, output, errors = invoke("run", study, "--dry-run", "--out", tmp_path / "out", "--seed", 4)
    assert (status, errors) == (0, "")
    first, cost = output.splitlines()
    assert first == f"{study}: 2,000 trajectories of 20 steps, seed 4"
    assert cost.startswith("  4e+04 trajectory-steps, ")
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]
    study.write_text(STUDY.replace("trajectories = 2000", "") + TARGET)
    _, output, _ = invoke("run", study, "--dry-run")
    assert f"{study}: at most 5,000 trajectories of 20 steps, seed 3\n" in output
    assert "  until risk is known to 5% at confidence 0.95\n" in output


def test_a_target(invoke, study, tmp_path, blank_figures):
    """One that is reached, one that is not, and one that shards cannot have."""
    study.write_text(STUDY.replace("trajectories = 2000", "") + TARGET)
    status, output, errors = invoke("run", study, "--out", tmp_path)
    assert (status, errors) == (0, "")
    assert "the target of 5% is reached\n" in output
    found = json.loads((tmp_path / "summary.json").read_text())
    assert 4096 <= found["trajectories"] <= 5000
    assert "is reached" in found["target"]

    study.write_text(STUDY.replace("trajectories = 2000", "") + TARGET.replace("0.05", "0.0001"))
    status, output, errors = invoke("run", study, "--out", tmp_path)
    assert status == 0
    assert errors.startswith("warning: ")
    assert errors.count("\n") == 1
    assert "limit=5000 ends the run" in errors
    expected = f"error: {study}: target: parts of a run cannot stop together; remove it, or --shard\n"
    assert error_of(invoke("run", study, "--out", tmp_path, "--shard", "1/2")) == expected


def test_bad_study_files(invoke, study, tmp_path, no_simulation):
    missing = tmp_path / "none.toml"
    assert error_of(invoke("run", missing, "--out", tmp_path)) == f"error: {missing}: No such file or directory\n"
    study.write_text(STUDY.replace("0.1", "'fast'"))
    expected = f"error: {study}: schedule.value: expected a number, got 'fast'\n"
    assert error_of(invoke("run", study, "--out", tmp_path)) == expected
    study.write_text(STUDY.replace("trajectories = 2000", ""))
    assert f"{study}: trajectories: missing" in error_of(invoke("run", study, "--out", tmp_path))


def test_arguments_that_simulate_refuses(invoke, study, tmp_path):
    study.write_text("quantiles = [1.5]\n" + STUDY)
    assert (
        error_of(invoke("run", study, "--out", tmp_path)) == f"error: {study}: quantiles must lie in (0, 1), got 1.5\n"
    )


def test_studies_of_one_name(invoke, study, tmp_path, no_simulation):
    other = tmp_path / "other" / "study.toml"
    other.parent.mkdir()
    other.write_text(STUDY)
    assert "different names" in error_of(invoke("run", study, other, "--out", tmp_path))


def test_folder_that_cannot_be_written(invoke, study, no_simulation):
    folder = study / "below" / "a-file"
    assert error_of(invoke("run", study, "--out", folder)) == f"error: cannot write to {folder}: Not a directory\n"
    assert f"cannot write to {folder}" in error_of(invoke("merge", "a.nc", "--out", folder / "c.nc"))


def test_results_that_cannot_be_read(invoke, study, tmp_path):
    missing = tmp_path / "none.nc"
    assert str(missing) in error_of(invoke("merge", missing, "--out", tmp_path / "c.nc"))
    assert str(study) in error_of(invoke("merge", study, "--out", tmp_path / "c.nc"))
    assert not (tmp_path / "c.nc").exists()


def test_interrupt(invoke, study, tmp_path, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(js, "simulate", interrupted, raising=False)
    assert invoke("run", study, "--out", tmp_path) == (130, "", "interrupted\n")


def test_run(invoke, study, tmp_path):
    folder = tmp_path / "new" / "folder"
    status, output, errors = invoke("run", study, "--out", folder)
    assert (status, errors) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)

    assert "2,000 trajectories of 20 steps, seed 3" in output
    assert "diverged" not in output
    rows = [line.split() for line in output.splitlines()]
    assert [row[0] for row in rows[2:5]] == ["risk", "distance_squared", "gradient_norm_squared"]

    found = json.loads((folder / "summary.json").read_text())
    assert found["study_file"] == str(study)
    assert found["trajectories"] == 2000
    assert found["seed"] == 3
    assert found["step"] == found["steps"] == 20
    assert found["versions"]["jaxsgd"] == js.__version__
    assert found["diverged"] == 0
    assert found["first_diverged_step"] is None
    assert found["no_exact_solution"] is None
    assert found["files"] == FILES
    assert found["observables"].keys() == {
        "risk", "distance_squared", "gradient_norm_squared", "risk_of_eta", "distance_squared_of_eta",
    }  # fmt: skip
    for row in found["observables"].values():
        assert abs(row["z"]) < 5
        assert row["min"] < row["estimate"] < row["max"]
        # The cap keeps the test of z from passing because the error is large.
        assert 0 < row["standard_error"] < 0.1 * row["exact"]

    result = js.load(folder / "result.nc")
    assert float(result.dataset["risk_mean"][-1]) == found["observables"]["risk"]["estimate"]


def test_options_replace_what_files_say_and_studies_have_folders(invoke, study, tmp_path, blank_figures):
    other = tmp_path / "other.toml"
    other.write_text(STUDY.replace("[-5.0, -2.0]", "[-4.0, -2.0]").replace("[averages]", "[averages]#"))
    answer = invoke("run", study, other, "--out", tmp_path, "--seed", 4, "--trajectories", 1500, "--quiet")
    assert answer == (0, "", "")
    for name in ("study", "other"):
        found = json.loads((tmp_path / name / "summary.json").read_text())
        assert (found["seed"], found["trajectories"]) == (4, 1500)


def test_divergence_is_reported(invoke, study, tmp_path):
    study.write_text(STUDY.replace("value = 0.1", "value = 1e4"))
    status, output, _ = invoke("run", study, "--out", tmp_path)
    assert status == 0
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["diverged"] == 2000
    first = found["first_diverged_step"]
    assert 0 < first < 20
    assert f"2,000 of 2,000 trajectories diverged, the first by step {first}" in output
    assert found["observables"]["risk"]["estimate"] is None


UNSTABLE = """
trajectories = 1000
steps = 50
x0 = [1.0]
[oracle]
kind = "example_sampling"
[oracle.problem]
kind = "least_squares"
features = [[1.0], [2.0]]
targets = [0.0, 1.0]
[schedule]
kind = "constant"
value = 0.7
"""


def test_there_is_no_z_where_second_moments_do_not_settle(invoke, study, tmp_path, blank_figures):
    """2 E h / E h^2 = 0.588 < 0.7 < 0.8 = 2 / E h: the mean settles, its square does not."""
    study.write_text(UNSTABLE)
    status, output, _ = invoke("run", study, "--out", tmp_path)
    assert status == 0
    found = json.loads((tmp_path / "summary.json").read_text())
    assert "no z: the largest learning rate, 0.7, is not below 0.588" in output
    assert {row["z"] for row in found["observables"].values()} == {None}
    assert found["observables"]["risk"]["exact"] > 100


def test_merge(invoke, study, tmp_path):
    made = config.read(study).study
    parts = [tmp_path / "a.nc", tmp_path / "b.nc"]
    for index, path in enumerate(parts):
        # Ids for which the program of the other tests is there.
        js.simulate(made, 500, seed=1, first_trajectory=1024 + 500 * index, progress=False).save(path)
    merged = tmp_path / "merged.nc"
    status, output, _ = invoke("merge", *parts, "--out", merged)
    assert status == 0
    assert output == f"1,000 trajectories of 2 files written to {merged}\n"
    assert js.load(merged).trajectories == 1000


def test_output_is_never_cut(invoke, study, tmp_path, monkeypatch, blank_figures):
    """Where the output is not a terminal, long names stay whole."""
    name = "observable_with_a_name_" + 8 * "that_is_long_"
    (tmp_path / "mine.py").write_text("first = lambda x: x[0]\n")
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "80")
    study.write_text(f'observe = ["distance_squared", "{name}"]\n{STUDY}[observables]\n{name} = "mine:first"\n')
    _, output, _ = invoke("run", study, "--out", tmp_path / "out")
    assert name in output
    assert "distance.png, paths.png" in output
