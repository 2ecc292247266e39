"""``python -m jaxsgd`` is the command ``jaxsgd``."""

from jaxsgd.cli import main

main()
