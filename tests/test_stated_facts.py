"""What users state is checked where that is cheap: contradictions are shown in numbers, and nothing that is true is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contract_entries import FAMILIES
from contract_false import FALSE
from contract_measures import examples_of

import jaxsgd as js
from jaxsgd import methods, noise, oracles, orders, problems, stated_facts
from jaxsgd.errors import InvalidInput
from jaxsgd.stated_facts import check_method, check_noise, check_oracle, check_order, check_problem
from jaxsgd.stated_facts.held import Held

START = np.array([0.7, -0.4])
UNTRUE = ("function", "function: of a pytree", "random_loss", "finite_sum")
"""Entries whose other numbers are not those of their functions."""


def check_each(family, item):
    start, nowhere = Held.of(START), Held.of(None)
    if family is problems.Problem:
        known = item.start if item.minimiser is None else item.minimiser
        check_problem(Held.of(item), Held.of(jax.tree.map(lambda leaf: leaf + 0.37, known)), nowhere)
    elif family is noise.Noise:
        check_noise(Held.of(item), start)
    elif family is oracles.Oracle:
        check_oracle(Held.of(item), start)
    elif family is orders.Order:
        check_order(Held.of(item), examples_of(item), 2)
    else:
        check_method(Held.of(item), start)


CHECKED = (problems.Problem, noise.Noise, oracles.Oracle, orders.Order, methods.Method)
EACH = [(family, name) for family in CHECKED for name in FAMILIES[family]]


@pytest.mark.parametrize(("family", "name"), EACH, ids=lambda each: getattr(each, "__name__", each))
def test_no_built_in_kind_is_contradicted(family, name):
    entry = FAMILIES[family][name]
    check_each(family, entry.object)
    if entry.other is not None and name not in UNTRUE:
        check_each(family, entry.other())


CAUGHT = {
    noise.Noise: {"normal", "symmetric", "bounded", "covariance_matrix", "cumulants", "marginal"},
    problems.Problem: {"minimiser"},
    oracles.Oracle: {"full_gradient"},
    orders.Order: {"distinct"},
    methods.Method: {"plain"},
}


@pytest.mark.parametrize("family", CAUGHT, ids=lambda each: each.__name__)
def test_control_what_is_false_is_contradicted(family):
    jax.clear_caches()  # JAX gives arrays of a module to float64 programs as float32 ones that are kept got them
    for fact in CAUGHT[family]:
        item = FALSE[family][fact].object
        with pytest.raises(InvalidInput, match=r" states .*, but .*; correct what is stated, or leave it out"):
            check_each(family, item)


class OfLaplace(noise.Noise):
    """Laplace's law with the scale 1/2, and what is stated of it."""

    variance: float
    law: noise.Noise
    independent, tail_index = True, np.inf

    def sample(self, stream, like):
        return noise.Laplace(0.5).sample(stream, like)

    def cumulants(self, order, dimension):
        return np.full(dimension, self.variance) if order == 2 else None

    def marginal(self, dimension):
        return self.law.marginal(dimension)


