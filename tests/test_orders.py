"""Orders of examples: their laws, through the engine, against counting and enumeration of all sequences."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import jaxsgd as js
from jaxsgd import streams
from jaxsgd.engine.plan import Form
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.oracles import AdditiveNoise, ExampleSampling, FullGradient, RandomLoss
from jaxsgd.orders import ImportanceSampling, Incremental, RandomReshuffling, ShuffleOnce, WithReplacement
from jaxsgd.problems import FiniteSum, LeastSquares, LogisticRegression, Quadratic
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.streams import Replay

pytestmark = pytest.mark.usefixtures("quick_compilation")

# which sequences of examples there are


def minus(x, i):
    """A loss whose gradient is minus the example's number."""
    return -i * x


def code_of(n, first, last):
    """A path sum that is sum_t i_t n^(t - first) over the updates first .. last - 1."""

    def term(update):
        t = update.t
        return jnp.where((t >= first) & (t < last), -update.gradient * float(n) ** (t - first), 0.0)

    return term


def counted(order, n, trajectories, epochs=1):
    """How often every sequence of examples of an epoch, or of two, was drawn by the engine."""
    study = js.Study(
        oracle=ExampleSampling(FiniteSum(minus, np.arange(float(n)), start=0.0), order),
        schedule=js.schedules.constant(0.0),
        steps=epochs * n,
        observe=(),
        record=js.record.at([epochs * n]),
        path_sums={f"epoch {k}": code_of(n, k * n, (k + 1) * n) for k in range(epochs)},
    )
    codes = trajectory_values(
        study.replace(observables={f"epoch {k}": (lambda s, k=k: s.path_sums[f"epoch {k}"]) for k in range(epochs)}),
        trajectories,
        seed=11,
    )
    return np.rint(codes[0]).astype(int)


def code(sequence):
    return sum(i * len(sequence) ** t for t, i in enumerate(sequence))


def law_of_the_wrong_shuffle(n):
    """Exchanging every position with any of 0..n-1, not those from it on: n^n equally likely runs."""
    law = dict.fromkeys(map(code, itertools.permutations(range(n))), 0)
    for choices in itertools.product(range(n), repeat=n):
        cards = list(range(n))
        for p, r in enumerate(choices):
            cards[p], cards[r] = cards[r], cards[p]
        law[code(cards)] += 1 / n**n
    return law


def p_of(counts, law):
    """The p-value of the chi-square test."""
    expected = np.array(list(law.values())) * sum(counts.values())
    observed = np.array([counts.get(key, 0) for key in law])
    assert observed.sum() == sum(counts.values()), "a sequence that there should not be"
    return stats.chi2.sf(np.sum((observed - expected) ** 2 / expected), len(law) - 1)


def tally(codes):
    return dict(zip(*np.unique(codes, return_counts=True), strict=True))


TRAJECTORIES = 2**16


@pytest.mark.parametrize("n", [3, 4, 5])
def test_permutations_are_uniform(n):
    """All n! of them, in both epochs. The wrong shuffle, whose probabilities differ from uniform by a factor of up to
    2, is the negative control. Any law at a chi-square distance of 0.003 from uniform is found with a power above
    0.999 at the level 1e-4 (noncentrality 197 with at most 119 degrees of freedom).
    """
    permutations = list(map(code, itertools.permutations(range(n))))
    uniform = dict.fromkeys(permutations, 1 / math.factorial(n))
    reshuffled = counted(RandomReshuffling(), n, TRAJECTORIES, epochs=2)
    for epoch in reshuffled:
        assert p_of(tally(epoch), uniform) > 1e-4
        assert p_of(tally(epoch), law_of_the_wrong_shuffle(n)) < 1e-12
    level = 0.003 * TRAJECTORIES
    degrees = len(permutations) - 1
    assert stats.ncx2.sf(stats.chi2.isf(1e-4, degrees), degrees, level) > 0.999
    if n == 3:  # the two epochs are independent
        pairs = {a * 27 + b: 1 / 36 for a in permutations for b in permutations}
        assert p_of(tally(reshuffled[0] * 27 + reshuffled[1]), pairs) > 1e-4
        once = counted(ShuffleOnce(), n, TRAJECTORIES, epochs=2)
        assert p_of(tally(once[0]), uniform) > 1e-4
        np.testing.assert_array_equal(once[0], once[1])
        assert p_of(tally(once[0] * 27 + once[1]), pairs) < 1e-12
        every = {code(s): 1 / 27 for s in itertools.product(range(3), repeat=3)}
        drawn = counted(WithReplacement(), n, TRAJECTORIES)[0]
        assert p_of(tally(drawn), every) > 1e-4
        assert set(counted(Incremental(), n, 1024)[0]) == {code((0, 1, 2))}


