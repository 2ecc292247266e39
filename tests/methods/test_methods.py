"""Methods of our own: step by step against loops written from their formulas, in NumPy and float64."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsgd as js
from jaxsgd import methods, oracles, orders, problems, schedules
from jaxsgd.config import read
from jaxsgd.engine.lanes import over_lanes
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.runs.reach import reaching_values
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.verification.of_study import statements_of

pytestmark = pytest.mark.usefixtures("quick_compilation")

ROWS = np.array([[1.0, 0.5], [-0.5, 2.0], [1.5, -1.0], [0.5, 1.0], [-1.0, 0.25]])
TARGETS = np.array([1.0, 2.0, -1.0, 0.5, 3.0])
START, T = np.array([3.0, -2.0]), 9
RATES = 0.2 / (1 + 0.25 * np.arange(T))
STUDY = js.Study(
    oracle=oracles.ExampleSampling(problems.LeastSquares(ROWS, TARGETS), orders.Incremental()),
    schedule=schedules.inverse_time(0.2, 0.25),
    x0=START,
    steps=T,
    record=js.record.every(1),
)

# the draws of this study: update t takes example t mod 5


def drawn(t, x):
    a, y = ROWS[t % 5], TARGETS[t % 5]
    return a * (a @ x - y)


def loss(t, x):
    return (ROWS[t % 5] @ x - TARGETS[t % 5]) ** 2 / 2


def full(x):
    return ROWS.T @ (ROWS @ x - TARGETS) / 5


# loops from formulas; `g(t, x)` is the gradient that the method sees


def sgd(g=drawn, scale=lambda t, x: 1.0):
    path = [START]
    for t in range(T):
        path.append(path[-1] - scale(t, path[-1]) * RATES[t] * g(t, path[-1]))
    return path


def heavy_ball(b, g=drawn):
    path = [START, START]  # x_{-1} and x_0
    for t in range(T):
        path.append(path[-1] - RATES[t] * g(t, path[-1]) + b * (path[-1] - path[-2]))
    return path[1:]


def nesterov(b):
    path = [START, START]
    for t in range(T):
        y = path[-1] + b * (path[-1] - path[-2])
        path.append(y - RATES[t] * drawn(t, y))
    return path[1:]


def delayed(tau):
    path = [START]
    for t in range(T):
        path.append(path[-1] - RATES[t] * drawn(t, path[max(t - tau, 0)]))
    return path


def clipped_to(norm, g=drawn):
    return lambda t, x: g(t, x) * min(1.0, norm / np.linalg.norm(g(t, x)))


def sharp(radius, g=drawn):
    return lambda t, x: g(t, x + radius * g(t, x) / np.linalg.norm(g(t, x)))


def polyak_step(c, minimum):
    path = [START]
    for t in range(T):
        g = drawn(t, path[-1])
        path.append(path[-1] - min((loss(t, path[-1]) - minimum) / (c * g @ g), RATES[t]) * g)
    return path


def svrg(every):
    path = [START]
    for t in range(T):
        if t % every == 0:
            s = path[-1]
        path.append(path[-1] - RATES[t] * (drawn(t, path[-1]) - drawn(t, s) + full(s)))
    return path


class Plateaus:
    """The factor of the rate, from the losses seen so far."""

    def __init__(self, patience, factor, decay, threshold):
        self.settings, self.losses, self.means = (patience, factor, decay, threshold), [], []
        self.scale, self.since = 1.0, 0

    def __call__(self, t, x):
        patience, factor, decay, threshold = self.settings
        self.losses.append(loss(t, x))
        weights = decay ** np.arange(t, -1, -1)
        self.means.append(weights @ self.losses / weights.sum())
        best = self.best if t else np.inf
        progress = self.means[-1] < best - threshold
        self.best = self.means[-1] if progress else best
        self.since = 0 if progress else self.since + 1
        if self.since == patience:
            self.scale, self.since = factor * self.scale, 0
        return self.scale


EACH = {
    "sgd": (methods.Sgd(), lambda: sgd()),
    "heavy ball": (methods.HeavyBall(0.9), lambda: heavy_ball(0.9)),
    "nesterov": (methods.Nesterov(0.9), lambda: nesterov(0.9)),
    "delayed by nothing": (methods.Delayed(0), lambda: sgd()),
    "delayed": (methods.Delayed(3), lambda: delayed(3)),
    "clipped, norm": (methods.Clipped(methods.Sgd(), norm=1.5), lambda: sgd(clipped_to(1.5))),
    "clipped, value": (
        methods.Clipped(methods.Sgd(), value=0.75),
        lambda: sgd(lambda t, x: np.clip(drawn(t, x), -0.75, 0.75)),
    ),
    "clipped heavy ball": (methods.Clipped(methods.HeavyBall(0.5), norm=1.5), lambda: heavy_ball(0.5, clipped_to(1.5))),
    "preconditioned": (methods.Preconditioned([0.5, 2.0]), lambda: sgd(lambda t, x: [0.5, 2.0] * drawn(t, x))),
    "sign": (methods.SignSgd(), lambda: sgd(lambda t, x: np.sign(drawn(t, x)))),
    "normalised": (methods.Normalised(), lambda: sgd(lambda t, x: drawn(t, x) / np.linalg.norm(drawn(t, x)))),
    "polyak step": (methods.PolyakStep(1.5, -0.125), lambda: polyak_step(1.5, -0.125)),
    "svrg": (methods.Svrg(4), lambda: svrg(4)),
    "sam": (methods.Sam(0.5), lambda: sgd(sharp(0.5))),
    "clipped inside of sam": (
        methods.Clipped(methods.Sam(0.5, methods.HeavyBall(0.5)), norm=1.5),
        lambda: heavy_ball(0.5, sharp(0.5, clipped_to(1.5))),
    ),
    "plateaus of clipped": (
        methods.ReduceOnPlateau(methods.Clipped(methods.Sgd(), norm=1.5), 2, 0.25, 0.5, 0.125),
        lambda: sgd(clipped_to(1.5), Plateaus(2, 0.25, 0.5, 0.125)),
    ),
}
PLAIN = np.array(sgd())


@pytest.fixture
def in_float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("name", EACH)
def test_paths_are_those_of_the_formula(name, in_float64):
    """To rounding; and they are not those of plain SGD unless the method is, the control."""
    method, loop = EACH[name]
    path, expected = js.sample_paths(STUDY.replace(method=method), 1).x.values[0], np.array(loop())
    np.testing.assert_allclose(path, expected, rtol=1e-12)
    assert (np.abs(expected - PLAIN).max() < 1e-12) == bool(method.plain) != (np.abs(expected - PLAIN).max() > 0.05)


def test_nesterov_at_y_is_torch(in_float64):
    """v <- b v + g, y <- y - eta (g + b v), with a constant rate: the point "y", of which the risk is recorded."""
    study = STUDY.replace(method=methods.Nesterov(0.9), schedule=schedules.constant(0.1), observe=["risk_of_y"])
    y, v, risks = START, 0.0, []
    for t in range(T + 1):
        risks.append(np.mean((ROWS @ y - TARGETS) ** 2) / 2)
        g = drawn(t, y)
        v = 0.9 * v + g
        y = y - 0.1 * (g + 0.9 * v)
    np.testing.assert_allclose(trajectory_values(study, 1)[:, 0, 0], risks, rtol=1e-12)


def test_the_cap_and_progress_matter():
    """Otherwise the tests above show little of them."""
    steps = [
        (loss(t, x) + 0.125) / (1.5 * drawn(t, x) @ drawn(t, x)) for t, x in enumerate(polyak_step(1.5, -0.125)[:T])
    ]
    assert 2 <= np.sum(steps < RATES) <= T - 2
    plateaus = Plateaus(2, 0.25, 0.5, 0.125)
    scales = [plateaus(t, x) for t, x in enumerate(EACH["plateaus of clipped"][1]()[:T])]
    assert len(set(scales)) >= 3
    assert scales[0] == 1.0


# pytrees


class Slow(methods.Method):
    """Heavy ball of a pytree."""

    momentum: float
    sees_pytree = True

    def init(self, x0):
        return {"moved": jax.tree.map(jnp.zeros_like, x0)}

    def step(self, x, learning_rate, t, state, draw):
        moved = jax.tree.map(lambda v, g: self.momentum * v - learning_rate * g, state["moved"], draw.gradient({**x}))
        return {name: x[name] + moved[name] for name in ("a", "b")}, {"moved": moved}

    def points(self, x, state):
        return {"ahead": {name: x[name] + state["moved"][name] for name in ("a", "b")}}


def bowl(xi, x):
    return jnp.sum((x["a"] - xi["a"]) ** 2) + (x["b"] - xi["b"] * x["a"][0]) ** 2


def pull(xi, x):
    return jnp.sum(x * x) / 2 - jnp.sum(xi * x)


def test_wrappers_see_pytrees_as_the_method_inside():
    """All of them around each other; flat ones are tested above."""

    def study(method):
        wrapped = methods.Preconditioned([0.5, 1.0, 2.0], methods.Sam(0.1, method))
        wrapped = methods.ReduceOnPlateau(methods.Clipped(wrapped, norm=1.5), 1)
        return js.Study(
            oracle=oracles.RandomLoss(bowl, lambda stream: {"a": stream.normal((2,)), "b": stream.normal(())}),
            schedule=schedules.constant(0.1),
            x0={"a": [1.0, -2.0], "b": 3.0},
            steps=6,
            record=js.record.every(1),
            method=wrapped,
        )

    tree, flat = study(Slow(0.5)), study(methods.HeavyBall(0.5))
    assert tree.method.sees_pytree
    assert not flat.method.sees_pytree
    assert "risk_of_ahead" in tree.observed
    np.testing.assert_allclose(js.sample_paths(tree, 4).x, js.sample_paths(flat, 4).x, rtol=1e-5)
    paths = js.sample_paths(study(methods.HeavyBall(0.25)), 4).x
    assert np.abs(paths - js.sample_paths(flat, 4).x).max() > 0.1
    with pytest.raises(InvalidInput, match="diagonal must be one number or have 3 coordinates"):
        tree.replace(method=methods.Preconditioned([1.0, 2.0], Slow(0.5)))
    with pytest.raises(InvalidInput, match="lower must be one number or have 3 coordinates"):
        tree.replace(method=methods.Clipped(methods.Projected(methods.Box([0, 0], 1)), norm=1))


# exact numbers, from the code of a linear method: x is one coordinate of a quadratic with additive noise


def affine(method, curvature, rate):
    """M, n and z_0 / x_0 of z_{t+1} = M z_t + n xi, z = (x, state), from one update at a basis."""
    state, structure = jax.tree.flatten(method.init(jnp.ones(1)))
    start = np.ravel(jnp.concatenate([jnp.ones(1), *state]))

    def update(z, xi):
        parts = [jnp.asarray(z[i : i + 1]) for i in range(len(z))]
        draw = methods.Draw(lambda x: curvature * x + xi, lambda x: None, lambda x: curvature * x)
        x, state = method.step(parts[0], rate, 3, jax.tree.unflatten(structure, parts[1:]), draw)
        return np.ravel(jnp.concatenate([x, *jax.tree.leaves(state)]))

    basis = np.eye(len(start))
    return np.stack([update(e, 0.0) for e in basis], 1), update(0 * basis[0], 1.0), start


def expected_risk(method, b=0.0, steps=50):
    """E R(x_50), R(x + b v) for the point y of Nesterov, on the chapter's quadratic from (-5, -2)."""
    total = 0.0
    for curvature, start in ((2.0, -5.0), (4.0, -2.0)):
        M, n, z = affine(method, curvature, 0.02 if not isinstance(method, methods.Delayed) else 0.05)
        at = np.append(1.0, [b] * (len(z) - 1))
        mean, covariance = start * z, np.zeros((len(z), len(z)))
        for _ in range(steps):
            mean, covariance = M @ mean, M @ covariance @ M.T + np.outer(n, n)
        total += curvature / 2 * ((at @ mean) ** 2 + at @ covariance @ at)
    return total


