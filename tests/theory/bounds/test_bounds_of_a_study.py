"""Which bounds apply to a study and what they are worth there: the contract of every bound."""

import importlib
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import averages, chapter, methods, noise, oracles, orders, problems, record, schedules
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.study import Study
from jaxsgd.theory.bounds import (
    EVERY,
    Assumption,
    Bound,
    Coefficients,
    LacosteJulien,
    LastIterate,
    UniformStronglyConvex,
    WeightedAverage,
)

BY_NAME = {bound.name: bound for bound in EVERY if bound.quantity == "excess_risk"}
SCHEDULES = {"uniform_strongly_convex": schedules.strongly_convex(2.0), "lacoste_julien": schedules.lacoste_julien(2.0)}


def fitting(name, steps=20, **changes):
    """A study of the chapter's quadratic to which the bound applies."""
    rates = SCHEDULES.get(name, schedules.constant(0.1))
    return chapter.study("constant", steps).replace(schedule=rates, **changes)


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_contract(name, steps):
    bound, study = BY_NAME[name], fitting(name, steps)
    assert bound.title
    assert r"\mathbb{E} R(" in bound.statement
    assert "$" not in bound.statement
    assert any(character.isdigit() for character in bound.reference)
    assert bound.title in repr(bound)
    assert all(isinstance(one, Assumption) and one.holds and one.text and one.why for one in bound.assumptions(study))
    assert bound.point(study) is None or isinstance(bound.point(study), averages.Average)
    c, a = bound.coefficients(study)
    assert isinstance(c, float)
    assert a.shape == (steps,)
    assert a.dtype == np.float64
    assert c >= 0
    assert np.all(a > 0)
    G2 = np.arange(1.0, steps + 1)
    assert abs(bound.value(study, G2) - (29 * c + sum(a[t] * G2[t] for t in range(steps)))) < 1e-12 * (c + a.sum()) * 29
    assert bound.value(study, 3.0) == bound.value(study, np.full(steps, 3.0))
    for second_moments in (-1.0, np.ones(steps + 1), np.zeros(0), np.ones((steps, 1))):
        with pytest.raises(InvalidInput, match="second_moments must be one number or"):
            bound.value(study, second_moments)


@pytest.mark.parametrize("seed", range(15))
def test_no_bound_is_below_the_exact_risk(seed):
    random = np.random.default_rng(seed)
    d, T = random.integers(1, 5), int(random.integers(1, 60))
    root = random.normal(size=(d, d + 1))
    problem = problems.Quadratic(root @ root.T, minimiser=random.normal(size=d))
    root = random.normal(size=(d, d))
    oracle = oracles.AdditiveNoise(problem, noise.Gaussian(covariance=10 ** random.uniform(-2, 1) * root @ root.T))
    mu, largest = problem.strong_convexity, 3 / problem.smoothness
    rates = {
        0: schedules.table(random.uniform(0, largest, T)),
        1: schedules.strongly_convex(random.uniform(0.2, 1) * mu),
        2: schedules.lacoste_julien(random.uniform(0.2, 1) * mu),
        3: schedules.linear_decay(random.uniform(0, largest), T),
        4: schedules.polynomial(largest, 0.1, 0.5),
    }
    start = 10 ** random.uniform(-1, 1) * random.normal(size=d)
    report = js.theory.bounds(
        Study(oracle=oracle, schedule=rates[seed % 5], steps=T, x0=start), among=list(BY_NAME.values())
    )
    assert len(report.applicable) == 4 if seed % 5 in (1, 2) and T > 1 else len(report.applicable) >= 3
    for one in report.applicable:
        along, largest = one.values["along the run"], one.values["maximum along the run"]
        assert along.value <= largest.value * (1 + 1e-12)
        if one.gap is None:  # iterates grew by 10^7 and more before they returned: rounding leaves nothing of averages
            assert seed == 1
        else:
            assert one.gap <= along.value
        assert along.standard_error == largest.standard_error == 0


