"""A limit on what exact moments may cost."""

from jaxsgd.errors import NoExactSolution

MOST = 6e10
"""Multiplications, about a minute on one core."""

OVERHEAD = 2e4
"""What one step costs besides, in multiplications: some 20 microseconds of calls of NumPy."""


def check_cost(multiplications: float, advice: str = "take fewer steps") -> None:
    """NoExactSolution if this is more than about a minute."""
    if multiplications > MOST:
        raise NoExactSolution(
            f"exact moments would take about {multiplications / MOST:.2g} minutes, which is more than one; {advice}"
        )