def stationary_variance(method):
    M, n, _ = affine(method, 2.0, 0.05)
    return np.linalg.solve(np.eye(M.size) - np.kron(M, M), np.outer(n, n).ravel())[0]


def test_linear_methods_have_the_moments_of_theory(in_float64):
    """Polyak's and Nesterov's closed forms, and numbers that were computed elsewhere."""
    heavy, nesterov = methods.HeavyBall(0.9), methods.Nesterov(0.9)
    assert stationary_variance(heavy) == pytest.approx(0.05 * 1.9 / (0.1 * 2 * (2 * 1.9 - 0.1)), rel=1e-12)
    assert stationary_variance(heavy) == pytest.approx(0.1283783784, abs=1e-10)
    assert stationary_variance(nesterov) == pytest.approx(0.0676584928, abs=1e-10)
    assert expected_risk(heavy) == pytest.approx(0.2181085756, abs=1e-10)
    assert expected_risk(nesterov) == pytest.approx(0.0847881410, abs=1e-10)
    assert expected_risk(nesterov, b=0.9) == pytest.approx(0.0899607403, abs=1e-10)
    assert expected_risk(methods.Delayed(1)) == pytest.approx(0.0317612102, abs=1e-10)


@pytest.mark.parametrize("tau", [1, 2])
def test_delay_has_its_stability_limit(tau, in_float64):
    limit = 2 * np.sin(np.pi / (2 * (2 * tau + 1)))
    radii = [np.abs(np.linalg.eigvals(affine(methods.Delayed(tau), 1.0, s * limit)[0])).max() for s in (0.999, 1.001)]
    assert radii[0] < 1 < radii[1]