P = np.array([0.05, 0.3, 0.0, 0.15, 0.4, 0.1])
DRAWS = 2**18


@pytest.fixture(scope="module")
def drawn():
    """Indices that each order draws of 6 examples, with the generator of simulate."""
    laws = {"equal": WithReplacement(), "importance": ImportanceSampling(P)}

    def sample(order, ids, key):
        (request,) = streams.requests_of(lambda stream: order.draw(stream, 0, (), len(P), 1)[0])
        numbers = request.unpack(request.draw((key[0], key[1]), ids[None], jnp.zeros((1, DRAWS), jnp.uint32)))[0]
        return jax.vmap(lambda number: order.draw(Replay((number,)), 0, (), len(P), 1)[0].indices)(numbers)

    draw = jax.jit(lambda ids, key: {name: sample(order, ids, key) for name, order in laws.items()})
    return draw(jnp.arange(DRAWS, dtype=jnp.uint32), streams.make_key(5, "gradient"))


@pytest.mark.parametrize(("name", "p"), [("equal", np.ones(6) / 6), ("importance", P)])
def test_frequencies_are_binomial(drawn, name, p):
    """A probability that is off by 0.01 is found with a power above 1 - 1e-6: 10 standard errors, 5 of which reject."""
    counts = np.bincount(np.asarray(drawn[name]), minlength=len(p))
    assert counts.sum() == DRAWS
    assert counts[p == 0].sum() == 0
    error = np.sqrt(DRAWS * p * (1 - p))
    assert 0.01 * DRAWS / error.max() > 10
    assert np.all(np.abs(counts - DRAWS * p) <= 5 * error)
    wrong = p + 0.01 * np.array([1, -1, 0, 0, 0, 0])
    assert np.any(np.abs(counts - DRAWS * wrong) > 5 * np.sqrt(DRAWS * wrong * (1 - wrong)))


def test_importance_sampling_makes_its_probabilities_to_the_last_bit():
    order = ImportanceSampling(P)
    ends = np.concatenate([[0], np.cumsum(P) * 2**30]).round().astype(int)
    numbers, expected = [], []
    for i, (first, end) in enumerate(itertools.pairwise(ends)):
        if end > first:
            numbers += [first, end - 1]
            expected += [i, i]
    (indices, weights), _ = order.draw(Replay((jnp.array(numbers),)), 0, (), 6, len(numbers))
    np.testing.assert_array_equal(indices, expected)
    made = np.diff(ends) / 2**30
    np.testing.assert_array_equal(order.made, made)
    assert np.abs(made - P).max() < 2**-30
    np.testing.assert_allclose(weights, 1 / (6 * made[expected]), rtol=1e-7)


def test_weights_are_of_the_probabilities_made():
    """With 100,000 examples the probabilities are rounded by up to 1e-4 of themselves, the gradients not at all."""
    p = np.random.default_rng(0).dirichlet(np.ones(100_000)) + 1e-6
    order = ImportanceSampling(p / p.sum())
    assert order.made.sum() == 1
    np.testing.assert_allclose(order.made * order._weights * len(p), 1, rtol=1e-15)


# SGD, against the enumeration of all sequences of batches

