"""Whether two results are the same to the last bit."""

import numpy as np


def assert_same_sums(result, other):
    """Every bit of every sum."""
    for mine, its in zip(*([ledger.total() for ledger in each._ledgers] for each in (result, other)), strict=True):
        assert mine.keys() == its.keys()
        for statistic, arrays in mine.items():
            for key, array in arrays.items():
                np.testing.assert_array_equal(array, its[statistic][key], err_msg=f"{statistic}.{key}")


def assert_same(result, other):
    """Every bit of every sum, and of every estimate."""
    assert_same_sums(result, other)
    assert result.dataset.identical(other.dataset)