def test_which_bounds_apply():
    report = js.theory.bounds(chapter.study("constant"))
    smooth = ["ghadimi_lan", "polyak_lojasiewicz"]
    assert [one.bound.name for one in report.applicable] == [*list(BY_NAME)[:3], *smooth]
    others = [bound.name for bound in EVERY if bound.quantity == "distance_squared"]
    assert [one.bound.name for one in report.not_applicable] == [*list(BY_NAME)[3:], *others]
    refused = report["lacoste_julien"]
    assert not refused.values
    assert refused.gap is None
    assert "eta_t = 2 / (mu (t + 2)): eta_1 is 0.1, not 0.0666667" in refused.reasons
    assert set(report["weighted_average"].values) == {"along the run", "maximum along the run"}
    shown = repr(report)
    assert len(shown.splitlines()) <= 34
    for text in ("<= 3.39513 (along the run)", "<= 11.2 (maximum", "exact: 0.276599", "lacoste_julien does not apply"):
        assert text in shown
    with pytest.raises(InvalidInput, match=r"no bound is named 'weighted'; allowed: .*did you mean 'weighted_average'"):
        report["weighted"]


def test_what_the_study_records_does_not_matter():
    study = chapter.study("polynomial")
    other = study.replace(
        averages={}, record=record.at([3]), observe=["risk"], observables={"o": lambda state: state.x[0]}
    )
    for one, same in zip(js.theory.bounds(study).applicable, js.theory.bounds(other).applicable, strict=True):
        assert (one.values, one.gap) == (same.values, same.gap)


@pytest.fixture(scope="module")
def simulated(quick_compilation):
    study = chapter.study("polynomial", 20)
    return study, js.simulate(study, 4096, seed=0, progress=False)


def test_measured_second_moments(simulated):
    study, result = simulated
    exact, measured = (js.theory.bounds(study, *given, among=list(BY_NAME.values())) for given in ((), (result,)))
    for one, other in zip(exact.applicable, measured.applicable, strict=True):
        assert other.gap == one.gap
        for choice, (value, error) in other.values.items():
            assert error < 0.02 * value
            assert abs(value - one.values[choice].value) < 5 * error
    assert "+-" in repr(measured)
    # It is an upper limit of the error: the weighted errors of the steps, added.
    a = WeightedAverage().coefficients(study).gradients
    error = result.dataset.gradient_norm_squared_sem.values[:20] @ a
    assert abs(measured["weighted_average"].values["along the run"].standard_error - error) < 1e-15


def test_results_that_do_not_fit(simulated):
    study, result = simulated
    with pytest.raises(InvalidInput, match="the result is of another study: its learning rates"):
        js.theory.bounds(study.replace(schedule=schedules.constant(0.1)), result)
    with pytest.raises(InvalidInput, match=r"gradient_norm_squared at every step 0\.\.21: run the study with"):
        js.theory.bounds(study.replace(steps=21), result)
    with pytest.raises(InvalidType, match="result must be what simulate returns"):
        js.theory.bounds(study, result.dataset)
    with pytest.raises(InvalidType, match=r"bounds\(study\) needs a jaxsgd\.Study"):
        js.theory.bounds(result)


# A priori: sup ||grad R||^2 + tr Cov xi, where a set or a Lipschitz constant gives the supremum.
def a_priori(**changes):
    values = js.theory.bounds(chapter.study("constant").replace(**changes)).applicable[0].values
    c, a = WeightedAverage().coefficients(chapter.study("constant"))
    return (values["a priori"].value - 29 * c) / a.sum() if "a priori" in values else None


def rounded(x):
    """The sum of absolute values, with their kinks rounded off."""
    return jnp.sqrt(x**2 + 1e-4).sum()


LIPSCHITZ = problems.Function(rounded, minimiser=[0.0, 0.0], convex=True, lipschitz=2**0.5, smoothness=100.0)