ROWS, TARGETS = np.array([[1.0, 0.5], [-0.5, 1.5], [0.3, -1.0]]), np.array([1.0, -2.0, 0.5])
CLASSES, P3 = np.array([1.0, -1.0, 1.0]), np.array([0.2, 0.5, 0.3])
ETA, T = 0.4, 3
HELD_OUT = (np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([1.0, -1.0]))
SQUARES, SIGNS = LeastSquares(ROWS, TARGETS, 0.1, test=HELD_OUT), LogisticRegression(ROWS, CLASSES, 0.1)


def wave(x, example):
    return jnp.sum((x["v"] - example) ** 2 / 2 + jnp.cos(x["v"]))


def expit(z):
    return 1 / (1 + np.exp(-z))


# risk (x,) and gradients (n, d) in float64
SQUARED = (lambda x: np.mean((ROWS @ x - TARGETS) ** 2) / 2 + 0.05 * x @ x,
           lambda x: (ROWS @ x - TARGETS)[:, None] * ROWS + 0.1 * x)  # fmt: skip
LOGISTIC = (lambda x: np.logaddexp(0, -CLASSES * (ROWS @ x)).mean() + 0.05 * x @ x,
            lambda x: (-CLASSES * expit(-CLASSES * (ROWS @ x)))[:, None] * ROWS + 0.1 * x)  # fmt: skip
WAVES = (lambda x: np.mean((x - TARGETS) ** 2) / 2 + np.cos(x[0]), lambda x: (x - TARGETS - np.sin(x))[:, None])


def epochs_of(permutations, batch, drop_last, epochs, again):
    """All equally likely sequences of batches: every permutation in every epoch, or the same in all."""
    ends = range(0, 3 - (batch - 1 if drop_last else 0), batch)
    cut = [[p[k : k + batch] for k in ends] for p in permutations]
    runs = [(one,) * epochs for one in cut] if again else list(itertools.product(cut, repeat=epochs))
    return [(1 / len(runs), list(itertools.chain(*run))[:T], None) for run in runs]


def independent(batches, chance, weights=None):
    """All sequences of independent batches."""
    return [
        (math.prod(map(chance, run)), list(run), weights) for run in itertools.product(list(batches), repeat=T)
    ]  # fmt: skip


ALL = list(itertools.permutations(range(3)))
CASES = {
    "with replacement": (ExampleSampling(SQUARES), SQUARED, independent([[0], [1], [2]], lambda b: 1 / 3)),
    "importance sampling": (
        ExampleSampling(SIGNS, ImportanceSampling(P3)),
        LOGISTIC,
        independent([[0], [1], [2]], lambda b: P3[b[0]], 1 / (3 * P3)),
    ),
    "batches with replacement, of a pytree": (
        ExampleSampling(FiniteSum(wave, TARGETS, start={"v": [2.0]}), batch=2),
        WAVES,
        independent(itertools.product(range(3), repeat=2), lambda b: 1 / 9),
    ),
    "distinct batches": (
        ExampleSampling(SQUARES, WithReplacement(distinct=True), batch=2),
        SQUARED,
        independent(itertools.combinations(range(3), 2), lambda b: 1 / 3),
    ),
    "reshuffled": (ExampleSampling(SQUARES, RandomReshuffling()), SQUARED, epochs_of(ALL, 1, False, 1, False)),
    "reshuffled batches, the last smaller": (
        ExampleSampling(SIGNS, RandomReshuffling(), batch=2),
        LOGISTIC,
        epochs_of(ALL, 2, False, 2, False),
    ),
    "reshuffled batches, the last dropped": (
        ExampleSampling(SQUARES, RandomReshuffling(drop_last=True), batch=2),
        SQUARED,
        epochs_of(ALL, 2, True, 3, False),
    ),
    "shuffled once": (
        ExampleSampling(SQUARES, ShuffleOnce(drop_last=True), batch=2),
        SQUARED,
        epochs_of(ALL, 2, True, 3, True),
    ),
    "incremental": (ExampleSampling(SQUARES, Incremental(), batch=2), SQUARED, epochs_of(ALL[:1], 2, False, 2, True)),
}  # fmt: skip


