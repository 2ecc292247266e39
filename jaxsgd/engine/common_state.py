"""What of the state of a method is the same for all trajectories, such as a count of steps."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxsgd.engine.lanes import varying_results
from jaxsgd.one_update import OneUpdate
from jaxsgd.remembering import remember
from jaxsgd.structure import Shapes, Skeleton
from jaxsgd.tracing import Blank


def common_leaves(skeleton: Skeleton, leaves: Shapes, blank: Blank) -> tuple[bool, ...]:
    """Of each leaf of the method's state, whether it depends on t and the numbers of the study alone.

    Those that `init` makes without x0 do so at first, and stay so if an update makes them of such ones alone.
    """
    return _common_leaves(skeleton, leaves, blank) if blank.method.leaves else ()


@remember(64)
def _common_leaves(skeleton: Skeleton, leaves: Shapes, blank: Blank) -> tuple[bool, ...]:
    point, structure = blank.point, blank.method.treedef
    x, shapes = point.like(blank.precision), jax.tree.leaves(blank.method.like)
    numbers = [jnp.zeros(shape, jax.dtypes.canonicalize_dtype(dtype)) for shape, dtype in leaves.leaves]
    oracle, method, _ = skeleton.filled(numbers)
    one = OneUpdate(oracle, method, point)
    common = tuple(not varies for varies in varying_results(lambda x: method.init(one.as_seen(x)), x))
    t, rate = jnp.int32(0), jnp.zeros((), blank.precision)
    while any(common):
        fixed = [jnp.zeros(leaf.shape, leaf.dtype) for leaf, is_common in zip(shapes, common, strict=True) if is_common]
        moving = [leaf for leaf, is_common in zip(shapes, common, strict=True) if not is_common]

        # What is drawn has lanes even where it is a constant or depends on t alone.
        def following(x: Any, moving: Any, sample: Any, common: Any = common, fixed: Any = fixed) -> Any:
            state = jax.tree.unflatten(structure, merged(common, fixed, moving))
            return method.step(one.as_seen(x), rate, t, state, one.draw(sample))[1]

        varies = varying_results(following, x, moving, blank.sample.like)
        left = tuple(is_common and not each for is_common, each in zip(common, varies, strict=True))
        if left == common:
            break
        common = left
    return common


def merged(common: tuple[bool, ...], of_all: list[Any], of_each: list[Any]) -> list[Any]:
    """Leaves that are common to all trajectories and those of each, in their order."""
    first, second = iter(of_all), iter(of_each)
    return [next(first) if is_common else next(second) for is_common in common]


def separated(common: tuple[bool, ...], leaves: list[Any]) -> tuple[list[Any], list[Any]]:
    """The inverse of `merged`."""
    pairs = list(zip(common, leaves, strict=True))
    return [leaf for is_common, leaf in pairs if is_common], [leaf for is_common, leaf in pairs if not is_common]
