"""The study of exercise 4 has run as it is now, and the report uses what it found."""

import csv
import pathlib
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest

from jaxsgd.verification.chapter import scaled_studies as scaled
from jaxsgd.verification.chapter.exact_values import final_risk
from jaxsgd.verification.chapter.side_by_side import side_by_side

FOLDER = pathlib.Path(__file__).parents[1] / "scripts" / "scaled_coordinates"
SETTINGS = ("other units", "rotated", "curvature only")


def rows(folder):
    with (folder / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_report_runs_what_the_study_found():
    copy = resources.files("jaxsgd.verification.chapter").joinpath("scaled_settings.toml")
    assert copy.read_text(encoding="utf-8") == (FOLDER / "results" / "settings.toml").read_text(encoding="utf-8")
    for row in rows(FOLDER / "results"):
        if row["setting"] == "other units" and row["method"] in scaled.LINEAR:
            study = scaled.tuned(row["method"], int(row["condition number"]))
            np.testing.assert_allclose(final_risk(study), float(row["exact"]), rtol=0.002)  # settings have four digits


def test_studies_side_by_side_are_those_studies():
    """The exact moments of linear methods in one study of all of them are those of each alone."""
    studies = {name: scaled.tuned(name, 10) for name in scaled.LINEAR}
    together = final_risk(side_by_side(studies))
    np.testing.assert_allclose(together, sum(map(final_risk, studies.values())), rtol=1e-10)


@pytest.mark.parametrize("name", ["SGD", "momentum"])
def test_methods_without_coordinates_do_not_see_rotations(name):
    turned = scaled.tuned(name, 100, turned=True)
    straight = turned.replace(oracle=scaled.in_other_units(100).oracle, x0=scaled.in_other_units(100).x0)
    np.testing.assert_allclose(final_risk(turned), final_risk(straight), rtol=1e-9)


@pytest.mark.slow
def test_study(tmp_path):
    subprocess.run([sys.executable, FOLDER / "study.py", "--quick", "--out", tmp_path], check=True, capture_output=True)
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", "summary.txt", "settings.toml", "tuned.png"}
    found = rows(tmp_path)
    assert len(found) == 3 * 5 * 7  # settings, condition numbers, methods
    assert [row["setting"] for row in found[::35]] == list(SETTINGS)
    for row in found:
        assert float(row["se"]) > 0
        assert (row["exact"] != "") == (row["method"] in scaled.LINEAR)
        assert row["exact"] == "" or abs(float(row["z"])) < 5