# SVRG


def test_svrg_converges_linearly_and_sgd_does_not(in_float64):
    study = STUDY.replace(
        oracle=oracles.ExampleSampling(STUDY.oracle.problem),
        schedule=schedules.constant(0.1),
        steps=600,
        record=js.record.every(200),
        observe=["risk"],
    )
    minimum = STUDY.oracle.problem.minimum
    svrg, sgd = (
        trajectory_values(study.replace(method=method), 200)[:, 0].mean(-1) - minimum
        for method in (methods.Svrg(10), methods.Sgd())
    )
    assert (svrg[1:] < 1e-3 * svrg[:-1]).all()
    assert (sgd[1:] > 1e-2).all()


def primitives(jaxpr, inside=()):
    """The names of all operations, and in which others they stand."""
    for equation in jaxpr.eqns:
        yield equation.primitive.name, inside
        for part in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "jaxpr")):
            inner = getattr(part, "jaxpr", part)
            if hasattr(inner, "eqns"):
                yield from primitives(inner, (*inside, equation.primitive.name))


def test_svrg_takes_full_gradients_at_snapshots_only():
    """In the code of many trajectories, too: a condition on t stays one."""

    def updates(x, state, t):
        draw = methods.Draw(jnp.tanh, jnp.sum, jnp.sinh)
        return over_lanes(lambda x, state: methods.Svrg(3).step(x, 0.1, t, state, draw))(x, state)

    x = jnp.ones((2, 8))
    found = list(primitives(jax.make_jaxpr(updates)(x, methods.Svrg(3).init(x), 0).jaxpr))
    assert [("cond" in inside) for name, inside in found if name == "sinh"] == [True]
    assert not any("cond" in inside for name, inside in found if name == "tanh")


