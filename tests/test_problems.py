"""Problems, noise, oracles and methods: the mathematics of one trajectory."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsgd import averages, chapter, config, methods, noise, oracles, orders, problems, record, streams
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.one_update import moved_by
from jaxsgd.problems import (
    AbsoluteValue,
    FiniteSum,
    Function,
    Huber,
    LeastSquares,
    LogisticRegression,
    MaxAffine,
    Quadratic,
)
from jaxsgd.streams import Recorder, Replay

RNG = np.random.default_rng(0)
ROOT = RNG.standard_normal((3, 3))
CENTRE = np.array([1.0, -2.0, 0.5])
POINTS = RNG.standard_normal((20, 3)).astype(np.float32)


def rosenbrock(p):
    return (1 - p["a"]) ** 2 + 100 * jnp.sum((p["b"] - p["a"] ** 2) ** 2)


def scaled(xi, p):
    return xi * rosenbrock(p)


# the quadratic


@jax.jit
def evaluate(problem, x):
    """Value, gradient, and the gradient by differentiation, at every point."""
    return jax.vmap(lambda x: (problem.value(x), problem.gradient(x), jax.grad(problem.value)(x)))(x)


@pytest.mark.parametrize("curvature", [np.array([2.0, 4.0, 0.5]), ROOT @ ROOT.T], ids=["diagonal", "full"])
def test_quadratic_is_the_formula(curvature):
    matrix = np.diag(curvature) if curvature.ndim == 1 else curvature
    value, gradient, differentiated = evaluate(Quadratic(curvature, CENTRE), POINTS)
    error = POINTS.astype(np.float64) - CENTRE
    np.testing.assert_allclose(value, np.einsum("ni,ij,nj->n", error, matrix, error) / 2, rtol=1e-5)
    np.testing.assert_allclose(gradient, error @ matrix, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, differentiated, rtol=1e-5, atol=1e-5)


def test_quadratic_diagonal_and_full_agree():
    diagonal, full = np.array([2.0, 4.0, 0.0]), np.diag([2.0, 4.0, 0.0])
    first, second = Quadratic(diagonal, CENTRE), Quadratic(full, CENTRE)
    for a, b in zip(evaluate(first, POINTS), evaluate(second, POINTS), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    for name in ("strong_convexity", "smoothness", "minimum", "convex"):
        assert getattr(first, name) == getattr(second, name)


def test_quadratic_knows_its_constants():
    problem = Quadratic(curvature=[2.0, 4.0])
    assert (problem.strong_convexity, problem.smoothness, problem.minimum, problem.convex) == (2, 4, 0, True)
    assert problem.lipschitz is None
    np.testing.assert_array_equal(problem.minimiser, [0, 0])
    np.testing.assert_array_equal(problem.start, [0, 0])
    turned = Quadratic([[3.0, 1.0], [1.0, 3.0]], minimiser=7)  # eigenvalues 2 and 4
    assert turned.strong_convexity == pytest.approx(2, rel=1e-14)
    assert turned.smoothness == pytest.approx(4, rel=1e-14)
    np.testing.assert_array_equal(turned.minimiser, [7, 7])


def test_quadratic_of_rank_one_is_convex_but_not_strongly():
    problem = Quadratic(np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]))
    assert 0 <= problem.strong_convexity < 1e-14
    assert problem.smoothness == pytest.approx(14, rel=1e-14)


def test_quadratic_symmetric_to_rounding_is_accepted():
    """Q D Q' with eigenvalues far apart: small entries differ by rounding of the large ones."""
    turn, _ = np.linalg.qr(ROOT)
    matrix = turn @ np.diag([1e6, 1.0, 1e-6]) @ turn.T
    matrix[0, 1] *= 1 + 1e-15
    assert Quadratic(matrix).smoothness == pytest.approx(1e6, rel=1e-12)


def test_quadratic_does_not_change_with_the_array_it_was_made_of():
    curvature = np.array([2.0, 4.0])
    problem = Quadratic(curvature)
    curvature[0] = -1.0
    assert problem.smoothness == 4
    assert problem.strong_convexity == 2


