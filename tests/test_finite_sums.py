"""Means over examples: problems, orders, and SGD with sampled examples, against NumPy in float64 and enumeration."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression as Reference

import jaxsgd as js
from jaxsgd import orders
from jaxsgd.engine.lanes import over_lanes
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.module import with_own_arrays
from jaxsgd.oracles import ExampleSampling
from jaxsgd.oracles.example_sampling import Sample
from jaxsgd.orders import ImportanceSampling, WithReplacement
from jaxsgd.problems import FiniteSum, HeldOutRisk, LeastSquares, LogisticRegression, Quadratic
from jaxsgd.problems.examples import mean_loss

RNG = np.random.default_rng(0)
N, D, L2 = 150, 3, 0.3  # more examples than are taken at once, and no multiple of that
A = RNG.standard_normal((N, D)) * [1.0, 0.5, 2.0]
B = A @ [1.0, -1.0, 0.5] + RNG.standard_normal(N)
Y = np.where(B > 0, 1.0, -1.0)
POINTS = RNG.standard_normal((20, D))


def ridge_loss(x, example):
    """The loss of least squares, of parameters that are a pytree."""
    features, target = example["a"], example["b"]
    return (features[:2] @ x["w"] + features[2] * x["v"] - target) ** 2 / 2 + L2 / 2 * (x["w"] @ x["w"] + x["v"] ** 2)


PROBLEMS = {
    "least squares": LeastSquares(A, B, L2),
    "logistic regression": LogisticRegression(A, (Y + 1) / 2, L2),
    "finite sum": FiniteSum(
        ridge_loss, {"a": A, "b": B}, start={"w": np.zeros(2), "v": 0.0}, strong_convexity=L2
    ),
}  # fmt: skip


def tree(x):
    return {"v": x[..., 2], "w": x[..., :2]}


def losses(name, x, features, responses):
    """f_i at the points x: (points, n), from the definition."""
    z, ridge = x @ features.T, L2 / 2 * np.sum(x**2, -1, keepdims=True)
    return (np.logaddexp(0, -responses * z) if name == "logistic regression" else (z - responses) ** 2 / 2) + ridge


def gradients(name, x, features, responses):
    """grad f_i at the points x: (points, n, d), from the definition."""
    z = x @ features.T
    slopes = -responses * expit(-responses * z) if name == "logistic regression" else z - responses
    return slopes[..., None] * features + L2 * x[:, None]


def responses_of(name):
    return Y if name == "logistic regression" else B


# risks and gradients

BATCH, WEIGHTS = np.array([3, 149, 3, 70]), np.array([1.0, 2.0, 0.5, 0.0])
LARGE = RNG.integers(N, size=1100)  # of more numbers than are looked up at once


def evaluate(problem, x):
    """Risk and gradient, the latter also by differentiation; gradients of all single examples and of a batch."""

    def at(x):
        each = jax.vmap(lambda i: problem.example_gradient(x, problem.examples_at(i)))(jnp.arange(N))
        at_once, one_by_one = (ExampleSampling(problem, batch=len(indices)) for indices in (BATCH, LARGE))
        looked_up = problem.examples_at(BATCH)
        batches = [
            at_once.gradient(x, Sample(looked_up, None)),
            at_once.gradient(x, Sample(looked_up, jnp.array(WEIGHTS))),
            one_by_one.gradient(x, Sample(jnp.array(LARGE), None)),
        ]
        return problem.value(x), problem.gradient(x), jax.grad(problem.value)(x), each, *batches

    problem = with_own_arrays(problem)
    return jax.jit(jax.vmap(at))(x)


def flat(gradient):
    """The numbers of a gradient (..., d), float64."""
    if isinstance(gradient, dict):
        gradient = jnp.concatenate([gradient["w"], gradient["v"][..., None]], -1)
    return np.asarray(gradient, np.float64)


@pytest.mark.parametrize("name", PROBLEMS)
def test_risks_and_gradients_are_the_formulas(name):
    points = POINTS.astype(np.float32)
    exact, slopes = (
        f(name, points.astype(np.float64), A, responses_of(name)) for f in (losses, gradients)
    )  # fmt: skip
    given = points if name != "finite sum" else tree(points)
    value, gradient, differentiated, each, batch, weighted, large = evaluate(PROBLEMS[name], given)
    np.testing.assert_allclose(value, exact.mean(1), rtol=2e-6)
    tolerance = 2e-6 * np.abs(slopes).max()
    for one in (gradient, differentiated):
        np.testing.assert_allclose(flat(one), slopes.mean(1), atol=tolerance)
    np.testing.assert_allclose(flat(each), slopes, atol=tolerance)
    np.testing.assert_allclose(flat(each).mean(1), flat(gradient), atol=tolerance)  # E_i grad f_i = grad R
    np.testing.assert_allclose(flat(large), slopes[:, LARGE].mean(1), atol=tolerance)
    np.testing.assert_allclose(flat(batch), slopes[:, BATCH].mean(1), atol=tolerance)
    np.testing.assert_allclose(flat(weighted), (WEIGHTS[:, None] * slopes[:, BATCH]).mean(1), atol=tolerance)


def test_risk_and_gradient_take_memory_that_does_not_grow_with_the_examples():
    n, lanes = 20_000, 1024
    features = RNG.standard_normal((n, D))
    problem = LogisticRegression(features, features @ np.ones(D) > 0, L2)
    both = jax.jit(lambda p, x: over_lanes(lambda x: (p.value(x), p.gradient(x)))(x))
    compiled = both.lower(problem, jnp.zeros((D, lanes))).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 4 * n * lanes / 20  # one number for each pair: 82 MB
    x = RNG.standard_normal((D, lanes)).astype(np.float32)
    value, gradient = compiled(jax.tree.map(jnp.float32, problem), x)
    point = x[:, 7].astype(np.float64)
    margin = problem.labels * (features @ point)
    exact = np.logaddexp(0, -margin).mean() + L2 / 2 * point @ point
    slope = -(problem.labels * expit(-margin)) @ features / n + L2 * point
    np.testing.assert_allclose(value[7], exact, rtol=1e-5)
    np.testing.assert_allclose(gradient[:, 7], slope, atol=1e-5)


def test_means_of_many_examples_keep_the_digits_of_float32():
    """A plain sum of parts, one after the other, is off by more than 1e-6 here."""
    examples = np.full(100_001, 0.1)
    mean = jax.jit(lambda x: mean_loss(lambda x, a: x * a, with_own_arrays(examples), x))(jnp.float32(3))
    assert float(mean) == pytest.approx(0.3, rel=5e-7)
    parts = np.full(100_000 // 64, np.float32(0.3) * 64, np.float32)
    assert abs(np.add.accumulate(parts)[-1] / np.float32(100_000 // 64 * 64 * 0.3) - 1) > 1e-6


# minimisers and constants


def slope_at(name, x):
    return gradients(name, np.asarray(x)[None], A, responses_of(name)).mean((0, 1))


def test_minimisers_are_exact():
    squares, logistic, general = PROBLEMS.values()
    normal = np.linalg.solve(A.T @ A / N + L2 * np.eye(D), A.T @ B / N)
    np.testing.assert_allclose(squares.minimiser, normal, rtol=1e-13)
    np.testing.assert_allclose([*general.minimiser["w"], general.minimiser["v"]], normal, rtol=1e-12)
    reference = Reference(C=1 / (N * L2), fit_intercept=False, tol=1e-12, solver="newton-cholesky").fit(A, Y)
    np.testing.assert_allclose(logistic.minimiser, reference.coef_[0], rtol=1e-9)
    for name, problem in PROBLEMS.items():
        x = problem.minimiser if name != "finite sum" else [*problem.minimiser["w"], problem.minimiser["v"]]
        assert np.linalg.norm(slope_at(name, x)) <= 1e-10
        exact = losses(name, np.asarray(x)[None], A, responses_of(name)).mean()
        assert problem.minimum == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_least_squares_is_solved_where_columns_differ_in_size(scale):
    problem = LeastSquares(A * [1.0, scale, 1.0], B)
    exact = np.linalg.solve(A.T @ A, A.T @ B) / [1.0, scale, 1.0]
    np.testing.assert_allclose(problem.minimiser, exact, rtol=1e-9)


def test_least_squares_without_a_unique_solution_has_that_of_least_norm():
    doubled, wide = np.column_stack([A, A[:, 0]]), A[:2]  # dependent columns; fewer examples than coordinates
    for features, targets in ((doubled, B), (wide, B[:2])):
        problem = LeastSquares(features, targets)
        np.testing.assert_allclose(problem.minimiser, np.linalg.pinv(features) @ targets, atol=1e-12)
        assert problem.strong_convexity == 0
        residual = features @ problem.minimiser - targets
        assert problem.minimum == pytest.approx(np.mean(residual**2) / 2, abs=1e-14)
        x = np.linspace(-1, 1, features.shape[1])
        expected = np.mean((features @ x - targets) ** 2) / 2
        assert float(problem.value(x)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["least squares", "logistic regression"])
def test_constants_are_those_of_the_hessians(name):
    problem, identity = PROBLEMS[name], np.eye(D)
    factor = 4 if name == "logistic regression" else 1  # the second derivative of the loss is at most 1/4
    eigenvalues = np.linalg.eigvalsh(A.T @ A / (factor * N) + L2 * identity)
    assert problem.smoothness == pytest.approx(eigenvalues[-1], rel=1e-12)
    assert problem.strong_convexity == pytest.approx(eigenvalues[0] if factor == 1 else L2, rel=1e-12)
    each = [np.linalg.eigvalsh(np.outer(a, a) / factor + L2 * identity)[-1] for a in A]
    assert problem.example_smoothness == pytest.approx(max(each), rel=1e-12)
    noise = gradients(name, problem.minimiser[None], A, responses_of(name))[0]
    assert problem.gradient_noise == pytest.approx(np.mean(np.sum(noise**2, 1)), rel=1e-12)
    assert problem.convex is True
    assert problem.constants["gradient_noise"] == problem.gradient_noise
    # What the constants say of gradients, between all pairs of points; far away logistic regression comes near its mu.
    slopes = gradients(name, np.vstack([POINTS, 1e4 * POINTS]), A, responses_of(name)).mean(1)
    x = np.vstack([POINTS, 1e4 * POINTS])
    i, j = np.triu_indices(len(x), 1)
    distance, change = x[i] - x[j], slopes[i] - slopes[j]
    curvature = np.einsum("pi,pi->p", distance, change) / np.einsum("pi,pi->p", distance, distance)
    assert np.all(curvature >= problem.strong_convexity * (1 - 1e-9))
    assert np.all(np.linalg.norm(change, axis=1) <= problem.smoothness * np.linalg.norm(distance, axis=1) * (1 + 1e-9))
    assert name == "least squares" or curvature.min() < L2 * 1.01


def test_one_example_has_no_gradient_noise():
    for problem in (LeastSquares([[1.0, 3.0]], [2.0], 0.3), LeastSquares([[1.0, 3.0]], [2.0])):
        assert 0 <= problem.gradient_noise < 1e-29
        assert problem.minimum >= 0


def test_finite_sum_knows_what_it_is_told_and_what_it_finds():
    general, squares = PROBLEMS["finite sum"], PROBLEMS["least squares"]
    assert general.gradient_noise == pytest.approx(squares.gradient_noise, rel=1e-10)
    assert (general.strong_convexity, general.smoothness, general.example_smoothness) == (L2, None, None)
    told = FiniteSum(lambda x, a: (x - a) ** 2, [1.0, 2.0, 6.0], minimiser=3.0, smoothness=1, example_smoothness=1)
    assert (round(told.minimum, 12), told.examples, told.smoothness, told.example_smoothness) == (
        round(14 / 3, 12),
        3,
        1,
        1,
    )
    assert told.convex is told.start is None
    unknown = FiniteSum(lambda x, a: jnp.cos(x - a), [1.0, 2.0], start=0.5)
    assert unknown.minimiser is unknown.minimum is unknown.gradient_noise is None
    assert Quadratic([1.0]).examples == 1


def test_finite_sum_finds_the_minimiser_of_other_data_anew():
    problem = FiniteSum(lambda x, a: (x - a) ** 4 + (x - a) ** 2, [1.0, 2.0, 3.0], start=10.0, convex=True)
    assert abs(problem.minimiser - 2) < 1e-10
    assert abs(problem.replace(data=[5.0, 6.0, 7.0]).minimiser - 6) < 1e-10


def test_test_risk_is_the_mean_loss_without_the_ridge():
    X, x = A[:70] + 1, POINTS[0]
    z = X @ x
    squares = LeastSquares(A, B, L2, test=(X, B[:70]))
    logistic = LogisticRegression(A, Y, L2, test=(X, Y[:70] > 0))
    general = FiniteSum(ridge_loss, {"a": A, "b": B}, test={"a": X, "b": B[:70]})
    assert float(squares.test_risk(x)) == pytest.approx(np.mean((z - B[:70]) ** 2) / 2, rel=1e-5)
    assert float(logistic.test_risk(x)) == pytest.approx(np.mean(np.logaddexp(0, -Y[:70] * z)), rel=1e-5)
    expected = np.mean((z - B[:70]) ** 2) / 2 + L2 / 2 * x @ x  # its loss is all that it knows
    assert float(general.test_risk({"w": x[:2], "v": x[2]})) == pytest.approx(expected, rel=1e-5)


def test_equal_test_risks_are_equal():
    make = lambda shift: LeastSquares(A, B, L2, test=(A + shift, B)).test_risk  # noqa: E731
    one, same, other = make(0), make(0), make(1)
    assert one == same == pickle.loads(pickle.dumps(one))
    assert hash(one) == hash(same)
    assert one != other
    assert one != LogisticRegression(A, Y, L2, test=(A, Y)).test_risk
    assert repr(one) == "HeldOutRisk(loss=jaxsgd.problems.linear_model.LinearModel.example_loss, examples=150)"
    assert isinstance(one, HeldOutRisk)


# bad input

SQUARES = PROBLEMS["least squares"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LeastSquares(np.zeros((0, 2)), []), r"features must be a matrix \(n, d\), .*, got shape \(0, 2\)"),
        (lambda: LeastSquares([1.0, 2.0], [1.0, 2.0]), r"features must be a matrix \(n, d\), .*, got shape \(2,\)"),
        (lambda: LeastSquares([[1.0], [np.nan]], [1.0, 2.0]), r"features must be finite, got nan at index \[1, 0\]"),
        (lambda: LeastSquares([[1.0], [2.0]], [1.0, np.inf]), r"targets must be finite, got inf at index \[1\]"),
        (lambda: LeastSquares([[1.0], [2.0]], [1.0]), r"targets must have shape \(2,\), one for each row .*\(1,\)"),
        (lambda: LeastSquares([[1.0]], [1.0], -1.0), "l2 must be at least 0, got -1"),
        (lambda: LeastSquares([[1.0]], [1.0], test=3), r"test must be a pair \(features, targets\), got int"),
        (lambda: LeastSquares([[1.0]], [1.0], test=([[1.0, 2.0]], [1.0])), "features of test must have 1 columns"),
        (lambda: LeastSquares([[1.0]], [1.0], test=([[np.nan]], [1.0])), "features of test must be finite"),
        (lambda: LeastSquares([[1.0]], [1.0]).test_risk, "the problem has no test data: give it test="),
        (lambda: LogisticRegression(A, np.ones(N), L2), "labels must be of two classes, got 1 150 times"),
        (lambda: LogisticRegression(A, np.arange(N) % 2 + 1, L2), "labels must be 0 and 1, .* got 2; .* labels == 2"),
        (lambda: LogisticRegression(A, np.arange(N) % 3 - 1, L2), "labels must be 0 and 1, or .*, got -1, 0, 1"),
        (lambda: LogisticRegression(A, Y, 0.0), "l2 must be greater than 0, got 0"),
        (lambda: LogisticRegression(A, np.full(N, np.nan), L2), "labels must be finite, got nan"),
        (lambda: LogisticRegression(A, ["a"] * N, L2), "labels must be a number or an array of numbers"),
        (lambda: LogisticRegression(A, Y, L2, test=(A, Y + 1)), "labels of test must be 0 and 1, or .*, got 2"),
        (lambda: FiniteSum(3, [1.0]), r"loss must be a function of \(x, example\), got 3"),
        (lambda: FiniteSum(ridge_loss, []), "data must be a pytree of arrays"),
        (lambda: FiniteSum(ridge_loss, np.zeros(0)), "data must hold at least one example"),
        (lambda: FiniteSum(ridge_loss, 1.0), "data must be an array whose first axis are the examples, got one number"),
        (lambda: FiniteSum(ridge_loss, {"a": A, "b": B[:3]}), "data must have as many examples in every array"),
        (lambda: FiniteSum(ridge_loss, {"a": A, "b": B * np.nan}), r"data\['b'\] must be finite, got nan"),
        (lambda: FiniteSum(ridge_loss, {"a": A, "b": B}, test=A), r"test must hold examples of the shapes of data"),
        (lambda: FiniteSum(ridge_loss, [1.0], convex=False, strong_convexity=1), "contradicts strong_convexity"),
        (lambda: FiniteSum(ridge_loss, [1.0], start=0.0, convex=True), "loss cannot be computed and differentiated"),
        (lambda: FiniteSum(ridge_loss, [1.0], minimiser=0.0), "the mean of loss cannot be computed at the minimiser"),
        (lambda: FiniteSum(lambda x, a: a * x, [1.0], start=0.0, convex=True), "the risk must have a minimum"),
        (lambda: FiniteSum(lambda x, a: a * x, [1.0], minimiser=[0.0]), "loss must be one number for one example"),
        (
            lambda: js.Study(
                oracle=ExampleSampling(FiniteSum(lambda x, a: a * x, np.ones(9))),
                schedule=js.schedules.constant(0.1),
                steps=1,
                x0=[0.0],
            ),
            r"the risk cannot be computed: InvalidInput: loss must be one number for one example, got shape \(1,\)",
        ),
        (lambda: ExampleSampling(Quadratic([1.0])), r"problem must be a mean over examples, .*, got Quadratic"),
        (lambda: ExampleSampling(SQUARES, WithReplacement), "order must be one of jaxsgd.orders, got .*; call it"),
        (lambda: ExampleSampling(SQUARES, batch=0), "batch must be at least 1, got 0"),
        (lambda: ExampleSampling(SQUARES, batch=1.5), "batch must be an integer, got 1.5"),
        (lambda: WithReplacement().check(np.broadcast_to(True, 2**31), 1), r"fewer than 2\^31 examples, got 21474"),
        (lambda: ImportanceSampling([0.5, 0.6]), "probabilities must have sum 1, got 1.1; divide them by their sum"),
        (lambda: ImportanceSampling([1.5, -0.5]), r"probabilities must not be negative, got -0.5 at index \[1\]"),
        (lambda: ImportanceSampling([np.nan, 1.0]), "probabilities must be finite, got nan"),
        (lambda: ImportanceSampling([[1.0]]), r"probabilities must be one for each example \(n,\), got shape \(1, 1\)"),
        (lambda: ImportanceSampling([1e-10, 1 - 1e-10]), r"must be 0 or larger than 2\^-30 .* 1e-10 at index \[0\]"),
        (lambda: ExampleSampling(SQUARES, ImportanceSampling([0.5, 0.5])), "one for each of the 150 examples, got 2"),
        (
            lambda: ExampleSampling(LeastSquares([[1.0], [2.0]], [0.0, 0.0]), ImportanceSampling([0.0, 1.0])),
            r"must not be 0 where the gradient is not, got 0 at index \[0\]",
        ),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong(make, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        make()


def test_an_example_without_gradient_need_not_be_drawn():
    order = ImportanceSampling([0.0, 1.0])
    ExampleSampling(LeastSquares([[0.0], [2.0]], [1.0, 0.0]), order)
    with pytest.raises(InvalidInput, match="where the gradient is not"):
        ExampleSampling(LeastSquares([[0.0], [2.0]], [1.0, 0.0], l2=0.1), order)
    assert orders.WithReplacement().check(np.ones(3, bool), batch=7) is None  # more than there are, with replacement
