"""Methods with a state in the engine: what they see, what is carried, what is recorded of them, and bad ones.

Values are compared with loops in NumPy, in float64 (to 1e-12 of the largest) where nothing is random.
"""

import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from economy import quick

import jaxsgd as js
from jaxsgd.engine import compiled
from jaxsgd.engine.kernel import Span
from jaxsgd.engine.plan import Form
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.runs.tasks import make_layout, make_task

STEPS, RATE = 12, 0.1
CURVATURE, START = np.array([2.0, 4.0]), np.array([-5.0, -2.0])
pytestmark = pytest.mark.usefixtures("quick_compilation")

PLAN = quick(js.Plan(chunk=1024, tile=1024, workers=1))


class Momentum(js.methods.Method):
    """x_{t+1} = x_t + v_t, v_t = beta v_{t-1} - eta_t g_t; its state also is a count and the last learning rate."""

    beta: float = 0.9

    def init(self, x0):
        return {"velocity": jnp.zeros_like(x0), "count": jnp.int32(0), "rate": 0.0}

    def step(self, x, learning_rate, t, state, draw):
        velocity = self.beta * state["velocity"] - learning_rate * draw.gradient(x)
        return x + velocity, {"velocity": velocity, "count": state["count"] + 1, "rate": learning_rate}

    def points(self, x, state):
        return {"ahead": x + self.beta * state["velocity"]}


class OfTree(js.methods.Method):
    """The same recursion on pytrees."""

    sees_pytree = True

    def init(self, x0):
        return jax.tree.map(jnp.zeros_like, x0)

    def step(self, x, learning_rate, t, state, draw):
        following = jax.tree.map(lambda v, g: 0.9 * v - learning_rate * g, state, draw.gradient(x))
        return jax.tree.map(jnp.add, x, following), following


class Extragradient(js.methods.Method):
    """x_{t+1} = x_t - eta g_t(x_t - eta g_t(x_t)), both gradients of the same draw (Korpelevich, 1976)."""

    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * draw.gradient(x - learning_rate * draw.gradient(x)), state


class Mean(NamedTuple):
    of: object


class Asked(js.methods.Method):
    """Keeps what it is given: t, the drawn loss, the full gradient, in a named tuple."""

    def init(self, x0):
        return Mean((jnp.int32(-1), 0.0, jnp.zeros_like(x0)))

    def step(self, x, learning_rate, t, state, draw):
        return x - learning_rate * draw.gradient(x), Mean((t, draw.loss(x), draw.full_gradient(x)))


def quadratic(method, **changes):
    given = {
        "oracle": js.oracles.FullGradient(js.problems.Quadratic(CURVATURE)),
        "schedule": js.schedules.constant(RATE),
        "x0": START,
        "steps": STEPS,
        "method": method,
        "record": js.record.every(1),
    }
    return js.Study(**given | changes)


def run(study, count=3, **options):
    with jax.enable_x64(True):
        return js.simulate(study, count, plan=PLAN, progress=False, **options).dataset


def heavy_ball(beta=0.9):
    """x_0 .. x_T and v_{-1} .. v_{T-1}."""
    x, v = [START], [np.zeros(2)]
    for _ in range(STEPS):
        v.append(beta * v[-1] - RATE * CURVATURE * x[-1])
        x.append(x[-1] + v[-1])
    return np.array(x), np.array(v)


# what a method sees and does


def test_state_points_and_observables():
    study = quadratic(
        Momentum(),
        observables={
            "speed": lambda s: jnp.sum(s.method["velocity"] ** 2),
            "count": lambda s: 1.0 * s.method["count"],
            "rate": lambda s: s.method["rate"],
        },
    )
    found, (x, v) = run(study), heavy_ball()
    assert np.allclose(found["x_mean"], x, rtol=1e-12)
    assert np.allclose(found["speed_mean"], (v**2).sum(1), rtol=1e-12)
    assert list(found["count_mean"]) == list(range(STEPS + 1))
    assert np.allclose(found["rate_mean"], [0.0] + [RATE] * STEPS)
    ahead = x + 0.9 * v
    assert np.allclose(found["risk_of_ahead_mean"], (CURVATURE / 2 * ahead**2).sum(1), rtol=1e-12)
    assert np.allclose(found["distance_squared_of_ahead_mean"], (ahead**2).sum(1), rtol=1e-12)
    assert not found["diverged"].any()