@pytest.mark.parametrize(
    ("curvature", "minimiser", "message"),
    [
        ([[2, 1], [0, 2]], 0, r"curvature must be symmetric, got 1 at \(0, 1\) and 0 at \(1, 0\); use \(A \+ A'\) / 2"),
        ([2, np.nan], 0, r"curvature must be finite, got nan at index \[1\]"),
        ([[np.inf, 0], [0, 1]], 0, r"curvature must be finite, got inf at index \[0, 0\]"),
        ([2, -0.5], 0, "curvature must have no negative eigenvalue, got -0.5: the quadratic would have no minimum"),
        ([[0, 1], [1, 0]], 0, "curvature must have no negative eigenvalue, got -1"),
        (2.0, 0, r"curvature must be a diagonal \(d,\) or a matrix \(d, d\), got shape \(\)"),
        ([], 0, r"got shape \(0,\)"),
        (np.ones((2, 3)), 0, r"got shape \(2, 3\)"),
        (np.ones((2, 2, 2)), 0, r"got shape \(2, 2, 2\)"),
        ([2, 4], [1, 2, 3], r"minimiser must be one number or have shape \(2,\), got \(3,\)"),
        ([2, 4], np.inf, "minimiser must be finite, got inf"),
        ("ab", 0, "curvature must be a number or an array of numbers, got 'ab'"),
        ([2, 4j], 0, "curvature must be a number or an array of numbers.*complex128 is not a real number"),
        ([[1, 2], [3]], 0, "curvature must be a number or an array of numbers"),
    ],
)
def test_quadratic_errors_say_what_is_wrong(curvature, minimiser, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        Quadratic(curvature, minimiser)


def test_replace_keeps_the_rest_and_validates_again():
    problem = Quadratic([2.0, 4.0], minimiser=1.0).replace(curvature=[3.0, 5.0])
    assert problem.smoothness == 5
    np.testing.assert_array_equal(problem.minimiser, [1, 1])
    with pytest.raises(InvalidInput, match="negative eigenvalue"):
        problem.replace(curvature=[-1.0, 1.0])


# convex and Lipschitz

SCALE, DELTA = np.array([1.0, 0.5, 3.0]), np.array([0.5, 1.0, 2.0])
SLOPES, OFFSETS = np.vstack([ROOT, -ROOT.sum(0)]), np.array([0.5, -1.0, 0.0, 2.0])
LIPSCHITZ = {
    "absolute value": AbsoluteValue(SCALE, CENTRE),
    "Huber": Huber(DELTA, SCALE, CENTRE),
    "max affine": MaxAffine(SLOPES, OFFSETS),
}
SPREAD = np.concatenate([POINTS, 1e3 * POINTS, 0.1 * POINTS + CENTRE.astype(np.float32), 1e3 * SLOPES])


@pytest.fixture(scope="module")
def evaluated():
    return {name: [np.asarray(part, np.float64) for part in evaluate(LIPSCHITZ[name], SPREAD)] for name in LIPSCHITZ}


def formula(name, x):
    """Risk and gradient, from the definition."""
    if name == "max affine":
        pieces = x @ SLOPES.T + OFFSETS
        return pieces.max(1), SLOPES[pieces.argmax(1)]
    u = x - CENTRE
    if name == "absolute value":
        return np.abs(u) @ SCALE, SCALE * np.sign(u)
    inside = np.abs(u) <= DELTA
    return (
        np.where(inside, u**2 / (2 * DELTA), np.abs(u) - DELTA / 2) @ SCALE,
        SCALE * np.where(inside, u / DELTA, np.sign(u)),
    )


@pytest.mark.parametrize("name", LIPSCHITZ)
def test_lipschitz_risk_is_the_formula(name, evaluated):
    risk, gradient = formula(name, SPREAD.astype(np.float64))
    np.testing.assert_allclose(evaluated[name][0], risk, rtol=1e-5, atol=1e-5)
    for given in evaluated[name][1:]:
        np.testing.assert_allclose(given, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LIPSCHITZ)
def test_lipschitz_risk_knows_its_constants(name, evaluated):
    problem, x = LIPSCHITZ[name], SPREAD.astype(np.float64)
    risk, gradient = formula(name, x)
    assert abs(np.linalg.norm(gradient, axis=1).max() / problem.lipschitz - 1) < 1e-12
    assert (problem.convex, problem.strong_convexity) == (True, 0)
    at_minimiser, _ = formula(name, problem.minimiser[None])
    assert abs(at_minimiser[0] - problem.minimum) < 1e-12
    assert np.all(risk > problem.minimum)
    np.testing.assert_array_equal(problem.start, np.zeros(3))
    slope = np.einsum("ni,ni->n", gradient, x - problem.minimiser)
    assert np.all(slope >= (risk - problem.minimum) * (1 - 1e-12))  # convexity, seen from x*


def test_smoothness_of_lipschitz_risks():
    assert LIPSCHITZ["absolute value"].smoothness is LIPSCHITZ["max affine"].smoothness is None
    problem, near = LIPSCHITZ["Huber"], CENTRE + 0.1 * np.eye(3)
    ratios = np.linalg.norm(formula("Huber", near)[1], axis=1) / 0.1
    assert problem.smoothness == 2
    assert abs(ratios.max() - 2) < 1e-12


def test_subgradients_at_kinks():
    np.testing.assert_array_equal(AbsoluteValue(SCALE, CENTRE).gradient(np.array([1.0, 0.0, -1.0])), [0, 0.5, -3])
    # Three of four pieces meet at 0.
    problem = MaxAffine([[1.0, 0.0], [0.0, 2.0], [-3.0, 1.0], [-1.0, -1.0]], [0.0, 0.0, 0.0, -1.0])
    np.testing.assert_allclose(problem.gradient(np.zeros(2)), [-2 / 3, 1], rtol=1e-6)


def test_lipschitz_risks_of_one_coordinate():
    for problem in (AbsoluteValue(), Huber(delta=1.0), MaxAffine([[1.0], [-1.0]])):
        assert problem.minimiser.shape == (1,)
        assert problem.value(np.array([-2.0])) == (1.5 if isinstance(problem, Huber) else 2)
    assert AbsoluteValue(minimiser=np.ones(5)).lipschitz == 5**0.5
    assert MaxAffine([[2.0], [-1.0], [-1.0]], [0.0, 3.0, -9.0]).minimum == 2
    assert MaxAffine(np.zeros((1, 2)), 3.0).minimum == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AbsoluteValue(0.0), "scale must be greater than 0, got 0"),
        (lambda: AbsoluteValue([1.0, -1.0]), "scale must be greater than 0, got -1"),
        (lambda: AbsoluteValue(np.nan), "scale must be finite, got nan"),
        (
            lambda: AbsoluteValue([[1.0]]),
            r"scale must be one number or one for each coordinate \(d,\), got .* \(1, 1\)",
        ),
        (lambda: AbsoluteValue(minimiser=[]), r"minimiser must be one number or .*, got shape \(0,\)"),
        (
            lambda: AbsoluteValue([1.0, 2.0], [0.0, 0.0, 0.0]),
            r"scale and minimiser must have one length, .*, got scale \(2,\) and minimiser \(3,\)",
        ),
        (lambda: Huber(delta=0.0), "delta must be greater than 0, got 0"),
        (lambda: Huber(scale=-1.0), "scale must be greater than 0, got -1"),
        (lambda: Huber([1.0, 2.0], 1.0, [0.0]), "delta and minimiser must have one length"),
        (lambda: MaxAffine([1.0, -1.0]), r"slopes must be a matrix \(m, d\), one row for each piece, got shape \(2,\)"),
        (lambda: MaxAffine(np.zeros((0, 2))), r"got shape \(0, 2\)"),
        (lambda: MaxAffine([[1.0], [-1.0]], [0.0]), r"offsets must be one number or have shape \(2,\), got \(1,\)"),
        (lambda: MaxAffine([[1.0], [np.inf]]), "slopes must be finite, got inf"),
        (
            lambda: MaxAffine([[1.0, 0.0], [0.0, 1.0]]),
            "must have a minimum, .*0 must be a convex combination of the slopes",
        ),
    ],
)
def test_lipschitz_errors_say_what_is_wrong(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.parametrize(
    ("table", "made"),
    [
        ('kind = "absolute_value"\nscale = 2.0\nminimiser = [0.0, 1.0]', AbsoluteValue(2.0, [0.0, 1.0])),
        ('kind = "huber"\ndelta = 0.5\nminimiser = [0.0, 1.0]', Huber(0.5, minimiser=[0.0, 1.0])),
        ('kind = "max_affine"\nslopes = [[1, 0], [-1, 1], [0, -1]]', MaxAffine([[1, 0], [-1, 1], [0, -1]])),
    ],
)
def test_study_files_know_lipschitz_risks(table, made, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(
        f"steps = 5\nschedule = {{kind = 'constant', value = 0.1}}\nnoise = 'gaussian'\n[problem]\n{table}\n"
    )
    study = config.read(path).study
    assert repr(study.oracle.problem) == repr(made)
    np.testing.assert_array_equal(study.x0, np.zeros(2))


# functions


def test_function_of_a_pytree():
    problem = Function(rosenbrock, minimiser={"a": 1.0, "b": [1.0, 1.0]})
    assert problem.minimum == 0
    value, gradient = jax.jit(lambda p: (problem.value(p), problem.gradient(p)))({"a": 2.0, "b": np.array([3.0, 5.0])})
    assert value == 1 + 100 * (1 + 1)
    assert gradient["a"] == 2 - 400 * 2 * ((3 - 4) + (5 - 4))
    np.testing.assert_allclose(gradient["b"], [-200, 200])


def test_function_states_what_is_known_of_it():
    problem = Function(lambda x: jnp.sum(jnp.sqrt(1 + x**2)), minimiser=[0.0, 0.0], smoothness=1, lipschitz=2**0.5)
    assert problem.minimum == pytest.approx(2, rel=1e-15)  # evaluated in float64
    assert (problem.smoothness, problem.lipschitz) == (1, 2**0.5)
    assert problem.strong_convexity is problem.convex is problem.start is None
    assert Function(jnp.sum).minimum is None
    assert Function(jnp.sum, minimum=-3).minimum == -3
    assert Function(jnp.sum, strong_convexity=0.5).convex is True


@pytest.mark.parametrize("given", [[1.0, 2.0], (1, 2), [np.float32(1), np.float32(2)], np.array([1, 2]), jnp.ones(2)])
def test_a_list_of_numbers_is_one_array(given):
    point = problems.function.as_point("x0", given)
    assert isinstance(point, np.ndarray)
    assert point.shape == (2,)
    assert point.dtype == np.float64


def test_points_may_be_pytrees():
    point = problems.function.as_point("x0", {"w": [[1, 2], [3, 4]], "layers": [np.ones(2), np.ones(3)], "b": 0.5})
    assert jax.tree.map(np.shape, point) == {"w": (2, 2), "layers": [(2,), (3,)], "b": ()}
    assert problems.function.as_point("x0", None) is None
    with pytest.raises(InvalidInput, match=r"x0\['layers'\]\[1\] must be finite, got nan at index \[2\]"):
        problems.function.as_point("x0", {"w": 1.0, "layers": [np.ones(2), np.array([0, 0, np.nan])]})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Function(3.0), "f must be a function of x, got 3.0"),
        (lambda: Function(jnp.sum, minimiser=[np.nan]), r"minimiser must be finite, got nan at index \[0\]"),
        (lambda: Function(jnp.sum, minimum=np.inf), "minimum must be finite, got inf"),
        (lambda: Function(jnp.sum, smoothness=-1), "smoothness must be at least 0, got -1"),
        (lambda: Function(jnp.sum, strong_convexity=np.nan), "strong_convexity must be finite, got nan"),
        (lambda: Function(jnp.sum, lipschitz="1"), "lipschitz must be a number"),
        (lambda: Function(jnp.sum, convex=False, strong_convexity=1), "convex=False contradicts strong_convexity"),
        (
            lambda: Function(lambda x: x["w"], minimiser=[0.0]),
            "f cannot be computed at the minimiser: .*a minimiser has the structure and the shapes of x",
        ),
        (
            lambda: Function(lambda x: x, minimiser=[0.0, 1.0]),
            r"one finite number at the minimiser, got \[0, 1\]",
        ),
        (
            lambda: Function(jnp.log, minimiser=0.0),
            "number at the minimiser, got -inf; or give the minimum",
        ),
    ],
)
def test_function_errors_say_what_is_wrong(make, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        make()


# noise


def served(sampler, like, variates):
    """The sample that comes of these variates, with the shapes that the sampler asked for."""
    recorder = Recorder()
    jax.eval_shape(lambda: sampler(recorder, like))
    assert [request.kind for request in recorder.requests] == ["normal"]
    return sampler(Replay((variates,)), like)


def test_gaussian_scales_standard_normals():
    z = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(served(noise.Gaussian().sample, z, z), z)
    np.testing.assert_allclose(served(noise.Gaussian(2.0).sample, z, z), 2 * z)
    np.testing.assert_allclose(served(noise.Gaussian([1.0, 2.0, 0.0]).sample, z, z), [1, -4, 0])
    tree = {"a": np.ones(()), "b": np.ones((2, 2))}
    scaled = served(noise.Gaussian(3.0).sample, tree, tree)
    assert jax.tree.map(lambda leaf: np.unique(leaf).tolist(), scaled) == {"a": [3.0], "b": [3.0]}


@pytest.mark.parametrize("rank", [3, 2, 1, 0])
def test_gaussian_has_its_covariance_also_where_it_is_singular(rank):
    factor = np.array(ROOT[:, :rank])
    covariance = factor @ factor.T
    sample = noise.Gaussian(covariance=covariance).sample
    root = np.stack([served(sample, row, row) for row in np.eye(3, dtype=np.float32)], axis=1)
    np.testing.assert_allclose(root @ root.T, covariance, atol=2e-6)


def test_gaussian_states_its_covariance():
    np.testing.assert_array_equal(noise.Gaussian(2.0).covariance_matrix(3), [4, 4, 4])
    np.testing.assert_array_equal(noise.Gaussian([1.0, 2.0]).covariance_matrix(2), [1, 4])
    matrix = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_array_equal(noise.Gaussian(covariance=matrix).covariance_matrix(2), matrix)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"std": -1.0}, "std must not be negative, got -1"),
        ({"std": [1.0, -0.5]}, "std must not be negative, got -0.5"),
        ({"std": np.nan}, "std must be finite, got nan"),
        (
            {"std": [[1.0]]},
            r"for each coordinate \(d,\), got shape \(1, 1\); a matrix is a covariance",
        ),
        ({"std": []}, r"got shape \(0,\)"),
        ({"std": 1.0, "covariance": [[1.0]]}, "give std or covariance, not both"),
        ({"covariance": [1.0, 2.0]}, r"covariance must be a matrix \(d, d\), got shape \(2,\)"),
        ({"covariance": [[1.0, 2.0]]}, r"covariance must be a matrix \(d, d\), got shape \(1, 2\)"),
        (
            {"covariance": [[1.0, 2.0], [0.0, 1.0]]},
            r"must be symmetric, got 2 at \(0, 1\) and 0 at \(1, 0\)",
        ),
        ({"covariance": [[1.0, 2.0], [2.0, 1.0]]}, "covariance must have no negative eigenvalue, got -1"),
        ({"covariance": [[np.inf]]}, "covariance must be finite, got inf"),
    ],
)
def test_gaussian_errors_say_what_is_wrong(arguments, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        noise.Gaussian(**arguments)


def test_gaussian_fits_only_vectors_of_its_length():
    noise.Gaussian(1.0).check([(2,), (3, 3)])
    noise.Gaussian([1.0, 2.0]).check([(2,)])
    noise.Gaussian(covariance=np.eye(2)).check([(2,)])
    laws = {"std": noise.Gaussian([1.0, 2.0]), "covariance": noise.Gaussian(covariance=np.eye(2))}
    for name, law in laws.items():
        for shapes in ([(3,)], [(2,), (2,)], [(2, 1)], [()]):
            with pytest.raises(InvalidInput, match=f"{name} of shape .* needs x to be one vector of length 2"):
                law.check(shapes)


# oracles


def test_additive_noise_adds_to_the_gradient_of_a_pytree():
    oracle = oracles.AdditiveNoise(Function(rosenbrock), noise.Gaussian(0.5))
    x = {"a": 2.0, "b": np.array([3.0, 5.0])}
    xi = served(lambda stream, like: oracle.sample(stream, like, 0, ())[0], x, {"a": 1.0, "b": np.array([-1.0, 2.0])})
    gradient, risk = jax.jit(lambda x, xi: (oracle.gradient(x, xi), oracle.risk(x, xi)))(x, xi)
    assert gradient["a"] == 2 + 0.5
    np.testing.assert_allclose(gradient["b"], [-200.5, 201.0])
    assert risk == 1 + 100 * (1 + 1)


def test_full_gradient_draws_nothing():
    oracle = oracles.FullGradient(Quadratic([2.0, 4.0]))
    assert streams.requests_of(lambda stream: oracle.sample(stream, np.zeros(2), 0, ())) == ()
    np.testing.assert_allclose(oracle.gradient(np.array([1.0, -1.0]), None), [2, -4])
    assert oracle.risk(np.array([1.0, -1.0]), None) == 3


def test_random_loss_is_gradient_noise_in_disguise():
    """Exercise 2 of the chapter, the other way round: (x1 - w1)^2 + 2 (x2 - w2)^2 with w1 = -xi1/2, w2 = -xi2/4 has
    the gradient (2 x1, 4 x2) + xi, that of x1^2 + 2 x2^2 with additive noise."""
    quadratic = Quadratic([2.0, 4.0])
    additive = oracles.AdditiveNoise(quadratic, noise.Gaussian(1.0))
    random = oracles.RandomLoss(
        loss=lambda w, x: (x[0] - w[0]) ** 2 + 2 * (x[1] - w[1]) ** 2,
        sampler=lambda stream: stream.normal((2,)) * np.array([-1 / 2, -1 / 4]),
    )
    exchanged = random.replace(sampler=lambda stream: stream.normal((2,)) * np.array([-1 / 4, -1 / 2]))  # control
    both = jax.jit(
        jax.vmap(
            lambda x, z: (
                [o.gradient(x, o.sample(Replay((z,)), x, 0, ())[0]) for o in (additive, random, exchanged)]
                + [random.risk(x, random.sample(Replay((z,)), x, 0, ())[0])]
            )
        )
    )
    x, z = RNG.standard_normal((2, 50, 2)).astype(np.float32)
    expected, gradient, wrong, risk = map(np.asarray, both(x, z))
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(expected, x * [2, 4] + z, rtol=1e-5, atol=1e-5)
    # Without a problem the risk is the drawn loss; with it, R.
    np.testing.assert_allclose(risk, (x[:, 0] + z[:, 0] / 2) ** 2 + 2 * (x[:, 1] + z[:, 1] / 4) ** 2, rtol=1e-5)
    assert random.replace(problem=quadratic).risk(np.array([1.0, -1.0]), None) == 3
    assert np.abs(wrong - expected).max() > 0.01


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: oracles.AdditiveNoise(jnp.sum, noise.Gaussian()), "problem must be one of jaxsgd.problems, got"),
        (lambda: oracles.AdditiveNoise(Quadratic([1.0]), 1.0), "noise must be one of jaxsgd.noise, got 1.0"),
        (lambda: oracles.FullGradient(None), "problem must be one of jaxsgd.problems, got None"),
        (lambda: oracles.RandomLoss(3, jnp.sum), "loss must be a function, got 3"),
        (lambda: oracles.RandomLoss(jnp.sum, None), "sampler must be a function, got None"),
        (lambda: oracles.RandomLoss(jnp.sum, jnp.sum, 1), "problem must be one of jaxsgd.problems or None, got 1"),
    ],
)
def test_oracle_errors_say_what_is_wrong(make, message):
    with pytest.raises(InvalidType, match=message):
        make()


