"""Figures of studies of one coordinate: what they draw."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import jaxsgd as js
from jaxsgd import noise, oracles, problems, record, schedules
from jaxsgd.errors import InvalidInput
from jaxsgd.plot import style

WELL = problems.DoubleWell()
SIDES = {"left": (-np.inf, 0.0), "right": (0.0, np.inf)}


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(scope="module")
def study():
    oracle = oracles.AdditiveNoise(WELL, noise.Gaussian(std=2.0))
    return js.Study(
        oracle=oracle, schedule=schedules.constant(0.1), x0=[1.0], steps=8, record=record.every(2), observe=()
    )


@pytest.fixture(scope="module")
def landscape():
    return js.theory.landscape(WELL, (-1.5, 1.6))


def test_paths_over_time_and_on_the_landscape(ax, study, landscape):
    paths = js.sample_paths(study.replace(record=record.every(1)), 2, seed=4)["x"].values[:, :, 0]
    assert js.plot.paths_over_time(study, 2, 4, landscape, ax=ax) is ax
    first, second, minimum, *_ = ax.get_lines()
    np.testing.assert_array_equal([first.get_ydata(), second.get_ydata()], paths)
    np.testing.assert_allclose(minimum.get_ydata(), 1)
    other = Figure().subplots()
    js.plot.paths_on_landscape(study, (-1.5, 1.5), 2, 4, ax=other)
    risk, visited, *_ = other.get_lines()
    np.testing.assert_allclose(risk.get_ydata(), (risk.get_xdata() ** 2 - 1) ** 2 / 4, atol=1e-12)
    np.testing.assert_array_equal(visited.get_xdata(), paths[0])
    np.testing.assert_allclose(visited.get_ydata(), (paths[0].astype(float) ** 2 - 1) ** 2 / 4, atol=1e-12)


def test_occupancy_and_density(ax, study):
    found = js.simulate(study, 2048, probabilities=js.partition(SIDES), progress=False)
    kernel = js.theory.markov_kernel(study)
    exact = kernel.probabilities(SIDES)
    assert js.plot.occupancy(found, list(SIDES), exact, ax=ax) is ax
    lines = {len(line.get_xdata()): line for line in ax.get_lines()}
    np.testing.assert_array_equal(lines[len(exact.step)].get_ydata(), exact.sel(region="right"))
    assert "2,048 trajectories" in ax.get_ylabel()
    with pytest.raises(InvalidInput, match=r"no event 'lfet'; .*'left'"):
        js.plot.occupancy(found, ["lfet"], ax=ax)
    other, x = Figure().subplots(), np.linspace(-2, 2, 41)
    js.plot.density(kernel, x, (1, 4), ax=other)
    assert [text.get_text() for text in other.get_legend().get_texts()] == ["1", "4"]
    np.testing.assert_allclose(other.get_lines()[1].get_ydata(), kernel.density(x, 4))


def test_a_basin_map_shows_where_descent_ends(ax, landscape):
    """Of the double well: left and right of 0 at small rates; at 1.2, above the limit 1, without coming to rest."""
    starts, rates = np.array([-1.2, -0.4, 0.3, 1.1]), np.array([0.1, 1.2])
    js.plot.basin_map(WELL, landscape, starts, rates, steps=200, ax=ax)
    (mesh,) = (item for item in ax.collections if hasattr(item, "get_coordinates"))
    colours = np.asarray(mesh.get_array()).reshape(2, 4, 3)
    strong = [0.35 + 0.65 * np.array(to_rgb(style.COLOURS[cell])) for cell in (0, 0, 1, 1)]
    np.testing.assert_allclose(colours[0], strong)
    assert np.all(colours[1].min(-1) > 0.7)
    limits = [line.get_ydata()[0] for line in ax.get_lines()][1:]
    np.testing.assert_allclose(limits, 1.0)


def test_more_coordinates_are_refused(ax):
    for draw in (js.plot.paths_over_time, lambda *a, **k: js.plot.paths_on_landscape(a[0], (-1, 1), **k)):
        with pytest.raises(InvalidInput, match="1 coordinate, this one has 2"):
            draw(js.chapter.study("constant"), ax=ax)
