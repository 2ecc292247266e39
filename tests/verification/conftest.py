"""Verdicts are on what was simulated; how that was compiled is not their business."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def quick(quick_compilation):
    """For all tests of this folder."""
