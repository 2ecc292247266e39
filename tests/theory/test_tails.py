"""What is known of heavy tails, against enumeration of all draws, closed forms, and studies that are ordinary."""

import itertools
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.theory import tails
from jaxsgd.theory.tails import fourth_moments, moments_of_maps, repeated_examples

ROWS = np.array([[1.0, 0.4], [-0.5, 1.5], [2.0, 1.0]])
TARGETS = np.array([1.0, -0.5, 2.0])
STEPS = 3
AVERAGES = {"uniform": js.averages.Uniform(), "eta": js.averages.StepSizeWeighted(), "last": js.averages.Suffix(0.5)}


def least_squares(dimension=2):
    return js.problems.LeastSquares(ROWS[:, :dimension], TARGETS, l2=0.1)


def sampled(oracle, **changes):
    given = {"schedule": js.schedules.inverse_time(0.5, 0.3), "steps": STEPS, "record": js.record.every(1)}
    return js.Study(oracle=oracle, **(given | changes))


# examples drawn afresh


def batches_of(order, b):
    """All batches of the three examples, with their probabilities and weights."""
    if order.distinct and b > 1:
        subsets = list(itertools.combinations(range(3), b))
        return [(list(subset), 1 / len(subsets), np.ones(b)) for subset in subsets]
    p = order.probabilities_of(3)
    weights = 1 / (3 * p)
    return [(list(each), p[list(each)].prod(), weights[list(each)]) for each in itertools.product(range(3), repeat=b)]


def enumerated(study):
    """kappa of every observable at every step, over all sequences of batches."""
    problem, d = study.oracle.problem, study.dimension
    x_star, minimum, rates = problem.minimiser, problem.minimum, study.learning_rates
    mixings = {name: average.mixing(rates[:STEPS]) for name, average in study.averages.items()}
    features, targets = ROWS[:, :d], TARGETS
    first, second = {}, {}

    def note(step, name, x, probability):
        residuals = features @ x - targets
        risk = (residuals**2).mean() / 2 + 0.05 * x @ x - minimum
        for q, value in (("risk", risk), ("distance_squared", ((x - x_star) ** 2).sum())):
            key = (q + name, step)
            first[key] = first.get(key, 0.0) + probability * value
            second[key] = second.get(key, 0.0) + probability * value**2

    batches = batches_of(study.oracle.order, study.oracle.batch)
    for sequence in itertools.product(batches, repeat=STEPS):
        probability = np.prod([chance for _, chance, _ in sequence])
        x, averages = study.x0, dict.fromkeys(mixings, study.x0)
        for t, (batch, _, weights) in enumerate((*sequence, ([], 1.0, []))):
            note(t, "", x, probability)
            for name, average in averages.items():
                note(t, f"_of_{name}", average, probability)
            if t == STEPS:
                break
            averages = {name: (1 - c[t]) * averages[name] + c[t] * x for name, c in mixings.items()}
            a = features[batch]
            each = a * (a @ x - targets[batch])[:, None] + 0.1 * x
            x = x - rates[t] * (weights[:, None] * each).mean(0)
    names = {name for name, _ in first}
    steps = range(STEPS + 1)
    return {name: [second[name, s] / first[name, s] ** 2 for s in steps] for name in names}