def test_a_pytree_is_seen_as_it_is():
    loss = js.problems.Function(lambda x: 0.5 * jnp.sum(CURVATURE[:1] * x["a"] ** 2) + 2 * x["b"] ** 2)
    study = quadratic(OfTree(), oracle=js.oracles.FullGradient(loss), x0={"a": START[:1], "b": START[1]})
    assert np.allclose(run(study)["x_mean"], heavy_ball()[0], rtol=1e-12)
    flat = study.replace(method=Momentum(), observe=["risk"])
    assert np.allclose(run(flat)["x_mean"], heavy_ball()[0], rtol=1e-12)


def test_the_same_draw_at_two_points():
    """x <- x - eta (y - xi), y = x - eta (x - xi), with xi from the recorded first gradient, (x - xi)^2 = |g|^2."""
    oracle = js.oracles.RandomLoss(lambda xi, x: 0.5 * jnp.sum((x - xi) ** 2), lambda stream: stream.rademacher((1,)))
    study = quadratic(Extragradient(), oracle=oracle, x0=[0.0])
    paths = js.sample_paths(study, 50, seed=1)["x"].values[..., 0]
    shift = 1 - RATE * (1 - RATE)
    xi = (paths[:, 1:] - shift * paths[:, :-1]) / (1 - shift)
    assert np.allclose(np.abs(xi), 1.0, rtol=1e-5)
    assert 0.4 < np.mean(xi > 0) < 0.6  # 600 signs: six standard errors are .12 with power 1 against another draw


def test_a_method_sees_loss_full_gradient_and_time():
    data = np.arange(6.0).reshape(3, 2), np.array([1.0, -1.0, 2.0])
    squares = js.problems.LeastSquares(*data)
    study = quadratic(
        Asked(),
        oracle=js.oracles.ExampleSampling(squares, js.orders.Incremental()),
        schedule=js.schedules.constant(0.01),
        observables={
            "t": lambda s: 1.0 * s.method.of[0],
            "loss": lambda s: s.method.of[1],
            "slope": lambda s: jnp.sum(s.method.of[2] ** 2),
        },
    )
    found = run(study)
    x, features, targets = found["x_mean"].values, *data
    last = np.arange(STEPS) % 3
    losses = (np.sum(features[last] * x[:-1], 1) - targets[last]) ** 2 / 2
    slopes = np.sum(((x[:-1] @ features.T - targets) @ features / 3) ** 2, 1)
    assert list(found["t_mean"]) == list(range(-1, STEPS))
    assert np.allclose(found["loss_mean"][1:], losses, rtol=1e-12)
    assert np.allclose(found["slope_mean"][1:], slopes, rtol=1e-12)


# what is carried


def task_of(study, form=None):
    plan = PLAN if form is None else PLAN.replace(form=form)
    return make_task(study, make_layout(study, statistics=("mean",)).statistics, {}, 0, 1024, 0, plan)


def text_of(task):
    span = Span(np.uint32(0), np.int32(0), np.int32(1024))
    return task.tile(careful=False).jitted.lower(task.inputs, task.key, span).compile().as_text()


def test_what_depends_on_time_alone_is_not_carried_by_trajectory():
    study = quadratic(Momentum(), observe=["risk"], record=js.record.at([STEPS]))
    program = task_of(study).program
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(program.blank.method.like)]
    assert dict(zip(names, program.common, strict=True)) == {"['count']": True, "['rate']": True, "['velocity']": False}
    carried = re.search(r"^.* parameter\(0\)", text_of(task_of(study)).split("%region_")[1], re.M)
    assert carried is not None
    assert "s32[1024]" not in carried.group()


class Slope(js.oracles.Oracle):
    """g = atan2(x, 2) + xi, an operation that nothing else in the program has."""

    problem = js.problems.Quadratic(CURVATURE)

    def sample(self, stream, like, t, memory):
        return stream.normal_like(like), memory

    def gradient(self, x, sample):
        return jnp.arctan2(x, 2.0) + sample

    def risk(self, x, sample):
        return self.problem.value(x)


