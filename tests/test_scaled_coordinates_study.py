"""The study of exercise 4 has run as it is now, and the report uses what it found."""

import csv
import importlib
import pathlib
import subprocess
import sys
from importlib import resources

import numpy as np
import optax
import pytest

from jaxsgd.methods import Optax
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


@pytest.mark.parametrize(("name", "numbers"), [("SGD", {}), ("momentum", {"momentum": 0.5})])
def test_methods_without_coordinates_do_not_see_rotations(name, numbers):
    turned = scaled.run(scaled.rotated(100), name, 0.0196, **numbers)
    straight = scaled.run(scaled.in_other_units(100), name, 0.0196, **numbers)
    np.testing.assert_allclose(final_risk(turned), final_risk(straight), rtol=1e-9)


def test_linear_methods_have_the_same_exact_risks_where_rotated():
    found = {(row["setting"], row["method"], row["condition number"]): row for row in rows(FOLDER / "results")}
    for (setting, name, kappa), row in found.items():
        if setting == "rotated" and name in scaled.LINEAR:
            plain = found["other units", "momentum" if name == "momentum" else "SGD", kappa]
            assert row["exact"] == plain["exact"]
            assert row["risk"] == row["exact"]


@pytest.mark.parametrize(
    ("name", "kappa", "others"),
    [  # settings that an optimiser of one's own finds, and neighbours of what the report uses
        ("SGD", 1, [(0.0554, 0.0)]),
        ("SGD", 100, [(0.03964, 0.0), (0.039, 0.0), (0.0387, 0.0)]),
        ("SGD", 1000, [(0.003964, 0.0), (0.0039, 0.0)]),
        ("momentum", 1, [(0.006, 0.85), (0.0055, 0.87), (0.0012, 0.95)]),
        ("momentum", 100, [(0.0386, 0.15), (0.03964, 0.0)]),
        ("momentum", 1000, [(0.0038, 0.84), (0.00388, 0.83), (0.00385, 0.85)]),
    ],
)
def test_linear_methods_are_tuned(name, kappa, others):
    """No setting that was tried by hand has a lower exact risk than the report's, by more than its digits."""
    study = scaled.in_other_units(kappa)
    for rate, b in others:
        numbers = {"momentum": b} if name == "momentum" else {}
        assert final_risk(scaled.tuned(name, kappa)) <= 1.0005 * final_risk(scaled.run(study, name, rate, **numbers))


@pytest.mark.parametrize("velocity", [False, True])
def test_moments_of_many_cells_are_the_exact_ones(velocity, monkeypatch):
    """The recursion that tunes, against theory.exact of Polyak's momentum and of optax's, which is torch's."""
    monkeypatch.syspath_prepend(str(FOLDER))
    linear = importlib.import_module("linear")
    h, rates, momenta = np.array([1.0, 10.0]), np.array([0.02, 0.3]), np.array([0.9, 0.3])
    found = linear.risks(linear.Quadratic(h, h, 5 / np.sqrt(h), scaled.T), rates, momenta, 0.0, velocity)
    for risk, rate, b in zip(found, rates, momenta, strict=True):
        study = scaled.run(scaled.in_other_units(10), "momentum", rate, momentum=b)
        if velocity:
            study = study.replace(method=Optax(optax.sgd, momentum=b))
        np.testing.assert_allclose(risk, final_risk(study), rtol=1e-5)


@pytest.mark.slow
def test_study(tmp_path):
    subprocess.run([sys.executable, FOLDER / "study.py", "--quick", "--out", tmp_path], check=True, capture_output=True)
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", "summary.txt", "settings.toml", "tuned.png"}
    found = rows(tmp_path)
    assert len(found) == 3 * 5 * 7  # settings, condition numbers, methods
    assert [row["setting"] for row in found[::35]] == list(SETTINGS)
    for row in found:
        linear = row["method"] in scaled.LINEAR
        assert (float(row["se"]) == 0) == linear == (row["exact"] != "")
        assert (row["z"] != "") == (linear and row["setting"] != "rotated")
        assert row["z"] == "" or abs(float(row["z"])) < 5
