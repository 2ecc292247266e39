"""The folder in which a run keeps what it has finished, so that it can go on after any interruption.

- `manifest.json` says what the sums belong to: everything on which their bits depend, except how many
  trajectories there are (more of them continue a finished run) and who does the work.
- `part-<task>-<start>-<stop>-<tile>` holds the sums of the trajectories start .. stop - 1 of one task (a
  study is task 0, a sweep has several), run in tiles of that size. It appears whole or not at all, and says
  by a checksum whether it has changed since.
- `lock` is held while a run uses the folder; a second one is refused.

A part is its magic line, the SHA-256 of the rest, a header in JSON, and the bytes of the arrays: no
code, and nothing that is executed when it is read.
"""

import contextlib
import hashlib
import json
import math
import os
import re
import reprlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from jaxsgd.engine.ledger import Entry, Ledger, Range, Sums
from jaxsgd.errors import InvalidInput

try:
    import fcntl
except ImportError:  # Windows: two runs in one folder waste work there, but do no harm
    fcntl = None

FORMAT = 2  # of manifests and parts
_MAGIC = b"jaxsgd part 2\n"
_PART = re.compile(r"part-(\d+)-(\d+)-(\d+)-(\d+)")
_UNFINISHED = ".unfinished"
_SHORT = reprlib.Repr()
_SHORT.maxstring = 200


class DamagedPart(UserWarning):
    """A file of a checkpoint is not as it was written; its trajectories are run again."""