def test_stated_variances_and_laws_of_coordinates_are_held_against_draws():
    """The scale 0.8 in place of 0.5 is at a distance of 0.085: 4096 draws show 0.055."""
    check_each(noise.Noise, OfLaplace(0.5, noise.Laplace(0.5)))
    for variance, law, message in [
        (0.3, noise.Laplace(0.5), r"states independent coordinates and cumulants\(2, 2\) with 0.3 at .* it is 0\.[45]"),
        (0.5, noise.Laplace(0.8), r"states the law of coordinate . in marginal\(2\), but .* differs from its own by 0"),
        (0.5, noise.Rademacher(0.7), r"states the law of coordinate . in marginal\(2\), but"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            check_each(noise.Noise, OfLaplace(variance, law))


# functions, one coordinate


def square(x):
    return jnp.sum((x - 0.8) ** 2)


def study_of(problem, x0=(2.0,), **changes):
    oracle = oracles.AdditiveNoise(problem, changes.pop("noise", noise.Gaussian(1.0)))
    return js.Study(oracle=oracle, schedule=js.schedules.constant(0.1), steps=3, x0=np.array(x0), **changes)


WRONG = {
    "minimiser": (
        {"minimiser": [1.0]},
        r"states minimiser=\[1\], but the gradient there has length 0\.4, and R falls from 0\.04 there to 0\.01 at",
    ),
    "minimum": ({"minimiser": [0.8], "minimum": 0.5}, r"states minimum=0\.5, but R is 0 at the minimiser"),
    "minimum alone": ({"minimum": 0.5}, r"states minimum=0\.5, but R is 0 at \[0\.8\]"),
    "strong convexity": ({"strong_convexity": 3}, r"states strong_convexity=3, but .* grows by 2 \|\|x' - x\|\| only"),
    "smoothness": ({"smoothness": 1}, r"states smoothness=1, but between x=.* the gradient changes by 2 "),
    "lipschitz": ({"lipschitz": 0.5}, r"states lipschitz=0\.5, but the gradient at .* has length"),
}
TRUE = {
    "minimiser": [0.8], "minimum": 0.0, "strong_convexity": 2, "smoothness": 2, "lipschitz": 3.0, "convex": True,
}  # fmt: skip


@pytest.mark.parametrize("fact", WRONG)
def test_facts_that_are_wrong(fact):
    stated, message = WRONG[fact]
    with pytest.raises(InvalidInput, match=f"the problem {message}"):
        study_of(problems.Function(square, **stated))


SHAPES = {
    "smooth": (square, TRUE),
    "in single precision": (lambda x: square(x.astype(jnp.float32)), TRUE),
    "far from 0": (lambda x: 1e6 + square(x), TRUE | {"minimum": 1e6}),
    "a kink": (lambda x: jnp.sum(jnp.maximum(x, -2 * x)), {"minimiser": [0.0], "convex": True, "lipschitz": 2.0}),
    "not everywhere": (lambda x: jnp.sum(x - jnp.log(x)), {"minimiser": [1.0], "convex": True}),
    "flat": (lambda x: 0.0 * jnp.sum(x), {"minimiser": [5.0], "minimum": 0.0, "convex": True, "lipschitz": 0.0}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_facts_that_are_true_pass(shape):
    function, stated = SHAPES[shape]
    study_of(problems.Function(function, **stated))


def test_convexity_that_fails_and_what_is_stated_for_a_set():
    wave = lambda x: jnp.sum(jnp.cos(x))  # noqa: E731
    with pytest.raises(InvalidInput, match="states convex=True, but between"):
        study_of(problems.Function(wave, convex=True))
    # It is convex on [2, 4], and on [2.5, 3] the border is a minimiser at which the gradient does not vanish.
    onto = methods.Projected(methods.Box(2.0, 4.0))
    study_of(problems.Function(wave, minimiser=[np.pi], convex=True), x0=(2.5,), method=onto)
    border = methods.Projected(methods.Box(2.5, 3.0))
    study_of(problems.Function(wave, minimiser=[3.0], convex=True), x0=(2.5,), method=border)
    with pytest.raises(InvalidInput, match=r"states minimiser=\[3\]"):
        study_of(problems.Function(wave, minimiser=[3.0]), x0=(2.5,))


def test_finite_sums():
    def sampled(**stated):
        problem = problems.FiniteSum(lambda x, a: jnp.sum((x - a) ** 2) / 2, [1.0, 2.0, 6.0], start=[0.0], **stated)
        return study_of(problem).replace(oracle=oracles.ExampleSampling(problem))

    sampled(minimiser=[3.0], example_smoothness=1.0, example_strong_convexity=1.0)
    with pytest.raises(InvalidInput, match=r"states minimiser=\[2\], but the gradient there has length 1"):
        sampled(minimiser=[2.0])
    with pytest.raises(InvalidInput, match=r"of example 0 the problem states example_smoothness=0\.5, but between"):
        sampled(minimiser=[3.0], example_smoothness=0.5)
    with pytest.raises(InvalidInput, match=r"of example 0 the problem states example_strong_convexity=2, but between"):
        sampled(minimiser=[3.0], example_strong_convexity=2.0)


# draws


class Stated(noise.Noise):
    """A law of one number, with a variance as it is given."""

    law: object
    variance: float

    def sample(self, stream, like):
        return jax.tree.map(lambda leaf: self.law(stream, leaf.shape), like)

    def covariance_matrix(self, dimension):
        return np.full(dimension, self.variance)


def uniform(stream, shape):
    return 2 * stream.uniform(shape) - 1


def spiked(stream, shape):
    """Of variance 1 + 5000^2 p (1 - p) with p = 1e-4: two of three times no spike is among 4096 draws."""
    return stream.normal(shape) + 5000 * (stream.uniform(shape) < 1e-4) - 0.5


def student(stream, shape):
    """Student's t with 3 degrees of freedom, of variance 3 and without a fourth moment."""
    return stream.normal(shape) / jnp.sqrt(sum(stream.normal(shape) ** 2 for _ in range(3)) / 3)


def test_variances():
    quadratic = problems.Quadratic([1.0])
    for law, variance in ((uniform, 1 / 3), (spiked, 1 + 5000**2 * 1e-4 * (1 - 1e-4)), (student, 3.0)):
        study_of(quadratic, noise=Stated(law, variance))
    for variance, z in ((1.0, r"-\d+"), (0.25, r"\+\d+")):
        with pytest.raises(
            InvalidInput, match=rf"states covariance_matrix with {variance:g} at .*0\.33.*\({z} standard"
        ):
            study_of(quadratic, noise=Stated(uniform, variance))
    with pytest.raises(InvalidInput, match=r"states mean 0, as every noise, but the mean of coordinate 0"):
        study_of(quadratic, noise=Stated(lambda stream, shape: uniform(stream, shape) + 0.2, 1.0))


def test_a_random_loss_of_another_risk():
    def loss(xi, x):
        return jnp.sum(x * x) - jnp.sum(xi * x)

    def study(curvature):
        problem = problems.Quadratic([curvature])
        return study_of(problem).replace(oracle=oracles.RandomLoss(loss, lambda stream: stream.normal((1,)), problem))

    study(2.0)
    with pytest.raises(InvalidInput, match="the oracle RandomLoss states unbiased=True, but at x="):
        study(1.0)


def test_theory_without_a_study_is_checked_too():
    oracle = oracles.AdditiveNoise(problems.Quadratic([1.0]), Stated(uniform, 2.0))
    with pytest.raises(InvalidInput, match="states covariance_matrix"):
        js.theory.stationary(oracle, 0.1)


# how often


def test_the_same_is_checked_once(monkeypatch):
    """Whatever else changes, and if it is made again with equal numbers; no built-in kind is checked at all."""
    looked = []
    for name in ("of_problems", "laws", "of_methods", "of_oracles"):
        module = getattr(stated_facts, name)
        monkeypatch.setattr(module, "evaluated", lambda *given, real=module.evaluated: looked.append(1) or real(*given))

    def make(rate=0.1, x0=(2.0,)):
        problem = problems.Function(quartic, minimiser=[0.0], convex=True)
        study = study_of(problem, x0, noise=Stated(uniform, 0.333))
        return study.replace(schedule=js.schedules.constant(rate), steps=5)

    make()
    once = len(looked)
    assert once == 2  # the problem, whose gradient vanishes at the minimiser, and the noise
    for rate in np.linspace(0.01, 0.1, 20):
        make(rate).replace(averages={"a": js.averages.Uniform()})
    study_of(problems.Huber(), noise=noise.Gaussian(0.123))
    assert len(looked) == once
    make(x0=(3.0,))  # another start is another check of the problem
    assert len(looked) > once


def quartic(x):
    return jnp.sum(x**4)


def test_functions_that_have_changed_are_checked_before_they_run(monkeypatch):
    study = study_of(problems.Function(moved, minimiser=[0.5], minimum=0.0))
    monkeypatch.setitem(globals(), "PLACE", 1.0)
    with pytest.raises(InvalidInput, match=r"states minimiser=\[0\.5\]"):
        js.simulate(study, 1024, progress=False)


PLACE = 0.5


def moved(x):
    return jnp.sum((x - PLACE) ** 2)


def test_what_cannot_be_evaluated_in_double_precision_passes():
    """Which a run in single precision may do."""
    narrow = lambda x: jax.lax.add(jnp.sum(x * x), jnp.float32(1.0))  # noqa: E731
    study_of(problems.Function(narrow, minimiser=[1.0], minimum=0.0, smoothness=0.1))


class Resampled(noise.Noise):
    """Centred residuals of data, one of which is very large."""

    residuals: np.ndarray

    def sample(self, stream, like):
        return jax.tree.map(lambda leaf: self.residuals[stream.integers(len(self.residuals), leaf.shape)], like)

    def covariance_matrix(self, dimension):
        return np.full(dimension, np.mean(self.residuals**2))


@pytest.mark.parametrize("size", [100, 50_000])
def test_noise_of_resampled_data_is_not_contradicted(size):
    residuals = np.random.default_rng(0).normal(size=size)
    residuals[size // 3] = 200.0
    residuals -= residuals.mean()
    problem = js.problems.Quadratic(curvature=[1.0])
    oracle = js.oracles.AdditiveNoise(problem, Resampled(residuals))
    made = js.Study(oracle=oracle, schedule=js.schedules.constant(0.1), steps=2)
    assert made.requests
