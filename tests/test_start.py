"""Random starts: each trajectory draws its own x_0, and all else stays as it is."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import averages, folds, methods, noise, oracles, orders, problems, record, schedules, start
from jaxsgd.config import read
from jaxsgd.engine.fingerprint import fingerprint
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution, Unresolved
from jaxsgd.runs.reach import can_reach, reach
from jaxsgd.runs.tasks import make_task
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.structure import flat
from jaxsgd.theory.bounds import WeightedAverage

pytestmark = pytest.mark.usefixtures("quick_compilation")

N, T, RATE = 1500, 4, 0.1
H = np.array([2.0, 4.0])
FIXED = js.Study(
    oracle=oracles.AdditiveNoise(problems.Quadratic(H), noise.Gaussian(std=[1.0, 3.0])),
    schedule=schedules.constant(RATE),
    x0=[-2.0, 1.0],
    steps=T,
    record=record.every(1),
)


class Remembering(methods.Method):
    """Plain SGD that remembers where it began."""

    plain = linear = True

    def init(self, x0):
        return {"x0": x0, "count": jnp.int32(0)}

    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * draw.gradient(x), {"x0": state["x0"], "count": state["count"] + 1}


DRAWN = FIXED.replace(
    x0=start.Normal(mean=[3.0, -8.0], std=[0.5, 2.0]),
    method=Remembering(),
    averages={"all": averages.Uniform()},
    folds={"began": folds.Fold(lambda s: s.x + s.averages["all"] - s.method["x0"], lambda c, u: c)},
    observables={
        "gap": lambda s: jnp.sum(jnp.abs(s.folds["began"] - s.method["x0"])) + s.method["count"],
        "began": lambda s: s.method["x0"][1],
        "average": lambda s: s.averages["all"][1],
    },
)


@pytest.fixture(scope="module")
def paths(quick_compilation):
    return [js.sample_paths(study, N)["x"].values.astype(float) for study in (DRAWN, FIXED)]


def test_starts_are_drawn_and_gradients_stay_the_same(paths):
    """x_s differs from that of a fixed start by (1 - eta h)^s times the difference of the starts, on every path."""
    drawn, fixed = paths
    left = (1 - RATE * H) ** np.arange(T + 1)[:, None]
    np.testing.assert_allclose(drawn - fixed, left * (drawn[:, :1] - fixed[:, :1]), atol=2e-5)
    z = (drawn[:, 0] - [3.0, -8.0]) / [0.5, 2.0]
    assert np.abs(np.corrcoef(z.T) - np.eye(2)).max() < 5 / np.sqrt(N)
    assert np.abs(z.mean(0)).max() < 5 / np.sqrt(N)
    assert np.abs(z.var(0) - 1).max() < 5 * np.sqrt(2 / N)
    first = (fixed[:, 0] * (1 - RATE * H) - fixed[:, 1]) / RATE / [1.0, 3.0]  # the normals of the first gradients
    together = z.T @ first / N
    assert np.abs(together).max() < 5 / np.sqrt(N)
    assert np.abs(first.T @ first / N).max() > 0.9  # the control


def test_method_averages_and_folds_begin_where_the_trajectory_does(paths):
    """Of other ids, in another cut, the starts are those of these ids; another seed has other starts."""
    x0 = paths[0][:, 0, 1]
    few = DRAWN.replace(observe=())
    values = trajectory_values(few, 7, first_trajectory=1030)
    gap, began, average = (values[:, few.observed.index(name)] for name in ("gap", "began", "average"))
    np.testing.assert_allclose(gap, np.broadcast_to(np.arange(T + 1)[:, None], gap.shape), atol=1e-5)
    np.testing.assert_array_equal(began, np.broadcast_to(x0[1030:1037], began.shape))
    np.testing.assert_allclose(average[:2], began[:2], rtol=1e-6)
    assert not np.isclose(trajectory_values(few, 7, seed=1)[0, few.observed.index("began")], x0[:7]).any()


STUDY_FILE = """
steps = 4
x0 = {kind = "normal", std = 1.0, shape = [2]}
trajectories = 8
compare = []
observables = {began = "drawn_start:began"}
[problem]
kind = "quadratic"
curvature = [2.0, 4.0]
[noise]
kind = "gaussian"
[schedule]
kind = "constant"
value = 0.1
[record]
at = [0]
[sweep]
"x0.std" = [1.0, 3.0]
"""
MODULE = """
from jaxsgd import start

