"""Whether a result is of a study: by what the study computes, not by what was recorded or asked."""

import dataclasses
import json
from collections.abc import Iterator

import jax
import numpy as np

from jaxsgd.engine.fingerprint import OfStudy, of_studies
from jaxsgd.engine.plan import Plan
from jaxsgd.engine.program import prepare
from jaxsgd.engine.task import Task
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.results.result import Result
from jaxsgd.study import Study

_COMPUTED = ("oracle", "schedule", "steps", "x0", "method")
"""The arguments of a study on which trajectories depend."""


def check_is_of(study: Study, result: Result) -> None:
    """An error, which says what differs, unless a result is of this study, whatever it records.

    Compared are fingerprints: of the functions as they are now, of all numbers that a trajectory depends on, and of the
    averages that both have. A file that holds none, because it is older, or one of another version of JAX, is compared
    by its learning rates and by the representation of its study alone, which shows neither what functions compute nor
    the numbers of large arrays.

    **Raises** `InvalidInput`, or `InvalidType` for what is no result of `simulate`.
    """
    if not isinstance(result, Result):
        raise InvalidType(f"result must be what simulate returns, got {result!r}")
    made = result.dataset.attrs
    if "study_fingerprint" in made and made.get("jax") == jax.__version__:
        hidden = _in_fingerprint(study, made["precision"], OfStudy(**json.loads(made["study_fingerprint"])))
        differing = list(_shown(study, result)) or hidden if hidden else []
    else:
        differing = list(_shown(study, result))
    if differing:
        raise InvalidInput(f"the result is of another study: {'; '.join(differing)}")


def _in_fingerprint(study: Study, precision: str, its: OfStudy) -> list[str]:
    """What differs between the fingerprints of a study and of a result that was made in this precision, in words."""
    with jax.enable_x64(precision == "float64"):
        program, inputs = prepare(study, ())
    task = Task(program, inputs, Plan.choose(study.width, study.steps, 1, products=study.products), np.zeros(2))
    own = of_studies(task)[0]
    found = [f"its average {name!r} is another one" for name in own.averages if _differ(name, own, its)]
    if own.trajectory != its.trajectory:
        found.append("its functions compute something else, or it has other numbers that its repr does not show")
    return found


def _differ(average: str, own: OfStudy, its: OfStudy) -> bool:
    return its.averages.get(average, own.averages[average]) != own.averages[average]


def _shown(study: Study, result: Result) -> Iterator[str]:
    """What the learning rates and the representations of the two studies show to differ, in words."""
    steps = result.dataset["step"].values
    inside = steps <= study.steps
    rates = result.dataset["learning_rate"].values[inside]
    if not np.allclose(rates, study.learning_rates[steps[inside]], rtol=1e-6, atol=0, equal_nan=True):
        yield "its learning rates are not those of this one"
    own, its = _by_argument(repr(study)), _by_argument(str(result.dataset.attrs.get("study", "")))
    for name in _COMPUTED:
        if name in own and name in its and own[name] != its[name]:
            yield f"its {name} is {its[name]}, not {own[name]}"


def _by_argument(shown: str) -> dict[str, str]:
    """The arguments of a study by name, as its repr shows them."""
    names = [field.name for field in dataclasses.fields(Study)]
    lines = [line.strip().removesuffix(",").partition("=") for line in shown.splitlines()]
    return {name: value for name, _, value in lines if name in names}
