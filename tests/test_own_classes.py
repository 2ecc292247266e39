"""Classes of one's own: only abstract bases can be derived from, and what a class declares is what theory goes by."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import stated_facts
from jaxsgd.config import kinds
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.module import facts_of, is_abstract, public_name
from jaxsgd.theory.bounds import EVERY

FAMILIES = (
    js.noise.Noise, js.methods.Method, js.methods.ConvexSet, js.orders.Order, js.oracles.Oracle, js.problems.Problem,
    js.averages.Average, js.folds.PathFold, js.start.Start, js.schedules.Schedule, js.record.Grid,
)  # fmt: skip
COMPLETE = [
    *(kind for family in FAMILIES for kind in kinds(family).values() if inspect.isclass(kind)),
    *map(type, EVERY),
]
ABSTRACT = (
    *FAMILIES, js.orders.Permutation, js.problems.EmpiricalRisk, js.problems.LinearModel, js.problems.CentredConvex,
    js.methods.Wrapper, js.methods.ChangedGradient, js.theory.Bound, js.theory.bounds.DistanceRecursion,
    js.theory.bounds.DescentLemma,
)  # fmt: skip


@pytest.mark.parametrize("kind", COMPLETE, ids=public_name)
def test_complete_classes_are_final(kind):
    with pytest.raises(InvalidType, match=f"Mine cannot derive from {public_name(kind)}, which is complete") as error:
        type(kind)("Mine", (kind,), {})
    family = next(base for base in kind.__mro__ if is_abstract(base))
    assert f"Derive from {public_name(family)}, define " in str(error.value)
    assert all(name in str(error.value) for name in (*family.__abstractmethods__, *facts_of(family)))


OTHERS = (js.problems.HeldOutRisk, js.Study, js.State, js.Claim, js.Statement, js.Report, js.Precision, js.Plan)


@pytest.mark.parametrize("kind", OTHERS, ids=public_name)
def test_classes_without_a_family_are_final_too(kind):
    with pytest.raises(
        InvalidType, match=rf"Mine cannot derive from .*\.{kind.__name__}, .* Hold a {kind.__name__} in"
    ):
        type(kind)("Mine", (kind,), {})


@pytest.mark.parametrize("kind", ABSTRACT, ids=public_name)
def test_abstract_classes_can_be_derived_from(kind):
    assert is_abstract(type(kind)("Mine", (kind,), {"__module__": __name__}))
    assert inspect.getdoc(kind)
    assert not [name for name in kind.__abstractmethods__ if name.startswith("_") and not name.startswith("__")]


def test_names_say_where_to_import_from():
    assert public_name(js.methods.Sgd) == "jaxsgd.methods.Sgd"
    assert public_name(js.problems.EmpiricalRisk) == "jaxsgd.problems.EmpiricalRisk"
    assert public_name(js.theory.Bound) == "jaxsgd.theory.Bound"
    assert public_name(Signs) == f"{__name__}.Signs"


def test_facts_become_fields_class_attributes_or_properties():
    class Stated(js.problems.Problem):
        scale: float
        minimiser: np.ndarray
        minimum: float = 0.0
        convex = True

        def value(self, x):
            return self.scale * jnp.sum((x - self.minimiser) ** 2)

        @property
        def smoothness(self):
            return 2 * self.scale

    problem = Stated(3.0, np.ones(2))
    assert (problem.smoothness, problem.minimum, problem.convex) == (6.0, 0.0, True)
    assert problem.strong_convexity is problem.lipschitz is problem.hessian is None
    assert repr(problem) == "Stated(scale=3.0, minimiser=[1, 1], minimum=0.0)"
    assert problem.replace(scale=4.0).smoothness == 8.0
    with pytest.raises(TypeError, match="minimiser"):  # a field without a default is needed, though a fact has one
        Stated(3.0)


class Signs(js.noise.Noise):
    """+1 or -1 in each coordinate."""

    symmetric, bounded = True, True

    def sample(self, stream, like):
        return stream.rademacher(like.shape)

    def covariance_matrix(self, dimension):
        return np.ones(dimension)


class Plain(js.methods.Method):
    """Plain SGD, in other words."""

    plain, linear = True, True

    def step(self, x, learning_rate, t, state, draw):
        return x - draw.gradient(x) * learning_rate, state


class SignSgd(js.methods.Method):
    """Takes the signs of the gradient; declares nothing."""

    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * jnp.sign(draw.gradient(x)), state


class Nonnegative(js.methods.ConvexSet):
    """The half-line of numbers that are not negative, in each coordinate."""

    def project(self, x):
        return jnp.maximum(x, 0.0)

    def check(self, dimension):
        pass


class OntoNonnegative(js.methods.Method):
    """SGD with a projection of one's own."""

    plain = False

    @property
    def projection(self):
        return Nonnegative()

    def step(self, x, learning_rate, t, state, draw):
        return Nonnegative().project(x - learning_rate * draw.gradient(x)), state


class Odd(js.orders.Order):
    """Independent uniform draws, in other words; or, with `declared` false, without a word."""

    declared: bool = True

    @property
    def fresh(self):
        return True if self.declared else None

    unbiased, uniform, distinct, weights = True, True, False, "equal"

    def draw(self, stream, t, memory, examples, batch):
        index = jnp.floor(stream.uniform(() if batch == 1 else (batch,)) * examples).astype(jnp.int32)
        return js.orders.Drawn(jnp.minimum(index, examples - 1), None), memory


