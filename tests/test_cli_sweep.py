"""The command line with a sweep: what it writes and says, interrupted, cut in shards, and what a dry run tells."""

import csv
import json
import shlex

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import config
from jaxsgd.engine.checkpoint import Shelf
from jaxsgd.runs import arrangement, axes
from jaxsgd.theory import exact_moments

STUDY = """
steps = 100
x0 = [-5.0, -2.0]
trajectories = 2_000
seed = 3
observe = ["risk"]
statistics = ["mean", "variance"]
[problem]
kind = "quadratic"
curvature = [2.0, 4.0]
[noise]
kind = "gaussian"
[schedule]
kind = "constant"
[record]
every = 50
"""
SWEEP = """
[sweep]
"schedule.value" = {from = 0.01, to = 0.1, count = 3, spacing = "log"}
"noise.std" = [0.5, 1.0]
"""
CELLS = [(value, std) for value in (0.01, 0.0316227766016838, 0.1) for std in (0.5, 1.0)]
FILES = ["result.nc", "summary.json", "comparison.csv", "risk_heatmap.png", "risk_leaders.png"]

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY + SWEEP)
    return path


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def assert_same_sums(path, other):
    """Every bit of what two result files say."""
    mine, its = (js.load(each) for each in (path, other))
    assert mine.dataset.equals(its.dataset)
    np.testing.assert_array_equal(mine.values("risk"), its.values("risk"))


def exact_risks(study):
    file = config.read(study)
    return [float(js.theory.exact(cell.study).risk_mean[-1]) for cell in axes.make_cells(file.make, file.axes)]


def test_a_sweep(invoke, study, tmp_path):
    """Statistical: 6 cells within 5 standard errors of exact risks, which are 3% at most."""
    folder = tmp_path / "out"
    status, output, errors = invoke("run", study, "--out", folder)
    assert (status, errors) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)

    assert f"{study}: 6 cells of 2,000 trajectories, seed 3\n" in output
    assert "risk at step 100: the first is the best (*, confidence 0.95)\n" in output
    starred = [line.split()[:3] for line in output.splitlines() if line.startswith("*")]
    assert starred == [["*", "schedule.value=0.0316228,", "noise.std=0.5"]]
    assert "comparison.csv has all 6 cells\n" in output
    assert "diverged" not in output

    found, exact = json.loads((folder / "summary.json").read_text()), exact_risks(study)
    assert found["study_file"] == str(study)
    assert found["axes"] == {"schedule.value": [0.01, 0.0316227766016838, 0.1], "noise.std": [0.5, 1.0]}
    assert [found[key] for key in ("cells", "trajectories", "seed", "step")] == [6, 2000, 3, 100]
    assert found["trajectory_steps"] == 6 * 2000 * 100
    assert (found["no_comparison"], found["diverged"], found["files"]) == ({}, [], FILES)
    leading = found["comparisons"]["risk"]["leading"]
    assert len(leading) == 4
    for row in leading:
        assert row["exact"] == pytest.approx(exact[CELLS.index(tuple(row["cell"].values()))], rel=1e-12)

    table = rows(folder / "comparison.csv")
    assert [(float(row["schedule.value"]), float(row["noise.std"])) for row in table] == CELLS
    for row, risk in zip(table, exact, strict=True):
        mean, error = float(row["mean"]), float(row["standard_error"])
        assert error < 0.03 * risk
        assert abs(mean - risk) < 5 * error
    assert [row["may_be_best"] for row in table].count("True") == 1

    dataset = js.load(folder / "result.nc").dataset
    assert dict(dataset.sizes) == {"schedule.value": 3, "noise.std": 2, "step": 3}
    assert float(dataset.risk_mean[1, 0, -1]) == leading[0]["mean"]


def test_theory_is_asked_of_the_studies_that_ran(invoke, study, tmp_path, monkeypatch, blank_figures):
    """Figures and summary ask of the same objects, of each of them once."""
    asked, ran = [], []
    exact, sweep = exact_moments.exact, js.sweep

    def ask(study):
        asked.append(study)
        return exact(study)

    def run(*arguments, **options):
        ran.append(sweep(*arguments, **options))
        return ran[0]

    monkeypatch.setattr(exact_moments, "exact", ask)
    monkeypatch.setattr(js, "sweep", run, raising=False)
    assert invoke("run", study, "--out", tmp_path / "out", "--quiet") == (0, "", "")
    assert len(CELLS) == len(ran[0].cells)
    assert 0 < len(asked) == len(set(map(id, asked)))
    assert set(map(id, asked)) <= {id(cell.study) for cell in ran[0].cells}


def test_options_replace_what_files_say(invoke, study, tmp_path):
    (tmp_path / "one.toml").write_text(STUDY + "[sweep]\nschedule.value = [0.1, 0.3]\n")
    options = ("--seed", 4, "--trajectories", 1500, "--quiet")
    assert invoke("run", study, tmp_path / "one.toml", "--out", tmp_path, *options) == (0, "", "")
    for name, figure in (("study", "risk_heatmap.png"), ("one", "risk_sensitivity.png")):
        found = json.loads((tmp_path / name / "summary.json").read_text())
        assert (found["seed"], found["trajectories"]) == (4, 1500)
        assert (tmp_path / name / figure).stat().st_size > 10_000


