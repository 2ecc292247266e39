"""Exact moments against printed numbers, explicit linear maps, and gradient descent."""

import functools
import itertools
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from jaxsgd import averages, chapter, methods, noise, oracles, problems, record, schedules
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.noise import Noise
from jaxsgd.study import Study
from jaxsgd.theory import exact

A = np.array([[3.0, 1.0, 0.2], [1.0, 2.0, -0.3], [0.2, -0.3, 1.0]])
S = np.array([[1.0, 0.3, -0.2], [0.3, 0.5, 0.1], [-0.2, 0.1, 0.8]])
T = 12


@functools.cache
def of_chapter(name, steps):
    return exact(chapter.study(name, steps=steps))


def quadratic(curvature, noise_law, **changes):
    problem = problems.Quadratic(curvature, minimiser=changes.pop("minimiser", 0.0))
    oracle = oracles.FullGradient(problem) if noise_law is None else oracles.AdditiveNoise(problem, noise_law)
    arguments = {"schedule": schedules.constant(0.1), "steps": T, "record": record.every(1), **changes}
    return Study(oracle=oracle, **arguments)


# The example of the chapter: risk of x_T, risk of the average, and the bound
# (r^2 + sum eta^2 E||g||^2) / (2 sum eta), computed by recursions of their own in float64.
CHAPTER = {
    ("constant", 50): (0.0590277829, 0.2765987809, 3.3951340663),
    ("constant", 1000): (0.0590277778, 0.0010477648, 0.2819094811),
    ("exponential", 50): (0.7111352182, 6.6014423812, 18.4219952866),
    ("exponential", 1000): (0.6946653461, 6.5406961676, 18.2978735952),
    ("polynomial", 50): (0.0225095825, 0.8545640266, 5.7822202479),
    ("polynomial", 1000): (0.0050948689, 0.0214160326, 0.9218978442),
}


@pytest.mark.parametrize("case", CHAPTER)
def test_numbers_of_the_chapter(case):
    moments = of_chapter(*case)
    last, of_average, bound = CHAPTER[case]
    eta = chapter.study(case[0], steps=case[1]).learning_rates[:-1]
    assert abs(moments.risk_mean[-1] - last) < 6e-11
    assert abs(moments.risk_of_eta_mean[-1] - of_average) < 6e-11
    squared_norm = moments.gradient_norm_squared_mean.values[:-1]
    assert abs((29 + eta**2 @ squared_norm) / (2 * eta.sum()) - bound) < 6e-11


@pytest.mark.parametrize("case", CHAPTER)
def test_descent_identity(case):
    # ||x_T - x*||^2 = r^2 - 2 sum eta <g, x - x*> + sum eta^2 ||g||^2, in expectation; <grad R, x - x*> = 2 R.
    moments = of_chapter(*case)
    eta = chapter.study(case[0], steps=case[1]).learning_rates[:-1]
    squared_norm, risk = moments.gradient_norm_squared_mean.values[:-1], moments.risk_mean.values[:-1]
    balance = 29 - 4 * eta @ risk + eta**2 @ squared_norm
    np.testing.assert_allclose(moments.distance_squared_mean[-1], balance, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("name", "sd"), [("constant", 1.76367), ("exponential", 1.37001), ("polynomial", 1.59731)])
def test_standard_deviation_of_the_descent_identity(name, sd):
    eta = chapter.study(name, steps=50).learning_rates[:-1]
    distance = of_chapter(name, 50).distance_squared_mean.values[:-1]
    assert abs(np.sqrt(4 * eta**2 @ distance) - sd) < 6e-6


def test_variance_of_the_difference_of_independent_risks():
    total = of_chapter("constant", 50).risk_variance[-1] + of_chapter("polynomial", 50).risk_variance[-1]
    assert abs(total - 0.00400297) < 6e-9


