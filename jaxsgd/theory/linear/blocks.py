"""Where in z the numbers of a coordinate lie."""

import numpy as np

from jaxsgd.theory.linear.affine_update import AffineUpdate


def of_coordinates(update: AffineUpdate) -> np.ndarray | None:
    """The places in z of coordinate i of x and of all that the state holds for it (d, m), as far as shapes tell.

    They tell where the state is made of arrays with the shapes of x, or of stacks of such.
    """
    of_x = update.point.shapes if update.sees_pytree else ((update.point.size,),)
    d, shapes = update.point.size, [shape for shape, _ in update.moving]
    columns, end = [np.arange(d)[None]], d
    while shapes:
        group, shapes = shapes[: len(of_x)], shapes[len(of_x) :]
        stacks = {_stack(shape, like) for shape, like in zip(group, of_x, strict=False)}
        if len(group) < len(of_x) or len(stacks) > 1 or None in stacks:
            return None
        parts = []
        for shape, like in zip(group, of_x, strict=True):
            size = int(np.prod(shape))
            parts.append(end + np.arange(size).reshape(-1, int(np.prod(like))))
            end += size
        columns.append(np.concatenate(parts, axis=1))
    return np.concatenate(columns).T


def _stack(shape: tuple[int, ...], like: tuple[int, ...]) -> tuple[int, ...] | None:
    """The leading axes of an array that holds arrays like x; None where it does not."""
    leading = len(shape) - len(like)
    return shape[:leading] if leading >= 0 and shape[leading:] == like else None
