"""The command ``jaxsgd verify``."""

import functools
import inspect
import json
import subprocess
import sys

import pytest

import jaxsgd as js
from jaxsgd.cli import app
from jaxsgd.verification import Claim, Statement, chapter
from jaxsgd.verification.run import RESOLUTION

STUDY = """
steps = 5
x0 = [-5.0, -2.0]
trajectories = 10
seed = 3
[problem]
kind = "quadratic"
curvature = [2.0, 4.0]
[noise]
kind = "gaussian"
[schedule]
kind = "constant"
value = 0.1
"""
FEW = ("--trajectories", 2000)
COMING = {"later": "needs more"}


def stub() -> tuple[Statement, ...]:
    """One statement that holds, one that is wrong."""
    one = js.chapter.study("constant", steps=5)

    def claim(name: str, relation: str, value: float) -> Claim:
        return Claim(name, f"about {name}", one, "risk", relation, value)

    about = {"place": "Chapter", "tested": "the risk"}
    return (
        Statement(name="right-one", sentence="The risk is low.", claims=[claim("low", "<", 100.0)], **about),
        Statement(
            name="wrong-one",
            sentence="The risk is negative.",
            claims=[claim("small", "<=", 1000.0), claim("negative", "<=", -1.0)],
            **about,
        ),
    )


@pytest.fixture(autouse=True)
def small_chapter(monkeypatch):
    monkeypatch.setattr(chapter, "statements", stub)
    monkeypatch.setattr(chapter, "COMING", COMING)


@pytest.fixture
def invoke(monkeypatch, invoke, tmp_path):
    """Runs ``jaxsgd verify`` with these arguments in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return functools.partial(invoke, "verify")


@pytest.fixture
def no_simulation(monkeypatch):
    monkeypatch.setattr("jaxsgd.cli.verify.verify", lambda *_, **__: pytest.fail("simulated too early"))


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "my study.toml"
    path.write_text(STUDY)
    return path


def error_of(answer: tuple[int, str, str]) -> str:
    """The line of an error."""
    status, output, errors = answer
    assert (status, output) == (2, "")
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    return errors


def test_chapter_with_a_refuted_statement(invoke, tmp_path):
    status, output, errors = invoke(*FEW)
    assert (status, errors) == (1, "")
    rows = {line.split()[0]: line for line in output.splitlines()}
    assert rows["right-one"].split()[1:3] == ["CONSISTENT", "low:"]
    assert rows["wrong-one"].split()[1:3] == ["REFUTED", "negative:"]  # not the claim with the largest z
    assert "1 CONSISTENT, 1 REFUTED: 3 claims, seed 0, " in output
    assert output.endswith("written to verification: report.html, verdicts.json, right-one.png, wrong-one.png\n")

    found = json.loads((tmp_path / "verification" / "verdicts.json").read_text())
    assert found["not_tested"] == COMING
    assert found["resolution"] == RESOLUTION
    assert "jaxsgd verify --trajectories 2000 --only right-one --seed 0 --resolution 0.01" in page(tmp_path)


def page(folder) -> str:
    return (folder / "verification" / "report.html").read_text(encoding="utf-8")


def test_only_what_is_consistent(invoke, tmp_path):
    answer = invoke("--only", "right*", "--seed", 5, "--resolution", 0.02, "--out", "verification", "--quiet")
    assert answer == (0, "", "")
    found = json.loads((tmp_path / "verification" / "verdicts.json").read_text())
    assert [one["name"] for one in found["statements"]] == ["right-one"]
    assert (found["seed"], found["resolution"], found["not_tested"]) == (5, 0.02, {})
    assert "jaxsgd verify --only right-one --seed 5 --resolution 0.02" in page(tmp_path)


def test_inconclusive_is_no_failure(invoke, monkeypatch):
    one = js.chapter.study("constant", steps=5)
    risk = float(js.theory.exact(one)["risk_mean"][-1])
    claim = Claim("vague", "more trajectories would tell", one, "risk", "==", risk, margin=1e-4)
    monkeypatch.setattr(chapter, "statements", lambda: (Statement.of(claim),))
    status, output, _ = invoke(*FEW)
    assert (status, "INCONCLUSIVE" in output) == (0, True)


def test_study_file(invoke, study, tmp_path):
    status, output, errors = invoke(study, *FEW)
    assert (status, errors) == (0, "")
    assert "exact_moments" in output
    found = json.loads((tmp_path / "verification" / "verdicts.json").read_text())
    assert found["seed"] == 3  # that of the file, unlike its number of trajectories
    assert {claim["trajectories"] for one in found["statements"] for claim in one["claims"]} == {2000}
    assert "lacoste_julien" in found["not_tested"]
    assert f"jaxsgd verify '{study}' --trajectories 2000 --only balance --seed 3" in page(tmp_path)


def test_list(invoke, no_simulation, tmp_path):
    status, output, errors = invoke("--list")
    assert (status, errors) == (0, "")
    rows = [line.rstrip() for line in output.splitlines()]
    assert rows[0].split() == ["statement", "place", "sentence"]
    assert rows[1].startswith("right-one")
    assert rows[1].endswith("Chapter     The risk is low.")
    assert rows[-1].split(maxsplit=1) == ["later", "not tested  needs more"]
    assert "wrong-one" not in invoke("--list", "--only", "right*")[1]
    assert not (tmp_path / "verification").exists()


def test_list_of_a_study(invoke, study, no_simulation):
    status, output, _ = invoke(study, "--list")
    assert (status, "convexity" in output, "lacoste_julien" in output) == (0, True, True)


def test_nothing_to_verify(invoke, study, monkeypatch):
    monkeypatch.setattr("jaxsgd.verification.of_study.statements_of", lambda _: ([], {"balance": "no reason"}))
    assert f"{study}: there is nothing to verify: balance: no reason" in error_of(invoke(study))


def test_bad_input(invoke, study, tmp_path, no_simulation):
    assert "did you mean 'right-one'" in error_of(invoke("--only", "rigth-one"))
    assert "did you mean 'wrong-one'" in error_of(invoke("--list", "--only", "wrongone"))
    assert "no statement is named 'later'; it is not tested: needs more" in error_of(invoke("--only", "later"))
    assert "--seed" in error_of(invoke("--seed", -1))
    assert "--trajectories" in error_of(invoke("--trajectories", 1))
    assert "No such file" in error_of(invoke("none.toml"))
    study.write_text(STUDY.replace("0.1", "'fast'"))
    assert f"{study}: schedule.value: expected a number" in error_of(invoke(study))
    folder = study / "below"
    assert error_of(invoke("--out", folder)) == f"error: cannot write to {folder}: Not a directory\n"


def test_resolution_out_of_range(invoke):
    assert "resolution" in error_of(invoke("--resolution", 0))


def test_default_resolution():
    assert inspect.signature(app.verify).parameters["resolution"].default == RESOLUTION


@pytest.mark.parametrize("arguments", [["--help"], ["verify", "--help"]])
def test_help_waits_for_no_library(arguments):
    code = (
        "import sys; from jaxsgd.cli import main\n"
        f"sys.argv = ['jaxsgd', *{arguments}]\n"
        "try: main()\n"
        "finally: print('loaded:', {'jax', 'numpy', 'matplotlib', 'scipy', 'latex2mathml'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert "verify" in done.stdout
    assert "loaded: set()" in done.stdout
