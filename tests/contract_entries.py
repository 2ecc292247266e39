"""One entry, or several, for every registered kind of every family: the tables of test_contract.py.

A kind without an entry here fails the tests. The key of an entry is the name of its kind in a study file, and after a
colon what is special about it.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from jaxsgd import averages, folds, methods, noise, oracles, orders, problems, record, schedules, start


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """One object, as it is made in Python and in a study file, and what is expected of it.

    - `make`, `other`: it, and the same with other numbers; `other` is None where it has no numbers.
    - `toml`: the arguments of `make` as they stand in a study file.
    - `facts`: the names of all facts that it declares; whoever loses one, or declares another, changes this table.
    - `exact`: whether there are exact moments of the study that the test makes with it.
    - `silent`: why other numbers do not change what it computes; None where they do.
    - `unprinted`: why its repr does not make it again; None where it does.
    - `of_losses`: of a method, whether it needs an oracle with losses.
    """

    make: Callable[[], Any]
    other: Callable[[], Any] | None
    toml: str
    facts: str = ""
    exact: bool = True
    silent: str | None = None
    unprinted: str | None = None
    of_losses: bool = False

    @functools.cached_property
    def object(self) -> Any:
        return self.make()


# functions of a user


def residual(x, example):
    """(a'x - b)^2 / 2 of an example (a, b), a vector of three numbers."""
    return (jnp.sum(example[:2] * x) - example[2]) ** 2 / 2


def bowl(x):
    """sum_i sqrt(1 + (x_i - 1)^2): smooth with 1, Lipschitz with sqrt(d), convex, and not strongly so."""
    return jnp.sum(jnp.sqrt(1 + (x - 1) ** 2))


def banana(x):
    """Rosenbrock's function of a pytree, which is not convex."""
    return (1 - x["a"]) ** 2 + 5 * jnp.sum((x["b"] - x["a"] ** 2) ** 2)


def pull(xi, x):
    """|x|^2 / 2 - xi'x, of mean |x|^2 / 2."""
    return jnp.sum(x * x) / 2 - jnp.sum(xi * x)


def pull_in_turn(xi, x, t):
    """The same, but 3 times as strong at every third update."""
    return jnp.where(t % 3 == 1, 3.0, -1.0) * pull(xi, x)


def two_normals(stream):
    return stream.normal((2,))


def displacement(update):
    return update.x_next - update.x


def beyond(x):
    return x[0] > 0.5


def longest(carry, update):
    return jnp.maximum(carry, jnp.sum(displacement(update) ** 2))


# data

FEATURES = [[1.0, 0.5], [-0.5, 2.0], [1.5, -1.0], [0.5, 1.0], [-1.0, 0.25]]
TARGETS = [1.0, 2.0, -1.0, 0.5, 3.0]
OTHER_TARGETS = [0.0, 1.0, -2.0, 1.5, 1.0]
LABELS = [1.0, -1.0, 1.0, 1.0, -1.0]
OTHER_LABELS = [1.0, 1.0, -1.0, 1.0, -1.0]
ROWS = [[*row, target] for row, target in zip(FEATURES, TARGETS, strict=True)]
OTHER_ROWS = [[*row, target] for row, target in zip(FEATURES, OTHER_TARGETS, strict=True)]
MANY = np.random.default_rng(0).integers(-20, 20, (70, 3)) / 8  # more than the mean over examples takes at once
GIVEN = f"features = {FEATURES}, targets = {TARGETS}"


def least_squares(targets=TARGETS, **more):
    return problems.LeastSquares(features=FEATURES, targets=targets, **more)


# families

OF_LAW = "is_additive symmetric bounded independent tail_index normal"
WITH_VARIANCE = f"{OF_LAW} covariance_matrix cumulants"
NOISE = {
    "gaussian": Entry(
        lambda: noise.Gaussian(std=[0.5, 1.5]),
        lambda: noise.Gaussian(std=[1.0, 0.3]),
        "std = [0.5, 1.5]",
        f"{WITH_VARIANCE} stable_law marginal",
    ),
    "gaussian: covariance": Entry(
        lambda: noise.Gaussian(covariance=[[1.0, 0.6], [0.6, 2.0]]),
        lambda: noise.Gaussian(covariance=[[0.5, -0.1], [-0.1, 0.3]]),
        "covariance = [[1.0, 0.6], [0.6, 2.0]]",
        f"{WITH_VARIANCE} stable_law marginal",
    ),
    "gaussian: none at all": Entry(
        lambda: noise.Gaussian(std=[0.0, 0.0]),
        lambda: noise.Gaussian(std=[1.0, 0.0]),
        "std = [0, 0]",
        f"{WITH_VARIANCE} stable_law marginal",
    ),
    "rademacher": Entry(
        lambda: noise.Rademacher(scale=[0.5, 1.5]),
        lambda: noise.Rademacher(scale=[1.0, 0.3]),
        "scale = [0.5, 1.5]",
        f"{WITH_VARIANCE} marginal",
    ),
    "laplace": Entry(
        lambda: noise.Laplace(scale=[0.5, 1.5]),
        lambda: noise.Laplace(scale=[1.0, 0.3]),
        "scale = [0.5, 1.5]",
        f"{WITH_VARIANCE} marginal",
    ),
    "centered_exponential": Entry(
        lambda: noise.CenteredExponential(scale=[0.5, 1.5]),
        lambda: noise.CenteredExponential(scale=[1.0, 0.3]),
        "scale = [0.5, 1.5]",
        f"{WITH_VARIANCE} marginal",
    ),
    "student_t": Entry(
        lambda: noise.StudentT(df=6.0, scale=[0.5, 1.0]),
        lambda: noise.StudentT(df=9.0, scale=[1.0, 0.3]),
        "df = 6.0, scale = [0.5, 1.0]",
        f"{WITH_VARIANCE} marginal",
    ),
    "student_t: no variance": Entry(
        lambda: noise.StudentT(df=1.5), lambda: noise.StudentT(df=1.0), "df = 1.5", f"{OF_LAW} marginal", exact=False
    ),
    "alpha_stable": Entry(
        lambda: noise.AlphaStable(alpha=1.5, scale=[0.5, 1.0]),
        lambda: noise.AlphaStable(alpha=1.0, scale=[1.0, 0.3]),
        "alpha = 1.5, scale = [0.5, 1.0]",
        f"{OF_LAW} stable_law marginal",
        exact=False,
    ),
    "alpha_stable: normal": Entry(
        lambda: noise.AlphaStable(alpha=2.0),
        lambda: noise.AlphaStable(alpha=1.0),
        "alpha = 2.0",
        f"{WITH_VARIANCE} stable_law marginal",
    ),
    "multiplicative": Entry(
        lambda: noise.Multiplicative(std=[0.5, 1.0]),
        lambda: noise.Multiplicative(std=[1.0, 0.3]),
        "std = [0.5, 1.0]",
        f"{OF_LAW} relative_marginal relative_variance covariance_at_rest",
    ),
    "multiplicative: and added": Entry(
        lambda: noise.Multiplicative(std=0.5, additive=noise.Gaussian(covariance=[[1.0, 0.6], [0.6, 2.0]])),
        lambda: noise.Multiplicative(std=1.0, additive=noise.Gaussian(covariance=[[0.5, -0.1], [-0.1, 0.3]])),
        'std = 0.5, additive = {kind = "gaussian", covariance = [[1.0, 0.6], [0.6, 2.0]]}',
        f"{OF_LAW} relative_marginal relative_variance covariance_at_rest",
    ),
}

CONVEX = "start examples minimiser minimum strong_convexity convex"
SEVERAL_MINIMA = "start examples minimiser minimum convex"
OF_EXAMPLES = "example_smoothness example_strong_convexity gradient_noise example_value has_gradient"
PROBLEMS = {
    "quadratic": Entry(
        lambda: problems.Quadratic(curvature=[2.0, 0.5], minimiser=[1.0, -2.0]),
        lambda: problems.Quadratic(curvature=[1.0, 3.0], minimiser=[0.0, 1.0]),
        "curvature = [2.0, 0.5], minimiser = [1.0, -2.0]",
        f"{CONVEX} smoothness hessian",
    ),
    "quadratic: matrix": Entry(
        lambda: problems.Quadratic(curvature=[[2.0, 0.5], [0.5, 1.0]], minimiser=1.0),
        lambda: problems.Quadratic(curvature=[[1.0, 0.2], [0.2, 3.0]], minimiser=0.5),
        "curvature = [[2.0, 0.5], [0.5, 1.0]], minimiser = 1.0",
        f"{CONVEX} smoothness hessian",
    ),
    "least_squares": Entry(
        lambda: least_squares(l2=0.1),
        lambda: least_squares(OTHER_TARGETS, l2=0.2),
        f"{GIVEN}, l2 = 0.1",
        f"{CONVEX} smoothness hessian {OF_EXAMPLES} squared_residuals",
    ),
    "least_squares: test data, and an example without a gradient": Entry(
        lambda: problems.LeastSquares([[1.0, 0.5], [0.0, 0.0], [0.5, -2.0]], [1.0, 2.0, 3.0], test=([[2.0, 1.0]], [1])),
        lambda: problems.LeastSquares([[2.0, 1.5], [0.0, 0.0], [1.5, -1.0]], [2.0, 1.0, 0.0], test=([[1.0, 1.0]], [2])),
        "features = [[1.0, 0.5], [0, 0], [0.5, -2.0]], targets = [1.0, 2.0, 3.0], test = [[[2.0, 1.0]], [1]]",
        f"{CONVEX} smoothness hessian {OF_EXAMPLES} squared_residuals test test_residuals",
    ),
    "logistic_regression": Entry(
        lambda: problems.LogisticRegression(features=FEATURES, labels=LABELS, l2=0.1),
        lambda: problems.LogisticRegression(features=FEATURES, labels=OTHER_LABELS, l2=0.2),
        f"features = {FEATURES}, labels = {LABELS}, l2 = 0.1",
        f"{CONVEX} smoothness {OF_EXAMPLES}",
        exact=False,
    ),
    "logistic_regression: many examples": Entry(
        lambda: problems.LogisticRegression(features=MANY[:, :2], labels=MANY[:, 2] > 0, l2=0.5),
        lambda: problems.LogisticRegression(features=MANY[:, :2], labels=MANY[:, 0] > 0, l2=0.5),
        f"features = {MANY[:, :2].tolist()}, labels = {(MANY[:, 2] > 0).astype(int).tolist()}, l2 = 0.5",
        f"{CONVEX} smoothness {OF_EXAMPLES}",
        exact=False,
        unprinted="more than 16 numbers are printed as their shape",
    ),
    "finite_sum": Entry(
        lambda: problems.FiniteSum(
            residual, ROWS, ROWS[:2], [0.0, 0.0], smoothness=1.49, example_smoothness=4.25, example_strong_convexity=0.0
        ),
        lambda: problems.FiniteSum(
            residual, OTHER_ROWS, ROWS[2:4], [0, 1], smoothness=3.0, example_smoothness=4, example_strong_convexity=0
        ),
        f'loss = "contract_entries:residual", data = {ROWS}, test = {ROWS[:2]}, start = [0.0, 0.0], '
        "smoothness = 1.49, example_smoothness = 4.25, example_strong_convexity = 0.0",
        f"start examples minimiser minimum convex smoothness {OF_EXAMPLES} test",
        exact=False,
    ),
    "function": Entry(
        lambda: problems.Function(bowl, [1, 1], strong_convexity=0, smoothness=1, lipschitz=1.41422, convex=True),
        lambda: problems.Function(bowl, [1, 2], strong_convexity=1, smoothness=2, lipschitz=1.5, convex=True),
        'f = "contract_entries:bowl", minimiser = [1, 1], strong_convexity = 0, smoothness = 1, lipschitz = 1.41422, '
        "convex = true",
        "examples minimiser minimum strong_convexity smoothness lipschitz convex",
        exact=False,
        silent="its numbers are what is known of f",
    ),
    "function: of a pytree": Entry(
        lambda: problems.Function(banana, minimiser={"a": 1.0, "b": [1.0, 1.0]}, convex=False),
        lambda: problems.Function(banana, minimiser={"a": 2.0, "b": [4.0, 4.0]}, convex=False),
        'f = "contract_entries:banana", minimiser = {a = 1.0, b = [1.0, 1.0]}, convex = false',
        "examples minimiser minimum convex",
        exact=False,
        silent="its numbers are what is known of f",
    ),
    "absolute_value": Entry(
        lambda: problems.AbsoluteValue(scale=[1.0, 2.0], minimiser=[1.0, -2.0]),
        lambda: problems.AbsoluteValue(scale=[0.5, 3.0], minimiser=[0.0, 1.0]),
        "scale = [1.0, 2.0], minimiser = [1.0, -2.0]",
        f"{CONVEX} lipschitz",
        exact=False,
    ),
    "absolute_value: one coordinate": Entry(
        lambda: problems.AbsoluteValue(scale=1.5, minimiser=0.5),
        lambda: problems.AbsoluteValue(scale=2.0, minimiser=1.0),
        "scale = 1.5, minimiser = 0.5",
        f"{CONVEX} lipschitz kinks",
    ),
    "huber": Entry(
        lambda: problems.Huber(delta=[0.5, 1.0], scale=[1.0, 3.0], minimiser=0.5),
        lambda: problems.Huber(delta=[1.5, 0.5], scale=[2.0, 1.0], minimiser=1.0),
        "delta = [0.5, 1.0], scale = [1.0, 3.0], minimiser = 0.5",
        f"{CONVEX} smoothness lipschitz",
        exact=False,
    ),
    "huber: one coordinate": Entry(
        lambda: problems.Huber(delta=0.75, scale=2.0, minimiser=0.5),
        lambda: problems.Huber(delta=1.5, scale=1.0, minimiser=1.0),
        "delta = 0.75, scale = 2.0, minimiser = 0.5",
        f"{CONVEX} smoothness lipschitz kinks",
    ),
    "max_affine": Entry(
        lambda: problems.MaxAffine(slopes=[[1.0, 2.0], [-2.0, 0.5], [1.0, -1.5]], offsets=[0.0, 1.0, -0.5]),
        lambda: problems.MaxAffine(slopes=[[1.0, 1.0], [-1.0, 0.5], [0.5, -1.5]], offsets=[0.5, 1.0, 0.0]),
        "slopes = [[1.0, 2.0], [-2.0, 0.5], [1.0, -1.5]], offsets = [0.0, 1.0, -0.5]",
        f"{CONVEX} lipschitz",
        exact=False,
    ),
    "max_affine: one coordinate": Entry(
        lambda: problems.MaxAffine(slopes=[[1.0], [-2.0], [0.25]], offsets=[0.0, 1.0, 0.5]),
        lambda: problems.MaxAffine(slopes=[[2.0], [-1.0], [0.5]], offsets=[0.5, 1.0, 0.25]),
        "slopes = [[1.0], [-2.0], [0.25]], offsets = [0.0, 1.0, 0.5]",
        f"{CONVEX} lipschitz kinks",
    ),
    "rippled_parabola": Entry(
        lambda: problems.RippledParabola(dimension=2),
        None,
        "dimension = 2",
        SEVERAL_MINIMA,
        exact=False,
    ),
    "double_well": Entry(
        lambda: problems.DoubleWell(dimension=2),
        None,
        "dimension = 2",
        SEVERAL_MINIMA,
        exact=False,
    ),
    "double_well: one coordinate": Entry(lambda: problems.DoubleWell(), None, "", f"{SEVERAL_MINIMA} kinks"),
    "separable_cosine": Entry(
        lambda: problems.SeparableCosine(dimension=2, curvature=2.0, amplitude=4.0, frequency=3.0),
        lambda: problems.SeparableCosine(dimension=2, curvature=1.0, amplitude=0.25, frequency=2.0),
        "dimension = 2, curvature = 2.0, amplitude = 4.0, frequency = 3.0",
        f"{SEVERAL_MINIMA} smoothness",
        exact=False,
    ),
    "polyak_lojasiewicz": Entry(
        lambda: problems.PolyakLojasiewicz(),
        None,
        "",
        f"{SEVERAL_MINIMA} smoothness polyak_lojasiewicz kinks",
    ),
    "rosenbrock": Entry(
        lambda: problems.Rosenbrock(dimension=2),
        None,
        "dimension = 2",
        SEVERAL_MINIMA,
        exact=False,
    ),
}

ORACLES = {
    "additive_noise": Entry(
        lambda: oracles.AdditiveNoise(problems.Quadratic([2.0, 0.5]), noise.Gaussian(std=[0.5, 1.5])),
        lambda: oracles.AdditiveNoise(problems.Quadratic([1.0, 2.5]), noise.Gaussian(std=[1.5, 0.5])),
        'problem = {kind = "quadratic", curvature = [2.0, 0.5]}, noise = {kind = "gaussian", std = [0.5, 1.5]}',
        "unbiased normal independent batch gradient_covariance gradient_covariances gradient_cumulants tail_index "
        "noise_over_time",
    ),
    "additive_noise: that grows with the gradient": Entry(
        lambda: oracles.AdditiveNoise(
            problems.Quadratic([2.0, 0.5]), noise.Multiplicative(std=0.5, additive=noise.Gaussian(std=[0.5, 1.5]))
        ),
        lambda: oracles.AdditiveNoise(
            problems.Quadratic([1.0, 2.5]), noise.Multiplicative(std=0.7, additive=noise.Gaussian(std=[1.5, 0.5]))
        ),
        'problem = {kind = "quadratic", curvature = [2.0, 0.5]}, noise = {kind = "multiplicative", std = 0.5, '
        'additive = {kind = "gaussian", std = [0.5, 1.5]}}',
        "unbiased normal independent batch growing_covariance noise_over_time tail_index",
    ),
    "additive_noise: that changes with time": Entry(
        lambda: oracles.AdditiveNoise(
            problems.Quadratic([2.0, 0.5]), noise.Gaussian(std=[0.5, 1.5]), schedules.inverse_sqrt(2.0)
        ),
        lambda: oracles.AdditiveNoise(
            problems.Quadratic([2.0, 0.5]), noise.Gaussian(std=[0.5, 1.5]), schedules.inverse_sqrt(3.0)
        ),
        'problem = {kind = "quadratic", curvature = [2.0, 0.5]}, noise = {kind = "gaussian", std = [0.5, 1.5]}, '
        'scale = {kind = "inverse_sqrt", initial = 2.0}',
        "unbiased normal independent batch gradient_covariances gradient_cumulants noise_over_time tail_index",
    ),
    "random_loss": Entry(
        lambda: oracles.RandomLoss(pull, two_normals, problems.Quadratic([1.0, 1.0])),
        lambda: oracles.RandomLoss(pull, two_normals, problems.Quadratic([1.0, 2.0])),
        'loss = "contract_entries:pull", sampler = "contract_entries:two_normals", '
        'problem = {kind = "quadratic", curvature = [1.0, 1.0]}',
        "unbiased batch",
        exact=False,
    ),
    "random_loss: of an unknown risk": Entry(
        lambda: oracles.RandomLoss(pull, two_normals),
        None,
        'loss = "contract_entries:pull", sampler = "contract_entries:two_normals"',
        "unbiased batch",
        exact=False,
    ),
    "random_loss: that changes with time": Entry(
        lambda: oracles.RandomLoss(pull_in_turn, two_normals, problems.Quadratic([1.0, 1.0])),
        lambda: oracles.RandomLoss(pull_in_turn, two_normals, problems.Quadratic([1.0, 2.0])),
        'loss = "contract_entries:pull_in_turn", sampler = "contract_entries:two_normals", '
        'problem = {kind = "quadratic", curvature = [1.0, 1.0]}',
        "batch",
        exact=False,
    ),
    "example_sampling": Entry(
        lambda: oracles.ExampleSampling(least_squares(), batch=3),
        lambda: oracles.ExampleSampling(least_squares(OTHER_TARGETS), batch=3),
        f'problem = {{kind = "least_squares", {GIVEN}}}, batch = 3',
        "unbiased order batch averages_examples tail_index",
    ),
    "example_sampling: of a finite sum, shuffled": Entry(
        lambda: oracles.ExampleSampling(
            problems.FiniteSum(residual, ROWS, start=[0.0, 0.0], convex=True), orders.RandomReshuffling()
        ),
        lambda: oracles.ExampleSampling(
            problems.FiniteSum(residual, OTHER_ROWS, start=[0.0, 0.0], convex=True), orders.RandomReshuffling()
        ),
        f'problem = {{kind = "finite_sum", loss = "contract_entries:residual", data = {ROWS}, start = [0, 0], '
        'convex = true}, order = "random_reshuffling"',
        "unbiased order batch averages_examples tail_index",
    ),
    "example_sampling: of all examples": Entry(
        lambda: oracles.ExampleSampling(least_squares(), orders.Incremental(), batch=5),
        lambda: oracles.ExampleSampling(least_squares(OTHER_TARGETS), orders.Incremental(), batch=5),
        f'problem = {{kind = "least_squares", {GIVEN}}}, order = "incremental", batch = 5',
        "unbiased order batch averages_examples tail_index",
    ),
    "full_gradient": Entry(
        lambda: oracles.FullGradient(problems.Quadratic([2.0, 0.5])),
        lambda: oracles.FullGradient(problems.Quadratic([1.0, 2.5])),
        'problem = {kind = "quadratic", curvature = [2.0, 0.5]}',
        "unbiased normal full_gradient batch gradient_covariance gradient_covariances tail_index",
    ),
}

OF_FRESH = "fresh unbiased uniform distinct weights probabilities_of"
OF_PERMUTATIONS = "fresh unbiased uniform distinct weights shuffled"
ORDERS = {
    "with_replacement": Entry(lambda: orders.WithReplacement(), None, "", OF_FRESH),
    "with_replacement: distinct": Entry(
        lambda: orders.WithReplacement(distinct=True), None, "distinct = true", OF_FRESH
    ),
    "importance_sampling": Entry(
        lambda: orders.ImportanceSampling([0.25, 0.15, 0.25, 0.15, 0.2]),
        lambda: orders.ImportanceSampling([0.1, 0.2, 0.3, 0.3, 0.1]),
        "probabilities = [0.25, 0.15, 0.25, 0.15, 0.2]",
        OF_FRESH,
    ),
    "importance_sampling: equal": Entry(
        lambda: orders.ImportanceSampling([0.25, 0.25, 0.25, 0.25]),
        lambda: orders.ImportanceSampling([0.1, 0.2, 0.3, 0.4]),
        "probabilities = [0.25, 0.25, 0.25, 0.25]",
        OF_FRESH,
    ),
    "random_reshuffling": Entry(lambda: orders.RandomReshuffling(), None, "", OF_PERMUTATIONS),
    "random_reshuffling: whole batches": Entry(
        lambda: orders.RandomReshuffling(drop_last=True), None, "drop_last = true", OF_PERMUTATIONS
    ),
    "shuffle_once": Entry(lambda: orders.ShuffleOnce(), None, "", OF_PERMUTATIONS),
    "incremental": Entry(lambda: orders.Incremental(), None, "", OF_PERMUTATIONS),
}

METHODS = {
    "sgd": Entry(lambda: methods.Sgd(), None, "", "plain linear"),
    "heavy_ball": Entry(
        lambda: methods.HeavyBall(0.9), lambda: methods.HeavyBall(0.5), "momentum = 0.9", "plain linear"
    ),
    "nesterov": Entry(lambda: methods.Nesterov(0.9), lambda: methods.Nesterov(0.5), "momentum = 0.9", "plain linear"),
    "delayed": Entry(lambda: methods.Delayed(2), None, "tau = 2", "plain linear"),
    "preconditioned": Entry(
        lambda: methods.Preconditioned([0.5, 2.0]),
        lambda: methods.Preconditioned([1.0, 1.5]),
        "diagonal = [0.5, 2.0]",
        "plain linear",
    ),
    "preconditioned: with momentum": Entry(
        lambda: methods.Preconditioned(2.0, methods.HeavyBall(0.5)),
        lambda: methods.Preconditioned(1.5, methods.HeavyBall(0.25)),
        'diagonal = 2.0, method = {kind = "heavy_ball", momentum = 0.5}',
        "plain linear",
    ),
    "clipped": Entry(
        lambda: methods.Clipped(methods.HeavyBall(0.5), norm=1.5),
        lambda: methods.Clipped(methods.HeavyBall(0.5), norm=0.5),
        'method = {kind = "heavy_ball", momentum = 0.5}, norm = 1.5',
        "plain linear",
        exact=False,
    ),
    "clipped: coordinates": Entry(
        lambda: methods.Clipped(methods.Sgd(), value=1.5),
        lambda: methods.Clipped(methods.Sgd(), value=0.5),
        'method = "sgd", value = 1.5',
        "plain linear",
        exact=False,
    ),
    "sign_sgd": Entry(lambda: methods.SignSgd(), None, "", "plain linear", exact=False),
    "normalised": Entry(lambda: methods.Normalised(), None, "", "plain linear", exact=False),
    "polyak_step": Entry(
        lambda: methods.PolyakStep(c=20.0, minimum=-3.0),
        lambda: methods.PolyakStep(c=30.0, minimum=-4.0),
        "c = 20.0, minimum = -3.0",
        "plain linear",
        exact=False,
        of_losses=True,
    ),
    "svrg": Entry(lambda: methods.Svrg(2), None, "every = 2", "plain", exact=False, of_losses=True),
    "sam": Entry(lambda: methods.Sam(0.5), lambda: methods.Sam(0.25), "radius = 0.5", "plain linear", exact=False),
    "reduce_on_plateau": Entry(
        lambda: methods.ReduceOnPlateau(methods.Sgd(), patience=1, factor=0.5, decay=0.5, threshold=10.0),
        lambda: methods.ReduceOnPlateau(methods.Sgd(), patience=2, factor=0.25, decay=0.25, threshold=20.0),
        'method = "sgd", patience = 1, factor = 0.5, decay = 0.5, threshold = 10.0',
        "plain linear",
        exact=False,
        of_losses=True,
    ),
    "projected": Entry(
        lambda: methods.Projected(methods.Ball(radius=1.5, centre=[0.5, 0.0])),
        lambda: methods.Projected(methods.Ball(radius=1.0, centre=[0.0, 0.5])),
        'onto = {kind = "ball", radius = 1.5, centre = [0.5, 0.0]}',
        "plain linear projection",
        exact=False,
    ),
    "projected: on a box": Entry(
        lambda: methods.Projected(methods.Box(lower=-1.0, upper=[0.5, 2.0])),
        lambda: methods.Projected(methods.Box(lower=-0.5, upper=[1.5, 1.0])),
        'onto = {kind = "box", lower = -1.0, upper = [0.5, 2.0]}',
        "plain linear projection",
        exact=False,
    ),
    "optax": Entry(
        lambda: methods.Optax(optax.adam, b1=0.8, eps=1e-3),
        lambda: methods.Optax(optax.adam, b1=0.5, eps=1e-2),
        'make = "optax:adam", b1 = 0.8, eps = 1e-3',
        exact=False,
    ),
}

STARTS = {
    "normal": Entry(
        lambda: start.Normal(mean=[3.0, -8.0], std=[1.0, 0.5]),
        lambda: start.Normal(mean=[0.0, 2.0], std=[1.5, 0.1]),
        "mean = [3.0, -8.0], std = [1.0, 0.5]",
        "normal mean_vector covariance_matrix",
    ),
    "normal: of a shape": Entry(
        lambda: start.Normal(mean=6.0, std=0.5, shape=(2,)),
        lambda: start.Normal(mean=5.0, std=1.0, shape=(2,)),
        "mean = 6.0, std = 0.5, shape = [2]",
        "normal mean_vector covariance_matrix",
    ),
    "uniform": Entry(
        lambda: start.Uniform(low=5.0, high=[7.0, 9.0]),
        lambda: start.Uniform(low=4.0, high=[8.0, 8.0]),
        "low = 5.0, high = [7.0, 9.0]",
        "normal mean_vector covariance_matrix",
    ),
    "sampler": Entry(
        lambda: start.Sampler(two_normals), None, 'function = "contract_entries:two_normals"', exact=False
    ),
}

SETS = {
    "ball": Entry(
        lambda: methods.Ball(radius=1.5, centre=[0.5, 0.0]),
        lambda: methods.Ball(radius=1.0, centre=[0.0, 0.5]),
        "radius = 1.5, centre = [0.5, 0.0]",
    ),
    "box": Entry(
        lambda: methods.Box(lower=-1.0, upper=[0.5, 2.0]),
        lambda: methods.Box(lower=-0.5, upper=[1.5, 1.0]),
        "lower = -1.0, upper = [0.5, 2.0]",
    ),
}

AVERAGES = {
    "step_size_weighted": Entry(lambda: averages.StepSizeWeighted(), None, ""),
    "uniform": Entry(lambda: averages.Uniform(), None, ""),
    "suffix": Entry(lambda: averages.Suffix(0.5), lambda: averages.Suffix(0.25), "fraction = 0.5"),
    "polynomial": Entry(lambda: averages.Polynomial(3), lambda: averages.Polynomial(1.5), "power = 3"),
    "exponential": Entry(lambda: averages.Exponential(0.8), lambda: averages.Exponential(0.5), "decay = 0.8"),
}

OF_DISPLACEMENT = 'function = "contract_entries:displacement"'
FOLDS = {
    "fold": Entry(
        lambda: folds.Fold(init=0.5, update=longest),
        lambda: folds.Fold(init=80.0, update=longest),
        'init = 0.5, update = "contract_entries:longest"',
    ),
    "first_time": Entry(lambda: folds.FirstTime(beyond), None, 'event = "contract_entries:beyond"'),
    "batch_means": Entry(
        lambda: folds.BatchMeans(displacement, 2),
        lambda: folds.BatchMeans(displacement, 3),
        f"{OF_DISPLACEMENT}, length = 2",
    ),
    **{
        kind: Entry(make, None, OF_DISPLACEMENT)
        for kind, make in {
            "sum": lambda: folds.Sum(displacement),
            "maximum": lambda: folds.Maximum(displacement),
            "minimum": lambda: folds.Minimum(displacement),
            "last": lambda: folds.Last(displacement),
            "running_covariance": lambda: folds.RunningCovariance(displacement),
        }.items()
    },
}

SCHEDULES = {
    "constant": Entry(lambda: schedules.constant(0.2), lambda: schedules.constant(0.3), "value = 0.2"),
    "piecewise_constant": Entry(
        lambda: schedules.piecewise_constant([2, 5], [0.4, 0.2, 0.05]),
        lambda: schedules.piecewise_constant([3, 4], [0.3, 0.2, 0.1]),
        "boundaries = [2, 5], values = [0.4, 0.2, 0.05]",
    ),
    "exponential": Entry(
        lambda: schedules.exponential(initial=0.4, rate=0.1),
        lambda: schedules.exponential(initial=0.3, rate=0.2),
        "initial = 0.4, rate = 0.1",
    ),
    "polynomial": Entry(
        lambda: schedules.polynomial(initial=0.3, rate=0.5, power=0.7),
        lambda: schedules.polynomial(initial=0.2, rate=1, power=1),
        "initial = 0.3, rate = 0.5, power = 0.7",
    ),
    "inverse_time": Entry(
        lambda: schedules.inverse_time(initial=0.4, rate=0.25),
        lambda: schedules.inverse_time(initial=0.3, rate=0.1),
        "initial = 0.4, rate = 0.25",
    ),
    "inverse_sqrt": Entry(
        lambda: schedules.inverse_sqrt(initial=0.4), lambda: schedules.inverse_sqrt(initial=0.3), "initial = 0.4"
    ),
    "strongly_convex": Entry(lambda: schedules.strongly_convex(2.5), lambda: schedules.strongly_convex(3), "mu = 2.5"),
    "lacoste_julien": Entry(lambda: schedules.lacoste_julien(2.5), lambda: schedules.lacoste_julien(3), "mu = 2.5"),
    "linear_decay": Entry(
        lambda: schedules.linear_decay(initial=0.4, horizon=7),
        lambda: schedules.linear_decay(initial=0.3, horizon=9),
        "initial = 0.4, horizon = 7",
    ),
    "cosine": Entry(
        lambda: schedules.cosine(initial=0.4, horizon=7, final=0.05),
        lambda: schedules.cosine(initial=0.3, horizon=9, final=0.1),
        "initial = 0.4, horizon = 7, final = 0.05",
    ),
    "warmup": Entry(
        lambda: schedules.warmup(schedules.inverse_sqrt(0.4), steps=3),
        lambda: schedules.warmup(schedules.inverse_sqrt(0.3), steps=5),
        'schedule = {kind = "inverse_sqrt", initial = 0.4}, steps = 3',
    ),
    "wsd": Entry(
        lambda: schedules.wsd(initial=0.4, horizon=9, warmup=2, cooldown=4),
        lambda: schedules.wsd(initial=0.3, horizon=8, warmup=3, cooldown=3),
        "initial = 0.4, horizon = 9, warmup = 2, cooldown = 4",
    ),
    "cyclic": Entry(
        lambda: schedules.cyclic(low=0.1, high=0.5, period=5),
        lambda: schedules.cyclic(low=0.2, high=0.3, period=4),
        "low = 0.1, high = 0.5, period = 5",
    ),
    "alternating": Entry(
        lambda: schedules.alternating(low=0.1, high=0.4, every=2),
        lambda: schedules.alternating(low=0.2, high=0.3, every=3),
        "low = 0.1, high = 0.4, every = 2",
    ),
    "restarts": Entry(
        lambda: schedules.restarts(schedules.inverse_sqrt(0.4), period=3),
        lambda: schedules.restarts(schedules.inverse_sqrt(0.3), period=5),
        'schedule = {kind = "inverse_sqrt", initial = 0.4}, period = 3',
    ),
    "table": Entry(
        lambda: schedules.table([0.4, 0.1, 0.3, 0.2, 0.1, 0.3, 0.2, 0.1, 0.05]),
        lambda: schedules.table([0.1, 0.2, 0.3, 0.4, 0.1, 0.2, 0.1, 0.2, 0.3]),
        "values = [0.4, 0.1, 0.3, 0.2, 0.1, 0.3, 0.2, 0.1, 0.05]",
    ),
    "shift": Entry(
        lambda: schedules.shift(schedules.exponential(0.4, 0.1), by=2),
        lambda: schedules.shift(schedules.exponential(0.3, 0.2), by=5),
        'schedule = {kind = "exponential", initial = 0.4, rate = 0.1}, by = 2',
    ),
    "scale": Entry(
        lambda: schedules.scale(schedules.inverse_sqrt(0.8), factor=0.5),
        lambda: schedules.scale(schedules.inverse_sqrt(0.5), factor=0.25),
        'schedule = {kind = "inverse_sqrt", initial = 0.8}, factor = 0.5',
    ),
    "tuned_constant": Entry(
        lambda: schedules.tuned_constant(distance=2.0, gradient_bound=2.5, steps=16),
        lambda: schedules.tuned_constant(distance=1.0, gradient_bound=2.5, steps=16),
        "distance = 2.0, gradient_bound = 2.5, steps = 16",
    ),
}

GRIDS = {
    "every": Entry(lambda: record.every(3), lambda: record.every(5), "3"),
    "every_epoch": Entry(lambda: record.every_epoch(1), lambda: record.every_epoch(2), "1"),
    "log_spaced": Entry(lambda: record.log_spaced(4), lambda: record.log_spaced(7), "4"),
    "at": Entry(lambda: record.at([0, 3, 8]), lambda: record.at([1, 2, 5]), "[0, 3, 8]"),
}

FAMILIES: dict[type, dict[str, Entry]] = {
    noise.Noise: NOISE,
    problems.Problem: PROBLEMS,
    oracles.Oracle: ORACLES,
    orders.Order: ORDERS,
    methods.Method: METHODS,
    methods.ConvexSet: SETS,
    start.Start: STARTS,
    averages.Average: AVERAGES,
    folds.PathFold: FOLDS,
    schedules.Schedule: SCHEDULES,
    record.Grid: GRIDS,
}


def kind_of(name: str) -> str:
    """The kind of an entry, of which there may be several."""
    return name.partition(":")[0]