def enumerated(start, functions, runs, observables):
    """Mean and variance of each observable of x_T, over all sequences of batches with their probabilities."""
    total, values = [], []
    for chance, batches, weights in runs:
        x = start
        for batch in batches:
            g = functions[1](x) * (1 if weights is None else weights[:, None])
            x = x - ETA * g[list(batch)].mean(0)
        total.append(chance)
        values.append([observe(x) for observe in observables])
    total, values = np.array(total), np.array(values)
    assert abs(total.sum() - 1) < 1e-12
    mean = total @ values
    return mean, total @ (values - mean) ** 2


@pytest.mark.parametrize("name", CASES)
def test_risk_after_some_steps_is_that_of_all_sequences(name):
    """Five standard errors are less than a twentieth of the risk."""
    oracle, functions, runs = CASES[name]
    observables, exact = {}, [functions[0]]
    if oracle.problem.test is not None:
        observables = {"test_risk": oracle.problem.test_risk}
        exact.append(lambda x: np.mean((HELD_OUT[0] @ x - HELD_OUT[1]) ** 2) / 2)
    study = js.Study(
        oracle=oracle, schedule=js.schedules.constant(ETA), steps=T, record=js.record.every(1), observables=observables
    )
    dataset = js.simulate(study, TRAJECTORIES, seed=2, progress=False).dataset
    start = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(study.x0)])
    mean, variance = enumerated(start, functions, runs, exact)
    for i, observable in enumerate(["risk", *observables]):
        estimate, sem = (float(dataset[f"{observable}_{what}"][-1]) for what in ("mean", "sem"))
        if name == "incremental":
            assert estimate == pytest.approx(mean[i], rel=1e-5)
            continue
        assert abs(estimate - mean[i]) <= 5 * sem
        assert abs(float(dataset[f"{observable}_variance"][-1]) / variance[i] - 1) < 0.05
        assert sem < 0.01 * abs(mean[i])
    used = oracle.order.examples_used(np.arange(T + 1), 3, oracle.batch)
    np.testing.assert_array_equal(dataset.example_gradients, used)


WRONG = {
    "with replacement": CASES["reshuffled"][2],
    "importance sampling": independent([[0], [1], [2]], lambda b: P3[b[0]]),  # without weights
    "distinct batches": independent(itertools.product(range(3), repeat=2), lambda b: 1 / 9),
    "reshuffled": CASES["with replacement"][2],
    "shuffled once": CASES["reshuffled batches, the last dropped"][2],
    "reshuffled batches, the last dropped": CASES["shuffled once"][2],
    "reshuffled batches, the last smaller": epochs_of(ALL, 2, True, 3, False),
}


@pytest.mark.parametrize("name", WRONG)
def test_another_law_would_be_told_apart(name):
    """The control of the test above: another order's mean is ten standard errors away, of which five are let pass."""
    oracle, functions, runs = CASES[name]
    (right, variance), (wrong, _) = (
        enumerated(np.zeros(2), functions, law, functions[:1]) for law in (runs, WRONG[name])
    )  # fmt: skip
    assert oracle.batch < 3
    assert abs(right[0] - wrong[0]) > 10 * np.sqrt(variance[0] / TRAJECTORIES)


# what the engine does with the memory of a trajectory

RESHUFFLED = js.Study(
    oracle=ExampleSampling(SQUARES, RandomReshuffling(), batch=2),
    schedule=js.schedules.inverse_time(0.4, 0.1),
    epochs=6,
    record=js.record.every_epoch(2),
    observe=["risk"],
)


