"""Every statistic against NumPy, in float64, on the sampled paths of the same trajectories.

No chance is involved: N = 3000 ids from 500 on, neither a multiple of 1024, in two chunks of two tiles.
`sample_paths` and `simulate` are different programs, which differ by the rounding of float32, some 1e-6
of a value; a trajectory that is left out or counted twice moves a mean by 3e-4 of a standard deviation.
Counts, events, and where something is NaN or infinite, are compared exactly. One test is statistical,
and says so.

The large study, scales and divergence at large are compiled as users' programs are; what else is asked is compiled
quickly.
"""

import itertools

import economy
import jax.numpy as jnp
import numpy as np
import pytest
from agreement import scores

import jaxsgd as js
from jaxsgd.errors import TargetMissed
from jaxsgd.inference.intervals import proportion_interval
from jaxsgd.runs.simulation import DEFAULT_STATISTICS
from jaxsgd.runs.tasks import make_layout

pytestmark = [
    pytest.mark.filterwarnings("ignore::jaxsgd.errors.NoStandardError"),  # rare values among few
    pytest.mark.usefixtures("quick_compilation"),  # of paths, and where no other plan is given
]

FIRST, N, STEPS = 500, 3000, 10
PLAN = js.Plan.choose(2, STEPS, 10**6).replace(tile=1024, chunk=2048)
QUICK = economy.quick(PLAN)
QUANTILES = (0.01, 0.25, 0.5, 0.9, 0.999)
AVERAGES = {"eta": js.averages.StepSizeWeighted(), "last": js.averages.Suffix(0.5)}
OBSERVABLES = {
    "signed": lambda x: x[0] + 2,  # of both signs
    "clipped": lambda x: jnp.maximum(x[1], 0.0),  # often exactly zero
    "fixed": lambda x: jnp.float32(2.5),
    "gap": lambda state: state.averages["eta"][0] - state.x[0],
    "length": lambda state: state.path_sums["length"],
    "tail": lambda state: state.averages["last"][1],
}
EVENTS = {
    "left": lambda x: x[0] < -1.5,
    "never": lambda x: x[0] > 100.0,
    "ahead": lambda state: state.averages["eta"][0] < state.x[0] - 1.0,
    "both": lambda x: (x[0] < 0) & (x[1] > 0),
}


def study_of(**changes):
    arguments = {
        "averages": AVERAGES,
        "observables": OBSERVABLES,
        "path_sums": {"length": lambda update: jnp.sum((update.learning_rate * update.gradient) ** 2)},
    }
    return js.chapter.study("polynomial", steps=STEPS).replace(**(arguments | changes))


STUDY = study_of()
CORRELATED = ("risk", "signed", "distance_squared_of_last")


def run(start=FIRST, stop=FIRST + N):
    return js.simulate(
        STUDY, stop - start, first_trajectory=start, plan=PLAN, progress=False,
        quantiles=QUANTILES, probabilities=EVENTS, step_covariance=CORRELATED,
    )  # fmt: skip


@pytest.fixture(scope="module")
def dataset():
    return run().dataset


@pytest.fixture(scope="module")
def paths():
    """x of ids 0 .. FIRST + N - 1 at steps 0 .. STEPS + 1, the last for the draw at step STEPS."""
    return js.sample_paths(js.chapter.study("polynomial", steps=STEPS + 1), FIRST + N).x.values


@pytest.fixture(scope="module")
def seen(paths):
    """What is observed of every trajectory at every record (trajectory, record), computed from x alone."""
    every = paths[FIRST:]
    x, rates = every[:, :-1], STUDY.learning_rates
    gradient = (every[:, :-1] - every[:, 1:]) / rates[:, None]

    def risk(y):
        return y[..., 0] ** 2 + 2 * y[..., 1] ** 2

    def average(weights):
        total = np.cumsum(weights)[:, None]
        mean = np.cumsum(weights[:, None] * x[:, :-1], 1) / np.where(total > 0, total, np.nan)
        return np.concatenate([x[:, :1], mean], 1)

    eta, last = average(rates[:-1]), average((np.arange(STEPS) >= 5).astype(float))
    lengths = ((rates[:, None] * gradient) ** 2).sum(-1)
    values = {
        "risk": risk(x),
        "distance_squared": (x**2).sum(-1),
        "gradient_norm_squared": (gradient**2).sum(-1),
        "risk_of_eta": risk(eta),
        "distance_squared_of_eta": (eta**2).sum(-1),
        "risk_of_last": risk(last),
        "distance_squared_of_last": (last**2).sum(-1),
        "signed": x[..., 0] + 2,
        "clipped": np.maximum(x[..., 1], 0),
        "fixed": np.full(x.shape[:2], 2.5),
        "gap": eta[..., 0] - x[..., 0],
        "length": np.concatenate([np.zeros((N, 1)), np.cumsum(lengths, 1)[:, :-1]], 1),
        "tail": last[..., 1],
    }
    return x, values, eta


