"""What a run was made of: the attributes of its result, and the manifest of its checkpoint."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

from jaxsgd.engine.environment import BITWISE, environment
from jaxsgd.engine.fingerprint import fingerprint, of_studies
from jaxsgd.engine.task import Task
from jaxsgd.module import brief
from jaxsgd.results.layout import Layout
from jaxsgd.study import Study


def attributes(tasks: Sequence[Task], seed: int) -> dict[str, Any]:
    """What is said with the estimates of tasks that make one result."""
    prints = [fingerprint(task) for task in tasks]
    plan = tasks[0].plan
    return {
        "seed": int(seed),
        "plan": repr(plan),
        "precision": tasks[0].program.precision,
        "fingerprint": prints[0] if len(prints) == 1 else hashlib.sha256("".join(prints).encode()).hexdigest(),
        **environment(),
    }


def studies(tasks: Sequence[Task]) -> list[list[dict[str, Any]]]:
    """Of each task what ties the results of its cells to their studies, whatever was recorded and asked."""
    return [[each._asdict() for each in of_studies(task)] for task in tasks]


def manifest(study: Study, layout: Layout, first: int, tasks: Sequence[Task], made: dict[str, Any]) -> dict[str, Any]:
    """All on which the sums of a given range of trajectories depend, except the size of a tile.

    - `study`: what is run; of several cells, the first.
    - `made`: the attributes.
    """
    chunks, plan = [task.plan.chunk for task in tasks], tasks[0].plan
    return {
        "study": {field.name: brief(getattr(study, field.name)) for field in dataclasses.fields(study)},
        "records": dataclasses.asdict(layout.records),
        "statistics": layout.saved_statistics,
        "seed": made["seed"],
        "first trajectory": first,
        "precision": made["precision"],
        "chunk": chunks if len(set(chunks)) > 1 else chunks[0],
        "form of the loop": repr(plan.form),
        "compiler options": repr(plan.compiler_options),
        **{name: made[name] for name in BITWISE},
        "fingerprint": made["fingerprint"],
    }