def began(x):
    return x[0]

def spread(size):
    return lambda stream: size * stream.rademacher((2,))

def law(size):
    return start.Uniform(-size, size, 2)

def draw(stream, size=1.0):
    return size * stream.normal((2,))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where study files find the functions of a module."""
    path = tmp_path_factory.mktemp("drawn")
    (path / "drawn_start.py").write_text(MODULE)
    return path


def test_a_sweep_shares_starts_unless_it_is_asked_not_to(folder):
    """x_0 = std z with the same z in all cells; with random numbers of their own every cell has another z."""
    (folder / "sweep.toml").write_text(STUDY_FILE)
    file = read(folder / "sweep.toml")
    options = {"trajectories": 8, "compare": (), "progress": False}
    shared = js.sweep(file.make, file.axes, **options).dataset["began_mean"].values[:, 0]
    assert shared[1] == pytest.approx(3 * shared[0], rel=1e-6)
    own = js.sweep(file.make, file.axes, common_random_numbers=False, **options).dataset["began_mean"].values[:, 0]
    assert abs(own[1] - 3 * own[0]) > 1e-3


@pytest.mark.parametrize(
    ("given", "law"),
    [
        ('{kind = "uniform", low = -1.0, high = [1, 2]}', start.Uniform(-1.0, [1, 2])),
        ('"normal"', start.Normal()),
        ('{kind = "drawn_start:law", size = 2.0}', start.Uniform(-2.0, 2.0, 2)),
        ('{kind = "drawn_start:spread", size = 2.0}', start.Sampler),
        ('{kind = "drawn_start:draw", size = 2.0}', start.Sampler),
        ('"drawn_start:draw"', start.Sampler),
        ("[1.0, 2.0]", np.ndarray),
    ],
)
def test_study_files_give_points_and_laws(folder, given, law):
    text = STUDY_FILE.partition("[sweep]")[0].replace('{kind = "normal", std = 1.0, shape = [2]}', given)
    (folder / "study.toml").write_text(text.replace("compare = []\n", ""))
    x0 = read(folder / "study.toml").study.x0
    assert isinstance(x0, law) if isinstance(law, type) else repr(x0) == repr(law)


# what theory knows


class Given(start.Start):
    """A law with any mean and covariance, drawn as m + s or m - s, of covariance ss'."""

    m: np.ndarray
    s: np.ndarray

    def sample(self, stream, like):
        return self.m + stream.rademacher() * self.s

    def mean_vector(self, dimension):
        return self.m

    def covariance_matrix(self, dimension):
        return np.outer(self.s, self.s)


TWO = Given(np.array([3.0, -1.0]), np.array([0.5, 2.0]))