def assert_close(found, expected, scale=1.0, relative=2e-5):
    np.testing.assert_allclose(found, expected, rtol=relative, atol=relative * scale)


OBSERVED = STUDY.observed


def test_everything_is_observed(dataset, seen):
    assert tuple(seen[1]) == OBSERVED
    np.testing.assert_array_equal(dataset.diverged, 0)


@pytest.mark.parametrize("name", OBSERVED)
def test_moments_and_extremes(dataset, seen, name):
    value = seen[1][name]
    undefined = np.isnan(value[0])
    scale = np.nanmax(np.abs(value))
    variance = value.var(0, ddof=1)
    assert_close(dataset[f"{name}_mean"], value.mean(0), scale)
    assert_close(dataset[f"{name}_mean_finite"], value.mean(0), scale)
    assert_close(dataset[f"{name}_variance"], variance, 0.1 * scale**2)
    sem = dataset[f"{name}_sem"].values
    carried = np.isfinite(sem) | (name != "clipped")  # which is 0 but for some trajectories, at first
    np.testing.assert_allclose(sem[carried], np.sqrt(dataset[f"{name}_variance"] / N)[carried], rtol=1e-12)
    assert carried.sum() > 3
    # The built-in observables of an average without a value have none; the user's count as infinite.
    missing = np.inf if name == "tail" else np.nan
    assert_close(dataset[f"{name}_min"], np.where(undefined, missing, value.min(0)), scale)
    assert_close(dataset[f"{name}_max"], np.where(undefined, missing, value.max(0)), scale)
    np.testing.assert_array_equal(dataset[f"{name}_count_finite"], np.where(undefined, 0, N))


def test_what_does_not_vary_has_no_variance(dataset):
    """Up to the square of the rounding of a mean, 1e-7 of a value."""
    np.testing.assert_array_equal(dataset.fixed_mean, 2.5)
    np.testing.assert_allclose(dataset.fixed_variance, 0, atol=1e-12)
    np.testing.assert_allclose(dataset.risk_variance[0], 0, atol=1e-10)
    np.testing.assert_allclose(dataset.x_covariance[0], 0, atol=1e-12)


@pytest.mark.parametrize("name", OBSERVED)
def test_quantiles_within_their_width(dataset, seen, name):
    value, scale = seen[1][name], np.nanmax(np.abs(seen[1][name]))
    found, width = dataset[f"{name}_quantile"].values, dataset[f"{name}_quantile_width"].values
    expected = np.quantile(value, QUANTILES, axis=0, method="inverted_cdf")
    undefined = np.isnan(expected)
    missing = np.isinf if name == "tail" else np.isnan
    np.testing.assert_array_equal(missing(found), undefined)
    assert np.all((np.abs(found - expected) <= width + 1e-5 * scale)[~undefined])
    # 128 bins an octave: no width is more than 1/128 of the value
    assert np.all((width <= np.abs(expected) / 127 + 1e-5 * scale)[~undefined])


def test_quantiles_of_zeros_are_zero(dataset, seen):
    """The bin of zero ends at 1e-40."""
    zeros = (seen[1]["clipped"] == 0).mean(0)
    assert zeros[0] == 1
    assert 0.3 < zeros[-1] < 0.7
    np.testing.assert_allclose(dataset.clipped_quantile.sel(quantile=0.25, step=[0, STEPS]), 0, atol=1e-39)
    assert np.all(dataset.signed_quantile.sel(quantile=0.01)[2:6] < 0)  # and negative ones are found