@pytest.mark.parametrize(
    ("order", "batch", "dimension"),
    [
        (js.orders.WithReplacement(), 1, 1),
        (js.orders.WithReplacement(), 1, 2),
        (js.orders.WithReplacement(), 2, 2),
        (js.orders.WithReplacement(distinct=True), 2, 2),
        (js.orders.WithReplacement(distinct=True), 3, 1),
        (js.orders.ImportanceSampling([0.5, 0.2, 0.3]), 2, 1),
    ],
)
def test_relative_second_moments_are_those_of_all_sequences(order, batch, dimension):
    oracle = js.oracles.ExampleSampling(least_squares(dimension), order, batch)
    study = sampled(oracle, averages=AVERAGES, x0=np.array([3.0, -1.0])[:dimension])
    found, expected = tails.relative_second_moments(study), enumerated(study)
    assert found.keys() == expected.keys()
    for name, kappa in found.items():
        np.testing.assert_allclose(kappa, expected[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("b", [1, 2, 3, 4, 5, 6])
def test_shares_of_distinct_examples_are_those_of_all_subsets(b):
    """Central moments of the mean of b of 6 numbers, of orders 2, 3 and 4."""
    numbers = np.array([-4.0, -1.5, 0.5, 0.5, 1.0, 3.5])
    means = np.array([np.mean(some) for some in itertools.combinations(numbers, b)])
    shares = moments_of_maps.Shares.of_distinct(b, 6)
    m2, m3, m4 = (np.mean(numbers**k) for k in (2, 3, 4))
    found = shares.second * m2, shares.third * m3, shares.fourth * m4 + 3 * shares.pairs * m2**2
    np.testing.assert_allclose(found, [np.mean(means**k) for k in (2, 3, 4)], atol=1e-12)


# the examples of one coordinate, 49 with a = 1 and one with a = 7


SPIKED = js.oracles.ExampleSampling(
    js.problems.LeastSquares([[1.0]] * 49 + [[7.0]], np.linspace(-1.0, 1.0, 50)), js.orders.WithReplacement()
)
LIMIT = 0.08  # E|1 - eta a^2|^2 = 1


def spiked(share, **changes):
    given = {"oracle": SPIKED, "schedule": js.schedules.constant(share * LIMIT), "steps": 200}
    return js.Study(**(given | {"record": js.record.at([20, 200])} | changes))


def moments_of_one_coordinate(share, steps):
    """E e^4 / (E e^2)^2 by the binomial theorem."""
    a, b = np.array([1.0] * 49 + [7.0]), np.linspace(-1.0, 1.0, 50)
    x_star, eta = (a @ b) / (a @ a), share * LIMIT
    k, c = 1 - eta * a**2, -eta * a * (a * x_star - b)
    m = np.array([(-x_star) ** j for j in range(5)])
    choose = [[1], [1, 1], [1, 2, 1], [1, 3, 3, 1], [1, 4, 6, 4, 1]]
    for _ in range(steps):
        m = np.array([sum(choose[j][i] * np.mean(k**i * c ** (j - i)) * m[i] for i in range(j + 1)) for j in range(5)])
    return m[4] / m[2] ** 2


@pytest.mark.parametrize("share", [0.95, 0.8, 0.5, 0.2])
def test_one_coordinate(share):
    """At .95 and at .8 of the limit kappa grows without bound, below it stays that of an ordinary variable."""
    kappa = tails.relative_second_moments(spiked(share))["risk"]
    np.testing.assert_allclose(kappa, [moments_of_one_coordinate(share, s) for s in (20, 200)], rtol=1e-9)
    assert kappa[-1] > 1e13 if share > 0.7 else kappa[-1] < 3


@pytest.mark.parametrize("share", [0.95, 0.8])
def test_no_standard_error_near_the_limit(share):
    study = spiked(share, averages={"u": js.averages.Uniform()})
    for observable in (*study.built_in, None):
        reason = tails.why_no_standard_error(study, observable, 200, 16384)
        assert "a mean of 16384 trajectories has no standard error that a sample could show" in reason, observable
    assert tails.why_no_standard_error(study, "risk", 0, 2) == ""


def test_repetition_bounds_from_below():
    """The 7 once in 50 draws is a growth by 55 / 50 at .95 of the limit, by less than 1 at .8: nothing is said."""
    study = spiked(0.95)
    exact, bound = tails.relative_second_moments(study), repeated_examples.least_by_repetition(study)
    for name, kappa in bound.items():
        assert (kappa <= exact[name]).all()
        assert kappa[-1] > 1e6
    assert repeated_examples.least_by_repetition(spiked(0.8)) is None


def test_repetition_bounds_in_many_coordinates():
    """The same example in the first of eight coordinates, and the others in one of seven examples each."""
    rows = np.hstack([np.array([[1.0]] * 49 + [[7.0]]), np.vstack([np.tile(np.eye(7), (7, 1)), np.zeros((1, 7))])])
    oracle = js.oracles.ExampleSampling(js.problems.LeastSquares(rows, np.linspace(-1.0, 1.0, 50)))
    limit = js.theory.stability_limit(oracle)
    reasons = [
        tails.why_no_standard_error(
            spiked(share, oracle=oracle, schedule=js.schedules.constant(share * limit)), "risk", 200, 10**6
        )
        for share in (1.1, 0.3)
    ]
    assert "no standard error" in reasons[0]
    assert reasons[1] == ""


def test_repetition_from_the_first_step_on_is_one_of_all_sequences(monkeypatch):
    """Two examples, T = 3: E u^4 over 8 sequences is at least that of the one that repeats the second."""
    monkeypatch.setattr(fourth_moments, "_LARGEST", 0)
    oracle = js.oracles.ExampleSampling(js.problems.LeastSquares([[1.0], [4.0]], [1.0, -1.0]))
    study = sampled(oracle, x0=[1.0], schedule=js.schedules.constant(0.2), record=js.record.at([0, STEPS]))
    x_star, x = oracle.problem.minimiser[0], 1.0
    for _ in range(STEPS):
        x -= 0.2 * 4 * (4 * x + 1)
    second = js.theory.exact(study).distance_squared_mean.values[-1]
    expected = max((x - x_star) ** 4 / 2**STEPS / second**2, 1.0)
    assert tails.relative_second_moments(study)["distance_squared"][-1] == pytest.approx(expected, rel=1e-9)
    assert expected > 1


class Halved(js.methods.Method):
    """SGD with half of a gradient that is clipped to length 1."""

    def step(self, x, learning_rate, t, state, draw):
        gradient = draw.gradient(x)
        return x - learning_rate * gradient / jnp.maximum(2.0, jnp.linalg.norm(gradient)), state


ORDINARY = {
    "half of the limit": spiked(0.5),
    "a fifth of the limit": spiked(0.2),
    "clipped": spiked(0.95, method=Halved()),
    "projected": spiked(0.95, method=js.methods.Projected(js.methods.Ball(1.0))),
    "reshuffled": spiked(0.8, oracle=SPIKED.replace(order=js.orders.RandomReshuffling())),
    "large batches": spiked(0.95, oracle=SPIKED.replace(batch=25)),
    "all examples": spiked(0.95, oracle=js.oracles.FullGradient(SPIKED.problem)),
    "logistic": sampled(js.oracles.ExampleSampling(js.problems.LogisticRegression(ROWS, [1.0, -1.0, 1.0], l2=0.1))),
    **{name: js.chapter.study(name) for name in ("constant", "exponential", "polynomial")},
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_studies_have_standard_errors(name):
    study = ORDINARY[name]
    for observable in (*study.built_in, None):
        assert tails.why_no_standard_error(study, observable, study.steps, 1000) == ""


def test_an_overflow_is_no_number():
    reason = tails.why_no_standard_error(spiked(0.95, steps=5000, record=js.record.at([5000])), "risk", 5000, 10**9)
    assert reason.endswith("no number of them would do")


def test_found_once_for_a_study(monkeypatch):
    calls, found = [], fourth_moments._found
    monkeypatch.setattr(fourth_moments, "_found", lambda study: calls.append(study) or found(study))
    study = spiked(0.3)
    for observable in ("risk", "distance_squared", None):
        tails.why_no_standard_error(study, observable, 200, 100)
    assert calls == [study]


# gradients of a law that is not finite


def squared_residual(xi, x):
    return (xi[0] * x[0] - xi[1]) ** 2 / 2


def two_normals(stream):
    return stream.normal((2,))


def streaming(eta, steps, loss=squared_residual, x0=(1.0,)):
    oracle = js.oracles.RandomLoss(loss, two_normals)
    return js.Study(oracle=oracle, schedule=js.schedules.constant(eta), steps=steps, x0=list(x0))


@pytest.mark.parametrize("eta", [0.8, 0.4])
def test_streaming_least_squares(eta):
    """Targets 0: kappa = (E(1 - eta a^2)^4 / (E(1 - eta a^2)^2)^2)^s, the least of 16 estimates is less."""
    of_a = [1, 1, 3, 15, 105]  # E a^2k
    fourth = sum(c * (-eta) ** k * of_a[k] for k, c in enumerate([1, 4, 6, 4, 1]))
    second = 1 - 2 * eta + 3 * eta**2
    kappa = tails.relative_second_moments(streaming(eta, 10, lambda xi, x: (xi[0] * x[0]) ** 2 / 2))["risk"][-1]
    assert 0.7 < np.log(kappa) / np.log(fourth / second**2) / 10 <= 1


def test_streaming_least_squares_has_no_standard_error():
    assert "it would take" in tails.why_no_standard_error(streaming(0.8, 60), "risk", 60, 10**6)
    assert tails.why_no_standard_error(streaming(0.1, 60), "risk", 60, 1000) == ""


class Multiplicative(js.oracles.Oracle):
    """g = grad R(x) (1 + std z)."""

    std: float
    problem: ClassVar[js.problems.Problem] = js.problems.Quadratic([1.0])

    def sample(self, stream, like, t, memory):
        return stream.normal(), memory

    def gradient(self, x, sample):
        return self.problem.gradient(x) * (1 + self.std * sample)

    def risk(self, x, sample):
        return self.problem.value(x)


def test_multiplicative_noise_of_an_own_oracle():
    """1 - eta (1 + s z) is normal: of mean m = 1/2 and variance v = 1, E k^4 = m^4 + 6 m^2 v + 3 v^2."""
    kappa = tails.relative_second_moments(sampled(Multiplicative(2.0), x0=[1.0], schedule=lambda t: 0.5))["risk"][-1]
    assert kappa == pytest.approx(((0.25**2 + 1.5 + 3) / 1.25**2) ** STEPS, rel=0.2)


class Changing(js.oracles.Oracle):
    """A factor of another law at each step."""

    problem: ClassVar[js.problems.Problem] = js.problems.Quadratic([1.0])

    def sample(self, stream, like, t, memory):
        return t * stream.normal(), memory

    def gradient(self, x, sample):
        return x * sample

    def risk(self, x, sample):
        return self.problem.value(x)


class Remembering(js.oracles.Oracle):
    """A factor that depends on the one before."""

    problem: ClassVar[js.problems.Problem] = js.problems.Quadratic([1.0])

    def memory(self):
        return np.zeros(())

    def sample(self, stream, like, t, memory):
        memory = memory + stream.normal()
        return memory, memory

    def gradient(self, x, sample):
        return x * sample

    def risk(self, x, sample):
        return self.problem.value(x)


@pytest.mark.parametrize(
    "study",
    [
        sampled(Changing(), x0=[1.0]),
        sampled(Remembering(), x0=[1.0]),
        streaming(0.8, 3, lambda xi, x: jnp.abs(xi[0] * x[0])),
        streaming(0.8, 3, lambda xi, x: (x[0] - xi[1]) ** 2 / 2),
        streaming(0.8, 3, lambda xi, x: (xi[0] * jnp.sum(x)) ** 2, x0=[1.0] * 5),
    ],
    ids=["of another law at each step", "dependent", "not quadratic", "additive", "large"],
)
def test_what_is_not_known_is_not_claimed(study):
    assert tails.relative_second_moments(study) is None


# noise without moments


class Heavy(js.noise.Noise):
    """Student's t with a whole number of degrees of freedom."""

    df: int = eqx.field(static=True)

    @property
    def tail_index(self):
        return float(self.df)

    def sample(self, stream, like):
        chi2 = jnp.sum(stream.normal((self.df,)) ** 2)
        return stream.normal(np.shape(like)) / jnp.sqrt(chi2 / self.df)


class Scaled(js.methods.Method):
    """x - eta D g."""

    diagonal: np.ndarray
    linear = True

    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * self.diagonal * draw.gradient(x), state


def noisy(df, problem=None, **changes):
    problem = js.problems.Quadratic([1.0, 2.0]) if problem is None else problem
    return sampled(js.oracles.AdditiveNoise(problem, Heavy(df)), averages=AVERAGES, **changes)


def reasons(study, step=STEPS, n=10**6):
    """The built-in observables that have no standard error."""
    names = [*study.built_in, None]
    return {name: reason for name in names if (reason := tails.why_no_standard_error(study, name, step, n))}


def test_moments_are_infinite_from_the_tail_index_on():
    study = noisy(3)
    assert [bool(tails.why_no_moment(study, order)) for order in (1, 2, 2.9, 3, 4)] == [False] * 3 + [True] * 2
    assert "tail index 3" in tails.why_no_moment(study, 4)
    assert not tails.why_no_moment(study, 4, step=0)
    assert tails.why_no_moment(study, 4, step=1)
    assert set(reasons(study)) == {*study.built_in, None}
    assert all(reason.startswith("its variance is infinite") for reason in reasons(study).values())
    assert all(reason.startswith("its mean is infinite") for reason in reasons(noisy(2)).values())
    assert reasons(noisy(5)) == {}


def test_moments_are_infinite_from_the_first_noise_on():
    """At x_0 only the gradient is random; averages over x_0 alone are not; a learning rate of 0 adds no noise."""
    assert set(reasons(noisy(3), step=0)) == {"gradient_norm_squared"}
    assert set(reasons(noisy(3), step=1)) == {"gradient_norm_squared", "risk", "distance_squared", None}
    still = noisy(3, schedule=js.schedules.table([0.0, 0.0, 0.1, 0.1]))
    assert set(reasons(still, step=2)) == {"gradient_norm_squared"}
    assert tails.why_no_moment(noisy(3, schedule=js.schedules.table([0.1, 0.0, 0.0, 0.1])), 4)


def test_methods_that_keep_the_noise_and_others():
    projected = noisy(3, method=js.methods.Projected(js.methods.Ball(1.0)))
    assert set(reasons(projected)) == set(reasons(noisy(3, method=Halved()))) == {"gradient_norm_squared"}
    assert tails.why_no_moment(noisy(3, method=Scaled(np.array([1.0, 0.5]))), 3)
    assert not tails.why_no_moment(noisy(3, method=Scaled(np.array([1.0, 0.0]))), 3)
    assert "risk" in reasons(noisy(3, method=js.methods.HeavyBall(0.5)))
    for bounded in (js.methods.Clipped(js.methods.HeavyBall(0.5), norm=1), js.methods.SignSgd(), js.methods.Svrg(2)):
        assert set(reasons(noisy(3, method=bounded))) == {"gradient_norm_squared"}


def test_of_points_of_a_method_nothing_is_known():
    found = reasons(noisy(3, method=js.methods.Nesterov(0.5)))
    assert {"risk", "distance_squared"} <= set(found)
    assert not {"risk_of_y", "distance_squared_of_y"} & set(found)


class Named(js.methods.Method):
    """Plain SGD on a dict, which is said to be linear only."""

    sees_pytree, linear = True, True

    def step(self, x, learning_rate, t, state, draw):
        return {"a": x["a"] - learning_rate * draw.gradient(x)["a"]}, state


def test_methods_that_see_pytrees_are_asked_in_their_form():
    problem = js.problems.Function(lambda x: jnp.sum(x["a"] ** 2), minimiser={"a": [0.0, 0.0]})
    study = sampled(js.oracles.AdditiveNoise(problem, js.noise.Gaussian(1.0)), x0={"a": [1.0, 1.0]}, method=Named())
    assert tails.why_no_moment(study, np.inf)  # of normal noise every finite one exists
    assert not tails.why_no_moment(study, 4)


def test_risks_that_do_not_grow_as_squares():
    """|x| has a variance where x has second moments; of a risk that is not known to grow nothing is said."""
    assert "risk" in reasons(noisy(2, js.problems.AbsoluteValue(1.0)))
    assert "risk" not in reasons(noisy(3, js.problems.AbsoluteValue(1.0)))
    hinge = js.problems.Function(lambda x: jnp.sum(jnp.maximum(x, 0.0)), minimiser=[0.0], convex=True)
    assert "risk" not in reasons(noisy(2, hinge, x0=[1.0]))


# the rule


def test_trajectories_needed():
    """25 skewness^2 of a squared normal, and of a lognormal variable up to terms of lower order."""
    assert tails.trajectories_needed(3.0) == pytest.approx(25 * 8)
    for kappa in (10.0, 1e3, 1e12):
        lognormal = 25 * (kappa + 2) ** 2 * (kappa - 1)
        assert 0.5 < tails.trajectories_needed(kappa) / lognormal <= 1
    assert tails.trajectories_needed(1.0) == 0
