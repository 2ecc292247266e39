"""The confidence set of the best cell: by hand, by simulation of its coverage and power, and against wrong rules."""

import math
import tracemalloc

import numpy as np
import pytest
from frequencies import assert_frequency, fails

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.inference import BestSet, best_set, best_set_independent, paired_difference, separate, z_value
from jaxsgd.inference.best import RIVALS

REPLICATIONS = 2000
"""Enough to tell a miss rate of .05 from one of .10, see `assert_frequency`."""


def normal_cells(rng, means, count, correlation=0.8):
    """Cells of unit variance that share a part of their noise."""
    common, own = rng.normal(size=(1, count)), rng.normal(size=(len(means), count))
    return np.array(means)[:, None] + math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own


def skewed_cells(rng, means, count):
    """Exponential noise of mean 0, shared in part; a difference of two cells with other scales is skewed."""
    common, own = rng.exponential(size=(1, count)), rng.exponential(size=(len(means), count))
    scale = np.linspace(0.5, 2.0, len(means))[:, None]
    return np.array(means)[:, None] + scale * (0.7 * (common - 1) + 0.3 * (own - 1))


# By hand


def test_two_cells_by_hand():
    # Differences -1, 1, 1, 3: mean 1, variance 8/3, SE sqrt(2/3); variances 5/3 and 25/3.
    first, second = [1.0, 2.0, 3.0, 4.0], [0.0, 3.0, 4.0, 7.0]
    best = best_set([first, second], confidence=0.9)
    assert best.leader == 0
    assert best.members.tolist() == [True, True]  # 1 / .8165 = 1.2247 < t_.9 = 1.6377, 3 degrees of freedom
    np.testing.assert_allclose(best.difference, [0, 1])
    np.testing.assert_allclose(best.standard_error, [0, math.sqrt(2 / 3)])
    np.testing.assert_allclose(best.variance, [0, 8 / 3])
    np.testing.assert_allclose(best.variance_ratio, [np.nan, 10 / (8 / 3)])
    np.testing.assert_allclose(best.upper, [0, 1 + 2.3533634 * math.sqrt(2 / 3)])
    np.testing.assert_allclose(best.lower, [0, 1 - 2.3533634 * math.sqrt(2 / 3)])
    assert best_set([first, second], confidence=0.8).members.tolist() == [True, False]  # t_.8 = 0.978
    assert repr(best) == "BestSet(leader=0, 2 of 2 cells may be the best at confidence 0.9, 0 divergent)"


def test_independent_samples_by_hand():
    # SE of mean_1 - mean_0 is sqrt(4/100 + 9/400) = .25; t_{1 - .05/2} = 1.984 for three cells, 99 degrees of freedom.
    best = best_set_independent([1.0, 1.5, 1.48], [4.0, 9.0, 9.0], [100, 400, 400])
    np.testing.assert_allclose(best.standard_error, [0, 0.25, 0.25])
    assert best.members.tolist() == [True, False, True]  # 2 and 1.92 standard errors
    np.testing.assert_allclose(best.variance, [0, 13, 13])
    np.testing.assert_allclose(best.variance_ratio, [np.nan, 1, 1])
    np.testing.assert_allclose(best.upper - best.difference, 2.4353393 * best.standard_error)


@pytest.mark.slow
def test_few_trajectories_keep_the_level():
    """20 equal cells, 10 trajectories each: the first is kept with probability 0.95 at least.

    2000 samples: a rate of 0.95 is seen below 0.93 with probability 3e-5. With the normal quantile, the negative
    control, it is some 0.85.
    """
    rng = np.random.default_rng(5)
    samples = rng.normal(size=(2000, 20, 10))
    assert np.mean([best_set(values).members[0] for values in samples]) > 0.93
    excess = samples[:, :1] - samples
    error = np.sqrt(excess.var(axis=2, ddof=1) / 10)
    normal = np.all(excess.mean(axis=2) <= z_value(0.1, 19) * error + 1e-12, axis=1)
    assert normal.mean() < 0.93


