"""The command ``jaxsgd``: the only part of the package that writes to a terminal."""

from jaxsgd.cli.app import main

__all__ = ["main"]