def test_events_are_counted_exactly(dataset, seen):
    x, _, eta = seen
    happened = {
        "left": (x[..., 0] + 1.5, x[..., 0] < -1.5),
        "never": (x[..., 0] - 100, x[..., 0] > 100),
        "ahead": (eta[..., 0] - x[..., 0] + 1, eta[..., 0] < x[..., 0] - 1),
        "both": (np.minimum(np.abs(x[..., 0]), np.abs(x[..., 1])), (x[..., 0] < 0) & (x[..., 1] > 0)),
    }
    for name, (margin, event) in happened.items():
        assert np.abs(margin).min() > 1e-6  # no value is so near that rounding decides
        np.testing.assert_array_equal(dataset[f"{name}_count"], event.sum(0))
        share = event.mean(0)
        np.testing.assert_array_equal(dataset[f"{name}_probability"], share)
        np.testing.assert_array_equal(dataset[f"{name}_count_finite"], N)
        np.testing.assert_array_equal(dataset[f"{name}_probability_finite"], share)
        varies = (share > 0) & (share < 1)
        sem = np.where(varies, np.sqrt(share * (1 - share) / N), np.nan)
        np.testing.assert_allclose(dataset[f"{name}_probability_sem"], sem, rtol=1e-12)
        lower, upper = proportion_interval(event.sum(0), N, 0.95)
        np.testing.assert_array_equal(dataset[f"{name}_probability_lower"], lower)
        np.testing.assert_array_equal(dataset[f"{name}_probability_upper"], upper)
        assert name == "never" or np.any((share > 0) & (share < 1))


def test_moments_of_x(dataset, seen):
    x = seen[0]
    assert_close(dataset.x_mean, x.mean(0), 5)
    assert_close(dataset.x_mean_finite, x.mean(0), 5)
    np.testing.assert_array_equal(dataset.x_count_finite, N)
    deviation = x - x.mean(0)
    covariance = np.einsum("nsi,nsj->sij", deviation, deviation) / (N - 1)
    assert_close(dataset.x_covariance, covariance, covariance.max())
    np.testing.assert_array_equal(dataset.x_covariance, np.swapaxes(dataset.x_covariance, 1, 2))


