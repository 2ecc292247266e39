"""What is recorded of a study, whatever the statistics are."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from jaxsgd.study import Study


@dataclasses.dataclass(frozen=True)
class Records:
    """The records of a study: at which steps, of what, and what is known of them beforehand.

    - `steps`: those recorded; `observed`: the names of the observables; `coordinates`: those of x.
    - `learning_rate`, `example_gradients`: at each record, the rate of the coming update and the cost so far.
    - `undefined`: for each observable of an average, the steps at which the average has no value.
    """

    steps: tuple[int, ...]
    observed: tuple[str, ...]
    coordinates: tuple[str, ...]
    learning_rate: tuple[float, ...]
    example_gradients: tuple[int, ...]
    undefined: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, study: Study) -> Self:
        """Those of a study."""
        at = study.recorded_steps
        undefined = {
            name: tuple(int(step) for step in at[average.undefined(at, study.steps)])
            for label, average in study.averages.items()
            for name in (f"risk_of_{label}", f"distance_squared_of_{label}")
        }
        return cls(
            steps=tuple(int(step) for step in at),
            observed=study.observed,
            coordinates=study.coordinates,
            learning_rate=tuple(float(rate) for rate in study.learning_rates[at]),
            example_gradients=tuple(study.example_gradients(at).tolist()),
            undefined={name: steps for name, steps in undefined.items() if steps},
        )

    @classmethod
    def restored(cls, saved: Mapping[str, Any]) -> Self:
        """The records of which that was written to a file, as ``dataclasses.asdict`` gives it."""
        undefined = {name: tuple(steps) for name, steps in saved["undefined"].items()}
        lists = {key: tuple(value) for key, value in saved.items() if key != "undefined"}
        return cls(undefined=undefined, **lists)

    def defined(self, observable: str) -> np.ndarray:
        """At which records an observable has a value, (records,)."""
        return ~np.isin(self.steps, self.undefined.get(observable, ()))