def test_groups_of_trajectories():
    """Means of groups with their sizes: by hand, and as the trajectories themselves where groups are of one."""
    values = np.array([[1.0, 2.0, 4.0], [2.0, 2.5, 4.0]])
    best = best_set(values, sizes=[1, 2, 1])
    np.testing.assert_allclose(best.difference, [0, (1 + 2 * 0.5 + 0) / 4])
    variance = (1 * 0.5**2 + 2 * 0.0 + 1 * 0.5**2) / 2
    np.testing.assert_allclose(best.variance, [0, variance])
    np.testing.assert_allclose(best.standard_error, [0, math.sqrt(variance / 4)])
    alone, same = best_set(values), best_set(values, sizes=[1, 1, 1])
    np.testing.assert_array_equal(alone.upper, same.upper)
    for sizes in ([1, 2], [0, 1, 1]):
        with pytest.raises(InvalidInput, match="sizes must be at least 1, one for each of the 3 columns"):
            best_set(values, sizes=sizes)


def test_a_cell_that_the_leader_cannot_leave_out_is_left_out_by_another_rival():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=400)
    leader = -0.01 + 50 * rng.normal(size=400)
    leader -= leader.mean() + 0.5
    close = noise - noise.mean() + 0.2 + 0.001 * rng.normal(size=400)
    best = best_set([leader, noise - noise.mean(), close])
    assert best.leader == 0
    assert best.members.tolist() == [True, True, False]
    assert best.lower[2] < 0


def test_the_rivals_are_the_cells_with_the_smallest_means():
    # Only cell j < RIVALS leaves the last one out: the others have large variances.
    for j, out in ((RIVALS - 1, True), (RIVALS, False)):
        means, variances = np.arange(RIVALS + 2.0), np.full(RIVALS + 2, 1e6)
        variances[[j, -1]] = 1e-4
        assert best_set_independent(means, variances, 100).members[-1] != out


def test_fields_agree_with_paired_differences():
    values = skewed_cells(np.random.default_rng(1), [0.3, 0.0, 0.1, 1.0], 500)
    best = best_set(values)
    for cell in set(range(4)) - {best.leader}:
        pair = paired_difference(values[cell], values[best.leader])
        measured = (best.difference[cell], best.standard_error[cell], best.variance_ratio[cell])
        np.testing.assert_allclose(measured, (pair.mean, pair.standard_error, pair.variance_ratio), rtol=1e-9)


def test_cells_without_noise():
    flat = [[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]]
    best = best_set(flat, deterministic=True)
    assert (best.leader, best.members.tolist()) == (1, [False, True, True])
    assert best_set(flat).members.all()  # two trajectories do not say that all others have these values
    shifted = best_set(np.array([[0.0], [0.25]]) + np.random.default_rng(2).integers(9, size=100))
    assert shifted.members.tolist() == [True, True]
    assert separate(shifted).tolist() == [0, math.inf]
    assert (shifted.standard_error[1], shifted.variance_ratio[1]) == (0, math.inf)
    constant = best_set([[0.0] * 1000, [0.1] * 1000])  # the mean of 1000 times 0.1 is not 0.1
    assert (constant.difference[1], constant.variance[1]) == (0.1, 0.0)
    alone = best_set([[3.0, 4.0]])
    assert (alone.leader, alone.members.tolist(), separate(alone).tolist()) == (0, [True], [0])


def test_divergent_cells_are_reported_and_change_nothing_else():
    rng = np.random.default_rng(3)
    sound = normal_cells(rng, [0.0, 0.02, 1.0], 200)
    bad = np.tile(sound[0] - 5, (4, 1))
    bad[0, 7], bad[1, 0], bad[2, 199], bad[3, 5] = np.nan, np.inf, -np.inf, 1e300
    best, without = best_set(np.concatenate([bad, sound])), best_set(sound)
    assert best.divergent.tolist() == [True] * 4 + [False] * 3
    assert best.leader == without.leader + 4
    assert not best.members[:4].any()
    assert np.isnan([best.difference, best.standard_error, best.lower, best.upper, best.variance])[:, :4].all()
    for name in ("members", "difference", "standard_error", "lower", "upper", "variance", "variance_ratio"):
        np.testing.assert_array_equal(getattr(best, name)[4:], getattr(without, name))
    assert separate(best)[:4].tolist() == [0] * 4
    independent = best_set_independent([np.nan, 1, 2], [np.nan, 1, 1], 50)
    assert (independent.leader, independent.divergent.tolist()) == (1, [True, False, False])
    with pytest.raises(InvalidInput, match="every cell has diverged"):
        best_set(bad)


