"""Studies and runs that several tests of the engine share, so that each program is compiled once."""

import pytest

import jaxsgd as js


@pytest.fixture(scope="session")
def chapter_run():
    """The exponential run has 1000 steps, of which every 20th is recorded."""
    runs = {}

    def run(name, trajectories):
        if (name, trajectories) not in runs:
            study = js.chapter.study(name)
            if name == "exponential":
                study = study.replace(record=js.record.every(20))
            runs[name, trajectories] = js.simulate(study, trajectories, seed=0, progress=False)
        return runs[name, trajectories]

    return run
