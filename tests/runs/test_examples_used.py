"""The sampler of the engine: how many examples it uses, against exact values."""

import functools
import types

import jax
import numpy as np
import pytest
from economy import QUICK
from scipy import stats
from test_orders import counted

import jaxsgd as js
from jaxsgd import compiler, theory
from jaxsgd.engine import draw_counts
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.orders import ImportanceSampling, Incremental, RandomReshuffling, ShuffleOnce, WithReplacement

N, TRAJECTORIES = 12, 2**14
ORDERS = {
    "with replacement": (WithReplacement(), 1),
    "distinct batches": (WithReplacement(distinct=True), 5),
    "importance": (ImportanceSampling(np.arange(1, N + 1) / 78), 3),
    "reshuffled, dropped": (RandomReshuffling(drop_last=True), 5),
    "reshuffled": (RandomReshuffling(), 5),
    "shuffled once": (ShuffleOnce(drop_last=True), 5),
    "incremental": (Incremental(), 5),
}


@pytest.fixture(autouse=True, scope="module")
def counts_compiled_quickly():
    """The program that counts, which has its options from no plan."""
    options = dict(QUICK + compiler.accepted(compiler.SAFE))
    with pytest.MonkeyPatch.context() as patch:
        jit = functools.partial(jax.jit, compiler_options=options)
        patch.setattr(draw_counts, "compiler", types.SimpleNamespace(jit=jit))
        yield


def disagreements(measured, exact):
    """Which of the means are more than five standard errors away, or not equal where nothing is random."""
    wrong = []
    for name in ("at_least_once", "exactly_once", "distinct"):
        gap = measured[f"{name}_mean"] - exact[name if name != "distinct" else "distinct_mean"]
        if np.any(np.abs(gap) > 5 * measured[f"{name}_sem"] + 1e-9):
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("name", ORDERS)
def test_means_are_exact_for_every_order(name):
    """Five standard errors are at most 0.005 of the share: the control is one example more."""
    order, batch = ORDERS[name]
    updates = [1, 3, 12 if batch == 1 else 4]
    measured = js.sample_examples_used(order, N, updates, batch, TRAJECTORIES, seed=4)
    exact = theory.coverage(order, N, updates, batch)
    assert not disagreements(measured, exact)
    random = exact.distinct_variance > 0.01
    np.testing.assert_allclose(measured.distinct_variance[random], exact.distinct_variance[random], rtol=0.08)
    np.testing.assert_allclose(measured.distinct_variance[~random], exact.distinct_variance[~random], atol=2e-3)
    assert (5 * measured.at_least_once_sem).max() < 0.007
    if not isinstance(order, ImportanceSampling):
        assert disagreements(measured, theory.coverage(order, N + 1, updates, batch))
    np.testing.assert_array_equal(measured.distinct_count.sum("distinct"), TRAJECTORIES)


def test_distinct_examples_and_coupons_have_their_laws():
    """Chi-square with a power above 0.999 against a law at a distance of 0.003; the control is that of n + 1 draws."""
    measured = js.sample_examples_used(WithReplacement(), N, [N, 120], 1, TRAJECTORIES, seed=9)
    assert int(measured.complete_count) == (measured.distinct_count.sel(update=120, distinct=N).item())
    counts = dict(zip(measured.distinct.values.tolist(), measured.distinct_count.sel(update=N).values, strict=True))

    def p_value(draws):
        values, law = theory.distinct_distribution(N, draws)
        common = law * TRAJECTORIES > 5
        observed = np.array([counts.get(k, 0) for k in values[common].tolist()], float)
        expected = law[common] * TRAJECTORIES
        rest = TRAJECTORIES - observed.sum(), TRAJECTORIES - expected.sum()
        score = np.sum((observed - expected) ** 2 / expected) + (rest[0] - rest[1]) ** 2 / max(rest[1], 1)
        return stats.chi2.sf(score, common.sum())

    assert p_value(N) > 1e-4
    assert p_value(N + 1) < 1e-12
    long = js.sample_examples_used(WithReplacement(), N, [400], 1, TRAJECTORIES, seed=9)  # P(not complete) = 1e-14
    mean, variance = theory.coupon_collector(N)
    assert int(long.complete_count) == TRAJECTORIES
    assert abs(float(long.complete_mean) - mean) < 5 * float(long.complete_sem) < 0.03 * mean
    assert float(long.complete_variance) == pytest.approx(variance, rel=0.08)
    assert np.isnan(js.sample_examples_used(WithReplacement(), N, [20], 1, 2048).complete_mean)
    assert float(js.sample_examples_used(Incremental(), N, trajectories=10).complete_mean) == N


def test_the_draws_are_those_of_simulate():
    """The indices of an epoch, coded, of each trajectory; distinct ones among them."""
    codes = counted(WithReplacement(), 4, 2048)[0]
    indices = np.stack([codes // 4**t % 4 for t in range(4)])
    distinct = [len(set(column)) for column in indices.T.tolist()]
    measured = js.sample_examples_used(WithReplacement(), 4, trajectories=2048, seed=11)
    np.testing.assert_array_equal(measured.distinct_count[0], np.bincount(distinct)[measured.distinct.values])


def test_the_name_of_before_still_works():
    assert js.sample_coverage is js.sample_examples_used


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: js.sample_examples_used(WithReplacement, 5), "order must be one of jaxsgd.orders, got .*; call it"),
        (lambda: js.sample_examples_used(WithReplacement(), 0), "examples must be at least 1"),
        (lambda: js.sample_examples_used(WithReplacement(), 5, [3, 2]), "updates must be increasing"),
        (lambda: js.sample_examples_used(WithReplacement(), 5, 0), "updates must be at least 1"),
        (lambda: js.sample_examples_used(WithReplacement(), 5, 2.5), "updates must be an integer"),
        (lambda: js.sample_examples_used(RandomReshuffling(), 5, batch=6), "batch must be at most"),
        (lambda: js.sample_examples_used(WithReplacement(), 5, trajectories=0), "trajectories must be at least 1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((InvalidInput, InvalidType), match=message):
        call()
