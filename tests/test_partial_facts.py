"""Facts that are partial or unusual: theory says what is true of them, or refuses with the reason."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import stated_facts
from jaxsgd.errors import InvalidInput, NoExactSolution
from jaxsgd.remembering import remember

ROWS, TARGETS = np.array([[1.0, 0.5], [0.3, -1.2], [-0.7, 0.8], [1.5, 0.2]]), np.array([1.0, -0.5, 0.7, 2.0])
SQUARES = js.problems.LeastSquares(ROWS, TARGETS)


def study_of(oracle, steps=4, **changes):
    given = {"oracle": oracle, "schedule": js.schedules.constant(0.1), "steps": steps, "x0": [2.0, 1.0]}
    return js.Study(**(given | changes))


def sampled(order, batch=1, problem=SQUARES, **changes):
    return study_of(js.oracles.ExampleSampling(problem, order, batch), **changes)


def refused(study):
    with pytest.raises(NoExactSolution) as error:
        js.theory.exact(study)
    return str(error.value)


class Clipped(js.oracles.Oracle):
    """Clips the gradient of a drawn example; declares the order, and that the mean is another one."""

    problem: js.problems.Problem
    order: js.orders.Order = js.orders.WithReplacement()
    unbiased = False

    def sample(self, stream, like, t, memory):
        (index, _), memory = self.order.draw(stream, t, memory, self.problem.examples, 1)
        return self.problem.examples_at(index), memory

    def gradient(self, x, sample):
        gradient = self.problem.example_gradient(x, sample)
        return gradient / jnp.maximum(1.0, jnp.linalg.norm(gradient))

    def risk(self, x, sample):
        return self.problem.value(x)


def test_an_order_alone_does_not_make_gradients_means_of_examples():
    study = study_of(Clipped(SQUARES))
    assert "oracles.Clipped does not state that its gradients are the means over the examples" in refused(study)
    assert "batches are drawn afresh" in js.theory.bounds(study)["sampling_with_replacement"].reasons[0]
    with pytest.raises(NoExactSolution):
        js.theory.stationary(study.oracle, 0.1)


class Thinned(js.orders.Order):
    """A uniform example with weight 0 or 2, alike: unbiased, and noisier than weights of 1."""

    fresh, unbiased, uniform, distinct = True, True, True, False

    def draw(self, stream, t, memory, examples, batch):
        index = stream.integers(examples, () if batch == 1 else (batch,))
        return js.orders.Drawn(index, 1.0 + stream.rademacher(jnp.shape(index))), memory


def test_weights_that_are_not_stated():
    study = sampled(Thinned())
    assert "weights and whether distinct" in refused(study)
    assert js.theory.bounds(study)["sampling_with_replacement"].reasons
    with pytest.raises(NoExactSolution, match=r"orders\.Thinned does not state what this needs"):
        js.theory.examples_used(Thinned(), 4)


class Signed(js.orders.Order):
    """All examples in every batch, some of them with the weight -1."""

    distinct, unbiased = True, False

    def draw(self, stream, t, memory, examples, batch):
        return js.orders.Drawn(jnp.arange(examples), jnp.where(jnp.arange(examples) % 2 == 0, 1.0, -1.0)), memory


def test_a_batch_of_all_examples_can_be_biased():
    study = sampled(Signed(), batch=4)
    assert study.oracle.unbiased is False
    assert js.theory.bounds(study)["last_iterate"].reasons
    whole = sampled(js.orders.RandomReshuffling(), batch=4)
    assert whole.oracle.unbiased is True
    assert "every batch holds all examples" in str(js.theory.bounds(whole)["last_iterate"].assumptions)


class Epochs(js.orders.Permutation):
    """The first examples of a fresh permutation, or a run beyond its end, in every epoch."""

    length: int = eqx.field(static=True, default=2)
    shuffled, uniform = "every epoch", True

    def memory(self, examples):
        return jnp.arange(examples, dtype=jnp.uint8)

    def indices_at(self, stream, t, memory, positions, epoch):
        from jaxsgd.orders.fisher_yates import exchanged

        return exchanged(memory, positions % len(memory), stream.bits(jnp.shape(positions)))

    def updates_per_epoch(self, examples, batch):
        return self.length


def test_epochs_of_other_lengths():
    half = sampled(Epochs(), steps=2)
    x = np.array([[2.0, 1.0]])
    ends = []
    for i, j in itertools.permutations(range(4), 2):
        end = x[0]
        for k in (i, j):
            end = end - 0.1 * (ROWS[k] @ end - TARGETS[k]) * ROWS[k]
        ends.append(end)
    risks = [np.mean((ROWS @ end - TARGETS) ** 2) / 2 for end in ends]
    np.testing.assert_allclose(js.theory.exact(half).risk_mean[-1], np.mean(risks), rtol=1e-12)
    scalars = js.problems.LeastSquares(np.ones((4, 1)), TARGETS)
    for name in ("permutations_strongly_convex", "permutations_convex"):
        (reason,) = js.theory.bounds(sampled(Epochs(), problem=scalars, x0=[2.0]))[name].reasons
        assert "an epoch has 2 updates of 1 examples, and n = 4" in reason
    twice = sampled(Epochs(length=8), steps=8)
    assert "how it shuffles" in refused(twice)
    assert js.theory.bounds(twice)["permutations_convex"].reasons


class Curved(js.problems.Problem):
    """A quadratic with a Hessian as it is given."""

    hessian: np.ndarray
    minimum = 0.0

    @property
    def minimiser(self):
        return np.zeros(2)

    def value(self, x):
        return 0.5 * jnp.sum(x * x)


def test_hessians_that_are_not_those_of_a_minimum(monkeypatch):
    with pytest.raises(InvalidInput, match="the problem states a constant hessian A, but from"):
        study_of(js.oracles.FullGradient(Curved(np.array([1.0, -1.0]))))
    monkeypatch.setattr(stated_facts, "check", lambda *_: None)
    for hessian in (np.array([1.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])):
        problem = Curved(hessian)
        assert js.theory.stability_limit(problem) == 0.0
        study = study_of(js.oracles.AdditiveNoise(problem, js.noise.Gaussian()))
        assert "the negative eigenvalue -1" in refused(study)
    for hessian in (np.array(1.0), np.ones(3), np.array([[1.0, 1.0], [0.0, 1.0]])):
        with pytest.raises(InvalidInput, match=r"hessian of problems\.Curved must be a diagonal \(2,\) or a symmetric"):
            js.theory.exact(study_of(js.oracles.AdditiveNoise(Curved(hessian), js.noise.Gaussian())))


class Ridge(js.problems.EmpiricalRisk):
    """Squared residuals with a ridge, which its test risk has too."""

    features: np.ndarray
    targets: np.ndarray
    test: tuple

    @property
    def data(self):
        return self.features, self.targets

    def example_value(self, x, example):
        return (example[0] @ x - example[1]) ** 2 / 2 + 0.5 * jnp.sum(x * x)

    def example_gradient(self, x, example):
        return jax.grad(self.example_value)(x, example)

    def value(self, x):
        return jnp.mean((self.features @ x - self.targets) ** 2) / 2 + 0.5 * jnp.sum(x * x)

    @property
    def squared_residuals(self):
        return js.problems.SquaredResiduals(self.features, self.targets, 1.0)


def test_the_test_risk_of_a_problem_of_ones_own(compiled_quickly):
    problem = Ridge(ROWS, TARGETS, (ROWS[:2], TARGETS[:2]))
    study = sampled(js.orders.WithReplacement(), problem=problem, observables={"test": problem.test_risk})
    exact = js.theory.exact(study)
    assert "test_mean" not in exact  # its residuals are not stated
    result = js.simulate(study, 4096, progress=False).at(4)
    assert abs(float(result.risk_mean - exact.risk_mean[-1])) < 5 * float(result.risk_sem)
    assert float(result.risk_sem) < 0.02 * float(result.risk_mean)


def test_constants_without_what_they_rest_on():
    class Half(js.problems.EmpiricalRisk):
        data: np.ndarray
        example_strong_convexity, example_smoothness, gradient_noise = 1.0, 1.0, 0.5

        def value(self, x):
            return jnp.mean((x - self.data) ** 2) / 2

        def example_gradient(self, x, example):
            return x - example

    study = sampled(js.orders.WithReplacement(), problem=Half(TARGETS), x0=0.0)
    assert any("its minimiser" in reason for reason in js.theory.bounds(study)["sampling_with_replacement"].reasons)


@pytest.mark.parametrize("stated", [[1.0, 2.0], np.array([[1.0, 0.0], [0.0, 2.0]])])
def test_covariances_as_users_write_them(stated):
    class Listed(js.noise.Noise):
        def sample(self, stream, like):
            return np.sqrt([1.0, 2.0]) * stream.normal_like(like)

        def covariance_matrix(self, dimension):
            return stated

    quadratic = js.problems.Quadratic([1.0, 2.0])
    found = js.theory.exact(study_of(js.oracles.AdditiveNoise(quadratic, Listed())))
    ours = js.oracles.AdditiveNoise(quadratic, js.noise.Gaussian(covariance=np.diag([1.0, 2.0])))
    np.testing.assert_allclose(found.risk_mean, js.theory.exact(study_of(ours)).risk_mean, rtol=1e-12)


DRAWN = 2


def _draws(stream):
    return stream.normal((DRAWN,))


def _loss(xi, x):
    return jnp.sum((x - jnp.mean(xi)) ** 2)


def test_studies_of_functions_whose_globals_have_changed(monkeypatch):
    def make():
        return study_of(js.oracles.RandomLoss(_loss, _draws), x0=[1.0])

    before = make()
    assert [request.size for request in before.requests] == [2]
    monkeypatch.setitem(globals(), "DRAWN", 6)
    assert [request.size for request in make().requests] == [6]


def test_what_is_remembered_sees_closures_and_globals(monkeypatch):
    made = []

    @remember(8)
    def doubled(function):
        made.append(function)
        return 2 * function()

    def reading():
        return DRAWN

    def calling():
        return reading()

    for _ in range(2):
        assert doubled(calling) == 4
    assert len(made) == 1
    monkeypatch.setitem(globals(), "DRAWN", 5)
    assert doubled(calling) == 10

    def over(number):
        return lambda: number

    assert [doubled(over(1)), doubled(over(2))] == [2, 4]