@pytest.mark.parametrize("curvature", [H, np.array([[2.0, 0.5], [0.5, 1.0]])], ids=["diagonal", "matrix"])
@pytest.mark.parametrize("average", [averages.Uniform(), averages.Suffix(0.5)], ids=["uniform", "suffix"])
def test_exact_moments_begin_with_the_law_of_the_start(curvature, average):
    """Against the linear map of (x_0, xi_0, ..) to x_s and its average, written out."""
    A, x_star = np.diag(curvature) if curvature.ndim == 1 else curvature, np.array([1.0, 0.5])
    oracle = oracles.AdditiveNoise(problems.Quadratic(curvature, x_star), noise.Gaussian(std=[1.0, 3.0]))
    study = FIXED.replace(oracle=oracle, x0=TWO, averages={"mean": average})
    exact = js.theory.exact(study)
    maps = [np.hstack([np.eye(2), np.zeros((2, 2 * T))])]
    for t in range(T):
        step = (np.eye(2) - RATE * A) @ maps[-1]
        step[:, 2 + 2 * t : 4 + 2 * t] -= RATE * np.eye(2)
        maps.append(step)
    law = np.kron(np.eye(T + 1), np.diag([1.0, 9.0]))
    law[:2, :2] = np.outer(TWO.s, TWO.s)
    means = [np.linalg.matrix_power(np.eye(2) - RATE * A, s) @ (TWO.m - x_star) for s in range(T + 1)]
    for s in range(T + 1):
        np.testing.assert_allclose(exact.x_covariance[s], maps[s] @ law @ maps[s].T, atol=1e-12)
        np.testing.assert_allclose(exact.x_mean[s], means[s] + x_star, atol=1e-12)
        weights = average.weights(np.full(T, RATE))[:s]
        if s and weights.sum() == 0:
            assert np.isnan(exact.distance_squared_of_mean_mean[s])
            continue
        weights = weights / weights.sum() if s else np.ones(1)
        of_average = sum(w * each for w, each in zip(weights, maps, strict=False))
        mean = sum(w * each for w, each in zip(weights, means, strict=False))
        expected = mean @ mean + np.trace(of_average @ law @ of_average.T)
        np.testing.assert_allclose(exact.distance_squared_of_mean_mean[s], expected, rtol=1e-12)
    assert "risk_variance" not in exact  # the start is not normal
    assert "risk_variance" in js.theory.exact(study.replace(x0=start.Normal(std=2.0)))


A3, B3 = np.array([[1.0, 0.5], [-0.5, 2.0], [1.5, -1.0]]), np.array([1.0, 2.0, -1.0])
SAME, SIGNS = np.array([[1.0, 0.5]] * 3), [-1, 1]


@pytest.mark.parametrize(
    ("features", "order", "sequences"),
    [
        (A3, orders.WithReplacement(), list(itertools.product(range(3), repeat=3))),
        (A3, orders.RandomReshuffling(), list(itertools.permutations(range(3)))),
        (SAME, orders.ShuffleOnce(), list(itertools.permutations(range(3)))),
    ],
    ids=["drawn afresh", "subsets", "one Hessian"],
)
def test_exact_moments_of_examples_begin_with_the_law_of_the_start(features, order, sequences):
    """Against all sequences of examples from both starts."""
    problem = problems.LeastSquares(features, B3, l2=0.1)
    study = FIXED.replace(
        oracle=oracles.ExampleSampling(problem, order), x0=TWO, steps=3, averages={"mean": averages.Uniform()}
    )
    exact = js.theory.exact(study)
    ends, means = [], []
    for sequence, sign in itertools.product(sequences, SIGNS):
        x, path = TWO.m + sign * TWO.s, []
        for i in sequence:
            path.append(x)
            x = x - RATE * (features[i] * (features[i] @ x - B3[i]) + 0.1 * x)
        ends.append(x)
        means.append(np.mean(path, 0))
    x_star = problem.minimiser
    np.testing.assert_allclose(exact.x_covariance[-1], np.cov(np.array(ends).T, bias=True), atol=1e-12)
    for name, points in (("distance_squared", ends), ("distance_squared_of_mean", means)):
        expected = np.mean(np.sum((np.array(points) - x_star) ** 2, 1))
        np.testing.assert_allclose(exact[f"{name}_mean"][-1], expected, rtol=1e-12)


