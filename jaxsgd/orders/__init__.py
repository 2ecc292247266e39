"""Orders: which examples an update uses."""

from jaxsgd.orders.importance_sampling import ImportanceSampling
from jaxsgd.orders.order import Drawn, Order
from jaxsgd.orders.permutations import Incremental, Permutation, RandomReshuffling, ShuffleOnce
from jaxsgd.orders.with_replacement import WithReplacement

__all__ = [
    "Drawn",
    "ImportanceSampling",
    "Incremental",
    "Order",
    "Permutation",
    "RandomReshuffling",
    "ShuffleOnce",
    "WithReplacement",
]