# costs


class Extragradient(methods.Method):
    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * draw.gradient(x - learning_rate * draw.gradient(x)), state


class Seldom(methods.Method):
    """Looks at another gradient in every third update, and says so."""

    def step(self, x, learning_rate, t, state, draw):
        extra = jax.lax.cond(t % 3 == 0, lambda x: draw.gradient(2 * x), jnp.zeros_like, x)
        return x - learning_rate * (draw.gradient(x) + extra), state

    def gradients(self, updates, in_each):
        return methods.Gradients((in_each.drawn - 1) * updates - (-updates // 3), 0)


COSTS = {
    "one": (methods.Clipped(methods.HeavyBall(0.5), norm=1), lambda once, s: once),
    "at another point": (methods.Nesterov(0.5), lambda once, s: once),
    "two": (methods.Sam(0.1), lambda once, s: 2 * once),
    "two of one's own": (Extragradient(), lambda once, s: 2 * once),
    "and full ones": (methods.Svrg(4), lambda once, s: 2 * once + 5 * np.ceil(s / 4)),
    "of a wrapped method": (methods.Sam(0.1, methods.Svrg(3)), lambda once, s: 4 * once + 5 * np.ceil(s / 3)),
    "as declared": (Seldom(), lambda once, s: once + np.rint(once * np.ceil(s / 3) / np.maximum(s, 1))),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs_are_gradients_of_examples(name):
    """Batches of 2, 2 and 1 of five examples in an epoch."""
    method, cost = COSTS[name]
    oracle = oracles.ExampleSampling(STUDY.oracle.problem, orders.RandomReshuffling(), batch=2)
    study, steps = STUDY.replace(oracle=oracle, method=method), np.array([0, 1, 2, 3, 4, 9])
    once = np.array([0, 2, 4, 5, 7, 15])
    np.testing.assert_array_equal(study.example_gradients(steps), cost(once, steps))
    gradient_descent = study.replace(oracle=oracles.FullGradient(STUDY.oracle.problem))
    np.testing.assert_array_equal(gradient_descent.example_gradients(steps), cost(5 * steps, steps))


# what theory says of them

CHAPTER = js.chapter.study("constant", 10)
OTHERS = [method for method, _ in EACH.values() if not method.plain]


@pytest.mark.parametrize("method", OTHERS, ids=repr)
def test_nothing_written_for_sgd_is_said_of_another_method(method):
    """Of SGD with the same numbers some of it is, the control."""
    for order in (orders.WithReplacement(), orders.RandomReshuffling()):
        oracle = oracles.ExampleSampling(STUDY.oracle.problem, order)
        study = js.Study(oracle=oracle, schedule=schedules.constant(0.02), steps=10, x0=START)
        assert js.theory.bounds(study).applicable
        assert not js.theory.bounds(study.replace(method=method)).applicable
    statements, others = statements_of(study.replace(method=method))
    assert {statement.name for statement in statements} <= {"convexity", "exact_moments"}  # of any path, of this one
    assert others["balance"] == (
        f"the balance is one of plain SGD, and methods.{type(method).__name__} does not state that it is"
    )


def test_verify_says_what_is_not_tested_and_why():
    report = js.verify(CHAPTER.replace(method=methods.HeavyBall(0.5)), 2000)
    assert report.verdicts["convexity"] == "CONSISTENT"
    assert set(report.verdicts) <= {"convexity", "exact_moments"}
    assert re.search("last_iterate +not tested: ", repr(report))
    assert "methods.HeavyBall states neither" in repr(report)


def test_draws_that_reach_further_have_their_losses():
    values = reaching_values(
        STUDY.replace(oracle=oracles.ExampleSampling(STUDY.oracle.problem), method=EACH["polyak step"][0]), 0, 0
    )
    assert np.isfinite(values).all()


class Claims(methods.Method):
    """What is true of its first update only."""

    plain: bool = True
    linear: bool = True

    def init(self, x0):
        return jnp.zeros_like(x0)

    def step(self, x, learning_rate, t, state, draw):
        moved = (0.5 * state if self.plain else jnp.abs(state)) - learning_rate * draw.gradient(x)
        return x + moved, moved


@pytest.mark.parametrize("wrap", [lambda method: method, lambda method: methods.Preconditioned(2.0, method)])
def test_facts_of_methods_with_state_are_checked_over_several_updates(wrap):
    with pytest.raises(InvalidInput, match=r"the method Claims states plain=True, but x=.* give .*, not .*, at t = 1"):
        CHAPTER.replace(method=wrap(Claims()))
    with pytest.raises(InvalidInput, match=r"the method Claims states linear=True, but F\(a\) \+ F\(b\)"):
        CHAPTER.replace(method=wrap(Claims(plain=False)))
    CHAPTER.replace(method=wrap(Claims(plain=False, linear=False)))


# bad input

BAD = {
    "momentum too large": (lambda: methods.HeavyBall(1.5), "momentum must be less than 1, got 1.5"),
    "momentum of 1": (lambda: methods.Nesterov(1), "momentum must be less than 1, got 1"),
    "negative momentum": (lambda: methods.HeavyBall(-0.1), "momentum must be at least 0, got -0.1"),
    "momentum that is no number": (lambda: methods.Nesterov(np.nan), "momentum must be finite, got nan"),
    "several momenta": (lambda: methods.HeavyBall([0.1, 0.2]), "momentum must be one number, got an array"),
    "negative clip": (lambda: methods.Clipped(methods.Sgd(), norm=-1), "norm must be greater than 0, got -1"),
    "clip of 0": (lambda: methods.Clipped(methods.Sgd(), value=0), "value must be greater than 0, got 0"),
    "no clip": (lambda: methods.Clipped(methods.Sgd()), "Clipped needs norm= or value=, one of them, got neither"),
    "two clips": (lambda: methods.Clipped(methods.Sgd(), 1, 2), "one of them, got norm=1 and value=2"),
    "a rate that is another's": (
        lambda: methods.ReduceOnPlateau(optax.adam(0.1), 3),
        "the learning rate of Optax.* is its own, which nothing else can reduce",
    ),
    "negative delay": (lambda: methods.Delayed(-1), "tau must be at least 0, got -1"),
    "snapshots never": (lambda: methods.Svrg(0), "every must be at least 1, got 0"),
    "no radius": (lambda: methods.Sam(0.0), "radius must be greater than 0, got 0"),
    "no patience": (lambda: methods.ReduceOnPlateau(methods.Sgd(), 0), "patience must be at least 1, got 0"),
    "half a patience": (lambda: methods.ReduceOnPlateau(methods.Sgd(), 1.5), "patience must be a whole number"),
    "factor of 1": (lambda: methods.ReduceOnPlateau(methods.Sgd(), 3, 1.0), "factor must be less than 1, got 1"),
    "factor of 0": (lambda: methods.ReduceOnPlateau(methods.Sgd(), 3, 0), "factor must be greater than 0, got 0"),
    "decay of 1": (lambda: methods.ReduceOnPlateau(methods.Sgd(), 3, decay=1), "decay must be less than 1, got 1"),
    "threshold": (lambda: methods.ReduceOnPlateau(methods.Sgd(), 3, threshold=-1), "threshold must be at least 0"),
    "negative diagonal": (lambda: methods.Preconditioned([1, -1]), r"diagonal must not be negative, got \[1, -1\]"),
    "matrix": (lambda: methods.Preconditioned(np.eye(2)), r"diagonal must be one number or a vector \(d,\)"),
    "c of 0": (lambda: methods.PolyakStep(c=0), "c must be greater than 0, got 0"),
    "infinite minimum": (lambda: methods.PolyakStep(minimum=-np.inf), "minimum must be finite, got -inf"),
    "steps of no loss": (
        lambda: CHAPTER.replace(method=methods.PolyakStep()),
        r"methods.PolyakStep needs the loss of a draw, draw.loss\(x\), and oracles.AdditiveNoise draws gradients",
    ),
    "plateau of no loss": (
        lambda: CHAPTER.replace(method=methods.ReduceOnPlateau(methods.Sgd(), 3)),
        "methods.ReduceOnPlateau needs the loss of a draw",
    ),
    "full gradient of what is not known": (
        lambda: CHAPTER.replace(
            oracle=oracles.RandomLoss(pull, lambda stream: stream.normal((2,))), method=methods.Svrg(3)
        ),
        r"methods.Svrg needs the gradient of the risk, .*, and the oracle knows no problem: give it problem=",
    ),
    "another dimension": (
        lambda: CHAPTER.replace(method=methods.Preconditioned([1, 2, 3])),
        r"diagonal must be one number or have 2 coordinates, got shape \(3,\)",
    ),
}
WRONG_KIND = {
    "a class inside": (
        lambda: methods.Clipped(methods.Sgd, norm=1),
        "must be one of jaxsgd.methods, got .*Sgd; call it",
    ),
    "no method inside": (lambda: methods.Sam(1.0, "sgd"), "method must be one of jaxsgd.methods, got 'sgd'"),
    "half an update": (lambda: methods.Svrg(2.5), "every must be an integer, got 2.5"),
    "half a delay": (lambda: methods.Delayed(0.5), "tau must be an integer, got 0.5"),
    "a word": (lambda: methods.HeavyBall("much"), "momentum must be a number or an array of numbers"),
}


@pytest.mark.parametrize("name", BAD | WRONG_KIND)
def test_bad_input_is_one_clear_error(name):
    make, message = (BAD | WRONG_KIND)[name]
    with pytest.raises(InvalidInput if name in BAD else InvalidType, match=message):
        make()


# study files


def test_study_files_name_methods_and_sweep_their_numbers(tmp_path):
    (tmp_path / "study.toml").write_text(
        """
        steps = 5
        x0 = [1.0, 1.0]
        trajectories = 10
        problem = {kind = "quadratic", curvature = [1.0, 2.0]}
        noise = {kind = "gaussian", std = 1.0}
        schedule = {kind = "constant", value = 0.1}
        [method]
        kind = "clipped"
        norm = 2.0
        [method.method]
        kind = "heavy_ball"
        momentum = 0.9
        [sweep]
        "method.method.momentum" = [0.0, 0.5]
        "method.norm" = [1.0]
        """
    )
    file = read(tmp_path / "study.toml")
    assert repr(file.make(**{"method.method.momentum": 0.5, "method.norm": 1.0}).method) == (
        "Clipped(method=HeavyBall(momentum=0.5), norm=1)"
    )
    with pytest.raises(InvalidInput, match=r"method\.method: momentum must be less than 1, got 1\.5"):
        file.make(**{"method.method.momentum": 1.5, "method.norm": 1.0})
