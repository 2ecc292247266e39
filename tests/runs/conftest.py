"""Sweeps and comparisons are checked against studies run alone, to rounding, however both were compiled."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def quick(quick_compilation):
    """For all tests of this folder."""
