"""Where commands write. It is tried before anything is computed."""

import pathlib
import tempfile

from jaxsgd.errors import InvalidInput


def writable(folder: pathlib.Path) -> pathlib.Path:
    """The folder, made if need be, or an error that says why nothing can be written to it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InvalidInput(f"cannot write to {folder}: {error.strerror}") from error
    return folder
