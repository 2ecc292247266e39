"""The study of schedules runs from end to end, and its table holds together."""

import csv
import pathlib
import subprocess
import sys
import tomllib

import pytest

SCRIPT = pathlib.Path(__file__).parents[1] / "scripts" / "schedules" / "study.py"
FIGURES = ("best-rate", "exponential", "other", "over-steps", "sensitivity", "tuned")


@pytest.mark.slow
def test_study(tmp_path):
    subprocess.run([sys.executable, SCRIPT, "--quick", "--out", tmp_path], check=True, capture_output=True)
    assert {path.name for path in tmp_path.iterdir()} == {
        *(f"{name}.png" for name in FIGURES),
        *("table.csv", "summary.txt", "other.csv", "other.txt", "tuned_schedules.toml"),
    }
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 5 * 7  # problems, numbers of steps, iterates, families
    for row in rows:
        assert float(row["risk"]) > 0
        assert float(row["se"]) > 0
        assert row["problem"] != "quadratic" or abs(float(row["z"])) < 5
    for group in range(0, len(rows), 7):
        found = rows[group : group + 7]
        best = min(found, key=lambda row: float(row["risk"]))
        assert (float(best["relative to best"]), best["tuned may be best"]) == (1.0, "True")
        assert sum(int(row["cells in set of all"]) for row in found) >= 1
    with (tmp_path / "other.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 9  # problems, families
    assert all(float(row["excess risk"]) > 0 for row in rows)
    assert all(abs(float(row["z"])) < 5 for row in rows if row["problem"] == "quadratic" and row["z"])
    found = tomllib.loads((tmp_path / "tuned_schedules.toml").read_text())
    assert all(len(found[row["problem"]]["tuned"]) == 9 for row in rows)
    assert all(len(each["differences"]) == 5 for each in found.values())