def test_reshuffling_is_the_same_whatever_is_recorded_and_however_it_is_run():
    whole = js.simulate(RESHUFFLED, 5000, seed=3, progress=False).dataset
    assert whole.step.values.tolist() == [0, 4, 8, 12]
    dense = js.simulate(RESHUFFLED.replace(record=js.record.every(1)), 5000, seed=3, progress=False).dataset
    np.testing.assert_allclose(dense.risk_mean.sel(step=whole.step), whole.risk_mean, rtol=1e-6)
    plan = js.Plan.choose(RESHUFFLED.width, RESHUFFLED.steps, 5000)
    ahead = js.simulate(RESHUFFLED, 5000, seed=3, progress=False, plan=plan.replace(form=Form(carry_draws=False)))
    np.testing.assert_allclose(ahead.dataset.risk_mean, whole.risk_mean, rtol=1e-6)
    # At step 0, where nothing varies, rounding alone is left: squares of 1e-7 of the risk.
    np.testing.assert_allclose(ahead.dataset.risk_variance, whole.risk_variance, rtol=1e-5, atol=1e-12)
    with jax.enable_x64(True):
        double = js.simulate(RESHUFFLED, 5000, seed=3, progress=False).dataset
    np.testing.assert_allclose(double.risk_mean, whole.risk_mean, rtol=1e-5)
    np.testing.assert_allclose(double.risk_variance, whole.risk_variance, rtol=1e-4, atol=1e-12)


def test_parts_of_a_reshuffled_study_merge_bitwise_and_sweeps_share_its_permutations():
    plan = js.Plan.choose(RESHUFFLED.width, RESHUFFLED.steps, 4096).replace(tile=1024, chunk=1024)
    run = lambda first, count: js.simulate(  # noqa: E731
        RESHUFFLED, count, seed=3, first_trajectory=first, progress=False, plan=plan
    )
    whole = run(0, 3072).dataset
    merged = js.merge([run(1024, 2048), run(0, 1024)]).dataset
    np.testing.assert_array_equal(merged.risk_mean, whole.risk_mean)
    np.testing.assert_array_equal(merged.risk_variance, whole.risk_variance)
    swept = js.sweep(
        lambda initial: RESHUFFLED.replace(schedule=js.schedules.inverse_time(initial, 0.1)),
        {"initial": [0.2, 0.4]},
        trajectories=3072,
        seed=3,
        progress=False,
    )
    np.testing.assert_allclose(swept.dataset.risk_mean.sel(initial=0.4), whole.risk_mean, rtol=1e-6)


def test_the_deck_is_changed_where_it_is():
    """A copy of it at every step took 20 times as long."""
    from jaxsgd.engine.compiled import compiled
    from jaxsgd.engine.kernel import Span
    from jaxsgd.runs.tasks import make_layout, make_task

    rows = np.random.default_rng(0).standard_normal((300, 2))
    oracle = ExampleSampling(LeastSquares(rows, rows[:, 0]), RandomReshuffling())
    study = RESHUFFLED.replace(oracle=oracle, epochs=1, record=js.record.every(100))
    task = make_task(study, make_layout(study, statistics=()).statistics, {}, 0, 1024, 0, None)
    tile = compiled(task.program, task.plan.form, 1024, False, task.plan.compiler_options)
    span = Span(np.uint32(0), np.int32(0), np.int32(1024))
    text = tile.jitted.lower(task.inputs, task.key, span).compile().as_text()
    copies = [line for line in text.splitlines() if "u16[300,1024]" in line and " copy(" in line]
    assert "u16[300,1024]" in text
    assert len(copies) <= 1  # of the first deck, before the loop


# epochs, costs, sizes


def test_costs_are_counted_in_gradients_of_examples():
    squares, noise, updates = LeastSquares(np.ones((10, 1)), np.arange(10.0)), js.noise.Gaussian(), np.arange(8)
    costs = [
        (ExampleSampling(squares), updates),
        (ExampleSampling(squares, batch=32), 32 * updates),
        (ExampleSampling(squares, WithReplacement(distinct=True), batch=4), 4 * updates),
        (ExampleSampling(squares, RandomReshuffling(), batch=4), [0, 4, 8, 10, 14, 18, 20, 24]),
        (ExampleSampling(squares, Incremental(drop_last=True), batch=4), 4 * updates),
        (ExampleSampling(squares, ShuffleOnce(), batch=5), 5 * updates),
        (FullGradient(squares), 10 * updates),
        (AdditiveNoise(squares, noise), 10 * updates),
        (AdditiveNoise(Quadratic([1.0]), noise), updates),
        (FullGradient(Quadratic([1.0])), updates),
        (RandomLoss(minus, minus), updates),
        (RandomLoss(minus, minus, squares), updates),
    ]
    for oracle, cost in costs:
        np.testing.assert_array_equal(oracle.example_gradients(updates), cost)