def test_what_needs_one_start_is_refused():
    """All arrangements, quadrature, fourth moments, and what is said of a law without moments."""
    sampled = FIXED.replace(
        oracle=oracles.ExampleSampling(problems.LeastSquares(A3, B3), orders.ShuffleOnce()), x0=TWO, steps=3
    )
    with pytest.raises(NoExactSolution, match="x_0 is drawn, and one start is needed"):
        js.theory.exact(sampled)
    one = oracles.AdditiveNoise(problems.AbsoluteValue(), noise.Gaussian())
    with pytest.raises(NoExactSolution, match="x_0 is drawn, and one start is needed"):
        js.theory.exact(FIXED.replace(oracle=one, x0=start.Normal()))
    unknown = FIXED.replace(x0=lambda stream: stream.normal((2,)))
    with pytest.raises(NoExactSolution, match="the law of x_0, does not state its mean and covariance"):
        js.theory.exact(unknown)
    with pytest.raises(InvalidType, match="one point is needed, and x_0 is drawn anew for each trajectory"):
        flat(unknown.x0)


def test_bounds_take_the_expected_squared_distance():
    """The exact mean of the average's risk lies below; without moments of the law no bound applies."""
    study = FIXED.replace(x0=TWO, averages={})
    r2 = TWO.m @ TWO.m + TWO.s @ TWO.s
    bound = WeightedAverage()
    known, other = (bound.value(study.replace(x0=x0), 0.0) for x0 in (TWO, TWO.m))
    assert known / r2 == pytest.approx(other / (TWO.m @ TWO.m), rel=1e-12)
    report = js.theory.bounds(study)
    assert any(repr(bound) == repr(each.bound) for each in report.applicable)
    unknown = js.theory.bounds(study.replace(x0=lambda stream: stream.normal((2,))))
    assert not unknown.applicable
    assert bound.reasons(study.replace(x0=lambda stream: stream.normal((2,)))) == (
        "E||x_0 - x*||^2 is known, as x_0 is drawn: start.Sampler, the law of x_0, does not state its mean and "
        "covariance",
    )


# runs


def test_a_run_has_the_exact_moments_no_false_warning_and_its_own_fingerprint(recwarn):
    """Without noise of the gradient, too: what varies are the starts. Stretched draws stretch the start."""
    study = FIXED.replace(oracle=oracles.FullGradient(problems.Quadratic(H)), x0=start.Normal(std=[1.0, 2.0]))
    study = study.replace(record=record.at([0, T]))
    result, exact = js.simulate(study, 4096, progress=False), js.theory.exact(study)
    z = (result.dataset.risk_mean - exact.risk_mean) / result.dataset.risk_sem
    assert np.abs(z).max() < 5
    assert (result.dataset.risk_sem / exact.risk_mean).max() < 0.03
    assert not [warning for warning in recwarn if warning.category is Unresolved]
    assert can_reach(study)

    def printed(x0):
        return fingerprint(make_task(study.replace(x0=x0), (), {}, 0, 8, 0, None))

    law = start.Normal(std=[1.0, 2.0])
    prints = [printed(law), printed(law.replace(std=[1.0, 3.0])), printed(start.Uniform(-1, 1, 2)), printed([0.0, 0.0])]
    prints += [printed(lambda stream: stream.normal(2)), printed(lambda stream: 2 * stream.normal(2))]
    assert len(set(prints)) == 6
    assert printed(start.Normal(std=[1.0, 2.0])) == prints[0]


def test_a_pytree_is_drawn_by_a_function_and_by_the_structure_of_the_problem():
    like = {"w": np.zeros((2, 3)), "b": np.zeros(3)}

    def loss(x):
        return jnp.sum(x["w"] ** 2) + jnp.sum(x["b"] ** 2)

    problem = problems.Function(loss, minimiser=like)
    base = FIXED.replace(oracle=oracles.AdditiveNoise(problem, noise.Gaussian()), x0=like)
    for x0 in (start.Normal(std=2.0), start.Uniform(-1, 1)):
        study = base.replace(x0=x0)
        assert study.dimension == 9
        assert study.coordinates == base.coordinates
    initialised = base.replace(x0=lambda stream: {"w": stream.normal((2, 3)) / 3, "b": jnp.zeros(3)})
    points = initialised.starting_points
    assert (points[:, :3] == 0).all()  # b comes first
    assert points[:, 3:].std() == pytest.approx(1 / 3, rel=0.2)
    assert jax.tree.structure(initialised.near_start) == jax.tree.structure(like)