def test_gradient_bound_known_before_the_run():
    assert a_priori() is None
    ball = methods.Projected(methods.Ball(6.0))
    assert abs(a_priori(method=ball) - (4**2 * 6**2 + 2)) < 1e-9
    ball = methods.Projected(methods.Ball(6.0, centre=[-3.0, -4.0]))
    assert abs(a_priori(method=ball) - (4**2 * (6 + 5) ** 2 + 2)) < 1e-9
    box = methods.Projected(methods.Box([-6.0, -2.0], [1.0, 3.0]))
    assert abs(a_priori(method=box) - (4**2 * (6**2 + 3**2) + 2)) < 1e-9
    # x_0 = (-5, -2) is not in the set.
    assert a_priori(method=methods.Projected(methods.Ball(5.0))) is None
    for law, trace in ((noise.Gaussian(std=[1.0, 2.0]), 5), (noise.Gaussian(covariance=[[2.0, 1.0], [1.0, 3.0]]), 5)):
        lipschitz = oracles.AdditiveNoise(LIPSCHITZ, law)
        assert abs(a_priori(oracle=lipschitz) - (2 + trace)) < 1e-9
        assert abs(a_priori(oracle=lipschitz, method=ball) - (2 + trace)) < 1e-9  # the smaller of the two
    assert abs(a_priori(oracle=oracles.FullGradient(LIPSCHITZ)) - 2) < 1e-9
    random = oracles.RandomLoss(lambda xi, x: rounded(x) + xi @ x, lambda stream: stream.normal((2,)), LIPSCHITZ)
    assert a_priori(oracle=random) is None


def test_gradients_on_a_ball_stay_below_the_bound():
    centre = np.array([1.0, -2.0])
    study = chapter.study("constant").replace(x0=centre, method=methods.Projected(methods.Ball(2.0, centre=centre)))
    (L2,) = {one.values["a priori"].value for one in js.theory.bounds(study, among=[OfTheFirstGradient()]).applicable}
    angle = np.linspace(0, 2 * np.pi, 1000)
    points = centre + 2 * np.stack([np.cos(angle), np.sin(angle)], 1)
    largest = np.max(np.sum((np.array([2.0, 4.0]) * points) ** 2, 1)) + 2
    assert 0.7 * L2 < largest <= L2


class OfTheFirstGradient(Bound):
    """A bound that a user wrote: G_0^2, whatever the run."""

    name = "first"
    title = "nothing of use"
    statement = r"\mathbb{E} R(x_{T-1}) - R^* \le G_0^2"
    reference = "nobody (2025)"

    def assumptions(self, study):
        return (Assumption("T is even", study.steps % 2 == 0, f"T = {study.steps}"),)

    def point(self, study):
        return averages.Suffix(0.5)

    def coefficients(self, study):
        return Coefficients(0.0, np.eye(study.steps)[0])


def test_a_bound_of_the_user():
    study = chapter.study("constant")
    (one,) = js.theory.bounds(study, among=[OfTheFirstGradient()]).applicable
    assert abs(one.values["along the run"].value - 166) < 1e-12
    suffix = js.theory.exact(study.replace(averages={"s": averages.Suffix(0.5)})).risk_of_s_mean[-1]
    assert one.gap == float(suffix)
    report = js.theory.bounds(study.replace(steps=51), among=[OfTheFirstGradient(), LastIterate()])
    assert report.not_applicable[0].reasons == ("T is even: T = 51",)
    assert len(report.applicable) == 1
    # Two of one kind stay apart.
    pair = [LastIterate(gradient_bound=0.1), LastIterate(gradient_bound=1e3)]
    first, second = js.theory.bounds(study, among=pair).applicable
    assert first.values["along the run"] != second.values["along the run"]


def assumption(study, bound, text):
    (found,) = [one for one in bound.assumptions(study) if text in one.text]
    return found


def test_assumptions_about_the_problem():
    study = chapter.study("constant")
    stated = {None: None, True: True, False: False}
    for convex, holds in stated.items():
        problem = problems.Function(lambda x: (x**4).sum(), minimiser=[0.0, 0.0], convex=convex)
        given = study.replace(oracle=oracles.FullGradient(problem))
        assert assumption(given, WeightedAverage(), "R is convex").holds is holds
        report = js.theory.bounds(given, among=[WeightedAverage()])
        assert len(report.applicable) == (holds is not False)
    unknown = study.replace(oracle=oracles.FullGradient(problems.Function(lambda x: (x**4).sum())))
    report = js.theory.bounds(unknown)
    assert not report.applicable
    assert "x* minimises R: the problem does not state its minimiser" in report["last_iterate"].reasons
    loss = oracles.RandomLoss(lambda xi, x: ((x - xi) ** 2).sum(), lambda stream: stream.normal((2,)))
    assert not js.theory.bounds(study.replace(oracle=loss)).applicable


