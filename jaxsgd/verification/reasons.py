"""Why statements are not tested, each reason once."""

from collections.abc import Mapping


def by_reason(not_tested: Mapping[str, str]) -> list[tuple[str, str]]:
    """The names of statements that share a reason, joined by commas, and that reason.

    >>> by_reason({"balance": "no mean", "exact_law": "not stable", "convexity": "no mean"})
    [('balance, convexity', 'no mean'), ('exact_law', 'not stable')]
    """
    found: dict[str, list[str]] = {}
    for name, why in not_tested.items():
        found.setdefault(why, []).append(name)
    return [(", ".join(names), why) for why, names in found.items()]
