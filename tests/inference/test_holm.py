"""Holm's adjustment against its definition, and the error rate that it promises."""

import numpy as np
import pytest
from frequencies import assert_frequency, fails
from scipy.special import ndtr

from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.inference import holm


def test_by_hand():
    # 4 x .005, 3 x .01, 2 x .03, and .04 raised to the .06 before it.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], rtol=1e-15)


def test_step_down_procedure():
    """Adjusted p <= alpha exactly where the procedure of the paper, run at alpha, rejects."""

    def rejected(p, alpha):
        result = np.zeros(len(p), bool)
        for step, index in enumerate(np.argsort(p)):
            if p[index] * (len(p) - step) > alpha:
                break
            result[index] = True
        return result

    rng = np.random.default_rng(2)
    for _ in range(300):
        p, alpha = rng.beta(0.2, 1, size=6), rng.uniform()
        np.testing.assert_array_equal(holm(p) <= alpha, rejected(p, alpha))


def test_edges():
    assert holm([]).shape == (0,)
    np.testing.assert_array_equal(holm([0.2]), [0.2])
    np.testing.assert_array_equal(holm([0.6, 0.7, 1.0]), [1, 1, 1])
    np.testing.assert_array_equal(holm([0.0, 1.0, 0.0]), [0, 1, 0])
    np.testing.assert_allclose(holm([0.01] * 5), [0.05] * 5, rtol=1e-15)


def test_familywise_error_under_dependence():
    # 4000 replications of five true null hypotheses and one false one tell .05 from .084.
    rng = np.random.default_rng(3)
    z = 0.6 * rng.normal(size=(4000, 1)) + 0.8 * rng.normal(size=(4000, 6))
    z[:, 5] += 6
    p = ndtr(-z)
    adjusted = np.array([holm(row) for row in p])
    assert_frequency((adjusted[:, :5] <= 0.05).any(axis=1).sum(), 4000, at_most=0.05)
    assert fails(assert_frequency, (p[:, :5] <= 0.05).any(axis=1).sum(), 4000, at_most=0.05)
    assert ((adjusted <= 0.05) >= (6 * p <= 0.05)).all()  # never less powerful than Bonferroni


def test_bad_arguments():
    for p in ([0.5, 1.2], [-0.1], [np.nan]):
        with pytest.raises(InvalidInput, match="p must"):
            holm(p)
    with pytest.raises(InvalidInput, match="one dimension"):
        holm(0.5)
    with pytest.raises(InvalidType, match="p must be"):
        holm(["small"])
