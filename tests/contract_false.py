"""Members of families that declare what is not true of them: every measurement of a fact must notice it."""

import jax.numpy as jnp
import numpy as np
from contract_entries import FEATURES, TARGETS, Entry

from jaxsgd import methods, noise, oracles, orders, problems, start


def entry_of(make):
    return Entry(make, None, "")


class Skewed(noise.Noise):
    """An exponential of mean 1 in each coordinate, which is neither normal nor symmetric nor bounded nor centred.

    All of its moments are finite.
    """

    normal = symmetric = bounded = True
    tail_index = 3.0

    def sample(self, stream, like):
        return -jnp.log(stream.uniform((2,)))

    def covariance_matrix(self, dimension):
        return np.ones(dimension)


class Elsewhere(start.Start):
    """A uniform point of the unit square, which is neither normal nor around 0, with a smaller variance than 1."""

    normal = True

    def sample(self, stream, like):
        return stream.uniform((2,))

    def mean_vector(self, dimension):
        return np.zeros(dimension)

    def covariance_matrix(self, dimension):
        return np.ones(dimension)


class Wide(noise.Noise):
    """Of mean 0, but with a variance that is twice the declared one."""

    def sample(self, stream, like):
        return 1.4 * stream.normal((2,))

    def covariance_matrix(self, dimension):
        return np.ones(dimension)


class Steep(noise.Noise):
    """Twice the gradient and one number for all coordinates, of which nothing that is declared is true."""

    independent = True

    def sample(self, stream, like):
        return stream.normal() * jnp.ones(2)

    def perturbed(self, gradient, xi):
        return 2 * gradient + xi

    def cumulants(self, order, dimension):
        return np.full(dimension, 1.5)

    tail_index = np.inf

    def stable_law(self, dimension):
        return noise.Stable(1.5, np.ones(dimension))

    def marginal(self, dimension):
        return noise.Laplace(np.sqrt(0.5)).marginal(dimension)

    def relative_marginal(self, dimension):
        return self.marginal(dimension)

    def relative_variance(self, dimension):
        return np.ones(dimension)

    def covariance_at_rest(self, dimension):
        return np.full(dimension, 2.0)


class Misjudged(problems.EmpiricalRisk):
    """The mean of (x_1 - b)^2 + x_2^2 / 4 over b = 0 and 2, of which nothing that is declared is true."""

    data = np.array([0.0, 2.0])
    start = np.array([np.nan, 0.0])
    minimiser = np.array([1.1, 0.0])
    minimum, convex, strong_convexity, smoothness, lipschitz = 0.9, False, 0.6, 1.9, 10.0
    hessian = np.array([2.0, 0.55])
    polyak_lojasiewicz = 0.6
    test = np.array([3.0])
    example_smoothness, example_strong_convexity, gradient_noise = 2.2, 0.6, 3.9
    squared_residuals = test_residuals = problems.SquaredResiduals(np.ones((2, 2)), np.zeros(2), 0.0)
    has_gradient = np.array([True, False])

    def value(self, x):
        return (x[0] - 1) ** 2 + 1 + x[1] ** 2 / 4

    def example_value(self, x, example):
        return (x[0] - example) ** 2 + x[1] ** 2 / 3.9

    def example_gradient(self, x, example):
        return jnp.stack([2 * (x[0] - example), x[1] / 2])

    @property
    def test_risk(self):
        return lambda x: self.example_value(x, 2.0)


class Cornered(problems.Problem):
    """|x| with its kink in the wrong place."""

    start, minimiser = np.zeros(1), np.zeros(1)
    kinks = np.array([0.5])

    def value(self, x):
        return jnp.sum(jnp.abs(x))


