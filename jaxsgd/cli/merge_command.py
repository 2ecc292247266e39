"""``jaxsgd merge``: the result of one study from results over parts of its trajectories."""

import pathlib
import sys
import warnings

import jaxsgd as js
from jaxsgd.cli.folders import writable


def merge_files(paths: list[pathlib.Path], out: pathlib.Path) -> None:
    """Write the merged result of the files; their order does not matter."""
    writable(out.parent)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", js.errors.InexactMerge)
        merged = js.merge([js.load(path) for path in paths])
    for warning in caught:
        print("warning:", warning.message, file=sys.stderr)
    merged.save(out)
    print(f"{merged.trajectories:,} trajectories of {len(paths)} files written to {out}")
