"""The law of one coordinate over time: against sums over a fine grid, closed forms and simulation; never blind."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm, t

import jaxsgd as js
from jaxsgd import noise, oracles, problems, record, schedules, start
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.theory import landscape, markov_kernel

RIPPLED = problems.RippledParabola()
WELL = problems.DoubleWell()


def study_of(problem, x0, rate, std, steps, law=None):
    oracle = oracles.AdditiveNoise(problem, noise.Gaussian(std=std) if law is None else law)
    return js.Study(
        oracle=oracle, schedule=schedules.constant(rate), x0=[x0], steps=steps, record=record.at([0, steps])
    )


def on_a_grid(slope, x0, rate, std, steps, ends, count):
    """The law of x_s on equally spaced points, by Chapman and Kolmogorov's sum, and the points."""
    x = np.linspace(*ends, count)
    width, h = rate * std, x[1] - x[0]
    law = norm.pdf(x, x0 - rate * slope(x0), width)
    reach = int(9 * width / h) + 1
    centre = np.rint((x - rate * slope(x) - x[0]) / h).astype(int)
    for _ in range(steps - 1):
        new = np.zeros(count)
        near = centre[:, None] + np.arange(-reach, reach + 1)
        inside = (near >= 0) & (near < count)
        heights = law[:, None] * h * norm.pdf(x[np.clip(near, 0, count - 1)], (x - rate * slope(x))[:, None], width)
        np.add.at(new, near[inside], heights[inside])
        law = new
    return x, law


@pytest.mark.parametrize(
    ("x0", "rate", "std", "steps", "expected"),
    [
        (3.0, 0.05, 4.0, 100, (0.0543333, 0.0753916, 0.8702750)),
        (2.0, 0.05, 4.0, 100, (0.4281166, 0.5718489, 3.449e-5)),
        (3.0, 0.02, 10.0, 200, (0.1141459, 0.1343793, 0.7514748)),
    ],
)
def test_basins_of_exercise_5(x0, rate, std, steps, expected):
    """The values were computed with sums over equally spaced points, on two grids that agree to 1e-6."""
    maxima = landscape(RIPPLED, (-10, 10)).maxima
    regions = {"-pi/2": tuple(maxima[:2]), "0": tuple(maxima[1:3]), "3pi/2": tuple(maxima[2:])}
    found = markov_kernel(study_of(RIPPLED, x0, rate, std, steps)).probabilities(regions)
    np.testing.assert_array_equal(found.region, list(regions))
    np.testing.assert_allclose(found.sel(step=steps), expected, atol=1e-6)
    assert found.quadrature_error < 1e-6
    assert float(found.sel(step=0).sum()) == 1


def test_densities_and_exits_against_sums_on_a_grid():
    rate, std, steps = 0.1, 2.0, 5
    study = study_of(WELL, 1.0, rate, std, steps)
    kernel = markov_kernel(study)
    x, law = on_a_grid(lambda x: x**3 - x, 1.0, rate, std, steps, (-3.5, 3.5), 1401)
    np.testing.assert_allclose(kernel.density(x[::20], steps), law[::20], atol=1e-6)
    # Killed outside [-.5, 1.6): the sum over midpoints, to the square of the distance.
    probabilities = []
    for count in (600, 1200):
        h = 2.1 / count
        y = -0.5 + h * (np.arange(count) + 0.5)
        step = norm.pdf(y, (y - rate * (y**3 - y))[:, None], rate * std) * h
        alive = norm.pdf(y, 1.0, rate * std) * h
        for _ in range(steps - 1):
            alive = alive @ step
        probabilities.append(1 - alive.sum())
    expected = probabilities[1] + (probabilities[1] - probabilities[0]) / 3
    assert abs(float(kernel.exit_probability(-0.5, 1.6, [steps])[0]) - expected) < 1e-7
    assert float(kernel.exit_probability(-0.5, 1.6, [0])[0]) == 0


