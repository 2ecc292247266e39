"""What tests of several folders share."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: workers have a core each, which waiting threads take

import economy
import pytest


@pytest.fixture
def invoke(monkeypatch, capsys):
    """Runs the command with these arguments; gives its exit status, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        return (economy.run_command(monkeypatch, *arguments), *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def quick_compilation():
    """For a module's tests that do not depend on how programs are compiled."""
    with pytest.MonkeyPatch.context() as patch:
        economy.compile_without_optimising(patch)
        yield


@pytest.fixture
def compiled_quickly(monkeypatch):
    """The same for one test of a module whose others are compiled as users' programs are."""
    economy.compile_without_optimising(monkeypatch)


@pytest.fixture
def compiled_for_a_long_run(monkeypatch):
    """For tests that run for longer than they would compile without optimising."""
    economy.compile_for_long_runs(monkeypatch)


@pytest.fixture
def blank_figures(monkeypatch):
    """For tests of a command that do not look at its figures."""
    economy.leave_figures_blank(monkeypatch)
