"""Whether the numbers of a study lie in the range of the precision that it runs in."""

from typing import Any

import jax
import numpy as np

from jaxsgd.errors import InvalidInput
from jaxsgd.module import Module
from jaxsgd.study import Study

_OUT = "or let it run in float64: jax.enable_x64(True)"


def check_range(study: Study, dtype: Any) -> None:
    """An error if a number of the study, not 0, is 0 or infinite as one of this type.

    Compiled programs take numbers below the smallest normal one for 0. Of learning rates only those are refused that
    move x by as much as rounding does: the end of a schedule that decays to 0 may underflow.

    **Raises** `InvalidInput`, which names the number.
    """
    limits = np.finfo(dtype)
    low, high = float(limits.tiny), float(limits.max)
    if low <= np.finfo(float).tiny:  # as wide as the range of what is given
        return
    if study.schedule is not None:
        _check_rates(study.learning_rates[: study.steps], low, high, float(limits.eps))
    whole = {"x0": study.x0, "oracle": study.oracle, "method": study.method, "folds": dict(study.folds)}
    for path, leaf in jax.tree_util.tree_leaves_with_path(whole):
        array = np.asarray(leaf)
        if array.dtype.kind != "f" or not array.size:
            continue
        sizes = np.abs(array)
        lost = (sizes > high) | ((sizes < low) & (sizes > 0))
        if lost.any() and not _is_given(whole, path):  # of what is computed, such as a minimum, 0 is as good
            lost = sizes > high
        if lost.any():
            index = tuple(np.argwhere(lost)[0].tolist())
            where = f"[{', '.join(map(str, index))}]" if index else ""
            raise InvalidInput(
                f"{_name(path)}{where} = {array[index]:g} lies outside the range of {limits.dtype}, where it is "
                f"{'infinite' if sizes[index] > high else 0}: sizes from {low:.2g} to {high:.2g} can be used; rescale "
                f"the study, {_OUT}"
            )


def _check_rates(rates: np.ndarray, low: float, high: float, precision: float) -> None:
    """An error if learning rates overflow, or those that underflow are no negligible part of their sum."""
    lost = (rates < low) & (rates > 0)
    if rates.max() > high or rates[lost].sum() > precision * rates[~lost].sum():
        t = int(np.argmax(rates)) if rates.max() > high else int(np.flatnonzero(lost)[0])
        raise InvalidInput(
            f"the learning rate {rates[t]:g} at t = {t} lies outside the range of float32, where it is "
            f"{'infinite' if rates[t] > high else 0}: rates from {low:.2g} to {high:.2g} can be used; rescale the "
            f"study, {_OUT}"
        )


def _is_given(whole: dict[str, Any], path: Any) -> bool:
    """Whether a leaf is an argument of the object that holds it, or a part of one; not what this makes of them."""
    item = whole
    for key in path:
        if isinstance(item, Module) and getattr(key, "name", None) not in item._arguments():
            return False
        item = _part(item, key)
    return True


def _part(item: Any, key: Any) -> Any:
    if hasattr(key, "name"):
        return getattr(item, key.name)
    return item[key.key] if hasattr(key, "key") else item[key.idx]


def _name(path: Any) -> str:
    """Such as "oracle.problem.curvature"."""
    return jax.tree_util.keystr(path).replace("['", "", 1).replace("']", "", 1)