def test_exponential_decay_freezes_before_the_minimiser():
    end = of_chapter("exponential", 1000).isel(step=-1)
    np.testing.assert_allclose(end.x_mean, [-0.8257367540, -0.0450263840], atol=6e-11)
    np.testing.assert_allclose(end.x_covariance, np.diag([0.0055780175, 0.0015956956]), atol=6e-11)
    assert abs(np.sqrt(end.distance_squared_mean) - 0.8312895) < 6e-8


def test_schedule_off_by_one_is_seen():
    printed = exact(chapter.study("exponential", steps=1000, as_printed=True))
    assert abs(printed.risk_mean[-1] - 0.3025) < 6e-5
    assert abs(of_chapter("exponential", 1000).risk_mean[-1] - 0.6947) < 6e-5


def test_local_slope_of_polynomial_decay():
    risk = of_chapter("polynomial", 1000).risk_mean
    assert abs(np.log2(risk.sel(step=1000) / risk.sel(step=500)) + 0.50645) < 6e-6


def test_tuned_constant():
    study = chapter.study("constant").replace(schedule=schedules.tuned_constant(29**0.5, 166**0.5, 50))
    assert abs(exact(study).risk_of_eta_mean[-1] - 0.7760662) < 6e-8


def test_average_from_weights():
    # y = sum w_t x_t has E y = b_0 x_0 and Var y = sum eta_{s-1}^2 b_s^2 per coordinate, by a backward
    # recursion for b_s, the derivative of y with respect to x_s.
    eta = chapter.study("polynomial", steps=1000).learning_rates[:-1]
    h, w = np.array([2.0, 4.0]), eta / eta.sum()
    backward, variance = np.zeros(2), np.zeros(2)
    for s in range(999, -1, -1):
        backward = w[s] + (1 - eta[s] * h) * backward
        variance += eta[s - 1] ** 2 * backward**2 * (s > 0)
    mean = backward * [-5.0, -2.0]
    end = of_chapter("polynomial", 1000).isel(step=-1)
    np.testing.assert_allclose(end.risk_of_eta_mean, h / 2 @ (mean**2 + variance), rtol=1e-12)
    np.testing.assert_allclose(
        end.risk_of_eta_variance, h**2 / 4 @ (2 * variance**2 + 4 * variance * mean**2), rtol=1e-12
    )
    np.testing.assert_allclose(
        end.distance_squared_of_eta_variance, np.sum(2 * variance**2 + 4 * variance * mean**2), rtol=1e-12
    )


# Everything is an affine function of all noises: one column for the constant, d for every draw.
OSCILLATING = 0.25 * (1 + np.sin(2.0 * np.arange(T + 1)))
AVERAGES = {
    "eta": (averages.StepSizeWeighted(), lambda s: OSCILLATING[:s]),
    "uniform": (averages.Uniform(), lambda s: np.ones(s)),
    "suffix": (averages.Suffix(0.6), lambda s: (np.arange(s) >= 5).astype(float)),
    "polynomial": (averages.Polynomial(2.0), lambda s: np.arange(1.0, s + 1) ** 2),
    "exponential": (averages.Exponential(0.8), lambda s: 0.8 ** np.arange(s - 1.0, -1.0, -1.0)),
}
NOISES = {
    "covariance": (noise.Gaussian(covariance=S), S),
    "std of each coordinate": (noise.Gaussian(std=[0.5, 1.0, 2.0]), np.diag([0.25, 1.0, 4.0])),
    "isotropic": (noise.Gaussian(std=0.7), 0.49 * np.eye(3)),
    "singular": (noise.Gaussian(covariance=np.ones((3, 3))), np.ones((3, 3))),
    "none": (None, np.zeros((3, 3))),
}
CURVATURES = {
    "matrix": A,
    "diagonal": np.array([3.0, 1.0, 0.5]),
    "singular": np.ones((3, 3)),
    "flat direction": np.array([2.0, 0.0, 1.0]),
}