def test_published_exits_and_a_linear_chain_in_closed_form():
    """x' = .8 x + .1 xi: P(max over 1000 steps > 3 sd); the double well: mean time to the other side."""
    chain = markov_kernel(study_of(problems.Quadratic([2.0]), 0.0, 0.1, 1.0, 1000))
    std = 0.1 / np.sqrt(1 - 0.64)
    assert abs(float(chain.exit_probability(-3 * std, 3 * std, [1000])[0]) - 0.8336052669) < 2e-9
    x = np.array([-0.3, 0.0, 0.2])
    np.testing.assert_allclose(chain.stationary_density(x), norm.pdf(x, 0, std), rtol=1e-8)
    half = float(chain.stationary_probabilities({"within": (-std, std)})[0])
    assert abs(half - (2 * norm.cdf(1) - 1)) < 1e-8
    well = markov_kernel(study_of(WELL, 1.0, 0.1, 2.0, 50))
    assert abs(well.mean_exit_time(0, np.inf) - 93.67464698) < 2e-8
    sides = well.stationary_probabilities({"right": (0, np.inf), "left": (-np.inf, 0)})
    np.testing.assert_allclose(sides, 0.5, atol=1e-6)


@pytest.mark.parametrize("x0", [1.0, -1.0])
def test_a_stationary_law_does_not_depend_on_the_start(x0):
    """Two wells of one depth: each has the half, or the answer is refused; never 0 and 1."""
    sides = {"left": (-np.inf, 0), "right": (0, np.inf)}
    if x0 > 0:
        found = markov_kernel(study_of(WELL, x0, 0.1, 1.0, 50)).stationary_probabilities(sides)
        np.testing.assert_allclose(found, 0.5, atol=2e-6)
        assert found.quadrature_spacing < 1e-3
    with pytest.raises(NoExactSolution, match="hardly communicate"):
        markov_kernel(study_of(WELL, x0, 0.1, 0.4, 50)).stationary_probabilities(sides)


@pytest.mark.parametrize("x0", [0.0, 3.0])
def test_a_chain_that_escapes_before_it_mixes_has_no_stationary_law(x0):
    with pytest.raises(NoExactSolution, match="no stationary law"):
        markov_kernel(study_of(RIPPLED, x0, 0.05, 4.0, 50)).stationary_density(0.0)


def test_entries_do_not_count_jumps_over_a_region():
    """From 0 one update of noise .5 to [.3, .6): two steps by sums over midpoints."""
    study = study_of(problems.Quadratic([2.0]), 0.0, 0.1, 5.0, 2)
    kernel, low, high = markov_kernel(study), 0.3, 0.6
    first = norm.cdf(high, 0, 0.5) - norm.cdf(low, 0, 0.5)
    assert abs(float(kernel.entry_probability({"it": (low, high)}, [1])[0]) - first) < 1e-12
    x = np.concatenate([np.linspace(-5, low, 40_001), np.linspace(high, 5, 40_001)])
    weights = np.gradient(x)
    weights[[40_000, 40_001]] = [(x[40_000] - x[39_999]) / 2, (x[40_002] - x[40_001]) / 2]
    into = norm.cdf(high, 0.8 * x, 0.5) - norm.cdf(low, 0.8 * x, 0.5)
    second = first + np.sum(weights * norm.pdf(x, 0, 0.5) * into)
    entry = float(kernel.entry_probability({"it": (low, high)}, [2])[0])
    assert abs(entry - second) < 1e-7
    assert float(kernel.exit_probability(-np.inf, low, [2])[0]) > entry + 0.1


def test_noise_that_is_not_normal():
    """One update of Student's noise has its density; two have the convolution, of a quadratic."""
    law = noise.StudentT(df=20.0)
    kernel = markov_kernel(study_of(problems.Quadratic([2.0]), 1.0, 0.1, None, 2, law))
    y = np.array([0.3, 0.64, 0.9])
    np.testing.assert_allclose(kernel.density(y, 1), t.pdf((0.8 - y) / 0.1, 20) / 0.1, rtol=1e-12)
    xi = np.linspace(-40, 40, 400_001)
    expected = [np.sum(t.pdf(xi, 20) * t.pdf((0.64 - 0.08 * xi - v) / 0.1, 20) / 0.1) * (xi[1] - xi[0]) for v in y]
    np.testing.assert_allclose(kernel.density(y, 2), expected, rtol=1e-8)
    moments = js.theory.exact(kernel.study)
    variance = (0.1**2 + 0.08**2) * 20 / 18
    assert abs(float(moments.x_covariance[-1, 0, 0]) - variance) < 1e-9
    with pytest.raises(NoExactSolution, match=r"smooth|too large"):
        markov_kernel(study_of(WELL, 1.0, 0.1, None, 5, noise.Laplace())).probabilities({"right": (0, 9)})


