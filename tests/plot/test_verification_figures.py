"""The figures of the chapter's verification: what is drawn is what was given."""

import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

import jaxsgd as js
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution

N = 2048
STEPS = 50


@pytest.fixture(autouse=True)
def no_figures_of_pyplot(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib.pyplot as plt

    yield
    assert plt.get_fignums() == []


@pytest.fixture
def ax():
    figure = Figure(layout="constrained")
    yield figure.subplots()
    figure.draw_without_rendering()  # a figure that cannot be drawn is found here, warnings are errors


@pytest.fixture(scope="module")
def studies():
    return {name: js.chapter.study(name, STEPS) for name in ("constant", "exponential", "polynomial")}


@pytest.fixture(scope="module")
def results(studies):
    return {name: js.simulate(study, N, progress=False) for name, study in studies.items()}


def labels(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax: Axes, start: str) -> np.ndarray:
    """The points (k, 2) of the one line whose label starts so."""
    (found,) = (one for one in ax.get_lines() if str(one.get_label()).startswith(start))
    return np.asarray(found.get_xydata())


def bars(ax: Axes, index: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, estimate and standard error of points with bars of 2 standard errors."""
    container = [one for one in ax.containers if isinstance(one, ErrorbarContainer)][index]
    segments = np.array(container.lines[2][0].get_segments())
    x, y = container.lines[0].get_xydata().T
    return x, y, (segments[:, 1, 1] - segments[:, 0, 1]) / 4


def bands(ax: Axes) -> dict[str, np.ndarray]:
    """The lower and the upper edge (2, k) of every labelled band."""
    found = {}
    for one in ax.collections:
        if isinstance(one, PolyCollection) and not str(one.get_label()).startswith("_"):
            edges = one.get_paths()[0].vertices[:-1]
            half = len(edges) // 2
            found[str(one.get_label()).split(",")[0]] = np.array([edges[1:half, 1], edges[half + 1 :, 1][::-1]])
    return found


# --- the bound ---


@pytest.mark.parametrize("name", ["constant", "exponential", "polynomial"])
def test_bound_draws_the_slack(ax, studies, name):
    study = studies[name]
    assert js.plot.bound(study, ax=ax) is ax
    drawn, slack = bands(ax), js.theory.slack(study)
    gap, bound = line(ax, r"$\mathbb{E}"), line(ax, "bound with $G_t^2$")
    np.testing.assert_array_equal(bound[:, 0], np.arange(1, STEPS + 1))
    heights = {label: edges[1] - edges[0] for label, edges in drawn.items()}
    for label, part in (("Jensen", slack.jensen), ("convexity", slack.convexity), ("final distance", slack.distance)):
        np.testing.assert_allclose(heights[label][-1], part, rtol=1e-9)
        assert f"{label}, {part / slack.bound:.1%}" in labels(ax)
    np.testing.assert_allclose([gap[-1, 1], bound[-1, 1]], [slack.gap, slack.bound], rtol=1e-12)
    np.testing.assert_array_equal(drawn["Jensen"][0], gap[:, 1])
    np.testing.assert_array_equal(drawn["final distance"][1], bound[:, 1])
    np.testing.assert_allclose(gap[:, 1] + sum(heights.values()), bound[:, 1], rtol=1e-12)


def test_bound_of_every_horizon_is_that_of_a_study_of_so_many_steps(ax, studies):
    js.plot.bound(studies["polynomial"], ax=ax)
    for s in (1, 2, 7, 31):
        slack = js.theory.slack(js.chapter.study("polynomial", s))
        drawn = bands(ax)["convexity"][:, s - 1]
        assert line(ax, "bound with $G_t^2$")[s - 1, 1] == pytest.approx(slack.bound, rel=1e-12)
        np.testing.assert_allclose(drawn, slack.gap + slack.jensen + np.array([0, slack.convexity]), rtol=1e-12)


def test_bound_with_the_largest_gradient(ax, studies):
    """||grad R(x_0)||^2 + tr Cov xi = 100 + 64 + 2 is the largest."""
    js.plot.bound(studies["constant"], ax=ax)
    s = np.arange(1, STEPS + 1)
    looser = (29 + 166 * 0.1**2 * s) / (2 * 0.1 * s)
    np.testing.assert_allclose(line(ax, "bound with $L^2")[:, 1], looser, rtol=1e-6)


def test_bound_with_estimates(ax, studies, results):
    js.plot.bound(studies["constant"], results["constant"], ax=ax)
    steps, means, errors = bars(ax)
    dataset = results["constant"].dataset.sel(step=steps)
    np.testing.assert_array_equal(means, dataset["risk_of_eta_mean"])
    np.testing.assert_allclose(errors, dataset["risk_of_eta_sem"], rtol=1e-6, atol=1e-15)
    assert (steps[0], steps[-1]) == (1, STEPS)
    assert len(steps) <= 16
    assert "2,048 trajectories ± 2 standard errors" in labels(ax)


def test_bound_starts_where_something_moves(ax, studies):
    late = studies["constant"].replace(schedule=lambda t: 0.1 * (t >= 3))
    js.plot.bound(late, ax=ax)
    assert line(ax, "bound with $G_t^2$")[0, 0] == 4


def test_bound_from_the_minimiser(ax, studies):
    js.plot.bound(studies["constant"].replace(x0=[0.0, 0.0]), ax=ax)
    assert line(ax, r"$\mathbb{E}")[0, 1] == 0


def test_bound_errors(ax, studies, results):
    study = studies["constant"]
    oracle = js.oracles.AdditiveNoise(js.problems.Function(lambda x: (x**4).sum()), js.noise.Gaussian())
    with pytest.raises(InvalidType, match=r"needs a jaxsgd.Study"):
        js.plot.bound(results["constant"])
    with pytest.raises(NoExactSolution, match=r"for a quadratic .* only: .*problems.Function does not state"):
        js.plot.bound(study.replace(oracle=oracle))
    with pytest.raises(InvalidInput, match="positive learning rate"):
        js.plot.bound(study.replace(schedule=js.schedules.constant(0.0)))
    with pytest.raises(InvalidInput, match="must be finite"):
        js.plot.bound(study.replace(schedule=js.schedules.constant(1e9)))
    with pytest.raises(InvalidInput, match="of another study"):
        js.plot.bound(study, results["exponential"])
    with pytest.raises(InvalidInput, match="StepSizeWeighted"):
        js.plot.bound(study.replace(averages={}), results["constant"])
    with pytest.raises(InvalidInput, match="no mean of 'risk_of_other'"):
        js.plot.bound(study.replace(averages={"other": js.averages.StepSizeWeighted()}), results["constant"])
    with pytest.raises(InvalidType, match="what simulate returns"):
        js.plot.bound(study, result=3)


# --- bias and variance ---


def test_frozen_bias(ax, studies, results):
    study = studies["exponential"]
    assert js.plot.frozen_bias(study, results["exponential"], ax=ax) is ax
    moments, A = js.theory.exact(study), np.diag([2.0, 4.0])
    m, V = moments["x_mean"].values, moments["x_covariance"].values
    bias, variance = np.einsum("si,ij,sj->s", m, A, m) / 2, np.einsum("ij,sji->s", A, V) / 2
    np.testing.assert_allclose(line(ax, "sum")[:, 1], bias + variance, rtol=1e-12)
    np.testing.assert_allclose(line(ax, "risk of the mean")[:, 1], bias, rtol=1e-12)
    np.testing.assert_allclose(line(ax, "risk of the spread")[1:, 1], variance[1:], rtol=1e-9)
    assert np.isnan(line(ax, "risk of the spread")[0, 1])  # 0 has no place on a scale of logarithms
    assert f"risk of the mean (bias), {bias[-1] / (bias + variance)[-1]:.1%} at the end" in labels(ax)
    for index, exact in enumerate((bias + variance, bias, variance)):
        steps, means, errors = bars(ax, index)
        z = (means - exact[steps.astype(int)]) / errors
        assert np.abs(z).max() < 5
        assert (errors < 0.05 * means).all()


def test_bias_that_stays_is_the_chapters(ax):
    study = js.chapter.study("exponential").replace(record=js.record.log_spaced(20))
    js.plot.frozen_bias(study, ax=ax)
    assert line(ax, "risk of the mean")[-1, 1] == pytest.approx(0.6858959374, rel=1e-9)
    assert "risk of the mean (bias), 98.7% at the end" in labels(ax)
    assert ax.get_xscale() == "symlog"


def test_standard_errors_of_bias_and_variance(studies):
    """Over seeds, estimates scatter as their bars say, and the bias is estimated without one."""
    study, drawn = studies["constant"].replace(record=js.record.at([12]), averages={}, observe=["risk"]), []
    for seed in range(40):
        ax = Figure().subplots()
        js.plot.frozen_bias(study, js.simulate(study, 1024, seed, progress=False), ax=ax)
        drawn.append([[column[0] for column in bars(ax, index)] for index in range(3)])
    exact = line(ax, "risk of the mean")[0, 1], line(ax, "risk of the spread")[0, 1]
    estimates, errors = np.array(drawn)[:, 1:, 1], np.array(drawn)[:, 1:, 2]
    z = (estimates - exact) / errors
    assert np.abs(z.mean(axis=0)).max() < 4 / math.sqrt(40)
    assert (np.abs(z.std(axis=0) - 1) < 4 / math.sqrt(80)).all()


def test_frozen_bias_of_a_full_matrix_without_covariances(ax):
    problem = js.problems.Quadratic(curvature=[[3.0, 1.0], [1.0, 2.0]], minimiser=[1.0, -1.0])
    oracle = js.oracles.AdditiveNoise(problem, js.noise.Gaussian(std=[0.5, 2.0]))
    study = js.Study(oracle=oracle, schedule=js.schedules.constant(0.1), steps=20, x0=[1.0, -1.0])
    js.plot.frozen_bias(study, js.simulate(study, 1024, statistics=("mean", "variance"), progress=False), ax=ax)
    V = js.theory.exact(study)["x_covariance"].values[-1]
    expected = np.trace(problem.curvature @ V) / 2
    assert line(ax, "risk of the spread")[-1, 1] == pytest.approx(expected, rel=1e-9)
    assert len(ax.containers) == 1


def test_frozen_bias_errors(studies, results):
    study = studies["constant"]
    with pytest.raises(InvalidType, match=r"needs a jaxsgd.Study"):
        js.plot.frozen_bias("constant")
    with pytest.raises(NoExactSolution, match=r"problems.Function does not state that it is one"):
        js.plot.frozen_bias(study.replace(oracle=js.oracles.FullGradient(js.problems.Function(lambda x: x @ x))))
    with pytest.raises(InvalidInput, match="must be finite"):
        js.plot.frozen_bias(study.replace(schedule=js.schedules.constant(1e9)))
    with pytest.raises(InvalidInput, match="of another study"):
        js.plot.frozen_bias(study, results["polynomial"])
    start = study.replace(record=js.record.at([0]), averages={}, observe=["risk"])
    with pytest.raises(InvalidInput, match="step 0 only"):
        js.plot.frozen_bias(study, js.simulate(start, 1024, progress=False))


# --- sweeps ---

SWEEP = {"xlabel": r"learning rate $\eta$", "trajectories": 1000}


def test_against(ax):
    values, known = [0.3, 0.003, 0.03], np.array([0.5, 0.001, 0.1, 0.01])
    curve = known**-0.5 + 20 * known  # least at 0.1 of these
    drawn = js.plot.against(values, [2.0, 30.0, 1.0], [0.1, 3.0, 0.2], known, curve, **SWEEP, limit=0.7, ax=ax)
    assert drawn is ax
    np.testing.assert_allclose(bars(ax), [values, [2.0, 30.0, 1.0], [0.1, 3.0, 0.2]])
    order = np.argsort(known)
    np.testing.assert_array_equal(line(ax, "exact"), np.stack([known[order], curve[order]], axis=1))
    np.testing.assert_allclose(line(ax, "least 5.16, at 0.1"), [[0.1, 0.1**-0.5 + 2]])
    np.testing.assert_array_equal(line(ax, "stability limit 0.7")[:, 0], 0.7)
    assert "1,000 trajectories ± 2 standard errors" in labels(ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == r"learning rate $\eta$"


def test_against_marks_no_least_value_at_an_end(ax):
    js.plot.against([1.0, 2.0], [2.0, 1.0], [0.1, 0.1], [1.0, 2.0, 3.0], [2.0, 1.0, 0.5], **SWEEP, ax=ax)
    assert not [label for label in labels(ax) if label.startswith("least")]


def test_against_on_linear_scales(ax):
    js.plot.against([0.0, 0.5, 20.0], [1.0, 2.0, 9.0], [0.0, 0.1, 0.1], ylabel="y", **SWEEP, ax=ax)
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    assert ax.get_ylabel() == "y"
    assert labels(ax) == ["1,000 trajectories ± 2 standard errors"]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (([1.0, 2.0], [1.0], [0.1]), {}, "must have one shape"),
        (([], [], []), {}, "k at least 1"),
        ((1.0, 1.0, 0.1), {}, "must have one shape"),
        (([1.0], [np.nan], [0.1]), {}, "estimates must be finite"),
        (([1.0], [1.0], [-0.1]), {}, "must not be negative"),
        (([1.0], [1.0], [0.1], [1.0]), {}, "pass both or neither"),
        (([1.0], [1.0], [0.1], [1.0, 2.0], [1.0]), {}, "exact_values, exact must have one shape"),
        (([1.0], [1.0], [0.1]), {"limit": np.inf}, "limit must be finite"),
        (([1.0], [1.0], [0.1]), {"trajectories": 1}, "trajectories must be at least 2"),
    ],
)
def test_against_errors(columns, options, message):
    with pytest.raises(InvalidInput, match=message):
        js.plot.against(*columns, **(SWEEP | options))


# --- sampling ---


def test_frequencies(ax):
    once, exactly = [[0.65, 0.01], [0.63, 0.02]], [[0.39, 0.01], [0.37, 0.03]]
    assert js.plot.frequencies([10, 100], once, exactly, 5000, ax=ax) is ax
    for index, rows in enumerate((once, exactly)):
        np.testing.assert_allclose(bars(ax, index), [[10, 100], *np.transpose(rows)])
    curves = [np.asarray(one.get_xydata()) for one in ax.get_lines() if one.get_linestyle() == "--"]
    for curve, probability in zip(
        curves, (lambda n: 1 - (1 - 1 / n) ** n, lambda n: (1 - 1 / n) ** (n - 1)), strict=True
    ):
        n = curve[:, 0]
        assert (n[0], n[-1]) == (1, 1000)
        np.testing.assert_array_equal(n, np.rint(n))
        np.testing.assert_allclose(curve[:, 1], probability(n), rtol=1e-12)
    flat = [
        one.get_ydata()[0] for one in ax.get_lines() if len(set(one.get_ydata())) == 1 and len(one.get_ydata()) == 2
    ]
    assert {1 - 1 / math.e, 1 / math.e} <= set(np.round(flat, 15)) | set(flat)
    assert "5,000 trajectories ± 2 standard errors" in ax.get_ylabel()
    assert labels(ax) == ["exact", "at least once", "exactly once"]


@pytest.mark.parametrize(
    ("n", "rows", "message"),
    [
        ([10.5], [[0.6, 0.1]], "n must be an integer of at least 1"),
        ([0], [[0.6, 0.1]], "n must be an integer of at least 1"),
        (10, [[0.6, 0.1]], r"n must have shape \(k,\)"),
        ([10], [0.6, 0.1], r"at_least_once must have shape \(1, 2\)"),
        ([10], [[0.6, -0.1]], "must not be negative"),
        ([10], [[np.inf, 0.1]], "at_least_once must be finite"),
    ],
)
def test_frequencies_errors(n, rows, message):
    with pytest.raises(InvalidInput, match=message):
        js.plot.frequencies(n, rows, rows, 100)


def test_coverage(ax):
    orders = {"drawn": js.orders.WithReplacement(), "shuffled": js.orders.RandomReshuffling()}
    updates = [2, 5, 9]
    exact = {name: js.theory.coverage(order, 10, updates, 2) for name, order in orders.items()}
    known = exact["drawn"]
    measured = known.assign(
        at_least_once_mean=known.at_least_once,
        exactly_once_mean=known.exactly_once,
        at_least_once_sem=0.02 + 0 * known.at_least_once,
        exactly_once_sem=0.03 + 0 * known.exactly_once,
    ).assign_attrs(order=repr(orders["drawn"]), examples=10, batch=2, trajectories=5000)
    assert js.plot.coverage(orders, 10, 2, epochs=2, measured={"drawn": measured}, ax=ax) is ax
    for index, (what, error) in enumerate((("at_least_once", 0.02), ("exactly_once", 0.03))):
        np.testing.assert_allclose(
            bars(ax, index), [[0.4, 1.0, 1.8], measured[f"{what}_mean"], np.full(3, error)], rtol=1e-12
        )
    lines = [one for one in ax.get_lines() if len(one.get_xdata()) == 11]  # two epochs of 5 updates
    assert [one.get_linestyle() for one in lines] == ["-", "--"] * 2
    x = np.arange(11) / 5
    np.testing.assert_allclose(lines[0].get_ydata(), 1 - 0.9 ** (10 * x))
    np.testing.assert_allclose(lines[2].get_ydata(), np.minimum(x, 1))
    np.testing.assert_allclose(lines[3].get_ydata(), np.minimum(x, 2 - x), atol=1e-15)
    assert labels(ax) == ["drawn", "shuffled", "at least once", "exactly once"]
    assert "5,000 trajectories ± 2 standard errors" in ax.get_ylabel()


def test_coverage_errors():
    order = js.orders.WithReplacement()
    with pytest.raises(InvalidType, match="orders must be a dict of orders by name"):
        js.plot.coverage(order, 10)
    of_ten = js.theory.coverage(order, 10).assign_attrs(order=repr(order), examples=10, batch=1, trajectories=10)
    with pytest.raises(InvalidInput, match=r"measured holds 'b', which is not in orders; allowed: a"):
        js.plot.coverage({"a": order}, 10, measured={"b": of_ten})
    with pytest.raises(InvalidInput, match=r"measured\['a'\] is of WithReplacement.* with n = 10 and b = 1, not of"):
        js.plot.coverage({"a": order}, 11, measured={"a": of_ten})


# --- several results ---


def test_curves_of_several_results(ax, studies, results):
    exact = {name: js.theory.exact(study) for name, study in studies.items()}
    js.plot.curves(results, ["distance_squared"], exact, ax=ax)
    assert labels(ax) == ["constant", "exponential", "polynomial", "exact"]
    for name, result in results.items():
        np.testing.assert_array_equal(line(ax, name)[:, 1], result.dataset["distance_squared_mean"])
    dashed = [one.get_ydata() for one in ax.get_lines() if one.get_linestyle() == "--"]
    np.testing.assert_array_equal(dashed, [one["distance_squared_mean"] for one in exact.values()])
    assert ax.get_ylabel() == "distance squared\nmean of 2,048 trajectories ± 2 standard errors"
    assert len({one.get_marker() for one in ax.get_lines()} - {"None"}) == 3


def test_curves_of_several_results_and_observables(ax, studies, results):
    other = js.simulate(studies["exponential"], 2000, progress=False)
    js.plot.curves({"a": results["constant"], "b": other}, ["risk", "risk_of_eta"], ax=ax)
    assert labels(ax) == ["a: risk", "a: risk of average eta", "b: risk", "b: risk of average eta"]
    assert ax.get_ylabel() == "mean of 2,000 to 2,048 trajectories ± 2 standard errors"


def test_curves_errors(studies, results):
    with pytest.raises(InvalidType, match="draws a Result, or a dict"):
        js.plot.curves({})
    with pytest.raises(InvalidType, match="draws a Result, or a dict"):
        js.plot.curves(list(results.values()))
    with pytest.raises(InvalidInput, match=r"no mean of 'rsik'.*did you mean 'risk'"):
        js.plot.curves(results, ["rsik"])
    with pytest.raises(InvalidInput, match="at least one name"):
        js.plot.curves(results, [])
    with pytest.raises(InvalidInput, match="labels of the results"):
        js.plot.curves(results, exact=js.theory.exact(studies["constant"]))
    with pytest.raises(InvalidType, match=r"what theory.exact returns"):
        js.plot.curves(results, exact=[1.0])


# --- verdicts ---


def test_verdicts(ax):
    names = ["inside", "beyond", "no estimate", "one-sided"]
    outcomes = [js.inference.Verdict.CONSISTENT, "REFUTED", "INCONCLUSIVE", "CONSISTENT"]
    lower, upper = [0.1, 8.0, -np.inf, -np.inf], [0.9, 12.0, np.inf, 0.2]
    assert js.plot.verdicts(names, [0.5, 10.0, np.nan, 0.1], lower, upper, outcomes, ax=ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    assert ax.get_ylim() == (3.5, -0.5)  # the first on top
    written = [text.get_text() for text in ax.texts]
    assert written == ["CONSISTENT", "REFUTED +10", "INCONCLUSIVE no estimate", "CONSISTENT"]
    intervals = {one.get_ydata()[0]: one.get_xdata() for one in ax.get_lines()[1:] if len(one.get_xdata()) == 2}
    np.testing.assert_array_equal([intervals[row] for row in range(4)], [[0.1, 0.9], [4, 4], [-4, 4], [-4, 0.2]])
    marks = [(one.get_marker(), int(one.get_ydata()[0]), float(one.get_xdata()[0])) for one in ax.get_lines()]
    assert [(marker, row) for marker, row, _ in marks if marker in "<>"] == [(">", 1), ("<", 2), (">", 2), ("<", 3)]
    assert [(marker, x) for marker, _, x in marks if marker in "oX"] == [("o", 0.5), ("X", 4), ("o", 0.1)]


@pytest.mark.parametrize("rows", [1, 150])
def test_verdicts_make_room_for_their_rows(rows):
    import matplotlib.pyplot as plt

    zeros = np.zeros(rows)
    ax = js.plot.verdicts([f"claim {row}" for row in range(rows)], zeros, zeros - 1, zeros + 1, ["CONSISTENT"] * rows)
    ax.figure.draw_without_rendering()
    tops = [label.get_window_extent().y0 for label in ax.get_yticklabels()]
    heights = [label.get_window_extent().height for label in ax.get_yticklabels()]
    assert (-np.diff(tops) > 0.9 * max(heights)).all()
    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], [], [], [], []), InvalidInput, "at least 1"),
        ((["a"], [0.0, 1.0], [0.0], [0.0], ["REFUTED"]), InvalidInput, r"departures must have shape \(1,\)"),
        ((["a"], [0.0], [0.0], [0.0], []), InvalidInput, "as many"),
        ((["a"], [0.0], [1.0], [0.0], ["REFUTED"]), InvalidInput, "lower must not exceed upper, got 1 and 0 in row 0"),
        ((["a"], [0.0], [0.0], [0.0], ["REFUSED"]), InvalidInput, "did you mean 'REFUTED'"),
        ((["a"], ["x"], [0.0], [0.0], ["REFUTED"]), InvalidType, "departures must be numbers"),
    ],
)
def test_verdicts_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        js.plot.verdicts(*arguments)


def test_without_axes_a_figure_of_pyplot_is_made(studies):
    import matplotlib.pyplot as plt

    ax = js.plot.bound(studies["constant"])
    assert plt.get_fignums() == [ax.figure.number]
    plt.close(ax.figure)
