"""How many examples an order uses: against counting all sequences in rational arithmetic, and limits."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import theory
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution
from jaxsgd.orders import ImportanceSampling, Incremental, Order, RandomReshuffling, ShuffleOnce, WithReplacement


def counted(runs):
    """At least once, exactly once, mean and variance of distinct, from (probability, indices) of n examples."""
    total = sum(chance for chance, _, _ in runs)
    assert total == 1
    mean = lambda value: sum(chance * value(indices, n) for chance, indices, n in runs)  # noqa: E731
    distinct = mean(lambda indices, n: len(set(indices)))
    return [
        distinct / runs[0][2],
        mean(lambda indices, n: Fraction(sum(indices.count(i) == 1 for i in range(n)), n)),
        distinct,
        mean(lambda indices, n: len(set(indices)) ** 2) - distinct**2,
    ]


def independent(batches, chances, updates, n):
    return [
        (math.prod(chances[i] for i in run), list(itertools.chain(*(batches[i] for i in run))), n)
        for run in itertools.product(range(len(batches)), repeat=updates)
    ]


def permuted(n, batch, drop_last, updates, again):
    """Every permutation in every epoch, or the same in all of them."""
    size = (n // batch) * batch if drop_last else n
    per_epoch = n // batch if drop_last else -(-n // batch)
    epochs = -(-updates // per_epoch)
    ways = list(itertools.permutations(range(n)))
    runs = [(one,) * epochs for one in ways] if again else list(itertools.product(ways, repeat=epochs))

    def cut(run):
        batches = [one[k : k + batch] for one in run for k in range(0, size, batch)]
        return list(itertools.chain(*batches[:updates]))

    return [(Fraction(1, len(runs)), cut(run), n) for run in runs]


P = [Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)]
CASES = {
    "with replacement": (WithReplacement(), 1, 4, independent([[0], [1], [2]], [Fraction(1, 3)] * 3, 4, 3)),
    "batches": (WithReplacement(), 2, 2, independent([[0], [1], [2]], [Fraction(1, 3)] * 3, 4, 3)),
    "distinct": (
        WithReplacement(distinct=True), 2, 3, independent([[0, 1], [0, 2], [1, 2]], [Fraction(1, 3)] * 3, 3, 3)
    ),
    "importance": (ImportanceSampling([0.5, 0.25, 0.25]), 2, 2, independent([[0], [1], [2]], P, 4, 3)),
    "reshuffled": (RandomReshuffling(), 2, 3, permuted(3, 2, False, 3, False)),
    "reshuffled, dropped": (RandomReshuffling(drop_last=True), 2, 3, permuted(3, 2, True, 3, False)),
    "reshuffled, in the second epoch": (RandomReshuffling(drop_last=True), 1, 5, permuted(3, 1, True, 5, False)),
    "shuffled once": (ShuffleOnce(drop_last=True), 2, 2, permuted(3, 2, True, 2, True)),
    "shuffled once, a part": (ShuffleOnce(), 1, 4, permuted(3, 1, False, 4, True)),
    "incremental": (Incremental(), 2, 1, permuted(3, 2, False, 1, True)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_coverage_is_that_of_all_sequences(name):
    order, batch, updates, runs = CASES[name]
    found = theory.examples_used(order, 3, [0, updates], batch).isel(update=1)
    values = [float(found[key]) for key in ("at_least_once", "exactly_once", "distinct_mean", "distinct_variance")]
    np.testing.assert_allclose(values, [float(value) for value in counted(runs)], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 10, 1000, 10**6])
def test_with_replacement_keeps_its_digits(n):
    """Against rational arithmetic of the textbook formula, which cancels in floating point, and the limit."""
    found = theory.examples_used(WithReplacement(), n)
    if n <= 1000:
        q1, q2 = Fraction(n - 1, n) ** n, Fraction(n - 2, n) ** n
        exact = n * q1 + n * (n - 1) * q2 - n**2 * q1**2
        assert float(found.distinct_variance[0]) == pytest.approx(float(exact), rel=1e-12, abs=1e-12)
    else:
        assert float(found.distinct_variance[0]) / n == pytest.approx(1 / np.e - 2 / np.e**2, rel=2e-6)
        expansion = 1 - 1 / np.e + 1 / (2 * np.e * n)
        assert float(found.at_least_once[0]) == pytest.approx(expansion, rel=1e-12)
    np.testing.assert_allclose(found.at_least_once, theory.at_least_once(n), rtol=1e-14)
    np.testing.assert_allclose(found.exactly_once, theory.exactly_once(n), rtol=1e-14)


@pytest.mark.parametrize(("n", "m"), [(1, 3), (4, 6), (5, 5), (6, 0), (30, 80)])
def test_distribution_of_distinct_examples_is_the_textbook_sum(n, m):
    values, probabilities = theory.distinct_distribution(n, m)
    for k, probability in zip(values.tolist(), probabilities, strict=True):
        signed = sum((-1) ** j * math.comb(k, j) * Fraction(k - j, n) ** m for j in range(k + 1))
        assert probability == pytest.approx(float(math.comb(n, k) * signed), rel=1e-12)
    assert probabilities.sum() == pytest.approx(1, abs=1e-14)
    assert theory.coupon_probability(n, m) == (probabilities[-1] if values[-1] == n else 0.0)


def test_distribution_of_many_has_its_exact_moments():
    values, probabilities = theory.distinct_distribution(10_000)
    exact = theory.examples_used(WithReplacement(), 10_000)
    mean = values @ probabilities
    assert mean == pytest.approx(float(exact.distinct_mean[0]), rel=1e-12)
    assert (values - mean) ** 2 @ probabilities == pytest.approx(float(exact.distinct_variance[0]), rel=1e-10)


def test_coupon_collector_is_the_sum_of_geometric_times():
    for n in (1, 2, 7, 50):
        mean = sum(Fraction(n, k) for k in range(1, n + 1))
        variance = sum(Fraction(n * (n - k), k * k) for k in range(1, n + 1))
        np.testing.assert_allclose(theory.coupon_collector(n), [float(mean), float(variance)], rtol=1e-12, atol=1e-12)
    k = np.arange(1, 10**6 + 1)
    summed = [1e6 * (1 / k).sum(), (1e6 * (1e6 - k) / k.astype(float) ** 2).sum()]
    np.testing.assert_allclose(theory.coupon_collector(10**6), summed, rtol=1e-10)
    # E T = sum_m P(T > m)
    tail = sum(1 - theory.coupon_probability(5, m) for m in range(200))
    assert tail == pytest.approx(theory.coupon_collector(5).mean, rel=1e-12)
    n, c = 2000, 0.7
    assert theory.coupon_probability(n, int(n * np.log(n) + c * n)) == pytest.approx(np.exp(-np.exp(-c)), abs=2e-3)


class Backwards(Order):
    """An order of one's own."""

    def draw(self, stream, t, memory, examples, batch):
        raise AssertionError


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.examples_used(WithReplacement, 5), "order must be one of jaxsgd.orders"),
        (lambda: theory.examples_used(WithReplacement(), 0), "examples must be at least 1, got 0"),
        (lambda: theory.examples_used(WithReplacement(), 5, -1), "updates must be an integer of at least 0"),
        (lambda: theory.examples_used(WithReplacement(), 5, [[1, 2]]), "updates must be one number or a list"),
        (
            lambda: theory.examples_used(RandomReshuffling(), 5, batch=6),
            "batch must be at most the number of examples, 5",
        ),
        (lambda: theory.examples_used(ImportanceSampling([0.5, 0.5]), 5), "one for each of the 5 examples, got 2"),
        (lambda: theory.examples_used(ImportanceSampling(np.full(5000, 1 / 5000)), 5000), "n is at most 4096"),
        (lambda: theory.examples_used(Backwards(), 5), "orders.Backwards does not state what this needs"),
        (lambda: theory.distinct_distribution(5, -1), "draws must be at least 0, got -1"),
        (lambda: theory.distinct_distribution(5, 10**8), "draws must be at most 10000000"),
        (lambda: theory.coupon_collector(0), "examples must be at least 1, got 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((InvalidInput, InvalidType, NoExactSolution), match=message):
        call()


def test_the_name_of_before_still_stands():
    assert theory.coverage is theory.examples_used
    assert js.sample_coverage is js.sample_examples_used
    assert js.plot.coverage is js.plot.examples_used
