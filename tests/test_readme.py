"""The front door: every block of the README runs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from economy import at_most, compile_for_long_runs, compile_without_optimising

import jaxsgd as js
from jaxsgd import compiler

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
HANGS = 3600
"""Seconds after which a command is said to hang: the longest one takes 150 on two cores."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_block_is_of_a_kind_that_is_run_here():
    assert README.count("```") == 2 * sum(len(blocks(language)) for language in ("bash", "python", "toml"))


def test_python_blocks_run(capsys, monkeypatch):
    """As they stand, but those after the first compile quickly, and run 1024 where they say how many trajectories."""
    names: dict[str, object] = {}
    first, *others = blocks("python")
    run_python(first, names)
    printed = capsys.readouterr().out
    estimate, error, exact = map(float, re.search(r"E R\(x_T\) +=(.*?)\+-(.*?), exact(.*)", printed).groups())
    assert error < 0.005 * exact  # keeps the power of the next line
    assert abs(estimate - exact) < 5 * error
    for block in others:
        with monkeypatch.context() as patch:
            if "trajectories=" not in block:
                compile_for_long_runs(patch)
            else:
                compile_without_optimising(patch)
                for name in ("simulate", "sweep"):
                    patch.setattr(js, name, at_most(1024, getattr(js, name)), raising=False)
            run_python(block, names)


def run_python(block: str, names: dict[str, object]) -> None:
    exec(compile(block, "README.md", "exec"), names)


def test_the_study_file_runs(invoke, tmp_path, blank_figures, compiled_quickly):
    (study,) = blocks("toml")
    (tmp_path / "study.toml").write_text(study)
    run(invoke, "run", tmp_path / "study.toml", "--out", tmp_path / "out", "--trajectories", 2000)
    assert (tmp_path / "out" / "result.nc").is_file()


def test_the_main_command_writes_a_report(tmp_path):
    """Of one statement, at full resolution, in a fresh process: its verdict, a table, its figure and a page."""
    assert blocks("bash")[0].splitlines()[-1] == "jaxsgd verify"
    printed = run_jaxsgd("verify", "--only", "figure-pi*", "--out", str(tmp_path))
    assert verdicts_in(tmp_path) == {"figure-piecewise": "CONSISTENT"}
    assert "figure-piecewise" in printed
    assert (tmp_path / "figure-piecewise.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "report.html").read_text().count("<img") == 1


@pytest.mark.slow
def test_the_main_command_verifies_the_chapter(tmp_path):
    """At full resolution, with figures and report: nothing in the chapter is refuted or left open."""
    printed = run_jaxsgd("verify", "--out", str(tmp_path))
    verdicts = verdicts_in(tmp_path)
    assert len(verdicts) >= 35
    assert set(verdicts.values()) == {"CONSISTENT"}
    for name in verdicts:
        assert name in printed
    report = (tmp_path / "report.html").read_text()
    assert report.count("<img") == len(verdicts)
    assert "REFUTED" in report  # where the verdicts are explained


def verdicts_in(folder: Path) -> dict[str, str]:
    found = json.loads((folder / "verdicts.json").read_text())
    return {statement["name"]: statement["verdict"] for statement in found["statements"]}


def test_the_chapters_experiments_run(invoke, tmp_path, monkeypatch, compiled_for_a_long_run):
    (command,) = [block.split() for block in blocks("bash") if block.endswith("--out results\n")]
    monkeypatch.chdir(ROOT)
    printed = run(invoke, *command[1:-1], tmp_path)
    for study in ("constant", "exponential", "polynomial"):
        assert study in printed
        assert {path.name for path in (tmp_path / study).iterdir()} >= {"result.nc", "summary.json", "risk.png"}


def test_resumption_and_shards_run(invoke, tmp_path, monkeypatch, blank_figures):
    (block,) = [block for block in blocks("bash") if "--resume" in block]
    monkeypatch.chdir(ROOT)
    for line in block.splitlines():
        command = line.split()
        command[command.index("--out") + 1] = tmp_path / command[command.index("--out") + 1]
        run(invoke, *command[1:])
    assert (tmp_path / "long" / "result.nc").is_file()
    assert (tmp_path / "shards" / "result-1-of-2.nc").is_file()


def test_the_compilers_setting_is_the_one_of_the_command_line():
    assert f"export XLA_FLAGS={compiler.INTERLEAVE}" in README


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text()
    marker = "<!-- test command -->"
    assert marker in script
    assert README.count(marker) == 1
    assert README.split(marker)[1].strip().startswith("```bash\npip install")


def run(invoke: Callable[..., tuple[int, str, str]], *arguments: object) -> str:
    """The output of the command in this process, which has imported everything and may have compiled the program."""
    status, output, errors = invoke(*arguments)
    if status:
        pytest.fail(errors)
    return output


def run_jaxsgd(*arguments: str) -> str:
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-m", "jaxsgd", *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=HANGS, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.fail(done.stderr)
    return done.stdout