# methods


@jax.jit
def step(method, x, gradient, learning_rate):
    """One update, and the projection of its result where there is one."""
    update = jax.vmap(functools.partial(moved_by, method), in_axes=(0, 0, None))
    moved = update(x, gradient, learning_rate)
    again = update(moved, jnp.zeros_like(x), learning_rate)
    return moved, again


def test_sgd_is_a_gradient_step():
    moved, _ = step(methods.Sgd(), POINTS, 2 * POINTS, 0.25)
    np.testing.assert_allclose(moved, 0.5 * POINTS, rtol=1e-6)


@pytest.mark.parametrize("centre", [0.0, CENTRE], ids=["number", "vector"])
def test_projection_on_a_ball(centre):
    gradient = 3 * RNG.standard_normal(POINTS.shape).astype(np.float32)
    moved, again = map(np.asarray, step(methods.Projected(methods.Ball(1.5, centre)), POINTS, gradient, 0.5))
    free = POINTS.astype(np.float64) - 0.5 * gradient
    offset = free - centre
    norm = np.linalg.norm(offset, axis=1, keepdims=True)
    inside = norm[:, 0] <= 1.5
    assert 0 < inside.sum() < len(inside)
    np.testing.assert_allclose(moved, centre + offset * np.minimum(1, 1.5 / norm), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(moved[inside], (POINTS - np.float32(0.5) * gradient)[inside])  # unchanged
    assert np.linalg.norm(moved - centre, axis=1).max() <= 1.5 * (1 + 1e-6)
    np.testing.assert_allclose(again, moved, rtol=1e-6, atol=1e-6)


def test_projection_on_a_ball_at_the_ends_of_float32():
    points = np.array([[0, 0, 0], [3e30, 4e30, 0], [3e-30, 4e-30, 0], [np.inf, 0, 0], [np.nan, 0, 0]], np.float32)
    moved = np.asarray(step(methods.Projected(methods.Ball(2.0)), points, 0 * POINTS[:5], 0.0)[0])
    np.testing.assert_allclose(moved[:3], [[0, 0, 0], [1.2, 1.6, 0], [3e-30, 4e-30, 0]], rtol=1e-6)
    assert not np.isfinite(moved[3:]).all(axis=1).any()  # what has diverged is not brought back


@pytest.mark.parametrize("bounds", [(-0.5, 0.75), ([-1.0, -0.2, 0.0], [1.0, 0.1, 0.0])], ids=["numbers", "vectors"])
def test_projection_on_a_box(bounds):
    gradient = RNG.standard_normal(POINTS.shape).astype(np.float32)
    moved, again = step(methods.Projected(methods.Box(*bounds)), POINTS, gradient, 0.5)
    np.testing.assert_allclose(moved, np.minimum(np.maximum(POINTS - 0.5 * gradient, bounds[0]), bounds[1]), atol=1e-6)
    np.testing.assert_array_equal(again, moved)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: methods.Ball(0.0), "radius must be greater than 0, got 0"),
        (lambda: methods.Ball(1.0, np.nan), "centre must be finite, got nan"),
        (lambda: methods.Ball(1.0, [[0.0]]), r"centre must be one number or a vector \(d,\), got shape \(1, 1\)"),
        (
            lambda: methods.Ball(1.0, [0, 0, 0]).check(2),
            r"centre must .* have 2 coordinates, got shape \(3,\)",
        ),
        (lambda: methods.Box(1.0, 0.0), "lower must not exceed upper, got 1 and 0"),
        (lambda: methods.Box([0, 2], [1, 1]), r"lower must not exceed upper, got \[0, 2\] and \[1, 1\]"),
        (lambda: methods.Box([0, 0], [1, 1, 1]), r"of the same length, got shapes \(2,\) and \(3,\)"),
        (lambda: methods.Box(0.0, np.inf), "upper must be finite, got inf"),
        (
            lambda: methods.Box([0, 0], 1.0).check(3),
            r"lower must .* have 3 coordinates, got shape \(2,\)",
        ),
        (
            lambda: methods.Box(0.0, [1, 1]).check(3),
            r"upper must .* have 3 coordinates, got shape \(2,\)",
        ),
        (lambda: methods.Projected(1.0), r"onto must be methods.Ball\(...\) or methods.Box\(...\), got 1.0"),
    ],
)
def test_method_errors_say_what_is_wrong(make, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        make()


# every public value

VALUES = [
    Quadratic([2.0, 4.0]),
    Quadratic(np.eye(100), np.arange(100.0)),
    Function(rosenbrock, {"a": 1.0, "b": [1.0, 1.0]}, smoothness=3.0),
    AbsoluteValue(minimiser=np.ones(100)),
    Huber(0.5),
    MaxAffine(np.vstack([np.eye(50), -np.eye(50)])),
    LeastSquares(np.eye(50), np.ones(50), test=(np.eye(50), np.ones(50))),
    LogisticRegression(np.eye(50), np.arange(50) % 2, l2=0.1),
    FiniteSum(rosenbrock, np.eye(50), start={"a": 1.0, "b": np.zeros(50)}),
    orders.WithReplacement(),
    orders.ImportanceSampling(np.ones(50) / 50),
    orders.RandomReshuffling(drop_last=True),
    orders.ShuffleOnce(),
    orders.Incremental(),
    oracles.ExampleSampling(LeastSquares(np.eye(50), np.ones(50)), batch=5),
    noise.Gaussian(),
    noise.Gaussian([0.5, 2.0]),
    noise.Gaussian(covariance=np.eye(50)),
    oracles.AdditiveNoise(Quadratic(np.ones(1000)), noise.Gaussian()),
    oracles.FullGradient(Quadratic([1.0])),
    oracles.RandomLoss(scaled, rosenbrock),
    methods.Sgd(),
    methods.Ball(1.0, np.zeros(50)),
    methods.Box(-1.0, [1.0, 2.0]),
    methods.Projected(methods.Ball(2.0)),
    averages.Suffix(0.3),
    record.every(10),
    record.log_spaced(),
    record.every_epoch(2),
    record.at([0, 5]),
    chapter.study("polynomial"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_repr_fits_on_one_screen(value):
    lines = repr(value).splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 160 for line in lines)
    assert lines[0].startswith(type(value).__name__ + "(")


@pytest.mark.parametrize(
    "value", [value for value in VALUES if hasattr(value, "replace")], ids=lambda value: type(value).__name__
)
def test_values_are_frozen_and_replaceable(value):
    assert repr(value.replace()) == repr(value)
    with pytest.raises(AttributeError):
        value.replace = None


def test_repr_is_what_makes_the_value():
    assert repr(Quadratic([2.0, 4.0], 0.5)) == "Quadratic(curvature=[2, 4], minimiser=[0.5, 0.5])"
    assert repr(noise.Gaussian(0.25)) == "Gaussian(std=0.25)"
    assert repr(methods.Projected(methods.Box(-1, 1))) == "Projected(onto=Box(lower=-1, upper=1))"
    assert repr(oracles.FullGradient(Function(rosenbrock))).startswith("FullGradient(problem=Function(f=")
