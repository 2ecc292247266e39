"""The study of networks makes its studies; that it runs is seen when it is run, which takes minutes."""

import importlib
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parents[1] / "scripts" / "networks"


def test_the_script_makes_its_studies(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    for name in ("study", "figures"):  # other scripts have modules of these names
        monkeypatch.delitem(sys.modules, name, raising=False)
    script = importlib.import_module("study")
    try:
        makers = script.families(script.base(script.QUICK.steps))
        studies = {family: maker(0.01) for family, maker in makers.items()}
    finally:
        for name in ("study", "figures"):
            sys.modules.pop(name, None)
    assert len(studies) == 2 * len(script.METHODS) == 8
    for study in studies.values():
        assert study.dimension == 64 * 32 + 32 + 32 * 10 + 10
        assert study.oracle.problem.examples == 1400
        assert len(study.oracle.problem.test[1]) == 397
        assert max(study.learning_rates[: study.steps]) <= 0.01 * (1 + 1e-6)
