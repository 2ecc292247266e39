"""Figures: what they draw and say."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import jaxsgd as js


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(scope="module")
def study():
    return js.chapter.study("constant", steps=20)


@pytest.fixture(scope="module")
def result(study):
    return js.simulate(study, 2000, seed=3, quantiles=(0.1, 0.9), progress=False)


def labels(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax: Axes, label: str) -> np.ndarray:
    (found,) = (line for line in ax.get_lines() if line.get_label() == label)
    return found.get_xydata()


def test_curves(ax, study, result):
    assert js.plot.curves(result, ["risk", "risk_of_eta"], js.theory.exact(study), ax=ax) is ax
    assert ax.get_ylabel() == "mean of 2,000 trajectories ± 2 standard errors"
    assert labels(ax) == ["risk", "risk of average eta", "exact", "quantiles 0.1, 0.9"]
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(line(ax, "risk")[:, 1], result.dataset["risk_mean"])
    np.testing.assert_array_equal(line(ax, "exact")[:, 1], js.theory.exact(study)["risk_mean"])


def test_curves_of_a_mean_that_may_be_negative(ax, study):
    signed = study.replace(
        observables={"first": lambda x: x[0]}, observe=["first"], averages={}, record=js.record.log_spaced(10)
    )
    js.plot.curves(js.simulate(signed, 2000, progress=False), ["first"], ax=ax)
    assert ax.get_yscale() == "linear"
    assert ax.get_xscale() == "symlog"
    assert labels(ax) == ["first"]


def test_schedule(ax, study):
    other = js.chapter.study("exponential", steps=30)
    assert js.plot.schedule([study, other], ax=ax) is ax
    np.testing.assert_array_equal(line(ax, "constant(value=0.1)")[:, 1], np.full(20, 0.1))
    assert len(labels(ax)) == 2
    assert ax.get_yscale() == "log"


def test_paths(ax, study):
    assert js.plot.paths(study, trajectories=3, seed=5, ax=ax) is ax
    assert {"3 SGD trajectories", "gradient descent", "minimiser", "start"} <= set(labels(ax))
    first = js.sample_paths(study, 3, seed=5)["x"].values[0]
    np.testing.assert_array_equal(line(ax, "3 SGD trajectories"), first)
    descent = line(ax, "gradient descent")
    np.testing.assert_allclose(descent[:, 0], -5 * 0.8 ** np.arange(21), rtol=1e-5)
    np.testing.assert_array_equal(line(ax, "minimiser"), [[0, 0]])


def test_paths_need_two_coordinates(ax):
    problem = js.problems.Quadratic(curvature=[1.0, 2.0, 3.0])
    study = js.Study(oracle=js.oracles.FullGradient(problem), schedule=js.schedules.constant(0.1), steps=20)
    with pytest.raises(js.errors.InvalidInput, match="2 coordinates, this one has 3"):
        js.plot.paths(study, ax=ax)


def test_landscape(ax, study):
    js.plot.landscape(study.oracle.problem, (-5, 1), (-2, 1), ax=ax)
    (contours,) = (item for item in ax.collections if hasattr(item, "levels"))
    highest = np.log2(5**2 + 2 * 2**2)
    np.testing.assert_allclose(contours.levels, highest - 10 * np.arange(10, 0, -1) / 11, rtol=1e-5)


def test_landscape_without_contours(ax):
    """A flat risk, and one that overflows wherever it is looked at, have none."""
    flat = js.problems.Function(lambda x: 0.0 * x[0])
    overflowing = js.problems.Quadratic(curvature=[1.0, 1.0])
    js.plot.landscape(flat, (-1, 1), (-1, 1), ax=ax)
    js.plot.landscape(overflowing, (1e30, 2e30), (1e30, 2e30), ax=ax)
    assert not ax.collections


def test_without_axes_pyplot_makes_them_and_nothing_else_changes(study, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    before = dict(mpl.rcParams)
    import matplotlib.pyplot as plt

    ax = js.plot.schedule(study)
    assert plt.get_fignums() == [ax.figure.number]
    plt.close(ax.figure)
    assert {**before, "backend": None} == {**mpl.rcParams, "backend": None}
