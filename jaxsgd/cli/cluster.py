"""The workers of a Dask cluster, as an executor."""

import contextlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Executor

from jaxsgd.errors import InvalidInput

_PATIENCE = 10  # seconds in which a scheduler must answer


@contextlib.contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """An executor on the cluster with its scheduler at this address, such as ``tcp://10.0.0.1:8786``."""
    try:
        from distributed import Client, Worker, WorkerPlugin  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise InvalidInput(f"--dask needs Dask ({error}): pip install 'jaxsgd[dask]'") from error

    class Flags(WorkerPlugin):
        """Gives each worker, also one that comes later, the flags of the compiler on which sums depend."""

        def __init__(self, flags: str) -> None:
            self._flags = flags

        def setup(self, worker: Worker) -> None:
            if "jax" not in sys.modules:  # which has read them; the job tells whether they are others
                os.environ["XLA_FLAGS"] = self._flags

    try:
        client = Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"there is no Dask scheduler at {address}: {error}") from error
    with client:
        client.register_plugin(Flags(os.environ.get("XLA_FLAGS", "")), name="jaxsgd-flags")
        yield client.get_executor()