@pytest.mark.parametrize("name", CORRELATED)
def test_covariance_between_steps(dataset, seen, name):
    found = dataset[f"{name}_step_covariance"]
    assert found.dims == ("step", "step_2")
    expected = np.cov(seen[1][name].T)
    assert_close(found, expected, np.nanmax(expected), relative=1e-4)
    np.testing.assert_allclose(np.diagonal(found), dataset[f"{name}_variance"], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("first", [0, 1023, 1024, 2047, 3077])
def test_one_trajectory_has_a_mean_and_no_variance(seen, first):
    one = run(first, first + 1).dataset
    for name in ("risk", "signed", "gap"):
        assert np.isnan(one[f"{name}_variance"]).all()
        assert np.isnan(one[f"{name}_sem"]).all()
        np.testing.assert_array_equal(one[f"{name}_mean"], one[f"{name}_max"])
        np.testing.assert_array_equal(one[f"{name}_mean"], one[f"{name}_min"])
        np.testing.assert_array_equal(one[f"{name}_quantile"], np.tile(one[f"{name}_mean"], (len(QUANTILES), 1)))
    assert np.isnan(one.x_covariance).all()
    assert np.isnan(one.risk_step_covariance).all()
    assert set(np.ravel(one.left_probability)) <= {0.0, 1.0}
    np.testing.assert_array_equal(one.risk_count_finite, 1)
    if first >= FIRST:
        assert_close(one.risk_mean, seen[1]["risk"][first - FIRST], 33)
        assert_close(one.x_mean, seen[0][first - FIRST], 5)


@pytest.mark.parametrize(("start", "stop"), [(1023, 1025), (2040, 2051), (1024, 2048), (600, 1700)])
def test_ranges_that_touch_or_cross_the_bounds_of_blocks_and_chunks(seen, start, stop):
    part, rows = run(start, stop).dataset, slice(start - FIRST, stop - FIRST)
    for name in ("risk", "signed", "clipped", "risk_of_eta"):
        value = seen[1][name][rows]
        assert_close(part[f"{name}_mean"], value.mean(0), np.abs(value).max())
        assert_close(part[f"{name}_variance"], value.var(0, ddof=1), 0.1 * np.abs(value).max() ** 2)
        assert_close(part[f"{name}_max"], value.max(0), np.abs(value).max())
        np.testing.assert_array_equal(part[f"{name}_count_finite"], stop - start)
    np.testing.assert_array_equal(part.left_count, (seen[0][rows, :, 0] < -1.5).sum(0))
    assert_close(part.risk_step_covariance, np.cov(seen[1]["risk"][rows].T), 100, relative=1e-4)


# what is asked for is what there is


def test_statistics_that_are_not_asked_for_are_absent():
    names = set(js.simulate(study_of(observables={}, path_sums={}), 100, statistics=(), progress=False).dataset)
    assert "risk_mean" in names
    assert "risk_variance" in names
    assert not {"risk_min", "x_mean", "x_covariance", "risk_quantile", "risk_step_covariance"} & names


def test_covariance_of_nine_coordinates_must_be_asked_for():
    study = js.Study(
        oracle=js.oracles.AdditiveNoise(js.problems.Quadratic(np.ones(9)), js.noise.Gaussian()),
        schedule=js.schedules.constant(1.0),
        steps=1,
        record=js.record.at([1]),
    )
    plain = make_layout(study, statistics=DEFAULT_STATISTICS)
    assert [each.covariance for each in plain.statistics if each.name == "coordinates"] == [False]
    asked = js.simulate(study, 5000, statistics=("x_covariance",), progress=False).dataset
    # x_1 = -xi ~ N(0, I): the standard errors are 0.02 and 0.014; nothing beyond five of them
    error = np.sqrt((1 + np.eye(9)) / 4999)
    assert np.abs((asked.x_covariance.values[0] - np.eye(9)) / error).max() < 5


# precision


FAR = js.Plan.choose(1, 1, 10**6)


def offset_study():
    """x_1 = -xi ~ N(0, 1), and an observable that is N(1000, 1) in float32."""
    return js.Study(
        oracle=js.oracles.RandomLoss(lambda xi, x: jnp.dot(xi, x), lambda stream: stream.normal((1,))),
        schedule=js.schedules.constant(1.0),
        x0=[0.0],
        steps=1,
        observe=(),
        observables={"offset": lambda x: x[0] + 1000},
        record=js.record.at([1]),
    )


@pytest.mark.parametrize("n", [10**6, pytest.param(10**7, marks=pytest.mark.slow)])
def test_variance_far_from_zero(n):
    """1e-6 of the variance of the same float32 numbers; the textbook formula in float32 would lose all digits."""
    study = offset_study()
    result = js.simulate(study, n, plan=FAR, progress=False).dataset
    value = (js.sample_paths(study, n).x.values[:, 0, 0].astype(np.float32) + np.float32(1000)).astype(float)
    np.testing.assert_allclose(result.offset_variance[0], value.var(ddof=1), rtol=1e-6)
    np.testing.assert_allclose(result.offset_mean[0], value.mean(), rtol=1e-8)
    assert_close(result.x_covariance[0, 0, 0], value.var(ddof=1), relative=1e-5)  # without the rounding of the sum
    squares = (value.astype(np.float32) ** 2).mean(dtype=np.float32) - value.astype(np.float32).mean() ** 2
    assert abs(squares / value.var() - 1) > 1e-3  # the control


# divergence

LARGEST = float(np.finfo(np.float32).max)
UNSTABLE_STEPS, UNSTABLE_N = 300, 2**16
UNSTABLE_PLAN = js.Plan.choose(2, UNSTABLE_STEPS, UNSTABLE_N)
MEDIAN = (0.1, 0.5)


def unstable_study():
    """|1 - 0.6 * 4| = 1.4: x_2 grows as 1.4^s, its square overflows float32 near step 130, x_2 itself near 260."""
    return js.chapter.study("constant", steps=UNSTABLE_STEPS).replace(
        schedule=js.schedules.constant(0.6),
        averages={},
        observe=("risk", "distance_squared"),
        record=js.record.every(5),
    )


@pytest.fixture(scope="module")
def unstable():
    study = unstable_study()
    return study, js.simulate(study, UNSTABLE_N, plan=UNSTABLE_PLAN, quantiles=MEDIAN, progress=False)


def check_against(dataset, values, alive, n):
    """Statistics of values of which some are not finite, (trajectory, record)."""
    np.testing.assert_array_equal(dataset.diverged, (~alive).sum(0))
    for name, value in values.items():
        finite = np.isfinite(value)
        count, counted = finite.sum(0), np.where(finite, value, 0)
        np.testing.assert_array_equal(dataset[f"{name}_count_finite"], count)
        for estimate in ("mean", "variance"):
            np.testing.assert_array_equal(np.isnan(dataset[f"{name}_{estimate}"]), count < n)
        assert np.isnan(dataset[f"{name}_sem"])[count < n].all()  # and where the tails carry none
        mean = counted.sum(0) / np.where(count > 0, count, np.nan)
        np.testing.assert_allclose(dataset[f"{name}_mean_finite"], mean, rtol=1e-3)
        np.testing.assert_allclose(dataset[f"{name}_mean"], np.where(count == n, mean, np.nan), rtol=1e-3)
        as_infinite = np.where(finite, value, np.inf)
        np.testing.assert_allclose(dataset[f"{name}_max"], as_infinite.max(0), rtol=1e-3)
        np.testing.assert_allclose(dataset[f"{name}_min"], as_infinite.min(0), rtol=1e-3, atol=1e-6)
        expected = np.quantile(as_infinite, MEDIAN, axis=0, method="inverted_cdf")
        found, width = dataset[f"{name}_quantile"].values, dataset[f"{name}_quantile_width"].values
        infinite = np.isinf(expected)
        np.testing.assert_array_equal(np.isinf(found), infinite)
        difference = np.abs(found[~infinite] - expected[~infinite])
        assert np.all(difference <= width[~infinite] + 1e-3 * np.abs(expected[~infinite]))


def test_everything_diverges(unstable):
    study, n = unstable[0], 3000
    dataset = js.simulate(study, n, plan=UNSTABLE_PLAN, quantiles=MEDIAN, progress=False).dataset
    x = js.sample_paths(study, n).x.values
    with np.errstate(over="ignore", invalid="ignore"):
        values = {"risk": x[..., 0] ** 2 + 2 * x[..., 1] ** 2, "distance_squared": (x**2).sum(-1)}
        # The risk is half of x'Ax, which overflows first.
        values["risk"] = np.where(2 * values["risk"] < LARGEST, values["risk"], np.inf)
        values["distance_squared"] = np.where(values["distance_squared"] < LARGEST, values["distance_squared"], np.inf)
    alive = np.isfinite(x).all(-1) & np.isfinite(values["risk"]) & np.isfinite(values["distance_squared"])
    check_against(dataset, values, alive, n)
    assert dataset.diverged[-1] == n
    assert 0 < dataset.risk_count_finite.sel(step=130) < n
    whole = np.isfinite(x).all((0, 2))
    np.testing.assert_array_equal(np.isnan(dataset.x_mean).all("coordinate"), ~whole)
    np.testing.assert_array_equal(np.isnan(dataset.x_covariance).all(["coordinate", "coordinate_2"]), ~whole)
    np.testing.assert_array_equal(dataset.x_count_finite, np.isfinite(x).all(-1).sum(0))
    assert not whole[-1]
    assert whole[dataset.step == 150]  # x itself, and its covariance, live on where the risk is gone
    np.testing.assert_allclose(dataset.x_covariance.sel(step=150), np.cov(x[:, 30].T), rtol=1e-3)


def test_unstable_variance_is_exact_until_it_overflows(unstable):
    """Statistical. N = 2^16: means to 5 exact standard errors; variances, whose relative error is 0.6% to 1.5%
    (kurtosis 2 to 15), to 8%. A variance of squares that overflow in float32 is right, too."""
    study, result = unstable
    exact, dataset = js.theory.exact(study), result.dataset
    early = exact.risk_mean.values < LARGEST / 1e4
    np.testing.assert_array_equal(dataset.diverged[early], 0)
    assert exact.risk_variance.values[early].max() > LARGEST**1.5
    for name in ("risk", "distance_squared"):
        variance = exact[f"{name}_variance"].values[early]
        z = scores(
            dataset[f"{name}_mean"].values[early], exact[f"{name}_mean"].values[early], np.sqrt(variance / 2**16)
        )
        assert np.abs(z).max() < 5
        ratio = dataset[f"{name}_variance"].values[early][1:] / variance[1:]
        assert np.abs(ratio - 1).max() < 0.08
    late = exact.risk_mean.values > LARGEST * 1e6
    assert np.all(dataset.diverged.values[late] > 0.99 * 2**16)
    assert np.isnan(dataset.risk_mean.values[late]).all()
    assert "trajectories diverged, the first by step" in repr(result)


def quartic(x):
    return jnp.sum(x**4)


def quartic_study(std):
    """Plain SGD on x^4 diverges where |x| > (2 eta)^-1/2; larger noise throws more trajectories there."""
    problem = js.problems.Function(quartic, minimiser=[0.0, 0.0])
    return js.Study(
        oracle=js.oracles.AdditiveNoise(problem, js.noise.Gaussian(std=std)),
        schedule=js.schedules.constant(0.1),
        x0=[1.0, -1.0],
        steps=20,
        observe=("risk", "distance_squared"),
        record=js.record.every(1),
    )


@pytest.mark.parametrize(("std", "least", "most"), [(4.0, 1, 5), (8.0, 1500, 3000)])
def test_some_trajectories_diverge(std, least, most):
    """So few of 6000 that some tiles of 1024 have none, or a third. Survivors are what they are without the others."""
    n, study = 6000, quartic_study(std)
    dataset = js.simulate(study, n, plan=QUICK, quantiles=MEDIAN, progress=False).dataset
    x = js.sample_paths(study, n).x.values
    with np.errstate(over="ignore", invalid="ignore"):
        values = {"risk": (x**4).sum(-1), "distance_squared": (x**2).sum(-1)}
        values = {name: np.where(value < LARGEST, value, np.inf) for name, value in values.items()}
    alive = np.isfinite(x).all(-1) & np.isfinite(values["risk"]) & np.isfinite(values["distance_squared"])
    assert least <= (~alive[:, -1]).sum() <= most
    if least == 1:
        assert len(set(np.flatnonzero(~alive[:, -1]) // 1024)) < 6
    check_against(dataset, values, alive, n)


SIDES = {
    "below": lambda x: x[0] < 1.0,
    "above": lambda x: ~(x[0] < 1.0),  # as the function takes it, NaN is above
    "of_sums": lambda state: state.path_sums["sum"] < 0.0,
    "of_average": lambda state: state.averages["late"][0] < 0.0,
    "of_x_alone": lambda state: state.x[0] < 1.0,
}


def sum_of_x(update):
    return jnp.sum(update.x)


def sided_study():
    return quartic_study(8.0).replace(averages={"late": js.averages.Suffix(0.5)}, path_sums={"sum": sum_of_x})


def test_a_trajectory_that_is_not_finite_is_no_evidence_on_an_event():
    """Neither for it nor against it: counted alone, outside shares, and inside limits, whatever the program was."""
    study = sided_study()
    result = js.simulate(study, 6000, plan=QUICK, probabilities=SIDES, progress=False)
    dataset, x = result.dataset, js.sample_paths(study, 6000).x.values
    finite = np.isfinite(x).all(-1)
    decided, below = finite.sum(0), (finite & (x[..., 0] < 1)).sum(0)
    assert 0 < decided[-1] < 5000
    for name, count in {"below": below, "above": decided - below, "of_x_alone": below}.items():
        np.testing.assert_array_equal(dataset[f"{name}_count"], count)
        np.testing.assert_array_equal(dataset[f"{name}_count_finite"], decided)
        np.testing.assert_array_equal(np.isnan(dataset[f"{name}_probability"]), decided < 6000)
        np.testing.assert_array_equal(dataset[f"{name}_probability_lower"], proportion_interval(count, 6000, 0.95)[0])
        most = proportion_interval(count + 6000 - decided, 6000, 0.95)[1]
        np.testing.assert_array_equal(dataset[f"{name}_probability_upper"], most)
    np.testing.assert_array_equal(dataset.below_probability_finite + dataset.above_probability_finite, 1)
    # An average without a value decides nothing, nor does a sum that is not finite where x is.
    undefined = (dataset.step > 0) & (dataset.step <= 10)
    np.testing.assert_array_equal(dataset.of_average_count_finite == 0, undefined)
    assert np.isnan(dataset.of_average_probability_finite[undefined]).all()
    with np.errstate(invalid="ignore"):
        sums = np.isfinite(np.cumsum(x, 1).sum(-1)).sum(0)
    assert np.all(dataset.of_sums_count_finite[1:] <= sums[:-1])
    assert f"P(below) in [{float(dataset.below_probability_lower[-1]):.3g}, " in repr(result)
    assert f"of the {decided[-1]:,} trajectories that are finite" in repr(result)


def test_a_target_for_an_event_ends_where_trajectories_are_not_finite():
    target = js.Precision("below", absolute=0.1)
    with pytest.warns(TargetMissed, match="below has no finite mean after 4096 trajectories"):
        js.simulate(sided_study(), target=target, plan=QUICK, probabilities=SIDES, progress=False)


def test_divergent_trajectories_disturb_no_other():
    """Survivors next to a divergent one, run alone, are what they are among the others."""
    study = quartic_study(8.0)
    x = js.sample_paths(study, 6000).x.values
    gone = np.flatnonzero(~np.isfinite(x).all((1, 2)))
    survivors = [i for i in (gone[:40] + 1) if i not in gone][:5]
    assert len(survivors) == 5
    for i in survivors:
        alone = js.simulate(study, 1, first_trajectory=i, plan=QUICK, quantiles=MEDIAN, progress=False).dataset
        assert not alone.diverged.any()
        np.testing.assert_allclose(alone.x_mean, x[i], rtol=1e-4, atol=1e-5)
    one = js.simulate(study, 1, first_trajectory=gone[0], plan=QUICK, quantiles=MEDIAN, progress=False).dataset
    assert one.diverged[-1] == 1
    assert one.risk_count_finite[-1] == 0
    assert np.isnan(one.risk_mean[-1])
    assert np.isnan(one.risk_mean_finite[-1])
    assert np.isinf(one.risk_quantile[:, -1]).all()


def test_observables_that_are_not_numbers_or_huge(seen):
    """A logarithm of what may be negative is missing for some, and no trajectory has diverged for that;
    values whose squares overflow float32 have a mean and a variance."""
    observables = {
        "logarithm": lambda x: jnp.log(x[0] + 2.0),
        "huge": lambda x: 1e30 * x[0],
        "tiny": lambda x: 1e-25 * x[0],
    }
    study = js.chapter.study("polynomial", steps=STEPS).replace(averages={}, observables=observables)
    dataset = js.simulate(study, N, first_trajectory=FIRST, plan=PLAN, progress=False).dataset
    x = seen[0][..., 0]
    np.testing.assert_array_equal(dataset.diverged, 0)
    positive = x > -2
    np.testing.assert_array_equal(dataset.logarithm_count_finite, positive.sum(0))
    partial = positive.sum(0) < N
    assert partial.any()
    np.testing.assert_array_equal(np.isnan(dataset.logarithm_mean), partial)
    logarithm = np.log(np.where(positive, x + 2, 1))
    mean = logarithm.sum(0) / np.where(positive.any(0), positive.sum(0), np.nan)
    np.testing.assert_allclose(dataset.logarithm_mean_finite, mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(dataset.logarithm_max, np.where(partial, np.inf, dataset.logarithm_max))
    np.testing.assert_allclose(dataset.huge_mean, 1e30 * x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(dataset.huge_variance, 1e60 * x.var(0, ddof=1), rtol=1e-4, atol=1e48)  # of -5e30
    np.testing.assert_allclose(dataset.tiny_mean, 1e-25 * x.mean(0), rtol=1e-4)
    assert_close(dataset.risk_mean, seen[1]["risk"].mean(0), 33)


def test_what_is_flushed_to_zero_is_told_from_zeros():
    """Signs times 1e-37: the mean of a block is below the smallest number, and so are all squares."""
    study = js.Study(
        oracle=js.oracles.RandomLoss(lambda xi, x: jnp.dot(xi, x), lambda stream: stream.rademacher((1,))),
        schedule=js.schedules.constant(1.0),
        x0=[0.0],
        steps=1,
        observe=(),
        observables={"tiny": lambda x: 1e-37 * x[0], "zero": lambda x: 0.0 * x[0]},
        record=js.record.at([1]),
    )
    result = js.simulate(study, N, plan=QUICK, progress=False)
    np.testing.assert_allclose(result.dataset.tiny_variance, 1e-74, rtol=0.01)
    assert "zero = 0 in every trajectory, or below 1.2e-38, the smallest number of float32" in repr(result)
    assert "+- 0" not in repr(result)


@pytest.mark.parametrize("start", [1.0, 0.0])
def test_squares_that_underflow_are_no_zeros(start):
    """x_100 = 2^-100, whose square is no number of float32. A start at the minimiser has a risk of 0, and no doubt."""
    study = js.Study(
        oracle=js.oracles.FullGradient(js.problems.Quadratic([1.0])),
        schedule=js.schedules.constant(0.5),
        x0=[start],
        steps=100,
        record=js.record.at([50, 100]),
    )
    result = js.simulate(study, 100, plan=QUICK, progress=False)
    for name in OBSERVED[:3]:
        count = [100, 0] if start else [100, 100]
        np.testing.assert_array_equal(result.dataset[f"{name}_count_finite"], count)
        np.testing.assert_array_equal(np.isnan(result.dataset[f"{name}_mean"]), np.array(count) == 0)
    np.testing.assert_array_equal(result.dataset.diverged, 0)
    assert result.dataset.distance_squared_mean[0] == start * 2.0**-100
    assert ("risk, distance_squared, gradient_norm_squared: positive, and below the smallest" in repr(result)) == (
        start > 0
    )


def first_coordinate(x):
    return x[0]


@pytest.mark.parametrize(
    "powers", [(k, k) for k in (-33, -58, -63, -90, -110, 60, 70, 90, 120)] + [(0, 90), (0, -90), (90, 0)]
)
def test_no_scale_loses_a_variance(paths, powers):
    """Also where squares underflow or overflow float32, in both coordinates or one, and nothing else is recorded.

    The problem is scaled by powers of two, so that the paths are those of the chapter, scaled.
    """
    factors = 2.0 ** np.array(powers)
    oracle = js.oracles.AdditiveNoise(js.problems.Quadratic([2.0, 4.0]), js.noise.Gaussian(std=factors))
    plain = js.chapter.study("polynomial", steps=STEPS).replace(averages={}, observe=())
    study = plain.replace(oracle=oracle, x0=factors * [-5, -2], observables={"first": first_coordinate})
    dataset = js.simulate(study, N, plan=PLAN, step_covariance=("first",), progress=False).dataset.isel(
        step=slice(1, None)
    )
    x = paths[:N, 1:-1]
    np.testing.assert_array_equal(dataset.diverged, 0)
    np.testing.assert_allclose(dataset.first_mean, factors[0] * x[..., 0].mean(0), rtol=1e-4)
    np.testing.assert_allclose(dataset.first_variance, factors[0] ** 2 * x[..., 0].var(0, ddof=1), rtol=1e-4)
    np.testing.assert_allclose(dataset.first_step_covariance[:, 1:], factors[0] ** 2 * np.cov(x[..., 0].T), rtol=1e-3)
    np.testing.assert_allclose(dataset.x_mean, factors * x.mean(0), rtol=1e-4)
    for found, expected in zip(dataset.x_covariance.values, np.moveaxis(x, 1, 0), strict=True):
        np.testing.assert_allclose(found / np.outer(factors, factors), np.cov(expected.T), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("tile", [1024, 8192])
def test_parts_with_and_without_divergence_merge_bitwise(tile):
    """Chunks of two tiles, and launches of four chunks: no part needs to know what diverged elsewhere.

    As users compile: the program that counts what is finite, and the one that does not, must agree to the last bit.
    """
    study, plan = quartic_study(4.0), PLAN.replace(tile=tile)
    whole = js.simulate(study, 6000, plan=plan, quantiles=MEDIAN, progress=False)
    parts = [
        js.simulate(study, b - a, first_trajectory=a, plan=plan, quantiles=MEDIAN, progress=False)
        for a, b in itertools.pairwise([0, 2048, 4096, 6000])
    ]
    assert {bool(part.dataset.diverged.any()) for part in parts} == {True, False}
    assert js.merge(parts[::-1]).dataset.identical(whole.dataset)


def test_skewness_and_kurtosis(seen):
    """M3 and M4 against NumPy, over blocks, tiles and chunks, and of parts that are merged."""
    parts = [
        js.simulate(STUDY, stop - start, first_trajectory=start, statistics=("shape",), plan=QUICK, progress=False)
        for start, stop in itertools.pairwise([FIRST, FIRST + 1200, FIRST + N])
    ]
    with pytest.warns(js.errors.InexactMerge):
        dataset = js.merge(parts).dataset
    for name in ("signed", "risk", "clipped", "gap"):
        value = seen[1][name].astype(np.float64)
        at = np.flatnonzero(value.std(0) > 1e-2)
        u = (value[:, at] - value[:, at].mean(0)) / value[:, at].std(0)
        np.testing.assert_allclose(dataset[f"{name}_skewness"][at], (u**3).mean(0), rtol=1e-3, atol=2e-4)
        np.testing.assert_allclose(dataset[f"{name}_kurtosis"][at], (u**4).mean(0), rtol=1e-3)
        assert len(at) > 3
    assert np.isnan(dataset.fixed_skewness).all()  # what does not vary has no shape