def test_a_narrow_barrier_between_nodes_is_seen():
    """A wall 2e-3 wide, between nodes that are .1 apart: simulation is 13 standard errors from the law without it."""

    def walled(height):
        risk = problems.Function(lambda x: x[0] ** 2 / 2 + height * jnp.exp(-(((x[0] - 0.31) / 2e-3) ** 2)))
        return study_of(risk, 1.0, 0.3, 1.0, 6)

    without, real = (
        float(markov_kernel(walled(height)).probabilities({"beyond": (0.3, np.inf)}, [6])[0, 0]) for height in (0, 0.1)
    )
    events = {"beyond": lambda x: x[0] >= 0.3}
    simulated = js.simulate(walled(0.1), 2**20, seed=3, probabilities=events, progress=False).dataset
    estimate = float(simulated.beyond_probability[-1])
    error = np.sqrt(estimate * (1 - estimate) / 2**20)
    assert abs(real - estimate) < 4.5 * error
    assert abs(without - estimate) > 7 * error


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: markov_kernel("study"), "needs a jaxsgd.Study"),
        (lambda: markov_kernel(js.chapter.study("constant")), "x has 2 coordinates"),
        (lambda: markov_kernel(study_of(WELL, 1.0, 0.1, 0.0, 5)), "no noise"),
        (lambda: markov_kernel(study_of(WELL, 1.0, 0.1, None, 5, noise.Rademacher())), "does not state"),
        (lambda: markov_kernel(study_of(WELL, 1.0, 0.1, 1.0, 5).replace(x0=start.Normal(shape=(1,)))), "x_0 is drawn"),
        (lambda: KERNEL.probabilities({}), "regions must be a dict"),
        (lambda: KERNEL.probabilities({"a": (0, 2), "b": (1, 3)}), "'b' begins at 1, and 'a' ends at 2"),
        (lambda: KERNEL.probabilities({"a": (2, 2)}), "low < high"),
        (lambda: KERNEL.probabilities({"a": 2}), "must be an interval"),
        (lambda: KERNEL.probabilities({"a": (0, 2)}, [3, 3]), "steps must increase"),
        (lambda: KERNEL.probabilities({"a": (0, 2)}, [99]), "steps must increase within"),
        (lambda: KERNEL.density([0.0], 0), "at least 1|must be"),
        (lambda: KERNEL.probabilities({"a": (0, 2)}, 3), r"list of steps such as \[5\], got 3"),
        (lambda: KERNEL.density([np.nan], 3), "x must be finite"),
        (lambda: KERNEL.density([[0.0]], 3), r"got shape \(1, 1\)"),
        (lambda: KERNEL.density([], 3), r"got shape \(0,\)"),
        (lambda: KERNEL.entry_probability({"a": (0, 2)}), "lies in one of the regions"),
        (lambda: KERNEL.exit_probability(2, 3), "must lie in"),
        (lambda: DECAYING.mean_exit_time(0, 2), "constant positive learning rate"),
        (lambda: DECAYING.stationary_density(0.0), "constant positive learning rate"),
    ],
)
def test_what_is_not_known_is_refused(make, message):
    with pytest.raises((InvalidInput, InvalidType, NoExactSolution), match=message):
        make()


KERNEL = markov_kernel(study_of(WELL, 1.0, 0.1, 1.0, 5))
DECAYING = markov_kernel(study_of(WELL, 1.0, 0.1, 1.0, 5).replace(schedule=schedules.inverse_sqrt(0.1)))