def affine_maps(curvature, x0, minimiser):
    """x_s and g_s for s = 0 .. T, each (3, 1 + 3 (T + 1)), by running SGD on the maps themselves."""
    fixed = np.zeros((3, 1 + 3 * (T + 1)))
    x, centre = fixed.copy(), fixed.copy()
    x[:, 0], centre[:, 0] = x0, minimiser
    iterates, gradients = [], []
    for s in range(T + 1):
        draw = fixed.copy()
        draw[:, 1 + 3 * s : 4 + 3 * s] = np.eye(3)
        iterates.append(x)
        gradients.append(curvature @ (x - centre) + draw)
        x = x - OSCILLATING[s] * gradients[-1]
    return np.array(iterates), np.array(gradients)


def check_form(moments, name, s, matrix, vector, offset, covariance):
    """E z'Mz and Var z'Mz at step s, for z the affine map ``vector`` less ``offset``."""
    mean = vector[:, 0] - offset
    V = vector[:, 1:] @ np.kron(np.eye(T + 1), covariance) @ vector[:, 1:].T
    expectation = np.trace(matrix @ V) + mean @ matrix @ mean
    variance = 2 * np.trace(matrix @ V @ matrix @ V) + 4 * mean @ matrix @ V @ matrix @ mean
    np.testing.assert_allclose(moments[f"{name}_mean"][s], expectation, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(moments[f"{name}_variance"][s], variance, rtol=1e-10, atol=1e-12)
    return V


@pytest.mark.parametrize("noise_name", NOISES)
@pytest.mark.parametrize("curvature_name", CURVATURES)
def test_against_affine_maps(curvature_name, noise_name):
    x0, minimiser = np.array([-5.0, 2.0, 1.0]), np.array([1.0, -0.5, 2.0])
    (law, covariance), curvature = NOISES[noise_name], CURVATURES[curvature_name]
    kept = {name: average for name, (average, _) in AVERAGES.items()}
    changes = {"x0": x0, "minimiser": minimiser, "averages": kept, "schedule": schedules.table(OSCILLATING[:T])}
    moments = exact(quadratic(curvature, law, **changes))
    matrix = curvature if curvature.ndim == 2 else np.diag(curvature)
    iterates, gradients = affine_maps(matrix, x0, minimiser)
    for s in range(T + 1):
        V = check_form(moments, "risk", s, matrix / 2, iterates[s], minimiser, covariance)
        check_form(moments, "distance_squared", s, np.eye(3), iterates[s], minimiser, covariance)
        check_form(moments, "gradient_norm_squared", s, np.eye(3), gradients[s], 0, covariance)
        np.testing.assert_allclose(moments.x_mean[s], iterates[s][:, 0], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(moments.x_covariance[s], V, rtol=1e-10, atol=1e-12)
        for name, (_, weights) in AVERAGES.items():
            w = weights(s)
            if s > 0 and w.sum() == 0:
                assert np.isnan(moments[f"risk_of_{name}_mean"][s])
                assert np.isnan(moments[f"distance_squared_of_{name}_variance"][s])
                continue
            average = iterates[0] if s == 0 else np.tensordot(w / w.sum(), iterates[:s], 1)
            check_form(moments, f"risk_of_{name}", s, matrix / 2, average, minimiser, covariance)
            check_form(moments, f"distance_squared_of_{name}", s, np.eye(3), average, minimiser, covariance)
    np.testing.assert_array_equal(moments.learning_rate[:T], OSCILLATING[:T])
    assert np.isnan(moments.learning_rate[T])


def test_average_that_holds_the_last_iterate_is_another():
    # The average runs over x_0 .. x_{s-1}; with x_s in it the risk is clearly different.
    iterates, _ = affine_maps(A, np.array([-5.0, 2.0, 1.0]), np.zeros(3))
    study = quadratic(
        A, None, x0=[-5.0, 2.0, 1.0], schedule=schedules.table(OSCILLATING), averages={"u": averages.Uniform()}
    )
    right, wrong = iterates[:T, :, 0].mean(0), iterates[: T + 1, :, 0].mean(0)
    np.testing.assert_allclose(exact(study).risk_of_u_mean[-1], right @ A @ right / 2, rtol=1e-12)
    assert abs(wrong @ A @ wrong / (right @ A @ right) - 1) > 0.05


def test_average_stays_at_the_start_while_the_learning_rate_is_zero():
    study = quadratic(
        [2.0, 4.0],
        noise.Gaussian(),
        x0=[1.0, 2.0],
        schedule=schedules.table([0.0, 0.0, 0.2] * 4),
        averages={"eta": averages.StepSizeWeighted()},
    )
    moments = exact(study)
    np.testing.assert_array_equal(moments.risk_of_eta_mean[:4], 9.0)
    np.testing.assert_array_equal(moments.risk_of_eta_variance[:4], 0.0)
    assert moments.risk_of_eta_variance[-1] > 0


def test_gradient_descent():
    study = chapter.study("polynomial").replace(oracle=oracles.FullGradient(problems.Quadratic([2.0, 4.0])))
    moments = exact(study)
    x, risks = np.array([-5.0, -2.0]), []
    for eta in study.learning_rates:
        risks.append(x[0] ** 2 + 2 * x[1] ** 2)
        x = x - eta * np.array([2.0, 4.0]) * x
    np.testing.assert_allclose(moments.risk_mean, risks, rtol=1e-12)
    for name in study.built_in:
        np.testing.assert_array_equal(moments[f"{name}_variance"], 0.0)


def test_names_and_coordinates_are_those_of_a_simulation():
    study = chapter.study("constant").replace(record=record.at([0, 3, 50]))
    moments = exact(study)
    expected = {f"{name}_{moment}" for name in study.built_in for moment in ("mean", "variance")}
    assert set(moments.data_vars) == expected | {"x_mean", "x_covariance", "learning_rate"}
    assert moments.x_covariance.dims == ("step", "coordinate", "coordinate_2")
    assert moments.step.values.tolist() == [0, 3, 50]
    assert tuple(moments.coordinate.values) == tuple(moments.coordinate_2.values) == study.coordinates
    every_step = of_chapter("constant", 50).sel(step=[0, 3, 50])
    for name in moments.data_vars:
        np.testing.assert_array_equal(moments[name], every_step[name])


@pytest.mark.parametrize("curvature", [np.diag(A), A], ids=["diagonal", "matrix"])
@pytest.mark.parametrize("law", [noise.Gaussian(std=1.0), noise.Gaussian(std=[1.0, 2.0, 3.0])])
def test_overflow_is_infinite(curvature, law):
    kept = {"u": averages.Uniform(), "suffix": averages.Suffix(0.1)}
    study = quadratic(curvature, law, x0=np.ones(3), schedule=schedules.constant(10.0), steps=1000, averages=kept)
    moments = exact(study)
    for name in study.built_in:
        for variable in (f"{name}_mean", f"{name}_variance"):
            assert moments[variable][-1] == np.inf
            assert np.isfinite(moments[variable][0])
    assert np.isnan(moments.risk_of_suffix_mean[500])
    assert not np.any(np.isnan(moments.risk_mean))


def test_many_coordinates_stay_diagonal():
    d = 10_000
    study = quadratic(np.full(d, 2.0), noise.Gaussian(), x0=np.ones(d), averages={"u": averages.Uniform()})
    one = exact(quadratic([2.0], noise.Gaussian(), x0=[1.0], averages={"u": averages.Uniform()}))
    moments = exact(study)
    for name in ("risk_mean", "risk_variance", "gradient_norm_squared_variance", "risk_of_u_variance"):
        np.testing.assert_allclose(moments[name], d * one[name], rtol=1e-10)
    assert "x_covariance" not in moments


class Unknown(Noise):
    """Of which nothing is declared."""

    def sample(self, stream, like):
        return 2 * stream.uniform(like.shape) - 1


class Signs(Noise):
    """+1 or -1 in each coordinate."""

    symmetric, bounded = True, True

    def sample(self, stream, like):
        return stream.rademacher(like.shape)

    def covariance_matrix(self, dimension):
        return np.ones(dimension)


class Misshapen(Noise):
    """Declares a covariance of the wrong shape."""

    def sample(self, stream, like):
        return stream.rademacher(like.shape)

    def covariance_matrix(self, dimension):
        return np.ones(dimension + 1)


def test_noise_of_any_law_with_a_covariance():
    """Means and covariances are those of normal noise; variances of squares, which are other ones, are left out."""
    problem = problems.Quadratic([[2.0, 0.5], [0.5, 1.0]], [1.0, -1.0])
    plain = {"schedule": schedules.inverse_time(0.3, 0.1), "x0": [2.0, 1.0], "steps": 9, "record": record.every(1)}
    kept = {"averages": {"u": averages.Uniform()}}
    signs = exact(Study(oracle=oracles.AdditiveNoise(problem, Signs()), **plain, **kept))
    normal = exact(Study(oracle=oracles.AdditiveNoise(problem, noise.Gaussian()), **plain, **kept))
    assert set(signs) == {name for name in normal if not name.endswith("_variance")}
    for name in signs:
        np.testing.assert_array_equal(signs[name], normal[name])
    # By enumeration of all 4^5 sequences of signs.
    every = np.array(list(itertools.product([-1.0, 1.0], repeat=10))).reshape(-1, 5, 2)
    x, A, rates = np.tile([2.0, 1.0], (len(every), 1)), problem.curvature, 0.3 / (1 + 0.1 * np.arange(5))
    for t in range(5):
        x = x - rates[t] * ((x - [1.0, -1.0]) @ A + every[:, t])
    e = x - [1.0, -1.0]
    np.testing.assert_allclose(signs.risk_mean[5], np.mean(np.einsum("ni,ij,nj->n", e, A, e)) / 2, rtol=1e-12)
    np.testing.assert_allclose(signs.x_covariance[5], np.cov(x.T, bias=True), rtol=1e-12)
    variance = np.var(np.einsum("ni,ij,nj->n", e, A, e) / 2)
    assert abs(variance / float(normal.risk_variance[5]) - 1) > 0.01  # that of normal noise would be wrong


class Bowl(problems.Problem):
    """A quadratic of one's own, of a dict, with minimum 3."""

    minimiser: dict
    minimum = 3.0
    hessian = np.array([[2.0, 0.5], [0.5, 1.0]])

    def value(self, x):
        e = jnp.stack([x["a"] - self.minimiser["a"], x["b"] - self.minimiser["b"]])
        return 3.0 + 0.5 * e @ self.hessian @ e


def test_problems_that_declare_a_hessian():
    like = {"schedule": schedules.constant(0.2), "steps": 7}
    bowl = Bowl({"a": np.array(1.0), "b": np.array(-1.0)})
    own = exact(Study(oracle=oracles.AdditiveNoise(bowl, noise.Gaussian(0.5)), x0={"a": 2.0, "b": 1.0}, **like))
    ours = problems.Quadratic(bowl.hessian, [1.0, -1.0])
    of_ours = exact(Study(oracle=oracles.AdditiveNoise(ours, noise.Gaussian(0.5)), x0=[2.0, 1.0], **like))
    np.testing.assert_allclose(own.risk_mean, 3 + of_ours.risk_mean, rtol=1e-14)
    np.testing.assert_array_equal(own.risk_variance, of_ours.risk_variance)
    assert own.coordinate.values.tolist() == ["a", "b"]
    # Least squares with noise on the full gradient is a quadratic, too.
    features, targets = np.array([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8]]), np.array([1.0, -0.5, 0.7])
    squares = problems.LeastSquares(features, targets, l2=0.1)
    found = exact(Study(oracle=oracles.AdditiveNoise(squares, noise.Gaussian()), x0=[1.0, 1.0], **like))
    twin = problems.Quadratic(features.T @ features / 3 + 0.1 * np.eye(2), squares.minimiser)
    of_twin = exact(Study(oracle=oracles.AdditiveNoise(twin, noise.Gaussian()), x0=[1.0, 1.0], **like))
    np.testing.assert_allclose(found.risk_mean, squares.minimum + of_twin.risk_mean, rtol=1e-12)


def test_studies_without_exact_moments():
    study = chapter.study("constant")
    quadratic_problem = study.oracle.problem
    other = problems.Function(lambda x: (x**2).sum(), minimiser=[0.0, 0.0])
    cases = {
        "Projected states that it is not linear; .*methods.Projected does not state that it is plain": study.replace(
            method=methods.Projected(methods.Ball(10.0))
        ),
        "does not state a covariance of the gradient": study.replace(
            oracle=oracles.AdditiveNoise(quadratic_problem, Unknown())
        ),
        "problems.Function does not state them": study.replace(oracle=oracles.FullGradient(other)),
        "those of quadratic losses of examples, .*; .* of a quadratic .*; .* of a risk of one": study.replace(
            oracle=oracles.RandomLoss(
                lambda xi, x: x[0] ** 2 + 2 * x[1] ** 2 - xi @ x, lambda stream: stream.normal((2,)), quadratic_problem
            )
        ),
    }
    for reason, case in cases.items():
        with pytest.raises(NoExactSolution, match=reason):
            exact(case)
    with pytest.raises(InvalidType, match=r"needs a jaxsgd\.Study"):
        exact(study.oracle)
    with pytest.raises(InvalidInput, match=r"must be a diagonal \(2,\) or a matrix \(2, 2\), got shape \(3,\)"):
        exact(study.replace(oracle=oracles.AdditiveNoise(quadratic_problem, Misshapen())))


@pytest.mark.parametrize(("initial", "known"), [(0.7, True), (1.07, False)])
def test_averages_of_which_rounding_leaves_nothing_are_not_known(initial, known):
    """In rational arithmetic: each average is linear in the start and in the noise of every update."""
    steps = 50
    study = chapter.study("constant", steps).replace(
        schedule=schedules.linear_decay(initial, steps), averages={"u": averages.Uniform()}
    )
    found = exact(study).risk_of_u_mean[-1]
    rates, risk = [Fraction(rate) for rate in study.learning_rates[:steps].tolist()], Fraction(0)
    for eigenvalue, start in ((2, -5), (4, -2)):
        ahead = [Fraction(1)]  # of x_{T-1}, x_{T-2}, ..., x_0: what x_t + x_{t+1} + ... is of it
        for rate in reversed(rates[:-1]):
            ahead.append(1 + (1 - rate * eigenvalue) * ahead[-1])
        mean = start * ahead[-1] / steps
        noise_of = zip(rates[:-1], reversed(ahead[:-1]), strict=True)
        variance = sum((rate * after / steps) ** 2 for rate, after in noise_of)
        risk += Fraction(eigenvalue, 2) * (mean**2 + variance)
    if known:
        assert float(found) == pytest.approx(float(risk), rel=1e-9)
    else:
        assert np.isnan(found)


class LaplaceWithAMatrix(noise.Noise):
    """Laplace noise that states its covariance as a matrix."""

    independent, tail_index = True, np.inf

    def sample(self, stream, like):
        return noise.Laplace(1.0).sample(stream, like)

    def covariance_matrix(self, dimension):
        return 2 * np.eye(dimension)

    def cumulants(self, order, dimension):
        return noise.Laplace(1.0).cumulants(order, dimension)


@pytest.mark.parametrize("curvature", [[2.0, 1.0], [1.5]])
@pytest.mark.parametrize("law", [noise.Laplace(1.0), LaplaceWithAMatrix()])
def test_a_diagonal_that_is_given_as_a_matrix_has_the_same_moments(curvature, law):
    """Variances among them, which need coordinates that do not mix."""

    def moments(given, law):
        oracle = oracles.AdditiveNoise(problems.Quadratic(given), law)
        return exact(Study(oracle=oracle, schedule=schedules.constant(0.1), steps=5, x0=np.ones(len(curvature))))

    found, expected = moments(np.diag(curvature), law), moments(curvature, noise.Laplace(1.0))
    assert "risk_variance" in expected
    xr.testing.assert_allclose(found, expected, rtol=1e-13)