@pytest.mark.parametrize(
    ("method", "folds", "times"),
    [
        (js.methods.Sgd(), {}, 1),
        (js.methods.Sgd(), {"g": js.folds.Sum(lambda u: u.gradient)}, 1),
        (Momentum(), {"g": js.folds.Sum(lambda u: u.gradient)}, 1),
        (Extragradient(), {}, 2),
    ],
    ids=["plain", "plain, with a fold of it", "momentum", "extragradient"],
)
def test_how_often_the_gradient_is_evaluated(method, folds, times):
    """In the loop over steps, as it is given to XLA: what is not in there twice is not evaluated twice."""
    study = quadratic(method, oracle=Slope(), folds=folds, observe=["risk"], record=js.record.at([STEPS]))
    task = task_of(study)
    span = Span(np.uint32(0), np.int32(0), np.int32(1024))
    assert task.tile(careful=False).jitted.lower(task.inputs, task.key, span).as_text().count("atan2") == times


def test_a_split_state_is_the_same_state():
    study = quadratic(Momentum(), oracle=js.chapter.study("constant").oracle)
    form = Form(carry_draws=False, split_state=True, unroll=4)
    with jax.enable_x64(True):
        whole, split = (
            js.simulate(study, 1024, plan=plan, progress=False).dataset for plan in (PLAN, PLAN.replace(form=form))
        )
    assert np.allclose(whole["risk_mean"], split["risk_mean"], rtol=1e-5)


def test_state_counts_in_the_plan():
    plain, moving = quadratic(js.methods.Sgd()), quadratic(Momentum())
    assert moving.width == plain.width + 4  # the velocity, a count and a rate
    assert (plain.carried, moving.carried) == (0, 4)


def test_numbers_of_a_method_are_swept_in_one_program():
    study = quadratic(Momentum(), observe=["risk"], oracle=js.chapter.study("constant").oracle)

    def sweep_of(values):
        return js.sweep(lambda beta: study.replace(method=Momentum(beta)), {"beta": values}, 1000, progress=False)

    with jax.enable_x64(True):
        swept = sweep_of([0.0, 0.5, 0.9])
        before = compiled.compiled.cache_info().misses
        sweep_of([0.1, 0.2, 0.3])
        assert compiled.compiled.cache_info().misses == before
        alone = js.simulate(study.replace(method=Momentum(0.5)), 1000, progress=False).dataset
    assert np.allclose(swept.dataset["risk_mean"].sel(beta=0.5), alone["risk_mean"], rtol=1e-5)


# what is not finite


class Overflowing(js.methods.Method):
    """Plain SGD with a state that becomes infinite where x_1 > 0, and one that is so from the start."""

    def init(self, x0):
        return jnp.float32(1.0) * x0[0] * 0 + 1.0, jnp.full_like(x0, jnp.inf)

    def step(self, x, learning_rate, t, state, draw):
        large, endless = state
        x = x - learning_rate * draw.gradient(x)
        return x, (jnp.where(x[0] > 0, jnp.inf, large), endless)


def test_a_state_that_is_not_finite_counts_as_diverged():
    noisy = js.oracles.AdditiveNoise(js.problems.Quadratic([1.0, 1.0]), js.noise.Gaussian())
    study = quadratic(Overflowing(), oracle=noisy, x0=[0.0, 0.0], steps=1)
    with jax.enable_x64(True):
        positive = (js.sample_paths(study, 1000)["x"].values[:, 1, 0] > 0).sum()
    found = run(study, 1000)
    assert list(found["diverged"]) == [0, positive]
    assert 400 < positive < 600


def state_of(init, following, **changes):
    """How many have diverged after 0 .. 6 updates, with a state that a function of (state, t, x) makes."""

    class Own(js.methods.Method):
        def init(self, x0):
            return init(x0)

        def step(self, x, learning_rate, t, state, draw):
            return x - learning_rate * draw.gradient(x), following(state, t, x)

    found = js.simulate(quadratic(Own(), steps=6, **changes), 1024, plan=PLAN, progress=False)
    return found.dataset["diverged"].values.tolist()


def test_a_state_that_is_infinite_for_a_while_is_counted_then():
    passing = state_of(lambda x0: 0 * x0[0], lambda state, t, x: jnp.where(t == 2, jnp.inf, 0 * x[0]))
    assert passing == [0, 0, 0, 1024, 0, 0, 0]
    common = state_of(lambda x0: jnp.zeros(()), lambda state, t, x: jnp.where(t == 3, jnp.inf, state))
    assert common == [0, 0, 0, 0, 1024, 1024, 1024]


