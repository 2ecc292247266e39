"""Networks as they are: what is static, how they are drawn, and that strips of lanes compute what a recursion does."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsgd as js
from jaxsgd.engine.fingerprint import fingerprint
from jaxsgd.engine.plan import SMALL_BLOCK, Form
from jaxsgd.engine.statistics.summation import block_sum
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.products import LARGE, products
from jaxsgd.runs.tasks import make_layout, make_task
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.streams import make_key, threefry2x32
from jaxsgd.structure import Fixed, Structure, flat, whole

pytestmark = pytest.mark.usefixtures("quick_compilation")

N, BATCH, T, RATE = 32, 8, 6, 0.3
RANDOM = np.random.default_rng(1)
IMAGES, LABELS = RANDOM.normal(size=(N, 16)), RANDOM.integers(4, size=N).astype(np.int32)


def loss(model, example):
    image, label = example
    return optax.softmax_cross_entropy_with_integer_labels(model(image), label)


def network(key, activation=jnp.tanh, width=16):
    return eqx.nn.MLP(16, 4, width, 1, activation=activation, key=key)


PROBLEM = js.problems.FiniteSum(loss, (IMAGES, LABELS), test=(IMAGES[:9], LABELS[:9]))
FIXED = js.Study(
    oracle=js.oracles.ExampleSampling(PROBLEM, js.orders.Incremental(), batch=BATCH),
    schedule=js.schedules.constant(RATE),
    x0=network(jax.random.key(0)),
    steps=T,
    averages={"all": js.averages.Uniform()},
    record=js.record.at([0, 2, T]),
    observe=("risk",),
    observables={
        "test": PROBLEM.test_risk,
        "of average": lambda state: PROBLEM.value(state.averages["all"]),
        "right": lambda model: jnp.mean(jnp.argmax(jax.vmap(model)(jnp.asarray(IMAGES)), -1) == LABELS),
    },
)
DRAWN = FIXED.replace(
    oracle=js.oracles.ExampleSampling(PROBLEM, batch=BATCH),
    x0=lambda stream: network(stream.key()),
    method=js.methods.Optax(optax.adam),
    schedule=js.schedules.constant(0.01),
)


def by_hand():
    """The recursion in NumPy, with the gradient by the chain rule: the points x_0 .. x_T as weights and biases."""
    layers = whole(FIXED.x0).layers
    x = [layers[0].weight, layers[0].bias, layers[1].weight, layers[1].bias]
    points = [x]
    for t in range(T):
        rows = np.arange(t * BATCH, (t + 1) * BATCH) % N
        a, V = IMAGES[rows], x[2]
        h, scores = hidden_and_scores(x, a)
        p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        dz = (p - np.eye(4)[LABELS[rows]]) / BATCH
        dh = (dz @ V) * (1 - h**2)
        x = [v - RATE * g for v, g in zip(x, [dh.T @ a, dh.sum(0), dz.T @ h, dz.sum(0)], strict=True)]
        points.append(x)
    return points


def hidden_and_scores(x, images):
    h = np.tanh(images @ x[0].T + x[1])
    return h, h @ x[2].T + x[3]


def risk(x, count):
    scores = hidden_and_scores(x, IMAGES[:count])[1]
    return np.mean(np.log(np.exp(scores).sum(1)) - scores[np.arange(count), LABELS[:count]])


def test_a_network_follows_the_recursion_by_hand():
    points = by_hand()
    assert FIXED.products >= LARGE  # so that it runs in strips
    values = trajectory_values(FIXED, 2)
    average = [np.mean([point[i] for point in points[:T]], 0) for i in range(4)]
    right = np.mean(hidden_and_scores(points[-1], IMAGES)[1].argmax(1) == LABELS)
    expected = [risk(points[-1], N), risk(points[-1], 9), risk(average, N), right]
    np.testing.assert_allclose(values[-1, :, 0], expected, rtol=2e-6)
    np.testing.assert_array_equal(values[..., 0], values[..., 1])  # nothing is drawn
    assert values[0, 0, 0] != values[-1, 0, 0]
    paths = js.sample_paths(FIXED, 1)
    assert paths.coordinate.values[0] == "layers.0.weight[0,0]"
    assert paths.coordinate.values[-1] == "layers.1.bias[3]"
    np.testing.assert_allclose(paths.x[0, -1], flat(points[-1]), atol=2e-6)


@pytest.mark.slow
def test_strips_and_lanes_follow_the_same_paths():
    layout = make_layout(DRAWN, statistics=("mean", "variance", "x"))
    task = make_task(DRAWN, layout.statistics, {}, 0, 40, 3, None)
    assert task.plan.form.strip > 1
    assert task.plan.tile == SMALL_BLOCK
    plan = dataclasses.replace(task.plan, form=Form(block=SMALL_BLOCK))  # without strips
    other = dataclasses.replace(task, plan=plan)
    (_, strips), (_, lanes) = task.run(0, 40)[0], other.run(0, 40)[0]
    for name in ("moments", "coordinates"):
        assert strips[name]["count"].min() == 40
        np.testing.assert_allclose(strips[name]["mean"], lanes[name]["mean"], rtol=1e-5, atol=1e-6)
    assert strips["moments"]["m2"][0, 0] > 0  # the networks are not one network


def test_each_trajectory_initialises_its_own_network_by_its_key():
    drawn = js.sample_paths(DRAWN, 3, seed=7).x.values[:, 0]
    key = make_key(7, "start")
    for identity in range(3):
        words = threefry2x32((key[:1], key[1:]), np.full(1, identity, np.uint32), np.zeros(1, np.uint32))
        model = network(jax.random.wrap_key_data(jnp.concatenate(words), impl="threefry2x32"))
        expected = flat(eqx.filter(model, eqx.is_inexact_array))
        np.testing.assert_array_equal(drawn[identity].astype(np.float32), expected.astype(np.float32))


def test_in_float64_a_network_starts_at_the_same_floats():
    with jax.enable_x64(True):
        wide = js.sample_paths(DRAWN.replace(steps=1, record=js.record.at([0])), 2, seed=7).x.values[:, 0]
    np.testing.assert_array_equal(wide, js.sample_paths(DRAWN, 2, seed=7).x.values[:, 0])


def test_activations_are_part_of_the_structure():
    def print_of(activation):
        study = FIXED.replace(x0=network(jax.random.key(0), activation), observables={})
        return study.point, fingerprint(make_task(study, (), {}, 0, 1, 0, None))

    (point, tanh), (other, relu) = print_of(jnp.tanh), print_of(jax.nn.relu)
    assert point != other
    assert tanh != relu
    assert print_of(jnp.tanh) == (point, tanh)


def test_what_is_trained_and_what_is_static():
    given = {"w": np.zeros(3), "b": 0.5, "depth": 2, "name": "relu", "f": jax.nn.relu, "none": None, "flag": True}

    def of(x, example):
        assert (x["depth"], x["name"], x["f"], x["flag"]) == (2, "relu", jax.nn.relu, True)
        return jnp.sum((x["w"] + x["b"] - example) ** 2)

    seen = []

    def sees(update):
        seen.append(update.gradient)
        return update.x_next["w"][0] * update.x["depth"]

    study = js.Study(
        oracle=js.oracles.RandomLoss(lambda xi, x: of(x, xi), lambda stream: stream.normal((3,))),
        schedule=js.schedules.constant(0.1),
        x0=given,
        steps=2,
        folds={"f": js.folds.Sum(sees)},
    )
    assert study.coordinates == ("b", "w[0]", "w[1]", "w[2]")
    assert seen[0]["name"] is None
    assert whole(study.x0)["f"] is jax.nn.relu
    assert study.replace(steps=3).point == study.point  # what is taken apart stays so
    assert study.replace(x0={**given, "depth": 2}).point == study.point
    assert np.isfinite(trajectory_values(study.replace(observe=("risk",), record=js.record.at([2])), 1)).all()
    plain = {"a": 1, "b": [1, 2]}  # no arrays: numbers, as they were
    assert Structure.of(js.start.as_parameters("x0", plain)).size == 3


class Counted(eqx.Module):
    weight: jax.Array
    count: jax.Array

    def __call__(self, image):
        return self.weight @ image


INTEGERS = Counted(jnp.zeros((4, 16)), jnp.arange(3))
VECTOR = js.problems.FiniteSum(lambda model, example: model(example[0]), (IMAGES, LABELS))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"x0": INTEGERS}, InvalidType, r"x0\.count is an array of int32.*cast it to float.*closure"),
        ({"x0": lambda stream: INTEGERS}, InvalidType, r"x0\.count is an array of int32"),
        ({"x0": {"w": np.zeros(2), "set": {1}}}, InvalidType, r"x0\['set'\] is static.*cannot be hashed"),
        ({"x0": {"f": jax.nn.relu}}, InvalidType, r"x0\['f'\] must be a number"),
        ({"x0": eqx.nn.MLP}, InvalidType, r"class equinox\.nn\.MLP: call it, or give .* lambda stream: MLP\("),
        ({"x0": eqx.nn.Lambda(jax.nn.relu)}, InvalidType, "must be a number"),
        ({"oracle": js.oracles.ExampleSampling(VECTOR, batch=2)}, InvalidInput, r"one number for one example.*\(4,\)"),
        ({"x0": eqx.nn.Linear(16, 4, key=jax.random.key(np.uint32(0))), "steps": 0}, InvalidInput, "steps"),
    ],
)
def test_what_cannot_be_a_network_is_refused(changes, error, words):
    with pytest.raises(error, match=words):
        FIXED.replace(observables={}, **changes)


def test_a_batch_of_different_examples_is_no_larger_than_the_data():
    with pytest.raises(InvalidInput, match="at most the number of examples, 32"):
        js.oracles.ExampleSampling(PROBLEM, js.orders.RandomReshuffling(), batch=N + 1)


def test_a_batch_with_replacement_may_be_larger_than_the_data():
    """Gradients of |x - a|^2/2 at 0 are -a: a step of rate 1 goes to the mean of the examples that were drawn."""
    a = np.array([0.0, 1.0, 10.0])
    study = js.Study(
        oracle=js.oracles.ExampleSampling(js.problems.FiniteSum(lambda x, a: (x - a) ** 2 / 2, a), batch=7),
        schedule=js.schedules.constant(1.0),
        x0=0.0,
        steps=1,
        record=js.record.at([1]),
        observe=(),
        observables={"end": lambda x: x},
    )
    x = trajectory_values(study, 64)[0, 0]
    sums = [b + 10 * c for b in range(8) for c in range(8 - b)]  # b examples 1 and c examples 10, of 7
    assert np.abs(7 * x[:, None] - sums).min(1).max() < 1e-4
    assert len(np.unique(x.round(5))) > 10
    assert abs(x.mean() - a.mean()) < 5 * a.std() / np.sqrt(7 * 64)


def test_blocks_of_few_trajectories_have_the_sums_of_the_values():
    random = np.random.default_rng(0)
    for block in (1, 2, 4, 8, 16, 32, SMALL_BLOCK):
        values = random.integers(100, size=(3, 2, block)).astype(np.float32)  # whose sums are exact
        np.testing.assert_array_equal(block_sum(jnp.asarray(values)), values.sum(-1))


@pytest.mark.slow
def test_sums_of_parts_and_sweeps_are_those_of_the_whole():
    study = DRAWN.replace(observables={"test": PROBLEM.test_risk}, averages={})
    asked = {"statistics": ("mean", "variance"), "progress": False}
    entire = js.simulate(study, 2 * SMALL_BLOCK, **asked)
    parts = [js.simulate(study, SMALL_BLOCK, first_trajectory=first, **asked) for first in (0, SMALL_BLOCK)]
    merged = js.merge(parts)  # bitwise, at a bound of chunks: otherwise it warns
    np.testing.assert_array_equal(merged.dataset.test_mean, entire.dataset.test_mean)
    swept = js.sweep(
        lambda rate: study.replace(schedule=js.schedules.constant(rate)),
        {"rate": [0.01, 0.02]},
        2 * SMALL_BLOCK,
        compare=("test",),
        **asked,
    )
    np.testing.assert_allclose(swept.dataset.test_mean[0], entire.dataset.test_mean, rtol=1e-6)
    assert swept.dataset.test_mean[0, -1] != swept.dataset.test_mean[1, -1]


def test_products_are_counted_where_matrices_of_x_are_multiplied():
    x = {"w": np.zeros((3, 4)), "v": np.zeros(4)}
    given = np.zeros((5, 4))
    assert products(lambda x, a: jnp.tanh(a @ x["w"].T), x, given) == 60
    assert products(lambda x, a: a @ x["v"], x, given) == 0  # A x with a given A
    assert products(lambda x, a: jax.lax.scan(lambda c, r: (c + jnp.sum(x["w"] @ r), None), 0.0, a)[0], x, given) == 60
    assert js.chapter.study("constant").products == 0


def test_the_plan_follows_from_the_size_of_a_trajectory():
    assert js.Plan.choose(10, 100, 10**6).form == Form()
    deep = js.Plan.choose(3 * 10**5, 100, 1000, products=10**8)
    assert (deep.tile, deep.chunk, deep.form.strip) == (8, 8, 1)
    assert js.Plan.choose(2**16, 100, 1000).tile == SMALL_BLOCK  # wide, without products
    for width in (2**16, 2**16 + 1, 10**5, 2**18, 10**6, 3 * 10**7):
        plans = [js.Plan.choose(width, 100, last, products=products) for last in (1, 10**6) for products in (0, 10**8)]
        assert {(plan.chunk, plan.tile, plan.form.block) for plan in plans} == {(plans[0].chunk,) * 3}  # of width alone
        assert plans[0].chunk == 1 or 4 * plans[0].tile * width <= 2**24  # bytes
    with pytest.raises(InvalidInput, match="multiple of 8"):
        deep.replace(tile=65)


def test_fixed_leaves_are_no_leaves():
    assert jax.tree.leaves(Fixed("a")) == []
    assert Structure.of(Fixed("a")) == Structure.of(Fixed("a"))
    assert Structure.of(Fixed("a")) != Structure.of(Fixed("b"))


def test_flax_works_without_a_wrapper():
    linen = pytest.importorskip("flax.linen", reason="flax is not a dependency of jaxsgd")
    model = linen.Dense(4)
    problem = js.problems.FiniteSum(
        lambda x, example: optax.softmax_cross_entropy_with_integer_labels(model.apply(x, example[0]), example[1]),
        (IMAGES, LABELS),
    )
    study = js.Study(
        oracle=js.oracles.ExampleSampling(problem, batch=4),
        x0=lambda stream: model.init(stream.key(), jnp.zeros(16)),
        schedule=js.schedules.constant(0.1),
        steps=2,
        record=js.record.at([2]),
        observe=("risk",),
    )
    assert study.coordinates[0] == "params.bias[0]"
    assert trajectory_values(study, 4).min() > 0
