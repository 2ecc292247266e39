"""What tests of several folders share."""

import sys

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
