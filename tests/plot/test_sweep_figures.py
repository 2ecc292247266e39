"""The figures of sweeps: what is drawn is what was estimated and compared."""

import copy
import dataclasses

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import jaxsgd as js
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.runs.comparison import Comparison

N = 2000
STEPS = 20
INITIAL = [0.3, 0.01, 1e20, 0.1, 1.2]  # the third diverges, the last runs away
POWER = [0.0, 0.5, 1.0]
STATISTICS = ("mean", "variance")


def make(initial, power):
    study = js.chapter.study("polynomial", STEPS)
    return study.replace(
        schedule=js.schedules.polynomial(initial, 0.1, power),
        averages={},
        record=js.record.at([0, 5, 10, STEPS]),
        observe=["risk", "distance_squared"],
    )


@pytest.fixture(scope="module")
def swept():
    return js.sweep(make, {"initial": INITIAL, "power": POWER}, N, seed=1, statistics=STATISTICS)


@pytest.fixture(scope="module")
def found(swept):
    return js.compare(swept)


@pytest.fixture
def ax():
    figure = Figure(layout="constrained")
    yield figure.subplots()
    figure.draw_without_rendering()  # a figure that cannot be drawn is found here, warnings are errors


def labels(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax: Axes, label: str) -> np.ndarray:
    """The points (k, 2) of the one line of this label."""
    (one,) = (one for one in ax.get_lines() if one.get_label() == label)
    return np.asarray(one.get_xydata())


def renamed(comparison: Comparison, rename) -> Comparison:
    """The same with other arguments of its cells."""
    cells = tuple(dataclasses.replace(cell, point=rename(cell.point)) for cell in comparison.cells)
    return dataclasses.replace(comparison, cells=cells)


# --- heatmap ---


def test_heatmap(ax, swept, found):
    assert js.plot.heatmap(found, ax=ax) is ax
    (mesh,) = (one for one in ax.collections if isinstance(one, QuadMesh))
    expected = swept.dataset.risk_mean.isel(step=-1).transpose("power", "initial").sortby("initial").values
    np.testing.assert_array_equal(mesh.get_array().mask, np.isnan(expected))
    np.testing.assert_allclose(mesh.get_array().filled(np.nan), expected, rtol=1e-6)
    assert mesh.norm.vmin == pytest.approx(np.nanmin(expected), rel=1e-6)
    assert mesh.norm.vmax == pytest.approx(1000 * np.nanmedian(expected), rel=1e-6)
    assert type(mesh.norm).__name__ == "LogNorm"
    assert ax.figure.axes[1].get_ylabel() == "mean risk at step 20\n2,000 trajectories"
    leader, order = found.leader.point, sorted(INITIAL)
    np.testing.assert_array_equal(line(ax, "leader"), [[order.index(leader["initial"]), POWER.index(leader["power"])]])
    hatched = {(one.get_x(), one.get_y()) for one in ax.patches if isinstance(one, Rectangle) and one.get_hatch()}
    diverged = {tuple(place - 0.5) for place in np.argwhere(np.isnan(expected))[:, ::-1]}
    assert hatched == diverged != set()
    assert labels(ax)[0] == "leader"
    assert labels(ax)[-1] == "diverged"
    assert ax.get_xlabel() == "initial"
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0.01", "0.1", "0.3", "1.2", "1e+20"]


def test_heatmap_marks_the_set_of_the_best(ax, found):
    members = np.zeros(len(found.cells), bool)
    members[[0, 1, found.best.leader]] = True
    several = dataclasses.replace(found, best=dataclasses.replace(found.best, members=members))
    js.plot.heatmap(several, x="power", ax=ax)
    rivals = {i for i in (0, 1) if i != found.best.leader}
    expected = [[POWER.index(found.cells[i].point["power"]), 2] for i in rivals]  # 0.3 is the third of its axis
    assert sorted(line(ax, "may be the best (95%)").tolist()) == expected
    assert ax.get_ylabel() == "initial"