def test_cells_that_cannot_be_told_apart_and_cells_that_diverge(invoke, study, tmp_path):
    top = 'compare = ["risk"]\ncompare_at = 50\ncommon_random_numbers = false\n'
    study.write_text(top + STUDY + '[sweep]\n"x0[0]" = [0.0, 0.001]\nschedule.value = [0.1, 50]\n')
    status, output, _ = invoke("run", study, "--out", tmp_path)
    assert status == 0
    assert "risk at step 50: 2 of 4 cells may be the best (*, confidence 0.95)\n" in output
    assert "more trajectories of each cell would separate the first from its closest rival\n" in output
    assert "2 of 4 cells diverged, the first: x0[0]=0, schedule.value=50\n" in output
    found = json.loads((tmp_path / "summary.json").read_text())
    assert (len(found["diverged"]), found["common_random_numbers"]) == (2, False)


def test_nothing_to_compare(invoke, study, tmp_path):
    study.write_text(STUDY + "[sweep]\nschedule.value = [50, 60]\n")
    status, output, _ = invoke("run", study, "--out", tmp_path / "out")
    assert status == 0
    assert "no comparison of risk: every cell has diverged" in output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["result.nc", "summary.json"]


@pytest.mark.parametrize(
    ("top", "sweep", "expected"),
    [
        ("", '"schedule.valeu" = [1]', 'sweep."schedule.valeu": unknown key of constant; allowed: value'),
        ("", '"schedule.value" = [0.1, -1]', "sweep: cell schedule.value=-1: "),
        ("compare_at = 55", '"schedule.value" = [0.1]', "compare_at must be a recorded step, got 55"),
        ("compare = ['rsk']", '"schedule.value" = [0.1]', "compare names 'rsk', which is not recorded"),
    ],
)
def test_mistakes(invoke, study, tmp_path, top, sweep, expected):
    study.write_text(f"{top}\n{STUDY}[sweep]\n{sweep}\n")
    status, output, errors = invoke("run", study, "--out", tmp_path / "out")
    assert (status, output, errors.count("\n")) == (2, "", 1)
    assert errors.startswith(f"error: {study}: {expected}")


def test_a_sweep_cannot_be_verified(invoke, study, tmp_path):
    status, _, errors = invoke("verify", study, "--out", tmp_path)
    assert (status, errors) == (2, f"error: {study}: sweep: one study is needed here; remove this table\n")


# interrupted, in parts


@pytest.fixture
def several(study):
    """Trajectories that make two chunks and a bit of a third."""
    file = config.read(study)
    return 2 * arrangement.chunk_of(axes.make_cells(file.make, file.axes)) + 1000


@pytest.fixture
def whole(invoke, study, several, tmp_path, blank_figures):
    assert invoke("run", study, "--out", tmp_path / "whole", "--trajectories", several, "--quiet") == (0, "", "")
    return tmp_path / "whole" / "result.nc"


def test_an_interrupted_sweep_goes_on(invoke, study, several, whole, tmp_path, monkeypatch, blank_figures):
    save = Shelf.save

    def save_one(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "save", save_one)
        status, _, errors = invoke("run", study, "--out", tmp_path / "out", "--trajectories", several, "--quiet")
    command = f"jaxsgd run {study} --out {tmp_path}/out --trajectories {several} --quiet --resume"
    assert (status, errors) == (130, f"to go on, type: {command}\ninterrupted\n")
    assert invoke(*shlex.split(command)[1:]) == (0, "", "")
    assert_same_sums(tmp_path / "out" / "result.nc", whole)


def test_shards_merge_bitwise(invoke, study, several, whole, tmp_path):
    folder = tmp_path / "out"
    for index in (2, 1):
        options = ("--trajectories", several, "--shard", f"{index}/2")
        status, output, _ = invoke("run", study, "--out", folder, *options)
        assert status == 0
        assert f"written to {folder}/result-{index}-of-2.nc\n" in output
    names = [folder / f"result-{index}-of-2.nc" for index in (2, 1)]
    status, _, errors = invoke("merge", *names, "--out", folder / "result.nc")
    assert (status, errors) == (0, "")
    assert_same_sums(folder / "result.nc", whole)
    _, _, errors = invoke("run", study, "--out", folder, "--shard", "1/2")
    assert "2000 trajectories of this sweep are 1 chunks of" in errors


# dry runs


def test_a_dry_run_shows_the_grid_and_the_cost(invoke, study, tmp_path, monkeypatch):
    monkeypatch.setattr(js, "sweep", lambda *_, **__: pytest.fail("it ran"), raising=False)
    values = ", ".join(f"{value:g}" for value in np.linspace(0.1, 0.9, 9))
    study.write_text(STUDY + f'[sweep]\n"schedule.value" = [{values}]\n"noise.std" = [1]\n')
    for options in ((), ("--out", tmp_path / "out")):
        status, output, errors = invoke("run", study, "--dry-run", *options)
        assert (status, errors) == (0, "")
        first, *lines, cost = output.splitlines()
        assert first == f"{study}: 9 cells of 2,000 trajectories of 100 steps, seed 3"
        assert lines == ["  schedule.value  0.1, 0.2, 0.3, 0.4, ..., 0.9 (9)", "  noise.std       1"]
        assert cost.startswith("  1.8e+06 trajectory-steps, ")
        assert cost.endswith(" and compilation")
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]