def test_value_that_nothing_is_known_of():
    problem = problems.Function(lambda x: (x**4).sum(), minimiser=[0.0, 0.0])
    report = js.theory.bounds(chapter.study("constant").replace(oracle=oracles.FullGradient(problem)))
    assert not report["weighted_average"].values
    assert "no value without E||g_t||^2: pass a result" in repr(report)
    assert "if R is convex (the problem does not state it)" in repr(report)


class OtherOracle(oracles.Oracle):
    """An oracle of which nothing is known."""

    problem: problems.Problem

    def sample(self, stream, like, t, memory):
        return None, memory

    def gradient(self, x, sample):
        return 2 * self.problem.gradient(x)

    def risk(self, x, sample):
        return self.problem.value(x)


def sampled(order, batch=1):
    squares = problems.LeastSquares([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [1.0, 2.0, 0.0])
    return oracles.ExampleSampling(squares, order, batch)


class Normalised(methods.Method):
    def step(self, x, learning_rate, t, state, draw):
        gradient = draw.gradient(x)
        return x - learning_rate * gradient / jnp.linalg.norm(gradient), state


class HalfSpace(methods.ConvexSet):
    """{x : x_1 <= 0}."""

    def project(self, x):
        return jnp.asarray(x).at[0].min(0.0)

    def check(self, dimension):
        pass


def test_assumptions_about_oracle_and_method():
    study = chapter.study("constant")
    problem = study.oracle.problem
    random = oracles.RandomLoss(
        lambda xi, x: ((x - xi) ** 2).sum(), lambda stream: stream.normal((2,)), problems.Quadratic([2.0, 2.0])
    )
    for oracle, holds in (
        (study.oracle, True), (oracles.FullGradient(problem), True), (random, True), (OtherOracle(problem), None),
        (sampled(orders.WithReplacement()), True), (sampled(orders.WithReplacement(distinct=True), 2), True),
        (sampled(orders.ImportanceSampling([0.5, 0.25, 0.25])), True), (sampled(orders.RandomReshuffling()), False),
        (sampled(orders.ShuffleOnce(), 2), False), (sampled(orders.Incremental()), False),
        (sampled(orders.RandomReshuffling(), 3), True),  # every batch is the whole
    ):  # fmt: skip
        assert assumption(study.replace(oracle=oracle), WeightedAverage(), "E[g_t").holds is holds
    for method, of_average, of_last in (
        (methods.Sgd(), True, True),
        (Normalised(), False, False),
        (methods.Projected(methods.Ball(6.0)), True, True),
        (methods.Projected(methods.Ball(5.0)), True, False),  # x* = 0 is in it, x_0 = (-5, -2) is not
        (methods.Projected(methods.Ball(5.0, centre=[3.0, 4.0])), True, False),  # x* on the boundary
        (methods.Projected(methods.Ball(1.0, centre=[-5.0, -2.0])), False, False),
        (methods.Projected(methods.Box(0.0, 1.0)), True, False),
        (methods.Projected(methods.Box(-6.0, -1.0)), False, False),
        (methods.Projected(HalfSpace()), True, True),
    ):
        given = study.replace(method=method)
        assert assumption(given, WeightedAverage(), "x_(t+1)").holds is of_average, method
        assert assumption(given, LastIterate(), "x_(t+1)").holds is of_last, method
    for bound in (UniformStronglyConvex(), LacosteJulien()):
        assert assumption(study, bound, "x_(t+1)").holds is True


def test_overflow_is_infinite():
    report = js.theory.bounds(chapter.study("constant", 1000).replace(schedule=schedules.constant(10.0)))
    for one in report.applicable:
        assert all(value == np.inf for value, _ in one.values.values())


def test_function_and_package_share_a_name():
    for name in ("applicable", "weighted_average", "last_iterate"):
        importlib.import_module(f"jaxsgd.theory.bounds.{name}")
    assert js.theory.bounds is importlib.import_module("jaxsgd.theory.bounds")
    first = "import jaxsgd.theory.bounds as B; import jaxsgd as js; from jaxsgd.theory.bounds import Bound; "
    program = first + "assert B.Bound is Bound is js.theory.Bound; js.theory.bounds(js.chapter.study('constant', 2))"
    subprocess.run([sys.executable, "-c", program], check=True)