@pytest.mark.parametrize(
    ("order", "updates"),
    [(WithReplacement(), 3), (RandomReshuffling(), 3), (RandomReshuffling(drop_last=True), 2), (Incremental(), 3)],
)
def test_epochs_are_counted_in_updates(order, updates):
    squares = LeastSquares(np.ones((10, 1)), np.arange(10.0))
    study = js.Study(
        oracle=ExampleSampling(squares, order, batch=4),
        schedule=js.schedules.constant(0.1),
        epochs=5,
        record=js.record.every_epoch(2),
    )
    assert study.steps == 5 * updates
    assert study.recorded_steps.tolist() == [0, 2 * updates, 4 * updates, 5 * updates]
    assert study.replace(epochs=2).steps == 2 * updates
    assert study.replace(steps=7).steps == 7
    assert study.replace(schedule=js.schedules.constant(0.2)).steps == 5 * updates
    assert js.Study(oracle=FullGradient(squares), schedule=study.schedule, epochs=5).steps == 5


def test_tiles_are_small_where_examples_are_many():
    """An update reads examples and changes a deck of n; both are counted."""
    many = LeastSquares(np.ones((100_000, 2)), np.zeros(100_000))
    assert js.Study(oracle=ExampleSampling(many), schedule=js.schedules.constant(0.1), steps=9).width == 5
    study = js.Study(oracle=ExampleSampling(many, RandomReshuffling()), schedule=js.schedules.constant(0.1), steps=9)
    assert js.Plan.choose(study.width, 10**6, 10**6).tile == 1024


TEN = LeastSquares(np.ones((10, 1)), np.arange(10.0))
CONSTANT = js.schedules.constant(0.1)
STUDY = js.Study(oracle=ExampleSampling(TEN), schedule=CONSTANT, steps=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomReshuffling(drop_last="no"), "drop_last must be True or False, got 'no'"),
        (lambda: WithReplacement(distinct=1), "distinct must be True or False, got 1"),
        (lambda: ExampleSampling(TEN, RandomReshuffling(), batch=11), "batch must be at most .* 10, with orders.R"),
        (lambda: ExampleSampling(TEN, ShuffleOnce(), batch=11), "batch must be at most the number of examples, 10"),
        (lambda: ExampleSampling(TEN, Incremental(), batch=11), "batch must be at most the number of examples, 10"),
        (
            lambda: ExampleSampling(TEN, WithReplacement(distinct=True), batch=11),
            "batch must be at most the number of examples, 10, where they are distinct, got 11",
        ),
        (lambda: js.Study(oracle=ExampleSampling(TEN), schedule=CONSTANT), "steps is needed, .*; or epochs"),
        (lambda: STUDY.replace(steps=3, epochs=2), "give steps or epochs, not both"),
        (lambda: STUDY.replace(epochs=0), "epochs must be at least 1, got 0"),
        (
            lambda: js.Study(oracle=FullGradient(Quadratic([1.0])), schedule=CONSTANT, epochs=2),
            "epochs needs an oracle that samples examples: give steps",
        ),
        (
            lambda: js.Study(
                oracle=FullGradient(Quadratic([1.0])), schedule=CONSTANT, steps=2, record=js.record.every_epoch()
            ),
            r"every_epoch\(k\) needs an oracle that samples examples: use every\(k\)",
        ),
        (lambda: js.record.every_epoch(0), r"every_epoch\(k\): k must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_bad_input_is_answered(make, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        make()