def test_float32_is_widened_a_row_at_a_time():
    rng = np.random.default_rng(4)
    values = rng.normal(1e4, 1e-2, size=(100, 20_000)).astype(np.float32)
    tracemalloc.start()
    best = best_set(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < values.nbytes / 10
    wide = best_set(values.astype(np.float64))
    np.testing.assert_array_equal(best.standard_error, wide.standard_error)
    np.testing.assert_array_equal(best.members, wide.members)
    assert best_set([[1, 2, 3], [5, 6, 8]]).members.tolist() == [True, False]  # integers


# Coverage and power


def misses(rng, draw, means, count, confidence=0.95):
    """How often one of the truly best cells, the first, is left out."""
    return sum(not best_set(draw(rng, means, count), confidence).members[0] for _ in range(REPLICATIONS))


def test_two_equal_cells_are_missed_as_often_as_stated():
    # One rival: the union bound is exact.
    rng = np.random.default_rng(5)
    assert_frequency(misses(rng, normal_cells, [0.0, 0.0], 300), REPLICATIONS, at_least=0.045, at_most=0.055)
    assert_frequency(misses(rng, normal_cells, [0.0, 0.0], 300, 0.8), REPLICATIONS, at_least=0.19, at_most=0.21)


@pytest.mark.parametrize(
    ("draw", "means"),
    [
        (normal_cells, [0.0] * 6),
        (normal_cells, [0.0, 0.01, 0.02, 0.03, 0.5, 1.0]),
        (skewed_cells, [0.0] * 6),
        (skewed_cells, [0.0, 0.0, 0.02, 0.05, 0.1, 1.0]),
    ],
)
def test_the_best_is_kept(draw, means):
    assert_frequency(misses(np.random.default_rng(6), draw, means, 400), REPLICATIONS, at_most=0.05)


def test_the_best_of_many_is_kept_with_rivals_chosen_from_the_data():
    # 60 independent equal cells, given as their means: far more than RIVALS. Unadjusted, the best is missed.
    rng = np.random.default_rng(7)
    z = rng.normal(size=(REPLICATIONS, 60))
    missed = sum(not best_set_independent(means, np.ones(60), 10**6).members[0] for means in z / 1000)
    assert_frequency(missed, REPLICATIONS, at_most=0.05)
    unadjusted = z[:, 0] - z.min(axis=1) > math.sqrt(2) * z_value(0.1)
    assert fails(assert_frequency, unadjusted.sum(), REPLICATIONS, at_most=0.3)


def test_wrong_rules_miss_the_best():
    """Negative controls: the leader alone, and differences to the leader at unadjusted 5%."""
    rng, leader_alone, unadjusted = np.random.default_rng(8), 0, 0
    for _ in range(REPLICATIONS):
        best = best_set(normal_cells(rng, [0.0] * 6, 100))
        leader_alone += best.leader != 0
        unadjusted += best.difference[0] > z_value(0.1) * best.standard_error[0]
    assert_frequency(leader_alone, REPLICATIONS, at_least=0.82, at_most=0.84)  # 5 of 6
    assert fails(assert_frequency, unadjusted, REPLICATIONS, at_most=0.1)


def test_limits_hold_together_although_the_leader_is_chosen():
    rng, truth = np.random.default_rng(9), np.array([0.0, 0.0, 0.01, 0.02, 0.1])
    false, naive = 0, 0
    for _ in range(REPLICATIONS):
        best = best_set(normal_cells(rng, truth, 300))
        errors = abs(best.difference - (truth - truth[best.leader]))
        false += np.any((truth - truth[best.leader] < best.lower) | (truth - truth[best.leader] > best.upper))
        naive += np.any(errors > z_value(0.05) * best.standard_error)
    assert_frequency(false, REPLICATIONS, at_most=0.05)
    assert fails(assert_frequency, naive, REPLICATIONS, at_most=0.1)


def test_worse_cells_are_left_out():
    # 500 cells of which 20 are good; the others are worse by 10 standard errors of a paired difference.
    rng = np.random.default_rng(10)
    means = np.where(np.arange(500) < 20, 0.0, 10 * math.sqrt(2 * 0.2 / 1000))
    best = best_set(normal_cells(rng, means, 1000).astype(np.float32))
    assert isinstance(best, BestSet)
    assert not best.members[20:].any()
    assert best.members[:20].sum() > 10


def test_what_common_random_numbers_gain():
    # Var(i - j) = 2 (1 - rho): 10 times less than with independent samples at rho = .9.
    rng = np.random.default_rng(11)
    values = normal_cells(rng, [0.0, 0.03], 4000, correlation=0.9)
    paired = best_set(values)
    unpaired = best_set_independent(values.mean(axis=1), values.var(axis=1, ddof=1), 4000)
    assert math.isclose(paired.variance_ratio[1], 10, rel_tol=0.1)
    np.testing.assert_allclose(paired.variance_ratio[1], (unpaired.standard_error[1] / paired.standard_error[1]) ** 2)
    assert (paired.members[1], unpaired.members[1]) == (False, True)


def test_the_independent_formula_misses_with_opposite_draws():
    # Negative control: with correlation -1 SE is too small by sqrt(2), and a level of .05 is Q(1.645 / 1.414) = .122.
    rng, paired, unpaired = np.random.default_rng(12), 0, 0
    for _ in range(REPLICATIONS):
        first = rng.normal(size=300)
        values = np.stack([first, -first])
        paired += not best_set(values).members[0]
        wrong = best_set_independent(values.mean(axis=1), values.var(axis=1, ddof=1), 300)
        unpaired += not wrong.members[0]
    assert_frequency(paired, REPLICATIONS, at_least=0.045, at_most=0.055)
    assert_frequency(unpaired, REPLICATIONS, at_least=0.117, at_most=0.127)


# How many more


def test_separating_takes_what_is_promised():
    # Three cells with these differences: at N each is left out in 90% of the runs, and at 0.8 N in fewer.
    pilot = best_set_independent([0.0, 0.1, 0.2], [1.0, 1.0, 4.0], 100)
    needed = separate(pilot)
    quantile = 1.959964 + 1.281552
    assert needed.tolist() == [0, math.ceil((quantile / 0.1) ** 2 * 2), math.ceil((quantile / 0.2) ** 2 * 5)]
    rng = np.random.default_rng(13)

    def left_out(count):
        runs = np.array([0.0, 0.1, 0.2]) + rng.normal(size=(REPLICATIONS, 3)) * np.sqrt(np.array([1, 1, 4]) / count)
        return sum(not best_set_independent(means, [1.0, 1.0, 4.0], count).members[1] for means in runs)

    assert_frequency(left_out(needed.max()), REPLICATIONS, at_least=0.89, at_most=0.91)
    assert fails(assert_frequency, left_out(int(0.8 * needed.max())), REPLICATIONS, at_least=0.89)


def test_separating_depends_on_pairing_and_power():
    values = normal_cells(np.random.default_rng(14), [0.0, 0.01], 1000, correlation=0.9)
    paired = best_set(values)
    unpaired = best_set_independent(values.mean(axis=1), values.var(axis=1, ddof=1), 1000)
    assert 1000 < separate(paired).max() < separate(unpaired).max() / 8
    assert separate(paired, power=0.5).max() < separate(paired).max()
    assert separate(best_set([[1.0, 2.0], [1.0, 2.0]])).tolist() == [0, math.inf]
    assert separate(best_set([[1.0, 3.0], [3.0, 1.0]])).tolist() == [0, math.inf]
    with pytest.raises(InvalidInput, match="power is a probability"):
        separate(paired, power=1.0)


# Errors


@pytest.mark.parametrize("values", [1.0, [1.0, 2.0], [[1.0], [2.0]], np.empty((0, 5)), np.ones((2, 2, 2))])
def test_bad_shapes(values):
    with pytest.raises(InvalidInput, match="values must have shape"):
        best_set(values)


def test_bad_arguments():
    with pytest.raises(InvalidType, match="values must be a number or an array of numbers"):
        best_set([["a", "b"]])
    with pytest.raises(InvalidInput, match="confidence is a probability"):
        best_set([[1.0, 2.0]], confidence=95)
    for means, variances, counts in ((1.0, 1.0, 5), ([], [], 5), ([1.0, 2.0], [1.0], 5), ([1.0, 2.0], [1, 1], [5])):
        with pytest.raises(InvalidInput, match="one number for each cell"):
            best_set_independent(means, variances, counts)
    with pytest.raises(InvalidInput, match="variances must be at least 0 and counts at least 2, got -1 and 5"):
        best_set_independent([1.0, 2.0], [1.0, -1.0], 5)
    with pytest.raises(InvalidInput, match="got 1 and 1"):
        best_set_independent([1.0, 2.0], [1.0, 1.0], [1, 2])