class Checkpoint:
    """A folder with the sums of finished tasks, for one run at a time: a context manager.

    **Arguments**

    - `folder`: made where there is none.
    - `manifest`: facts by name, that JSON can hold. A folder that has others is refused.

    **Raises** `InvalidInput`, which names what differs, or says that the folder is in use or cannot be written.
    """

    def __init__(self, folder: str | os.PathLike[str], manifest: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        self._manifest = json.loads(json.dumps({"format": FORMAT, **manifest}))
        self.digest = hashlib.sha256(json.dumps(self._manifest, sort_keys=True).encode()).hexdigest()

    def __enter__(self) -> Self:
        path = manifest_path(self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.folder / "lock", "w")  # held until __exit__
        except OSError as error:
            raise InvalidInput(f"cannot write to the checkpoint {self.folder}: {error.strerror}") from error
        try:
            self._acquire()
            for left in self.folder.glob(f"*{_UNFINISHED}"):  # by a run that was killed
                left.unlink()
            if path.exists():
                self._compare(path)
            else:
                self.write(path, json.dumps(self._manifest, indent=1).encode())
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def shelf(self, task: int, tile: int) -> "Shelf":
        """The parts of one task that were run in tiles of this size: others are another program's."""
        return Shelf(self, task, tile)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file that appears whole or not at all, also after a power cut."""
        unfinished = path.with_name(path.name + _UNFINISHED)
        try:
            with open(unfinished, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            raise InvalidInput(
                f"cannot write {path}: {error.strerror}; what was finished before is kept: "
                "make room, or whatever it takes, and go on from there"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def _acquire(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidInput(
                f"the checkpoint {self.folder} is in use by another run: wait for it, or use another folder"
            ) from error
        except OSError:  # a file system without locks, which costs what it does on Windows
            pass

    def _compare(self, path: Path) -> None:
        try:
            there = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InvalidInput(
                f"{path} cannot be read ({error}): remove the folder to start anew, or use another"
            ) from error
        differing = list(_differences(there, self._manifest))
        if differing:
            raise InvalidInput(
                f"{self.folder} is the checkpoint of another run; they differ in {'; '.join(differing)}. "
                "Use another folder, or remove this one to start anew"
            )


class Shelf:
    """The parts of one task in a checkpoint."""

    def __init__(self, store: Checkpoint, task: int, tile: int) -> None:
        self._store, self._task, self._tile = store, task, tile

    def restore(self, ledger: Ledger, start: int, stop: int, unit: int) -> None:
        """Put in what is there of the trajectories start .. stop - 1.

        Only what this run would make itself: ranges that begin and end at multiples of the unit, or at
        the ends of the run. Of a run that ended inside a unit, that unit is run again when it goes on.
        """

        def wanted(low: int, high: int) -> bool:
            begins, ends = low == start or low % unit == 0, high == stop or high % unit == 0
            return start <= low and high <= stop and begins and ends

        # The largest first: a shorter run may have left parts of a longer one's beside them.
        for path, part in sorted(self._parts(), key=lambda found: found[1][0] - found[1][1]):
            if part[0] >= stop or part[1] <= start:
                continue
            try:
                entries = self._read(path, part)
            except ValueError as error:
                warnings.warn(
                    f"{path} is damaged ({error}): trajectories {part[0]} to {part[1] - 1} are run again",
                    DamagedPart,
                    stacklevel=3,
                )
                path.unlink()
                continue
            for (low, high), sums in entries:
                if (wanted(*part) or wanted(low, high)) and not ledger.overlaps(low, high):
                    ledger.add(low, high, sums)

    def save(self, part: Range, entries: list[Entry]) -> None:
        """Write the sums of one finished part."""
        arrays, names = [], []
        for span, sums in entries:
            for statistic, values in sums.items():
                for key, value in values.items():
                    array = np.ascontiguousarray(value)
                    names.append([span, statistic, key, array.dtype.str, np.shape(value)])
                    arrays.append(array)
        header = json.dumps({"belongs": self._belongs(part), "arrays": names})
        content = b"".join([header.encode(), b"\n", *(array.tobytes() for array in arrays)])
        checksum = hashlib.sha256(content).hexdigest().encode()
        path = self._store.folder / f"part-{self._task}-{part[0]}-{part[1]}-{self._tile}"
        self._store.write(path, b"".join([_MAGIC, checksum, b"\n", content]))

    def _belongs(self, part: Range) -> list[Any]:
        return [self._store.digest, self._task, *part, self._tile]

    def _parts(self) -> Iterator[tuple[Path, Range]]:
        for path in sorted(self._store.folder.glob(f"part-{self._task}-*")):
            found = _PART.fullmatch(path.name)
            if found and int(found[4]) == self._tile:
                yield path, (int(found[2]), int(found[3]))

    def _read(self, path: Path, part: Range) -> list[Entry]:
        """The content of a part, or a ValueError that says what is wrong with it."""
        data = path.read_bytes()
        begin = len(_MAGIC) + 65
        magic, checksum, content = data[: len(_MAGIC)], data[len(_MAGIC) : begin - 1], data[begin:]
        if magic != _MAGIC or hashlib.sha256(content).hexdigest().encode() != checksum:
            raise ValueError("its checksum is wrong")
        line, _, body = content.partition(b"\n")
        header = json.loads(line)
        if header["belongs"] != self._belongs(part):
            raise ValueError("it belongs to another run")
        ledger: dict[Range, Sums] = {}
        offset = 0
        for span, statistic, key, dtype, shape in header["arrays"]:
            count = math.prod(shape)
            array = np.frombuffer(body, np.dtype(dtype), count, offset).reshape(shape)
            ledger.setdefault((span[0], span[1]), {}).setdefault(statistic, {})[key] = array
            offset += array.nbytes
        return list(ledger.items())


def manifest_path(folder: Path) -> Path:
    """The file by which a folder is a checkpoint."""
    return folder / "manifest.json"


def _differences(there: dict[str, Any], here: dict[str, Any]) -> Iterator[str]:
    """What differs between manifests, in words; what follows from another difference only if that one is not there."""
    names = [name for name in (here | there) if there.get(name) != here.get(name)]
    for name in names:
        before, now = there.get(name), here.get(name)
        if (name == "fingerprint" and len(names) > 1) or (name in ("records", "statistics") and "study" in names):
            continue
        if name == "fingerprint":
            yield "functions or numbers of the study that its repr does not show"
        elif isinstance(before, dict) and isinstance(now, dict):
            parts = [key for key in (now | before) if before.get(key) != now.get(key)]
            yield f"{name} ({'; '.join(_change(f'{key}: ', before.get(key), now.get(key)) for key in parts)})"
        else:
            yield f"{name} ({_change('', before, now)})"


def _change(label: str, before: Any, now: Any) -> str:
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        first = next(i for i, (then, here) in enumerate(zip(before, now, strict=True)) if then != here)
        label, before, now = f"{label}number {first + 1}: ", before[first], now[first]
    elif isinstance(before, list) and isinstance(now, list) and before and now:
        return f"{label}{len(before)} there, {len(now)} here"
    there, here = ("none" if value is None else _SHORT.repr(value) for value in (before, now))
    return f"{label}{there} there, {here} here"