def test_of_random_starts_the_own_one_counts():
    """1 / x_0 is infinite at the mean of x_0, and nowhere else."""
    found = state_of(
        lambda x0: 1 / x0[0],
        lambda state, t, x: jnp.where(t == 2, jnp.inf, state),
        x0=js.start.Normal(std=1.0, shape=(2,)),
    )
    assert found == [0, 0, 0, *[1024] * 4]


class InPlace(js.methods.Method):
    """Two half steps, which change x where it stands."""

    sees_pytree = True

    def step(self, x, learning_rate, t, state, draw):
        for _ in range(2):
            gradient = draw.gradient(x)
            x["w"] = x["w"] - learning_rate / 2 * gradient["w"]
            gradient["w"] = 0 * gradient["w"]
        return x, state


def test_what_is_changed_in_place_is_seen_again():
    risk = js.problems.Function(lambda x: jnp.sum(CURVATURE / 2 * x["w"] ** 2))
    study = quadratic(
        InPlace(),
        oracle=js.oracles.FullGradient(risk),
        x0={"w": START},
        folds={"g": js.folds.Last(lambda u: u.gradient["w"][0])},
        observables={"g": lambda s: s.folds["g"]},
    )
    found = run(study)
    x = START * (1 - RATE / 2 * CURVATURE) ** (2 * np.arange(STEPS + 1)[:, None])
    assert np.allclose(found["x_mean"], x, rtol=1e-12)
    assert np.allclose(found["g_mean"][1:], CURVATURE[0] * x[:-1, 0], rtol=1e-12)


class Single(js.methods.Method):
    """Momentum whose state is in single precision, whatever the study's is."""

    def init(self, x0):
        return jnp.zeros(x0.shape, jnp.float32)

    def step(self, x, learning_rate, t, state, draw):
        state = 0.9 * state - learning_rate * draw.gradient(x)
        return x + state, state


def test_losses_samples_and_single_precision_are_compared_in_both_precisions():
    squares = js.problems.LeastSquares(np.arange(6.0).reshape(3, 2), np.array([1.0, -1.0, 2.0]))
    for batch in (1, 2):
        study = quadratic(
            js.methods.PolyakStep(),
            oracle=js.oracles.ExampleSampling(squares, batch=batch),
            folds={"first": js.folds.Sum(lambda u: jnp.ravel(u.sample.examples[0])[0])},
            observables={"first": lambda s: s.folds["first"]},
            record=js.record.at([STEPS]),
        )
        assert np.isfinite(js.simulate(study, 1024, plan=PLAN, progress=False).dataset["first_mean"]).all()
    noisy = js.oracles.AdditiveNoise(js.problems.Quadratic(CURVATURE), js.noise.Gaussian())
    study = quadratic(Single(), oracle=noisy, record=js.record.at([STEPS]), observe=["risk"])
    exact = js.theory.exact(study.replace(method=js.methods.HeavyBall(0.9)))["risk_mean"]
    found = js.simulate(study, 1024, plan=PLAN, progress=False).dataset
    assert abs(found["risk_mean"] - exact) < 5 * found["risk_sem"]


# folds see all of it