class InTurn(orders.Order):
    """Example t mod n, as often as there are places: no randomness at all."""

    fresh = unbiased = uniform = distinct = True
    shuffled = "every epoch"
    weights = "inverse"

    def draw(self, stream, t, memory, examples, batch):
        return orders.Drawn(jnp.full(batch, t % examples), None), memory

    def probabilities_of(self, examples):
        return np.arange(1, examples + 1) / (examples * (examples + 1) / 2)


class Doubled(methods.Method):
    """Twice the absolute gradient, which is nothing of what it states."""

    plain = linear = True
    projection = methods.Ball(1.0)

    def step(self, x, learning_rate, t, state, draw):
        return x - 2 * learning_rate * jnp.abs(draw.gradient(x)), state


class Joint(oracles.Oracle):
    """A gradient with one uniform number in all coordinates."""

    problem = problems.LeastSquares(FEATURES, TARGETS)
    independent = True

    def sample(self, stream, like, t, memory):
        return stream.uniform() - 0.5, memory

    def gradient(self, x, sample):
        return self.problem.gradient(x) + sample

    def risk(self, x, sample):
        return self.problem.value(x)

    def growing_covariance(self, dimension):
        return oracles.GrowingCovariance(np.full(dimension, 0.1), np.full(dimension, 1 / 12))

    def gradient_cumulants(self, order, dimension, updates):
        return np.full((updates, dimension), 1 / 12)

    def noise_over_time(self, updates):
        return oracles.NoiseOverTime(noise.Gaussian(12**-0.5), np.ones(updates))


class Shifted(oracles.Oracle):
    """A gradient with the sum of a uniform number and 1/2."""

    problem = problems.LeastSquares(FEATURES, TARGETS)
    unbiased = normal = full_gradient = True
    order, batch, averages_examples = orders.Incremental(), 2, True
    tail_index = 3.0

    def gradient_covariance(self, dimension):
        return np.full(dimension, 1 / 10)

    def sample(self, stream, like, t, memory):
        return stream.uniform((2,)), memory

    def gradient(self, x, sample):
        return self.problem.gradient(x) + sample

    def risk(self, x, sample):
        return self.problem.value(x)


_SKEWED, _MISJUDGED, _TURNS = entry_of(Skewed), entry_of(Misjudged), entry_of(InTurn)
FALSE: dict[type, dict[str, Entry]] = {
    noise.Noise: dict.fromkeys(("normal", "symmetric", "bounded", "tail_index"), _SKEWED)
    | {"covariance_matrix": entry_of(Wide)}
    | dict.fromkeys(
        (
            "is_additive", "independent", "cumulants", "stable_law", "marginal", "relative_marginal",
            "relative_variance", "covariance_at_rest",
        ),
        entry_of(Steep),
    ),
    problems.Problem: dict.fromkeys(
        (
            "start", "examples", "minimiser", "minimum", "strong_convexity", "smoothness", "lipschitz", "convex",
            "polyak_lojasiewicz", "hessian", "test", "example_smoothness", "example_strong_convexity",
            "gradient_noise", "example_value", "squared_residuals", "test_residuals", "has_gradient",
        ),
        _MISJUDGED,
    )
    | {"kinks": entry_of(Cornered)},
    oracles.Oracle: dict.fromkeys(
        (
            "unbiased", "normal", "full_gradient", "order", "batch", "averages_examples", "gradient_covariance",
            "gradient_covariances", "tail_index",
        ),
        entry_of(Shifted),
    )
    | dict.fromkeys(("independent", "growing_covariance", "gradient_cumulants", "noise_over_time"), entry_of(Joint)),
    orders.Order: dict.fromkeys(
        ("fresh", "unbiased", "uniform", "distinct", "weights", "shuffled", "probabilities_of"), _TURNS
    ),
    start.Start: dict.fromkeys(("normal", "mean_vector", "covariance_matrix"), entry_of(Elsewhere)),
    methods.Method: dict.fromkeys(("plain", "linear", "projection"), entry_of(Doubled)),
}  # fmt: skip
"""For each fact a member that declares it and of which it is not true."""
