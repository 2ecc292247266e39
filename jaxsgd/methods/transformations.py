"""What is a transformation of optax: found out without loading optax, which takes as long as half a run."""

import sys
from typing import Any


def is_transformation(value: Any) -> bool:
    """Whether a value is a transformation of optax, finished."""
    optax = sys.modules.get("optax")
    return optax is not None and isinstance(value, optax.GradientTransformation | optax.MultiSteps)