def test_folds_see_sample_averages_and_states():
    oracle = js.oracles.AdditiveNoise(js.problems.Quadratic(CURVATURE), js.noise.Gaussian())
    study = quadratic(
        Momentum(),
        oracle=oracle,
        averages={"late": js.averages.Suffix(0.5)},
        folds={
            "noise": js.folds.Sum(lambda u: u.gradient - CURVATURE * u.x - u.sample),
            "speed": js.folds.Sum(lambda u: u.method_next["velocity"] - (u.x_next - u.x)),
            "before": js.folds.Fold(
                lambda state: state.method["velocity"], lambda _, u: u.method["velocity"], lambda v: jnp.sum(v)
            ),
            "late": js.folds.Sum(lambda u: jnp.isnan(u.averages["late"]).any()),
            "times": js.folds.Sum(lambda u: u.t * u.learning_rate),
        },
        observables={
            name: (lambda s, name=name: jnp.sum(s.folds[name]))
            for name in ("noise", "speed", "before", "late", "times")
        }
        | {"velocity": lambda s: jnp.sum(s.method["velocity"])},
    )
    found = run(study, 4)
    assert np.abs(found["noise_mean"]).max() < 1e-12
    assert np.abs(found["speed_mean"]).max() < 1e-12
    assert np.allclose(found["before_mean"][1:], found["velocity_mean"][:-1], rtol=1e-12)
    assert list(found["late_mean"]) == [min(s, STEPS // 2) for s in range(STEPS + 1)]
    assert np.allclose(found["times_mean"], [RATE * s * (s - 1) / 2 for s in range(STEPS + 1)])


# bad methods


def method(step, init=lambda x0: (), points=lambda x, state: {}):
    """A method of these functions."""

    class Own(js.methods.Method):
        def init(self, x0):
            return init(x0)

        def step(self, x, learning_rate, t, state, draw):
            return step(x, learning_rate, state, draw)

        def points(self, x, state):
            return points(x, state)

    return Own()


def stays(x, rate, state, draw):
    return x, state


BAD = {
    "x_next of another shape": (
        method(lambda x, rate, state, draw: (x[:1], state)),
        r"the method Own: x_next of step\(\.\.\.\) must have the shape and type float32\[2\], as before; it has "
        r"float32\[1\]",
    ),
    "x_next of integers": (
        method(lambda x, rate, state, draw: (jnp.zeros(2, int), state)),
        r"x_next of step\(\.\.\.\) must have .* it has int32\[2\]",
    ),
    "no pair": (method(lambda x, rate, state, draw: x), r"Own: step\(\.\.\.\) must return x_next and the next state"),
    "a state that changes structure": (
        method(lambda x, rate, state, draw: (x, (state, state)), lambda x0: x0),
        r"Own: the state that step\(\.\.\.\) returns must have the structure PyTreeDef\(\*\), as before",
    ),
    "a state that changes shape": (
        method(lambda x, rate, state, draw: (x, {"v": x[:1]}), lambda x0: {"v": x0}),
        r"the state that step\(\.\.\.\) returns\['v'\] must have the shape and type float32\[2\]",
    ),
    "code that cannot be traced": (
        method(lambda x, rate, state, draw: (x if x[0] > 0 else -x, state)),
        r"the method Own: step\(\.\.\.\) cannot be computed: TracerBoolConversionError: write it with jax.numpy",
    ),
    "a misspelt draw": (
        method(lambda x, rate, state, draw: (draw.gradients(x), state)),
        "the method Own: step.* cannot be computed: AttributeError",
    ),
    "a loss of noise": (
        method(lambda x, rate, state, draw: (x - draw.loss(x), state)),
        r"methods.Own needs the loss of a draw, draw.loss\(x\), and oracles.AdditiveNoise draws gradients, not losses",
    ),
    "a point of another shape": (
        method(stays, points=lambda x, state: {"slow": x[0]}),
        r"the method Own: the point 'slow' must have the shape and type float32\[2\]",
    ),
    "points that are no dict": (
        method(stays, points=lambda x, state: x),
        r"the method Own: points\(x, state\) must return a dict of points by name",
    ),
    "a key of random numbers": (
        method(stays, lambda x0: jax.random.key(0)),
        "the method Own holds a key of random numbers, the same in all trajectories",
    ),
    "a point with the name of an average": (
        method(stays, points=lambda x, state: {"eta": x}),
        "averages must not have the names of points of the method",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_methods_are_refused_by_name(what):
    wrong, message = BAD[what]
    with pytest.raises((InvalidInput, InvalidType), match=message):
        js.chapter.study("constant").replace(method=wrong)


def test_a_full_gradient_needs_a_problem():
    oracle = js.oracles.RandomLoss(lambda xi, x: jnp.sum((x - xi) ** 2), lambda stream: stream.normal((2,)))
    with pytest.raises(InvalidInput, match=r"needs the gradient of the risk, draw.full_gradient\(x\)"):
        quadratic(Asked(), oracle=oracle)


def test_a_fold_that_changes_shape_is_refused():
    grows = js.folds.Fold(0.0, lambda total, u: total + u.x)
    with pytest.raises(InvalidInput, match=r"fold 'grows': .* must have the shape and type float32\[\]"):
        quadratic(js.methods.Sgd(), folds={"grows": grows})