@pytest.mark.parametrize(
    ("x0", "error", "message"),
    [
        (start.Normal(shape=3), InvalidInput, r"x0 must have the shape of the problem's minimiser, \(2,\), got \(3,\)"),
        (lambda stream: stream.normal(3), InvalidInput, r"x0 must have the shape of .*, \(2,\), got \(3,\)"),
        (lambda stream: stream.integers(9, 2), InvalidType, "x0 must be drawn as floats, got int32"),
        (lambda stream: stream.normal(2) / 0.0, InvalidInput, "x0 must be drawn as finite numbers, and some draws"),
        (lambda stream: np.sin(stream.normal(2)), InvalidType, r"x0: Sampler\(.*\) cannot be drawn: Tracer"),
        (lambda: 1.0, InvalidType, r"x0: Sampler\(.*\) cannot be drawn: TypeError: .* takes 0 positional arguments"),
        (lambda stream: (), InvalidInput, "x0 must hold at least one number"),
        (start.Normal, InvalidType, "x0 must be a point or a law of jaxsgd.start, got jaxsgd.start.Normal; call it"),
    ],
)
def test_a_law_that_is_no_start_of_the_study_is_refused(x0, error, message):
    with pytest.raises(error, match=message):
        FIXED.replace(x0=x0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: start.Normal(std=-1.0), "std must not be negative, got -1"),
        (lambda: start.Normal([1, 2], shape=3), r"mean must be one number or have the shape \(3,\), got shape \(2,\)"),
        (lambda: start.Normal(mean=[1, 2], std=[1, 2, 3]), r"mean and std must be numbers or have one shape"),
        (lambda: start.Normal(shape=(2, 0)), "shape must be at least 1, got 0"),
        (lambda: start.Normal(mean=np.nan), "mean must be finite"),
        (lambda: start.Uniform(1.0, [2.0, 1.0]), "low must be below high"),
        (
            lambda: FIXED.replace(oracle=oracles.RandomLoss(lambda xi, x: x @ x, len), x0=start.Normal()),
            r"x0: start.Normal needs shape=, such as shape=\(2,\)",
        ),
    ],
)  # fmt: skip
def test_numbers_that_make_no_law_are_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_rare_starts_are_reached():
    """Values along trajectories that begin 1.5 times as far out reach beyond those of a sample."""
    study = FIXED.replace(
        oracle=oracles.FullGradient(problems.Quadratic(H)), x0=start.Normal(std=1.0), record=record.at([0])
    )
    _, greatest = reach(study, "distance_squared", 0, 0, 0)
    assert greatest > 1.5**2 * 10


def test_stated_laws_are_checked_against_draws():
    class Shifted(js.start.Start):
        moved: float
        mean: float
        variance: float

        def sample(self, stream, like):
            return stream.normal((2,)) + self.moved

        def mean_vector(self, dimension):
            return np.full(2, self.mean)

        def covariance_matrix(self, dimension):
            return np.full(2, self.variance)

    assert FIXED.replace(x0=Shifted(5.0, 5.0, 1.0))
    with pytest.raises(InvalidInput, match=r"law of x0, Shifted states mean_vector, but the mean of coordinate \d"):
        FIXED.replace(x0=Shifted(5.0, 0.0, 1.0))
    with pytest.raises(InvalidInput, match=r"states covariance_matrix with 2 at \((0, 0|1, 1)\), but in 4096 draws"):
        FIXED.replace(x0=Shifted(0.0, 0.0, 2.0))


def test_an_object_that_can_be_called_is_a_law():
    class Initialiser:
        def __call__(self, stream):
            return stream.normal((2,))

    assert FIXED.replace(x0=Initialiser()).start_requests
