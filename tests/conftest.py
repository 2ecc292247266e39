"""What tests of several folders share."""

import sys

import economy
import pytest

from jaxsgd.cli import main


@pytest.fixture
def invoke(monkeypatch, capsys):
    """Runs the command with these arguments; gives its exit status, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["jaxsgd", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        return (exit_.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def quick_compilation():
    """For a module's tests that do not depend on how programs are compiled."""
    with pytest.MonkeyPatch.context() as patch:
        economy.compile_without_optimising(patch)
        yield


@pytest.fixture
def blank_figures(monkeypatch):
    """For tests of a command that do not look at its figures."""
    economy.leave_figures_blank(monkeypatch)