def test_heatmap_scales(ax, found):
    def spaced(point):
        return {"initial": 4.0 ** sorted(INITIAL).index(point["initial"]), "power": f"p{point['power']}"}

    js.plot.heatmap(renamed(found, spaced), ax=ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    (mesh,) = (one for one in ax.collections if isinstance(one, QuadMesh))
    np.testing.assert_allclose(mesh.get_coordinates()[0, :, 0], 4.0 ** np.arange(-0.5, 5))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "4", "16", "64", "256"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["p0.0", "p0.5", "p1.0"]


def test_heatmap_of_more_axes_is_the_plane_of_the_leader(ax, found):
    def split(point):
        return {"initial": point["initial"], "power": point["power"], "late": point["initial"] > 0.1}

    js.plot.heatmap(renamed(found, split), "initial", "power", ax=ax)
    late = found.leader.point["initial"] > 0.1
    (mesh,) = (one for one in ax.collections if isinstance(one, QuadMesh))
    assert mesh.get_array().shape == (3, sum((initial > 0.1) == late for initial in INITIAL))
    assert ax.get_legend().get_title().get_text() == f"late = {late}"
    other = next(i for i, cell in enumerate(found.cells) if (cell.point["initial"] > 0.1) != late)
    members = found.best.members | (np.arange(len(found.cells)) == other)
    wider = dataclasses.replace(found, best=dataclasses.replace(found.best, members=members))
    js.plot.heatmap(renamed(wider, split), "initial", "power", ax=ax)
    outside = sum(members[i] for i, cell in enumerate(found.cells) if (cell.point["initial"] > 0.1) != late)
    title = f"late = {late}; {outside} of the other cells may be the best too"
    assert ax.get_legend().get_title().get_text() == title
    with pytest.raises(InvalidInput, match="the axes initial, power, late: name two"):
        js.plot.heatmap(renamed(found, split))
    with pytest.raises(InvalidInput, match="name two"):
        js.plot.heatmap(renamed(found, split), y="late")


def test_heatmap_errors(swept, found):
    with pytest.raises(InvalidType, match="what compare returns, got SweepResult"):
        js.plot.heatmap(swept)
    with pytest.raises(InvalidInput, match=r"no axis 'pwoer'.*did you mean 'power'"):
        js.plot.heatmap(found, "initial", "pwoer")
    with pytest.raises(InvalidInput, match="needs two axes, got power, power"):
        js.plot.heatmap(found, "power", "power")
    with pytest.raises(InvalidInput, match=r"needs two axes, got \['label'\]; plot.sensitivity"):
        js.plot.heatmap(renamed(found, lambda point: {"label": str(point)}))
    cells = tuple(dataclasses.replace(cell, family="ab"[i % 2]) for i, cell in enumerate(found.cells))
    with pytest.raises(InvalidInput, match="one family, got a, b"):
        js.plot.heatmap(dataclasses.replace(found, cells=cells))


# --- leaders ---


def test_leaders(ax, swept, found):
    assert js.plot.leaders(swept, found, most=3, ax=ax) is ax
    order = np.argsort(np.where(found.best.divergent, np.inf, found.means))[:3]
    chosen = [swept.cells[index] for index in order]
    assert labels(ax) == [*(cell.label for cell in chosen), "exact"]
    dashed = [one.get_ydata() for one in ax.get_lines() if one.get_linestyle() == "--"]
    for cell, exact in zip(chosen, dashed, strict=True):
        np.testing.assert_array_equal(line(ax, cell.label)[:, 1], swept.dataset.risk_mean.sel(**cell.point))
        np.testing.assert_array_equal(exact, js.theory.exact(cell.study).risk_mean)
    assert ax.get_legend().get_title().get_text() == "3 of 15 cells, best at step 20 first"


def test_leaders_hold_no_diverged_cell(ax, swept, found):
    js.plot.leaders(swept, found, most=50, ax=ax)
    assert len(labels(ax)) - 1 == (~found.best.divergent).sum() < 15


def test_leaders_errors(swept, found):
    with pytest.raises(InvalidType, match="got Comparison and SweepResult"):
        js.plot.leaders(found, swept)
    with pytest.raises(InvalidInput, match="most must be at least 1"):
        js.plot.leaders(swept, found, most=0)
    with pytest.raises(InvalidInput, match="no cell of this sweep"):
        js.plot.leaders(swept, renamed(found, dict))


# --- sensitivity ---


def test_sensitivity(ax, swept):
    assert js.plot.sensitivity(swept, "initial", limit=0.5, ax=ax) is ax
    end = swept.dataset.isel(step=-1).sortby("initial")
    finite = end.risk_mean.values[np.isfinite(end.risk_mean.values)]
    lines = [one for one in ax.get_lines() if one.get_linestyle() == "--" and len(one.get_xdata())]
    bars = [one.get_segments() for one in ax.collections if isinstance(one, LineCollection)]
    for index, power in enumerate(POWER):
        row = end.sel(power=power)
        drawn = np.isfinite(row.risk_mean.values)
        points = np.stack([row.initial.values, row.risk_mean.values], axis=1)[drawn]
        np.testing.assert_array_equal(line(ax, f"power={power:g}"), points)
        lengths = [segment[1, 1] - segment[0, 1] for segment in bars[index]]
        np.testing.assert_allclose(lengths, 4 * row.risk_sem.values[drawn], rtol=1e-5)
        exact = [float(js.theory.exact(make(initial, power)).risk_mean[-1]) for initial in points[:, 0]]
        np.testing.assert_array_equal(lines[index].get_ydata(), exact)
    outside = [one for one in ax.get_lines() if not one.get_clip_on()]
    top = 1000 * np.median(finite)
    assert sum(one.get_marker() == "X" for one in outside) == end.risk_mean.size - len(finite) > 0
    assert sum(one.get_marker() == "^" for one in outside) == (finite > top).sum() > 0
    assert ax.get_ylim() == pytest.approx((finite.min() / 2, top))
    assert labels(ax) == ["power=0", "power=0.5", "power=1", "exact", "diverged", f"above {top:.3g}",
                          "stability limit 0.5"]  # fmt: skip
    assert ax.get_legend().get_title().get_text() == "2,000 trajectories\n± 2 standard errors"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_sensitivity_of_families_without_exact_means(ax):
    """A quartic risk: solid lines join the estimates."""
    problem = js.problems.Function(lambda x: (x**4).sum())

    def of(power):
        def make(initial):
            schedule = js.schedules.polynomial(initial, 0.1, power)
            oracle = js.oracles.AdditiveNoise(problem, js.noise.Gaussian())
            return js.Study(
                oracle=oracle,
                schedule=schedule,
                x0=[1.0, 0.5],
                steps=STEPS,
                record=js.record.at([10, STEPS]),
                observe=["risk"],
            )

        return make

    axes = {"initial": [0.01, 0.02, 0.04]}
    swept = js.sweep(
        {"flat": of(0.0), "root": of(0.5)}, {"flat": axes, "root": axes}, N, compare_at=10, statistics=STATISTICS
    )
    js.plot.sensitivity(swept, "initial", ax=ax)
    end = swept.dataset.sel(step=10)
    for family in ("flat", "root"):
        (one,) = (one for one in ax.get_lines() if one.get_label() == family)
        assert one.get_linestyle() == "-"
        np.testing.assert_array_equal(one.get_ydata(), end.risk_mean[end.family == family])
    assert labels(ax) == ["flat", "root"]
    assert ax.get_ylabel() == "mean risk at step 10"
    with pytest.raises(InvalidInput, match=r"family 'flat' has no axis 'inital'.*did you mean 'initial'"):
        js.plot.sensitivity(swept, "inital")


def test_sensitivity_of_one_axis(ax):
    initial = np.geomspace(0.1, 0.2, len(INITIAL) * len(POWER))  # as many cells as above, for which a program is there
    swept = js.sweep(lambda initial: make(initial, 0.5), {"initial": initial}, N, statistics=STATISTICS)
    js.plot.sensitivity(swept, "initial", "distance_squared", ax=ax)
    assert labels(ax) == ["2,000 trajectories ± 2 standard errors", "exact"]
    assert ax.get_ylabel() == "mean distance squared at step 20"


def test_sensitivity_of_cells_whose_studies_are_not_at_hand(ax, swept):
    loaded = copy.copy(swept)
    loaded.cells = tuple(dataclasses.replace(cell, study=None) for cell in swept.cells)
    js.plot.sensitivity(loaded, "initial", ax=ax)
    assert "exact" not in labels(ax)


def test_sensitivity_errors(swept, found):
    with pytest.raises(InvalidType, match="what sweep returns, got Comparison"):
        js.plot.sensitivity(found, "initial")
    with pytest.raises(InvalidInput, match=r"the sweep has no axis 'intial'.*did you mean 'initial'"):
        js.plot.sensitivity(swept, "intial")
    with pytest.raises(InvalidInput, match=r"no mean of 'rsik'.*did you mean 'risk'"):
        js.plot.sensitivity(swept, "initial", "rsik")
    with pytest.raises(InvalidInput, match="limit must be finite"):
        js.plot.sensitivity(swept, "initial", limit=np.inf)


# --- best rate ---


def at(comparison: Comparison, step: int, leader: int, members: list[int]) -> Comparison:
    """The same at another step, with another leader and set."""
    chosen = np.isin(np.arange(len(comparison.cells)), [leader, *members])
    best = dataclasses.replace(comparison.best, leader=leader, members=chosen)
    return dataclasses.replace(comparison, step=step, best=best)


def test_best_rate(ax, found):
    middle, least, larger = (INITIAL.index(initial) * len(POWER) for initial in (0.1, 0.01, 1.2))
    one = [at(found, 5000, least, []), at(found, 50, middle, [larger, least])]
    assert js.plot.best_rate({"here": one, "there": one[::-1]}, "initial", ax=ax) is ax
    here, there = line(ax, "here"), line(ax, "there")
    np.testing.assert_allclose(here, [[50 / 100 ** (1 / 80), 0.1]])  # the other is hollow, at the axis's end
    np.testing.assert_allclose(there, [[50 * 100 ** (1 / 80), 0.1]])
    hollow = [one.get_xydata() for one in ax.get_lines() if one.get_markerfacecolor() == "white"]
    np.testing.assert_allclose([points[:, 1] for points in hollow[:2]], [[0.1, 0.01]] * 2)
    bars = next(one.get_segments() for one in ax.collections if isinstance(one, LineCollection))
    np.testing.assert_allclose([segment[:, 1] for segment in bars], [[0.01, 1.2], [0.01, 0.01]])
    slope = line(ax, "slope $-1/2$")
    np.testing.assert_array_equal(slope[:, 0], [50, 5000])
    assert slope[0, 1] / slope[1, 1] == pytest.approx(10)
    assert np.prod(slope[:, 1]) == pytest.approx(0.1 * 0.01)
    assert labels(ax) == ["here", "there", "at an end of its axis", "slope $-1/2$"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["50", "5,000"]
    assert "(95%)" in ax.get_ylabel()


def test_best_rate_of_one_list(ax, found):
    js.plot.best_rate([found, dataclasses.replace(found, step=100)], "initial", ax=ax)
    initial = found.leader.point["initial"]
    np.testing.assert_array_equal(line(ax, "leader"), [[20, initial], [100, initial]])


def test_best_rate_errors(swept, found):
    with pytest.raises(InvalidType, match="a list of what compare returns"):
        js.plot.best_rate(found, "initial")
    with pytest.raises(InvalidType, match="a list of what compare returns"):
        js.plot.best_rate({"a": [swept]}, "initial")
    with pytest.raises(InvalidInput, match=r"of 'a' must be at two different steps or more, got steps \[20, 20\]"):
        js.plot.best_rate({"a": [found, found]}, "initial")
    with pytest.raises(InvalidInput, match="at least one list"):
        js.plot.best_rate({}, "initial")
    later = dataclasses.replace(found, step=100)
    with pytest.raises(InvalidInput, match=r"no axis 'intial'.*did you mean 'initial'"):
        js.plot.best_rate([found, later], "intial")
    with pytest.raises(InvalidInput, match="must be positive"):
        js.plot.best_rate([found, later], "power")
    words = renamed(found, lambda point: {"initial": str(point["initial"])})
    with pytest.raises(InvalidInput, match="'initial' must hold finite numbers"):
        js.plot.best_rate([words, later], "initial")