class Doubled(js.oracles.Oracle):
    """g_t = grad R(x_t) + xi_t + xi_t', of two independent draws."""

    problem: js.problems.Problem
    unbiased, normal = True, True

    def sample(self, stream, like, t, memory):
        return (stream.normal_like(like), stream.normal_like(like)), memory

    def gradient(self, x, sample):
        return self.problem.gradient(x) + sample[0] + sample[1]

    def risk(self, x, sample):
        return self.problem.value(x)

    def gradient_covariance(self, dimension):
        return np.full(dimension, 2.0)


CHAPTER = js.chapter.study("constant")
PROBLEM = CHAPTER.oracle.problem
ROWS, TARGETS = np.array([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8], [1.5, 0.2]]), np.array([1.0, -0.5, 0.7, 2.0])
SQUARES = js.problems.LeastSquares(ROWS, TARGETS)
SAMPLED = js.Study(
    oracle=js.oracles.ExampleSampling(SQUARES, Odd()), schedule=js.schedules.constant(0.1), steps=9, x0=[2.0, 1.0]
)


def test_what_is_not_declared_is_refused():
    """A method that was taken for plain SGD, as a subclass of it, had exact moments that were wrong."""
    study = CHAPTER.replace(method=SignSgd())
    with pytest.raises(NoExactSolution, match=r"methods\.SignSgd does not state that it is plain SGD"):
        js.theory.exact(study)
    assert not js.theory.bounds(study).applicable
    assert any("methods.SignSgd states neither" in reason for reason in js.theory.bounds(study)["last_iterate"].reasons)
    with pytest.raises(NoExactSolution, match=r"orders\.Odd does not state that it draws afresh"):
        js.theory.exact(SAMPLED.replace(oracle=js.oracles.ExampleSampling(SQUARES, Odd(declared=False))))


def test_declared_facts_have_the_theory_of_ours():
    exact = js.theory.exact(CHAPTER.replace(averages={}))
    np.testing.assert_array_equal(
        js.theory.exact(CHAPTER.replace(averages={}, method=Plain())).risk_mean, exact.risk_mean
    )
    signs = js.theory.exact(CHAPTER.replace(averages={}, oracle=js.oracles.AdditiveNoise(PROBLEM, Signs())))
    np.testing.assert_array_equal(signs.risk_mean, exact.risk_mean)
    assert "risk_variance" not in signs
    twice = js.oracles.AdditiveNoise(PROBLEM, js.noise.Gaussian(std=2**0.5))
    np.testing.assert_allclose(
        js.theory.exact(CHAPTER.replace(oracle=Doubled(PROBLEM))).risk_variance,
        js.theory.exact(CHAPTER.replace(oracle=twice)).risk_variance,
        rtol=1e-12,
    )
    ours = SAMPLED.replace(oracle=js.oracles.ExampleSampling(SQUARES))
    np.testing.assert_array_equal(js.theory.exact(SAMPLED).risk_mean, js.theory.exact(ours).risk_mean)
    assert js.theory.stability_limit(SAMPLED.oracle) == js.theory.stability_limit(ours.oracle)
    np.testing.assert_array_equal(
        js.theory.examples_used(Odd(), 7).distinct_variance,
        js.theory.examples_used(js.orders.WithReplacement(), 7).distinct_variance,
    )


def test_declared_facts_have_the_bounds_of_ours():
    signs = js.theory.bounds(CHAPTER.replace(method=Plain(), oracle=js.oracles.AdditiveNoise(PROBLEM, Signs())))
    ours = js.theory.bounds(CHAPTER)
    assert [each.bound for each in signs.applicable] == [each.bound for each in ours.applicable]
    assert signs["weighted_average"].values == ours["weighted_average"].values
    projected = js.theory.bounds(CHAPTER.replace(method=OntoNonnegative(), x0=[1.0, 1.0]))
    assert not projected["last_iterate"].reasons
    assert js.theory.bounds(CHAPTER.replace(method=OntoNonnegative()))["last_iterate"].reasons  # x_0 is not in the set
    of_odd = js.theory.bounds(SAMPLED)["sampling_with_replacement"]
    of_ours = js.theory.bounds(SAMPLED.replace(oracle=js.oracles.ExampleSampling(SQUARES)))
    assert of_odd.values == of_ours["sampling_with_replacement"].values


def test_declared_facts_have_verdicts(monkeypatch, compiled_quickly):
    """And a fact that is false is found out, a covariance that is declared half as large: also without the check."""

    def study(noise):
        oracle = js.oracles.AdditiveNoise(PROBLEM, noise)
        return CHAPTER.replace(oracle=oracle, method=Plain(), averages={}, steps=10)

    report = js.verify(study(Signs()), 4000, resolution=0.2)
    assert report.verdicts["exact_moments"] == "CONSISTENT"
    assert {"balance", "convexity", "last_iterate"} <= set(report.verdicts)
    assert "REFUTED" not in report.verdicts.values()
    with pytest.raises(InvalidInput, match=r"the noise Half states covariance_matrix with 0\.5 at"):
        study(Half())
    monkeypatch.setattr(stated_facts, "check", lambda *_: None)
    assert js.verify(study(Half()), 4000, resolution=0.2).verdicts["exact_moments"] == "REFUTED"


class Half(js.noise.Noise):
    """As `Signs`, with a covariance that is not true."""

    def sample(self, stream, like):
        return stream.rademacher(like.shape)

    def covariance_matrix(self, dimension):
        return np.full(dimension, 0.5)
