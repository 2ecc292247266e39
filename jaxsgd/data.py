"""Data files as features and targets."""

import csv
import os
import pathlib
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxsgd.errors import InvalidInput, InvalidType, finite_array, nearest


class Examples(NamedTuple):
    """The features (n, d) and targets (n,) of n examples, float64."""

    features: np.ndarray
    targets: np.ndarray


def read(
    path: str | os.PathLike[str], target: str | int | None = None, standardise: bool | np.ndarray = False
) -> Examples:
    """Features and targets from a file.

    - ``.npz``: the arrays ``X`` (n, d) and ``y`` (n,).
    - ``.csv``: a column for each feature and one for the target, separated by commas; a first line without numbers has
      the names of the columns. Empty lines are skipped.
    - any other name: LIBSVM's format, a line ``target index:value ...`` for each example with increasing indices, read
      by scikit-learn (extra `data`). What is not listed is 0; the features are made dense.

    **Arguments**

    - `path`: the file.
    - `target`: of a ``.csv`` file, the name of the target's column, or its index, negative from the end; default the
      last.
    - `standardise`: subtract its mean from every feature and divide by its standard deviation (that of n, not n - 1).
      Features that are constant are left as they are, such as a column of ones. Targets are left as they are. Instead
      of True the features (n', d) of other data, whose means and deviations are taken: those of the training data for
      test data.

    **Returns** `Examples`, a pair: ``LeastSquares(*read("diabetes.csv", standardise=True))``.

    **Raises** `InvalidInput` with the file and, for text, the number of the line that is wrong; numbers must be finite.

    Source: Chang and Lin (2011), "LIBSVM: a library for support vector machines", for its format.
    """
    path = pathlib.Path(path)
    if target is not None and path.suffix.lower() != ".csv":
        raise InvalidInput(f"{path}: target names a column of a .csv file; other files say themselves what it is")
    try:
        if path.suffix.lower() == ".npz":
            X, y = _npz(path)
        elif path.suffix.lower() == ".csv":
            X, y = _csv(path, target)
        else:
            X, y = _libsvm(path)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: not text in UTF-8: {error}") from error
    examples = Examples(X, y)
    return examples if standardise is False else standardised(examples, standardise)


def standardised(examples: Examples, like: bool | np.ndarray = True) -> Examples:
    """The examples as [`read`][jaxsgd.data.read] gives them with ``standardise=like``."""
    X, y = examples
    like = X if like is True else finite_array("standardise", like)
    if like.ndim != 2 or len(like) == 0 or like.shape[1] != X.shape[1]:
        raise InvalidInput(f"standardise must be features (n, {X.shape[1]}), got shape {like.shape}")
    varies = like.min(0) < like.max(0)  # exact, where a standard deviation of rounding errors is not 0
    centre = np.where(varies, like.mean(0), 0.0)
    spread = np.where(varies, like.std(0), 1.0)
    return Examples((X - centre) / spread, y)


def _npz(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in ("X", "y") if name not in file]
            if missing:
                raise InvalidInput(f"{path}: needs arrays X and y, has {', '.join(file) or 'none'}")
            X, y = file["X"], file["y"]
    except InvalidInput:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"{path}: not a NumPy file of plain arrays: {error}") from error
    for name, array in (("X", X), ("y", y)):
        if array.dtype.kind not in "fiub":
            raise InvalidInput(f"{path}: {name} must hold real numbers, got {array.dtype}")
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            where = ", ".join(map(str, bad[0]))
            raise InvalidInput(f"{path}: {name} must be finite, got {array[tuple(bad[0])]} at index [{where}]")
    if X.ndim != 2 or 0 in X.shape or y.shape != X.shape[:1]:
        raise InvalidInput(f"{path}: X must be (n, d) and y (n,), with n and d at least 1, got {X.shape} and {y.shape}")
    return X.astype(np.float64), y.astype(np.float64)


def _csv(path: pathlib.Path, target: str | int | None) -> tuple[np.ndarray, np.ndarray]:
    names, rows = None, []
    for line, fields in _lines(path):
        where = f"{path}:{line}"
        if names is None:
            numeric = [_number(field) is not None for field in fields]
            names = [field.strip() for field in fields] if not any(numeric) else list(map(str, range(len(fields))))
            column = _target(path, names, target, not any(numeric))
            if not any(numeric):
                continue
        if len(fields) != len(names):
            raise InvalidInput(f"{where}: must have {len(names)} fields, as the first line, got {len(fields)}")
        rows.append([_finite(where, name, field) for name, field in zip(names, fields, strict=True)])
    if not rows:
        raise InvalidInput(f"{path}: has no examples")
    if len(rows[0]) == 1:
        raise InvalidInput(f"{path}: must have a column for the target and at least one feature, got one column")
    table = np.array(rows)
    return np.delete(table, column, axis=1), table[:, column]


def _lines(path: pathlib.Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, as fields, with their numbers."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        try:
            for fields in reader:
                if any(field.strip() for field in fields):
                    yield reader.line_num, fields
        except csv.Error as error:
            raise InvalidInput(f"{path}:{reader.line_num}: {error}") from error


def _target(path: pathlib.Path, names: list[str], target: str | int | None, header: bool) -> int:
    """The index of the target's column."""
    if target is None:
        return len(names) - 1
    if isinstance(target, str):
        if not header:
            raise InvalidInput(f"{path}: target {target!r} is a name, but the first line has numbers; give its index")
        if names.count(target) != 1:
            problem = "is the name of several columns" if target in names else "is no column"
            raise InvalidInput(f"{path}: target {target!r} {problem}; {nearest(target, names)}")
        return names.index(target)
    if isinstance(target, bool) or not isinstance(target, int | np.integer):
        raise InvalidType(f"target must be the name or the index of a column, got {target!r}")
    if not -len(names) <= target < len(names):
        raise InvalidInput(f"{path}: target must be the index of one of {len(names)} columns, got {target}")
    return int(target) % len(names)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _finite(where: str, name: str, text: str) -> float:
    number = _number(text)
    if number is None or not np.isfinite(number):
        raise InvalidInput(f"{where}: column {name!r} must be a finite number, got {text!r}")
    return number


def _libsvm(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_svmlight_file  # of the extra `data`; takes 1 s to import
    except ImportError as error:
        raise InvalidInput(f"{path}: reading LIBSVM files needs scikit-learn: pip install 'jaxsgd[data]'") from error
    try:
        sparse, y, *_ = load_svmlight_file(str(path), dtype=np.float64)
    except ValueError as error:
        _check_libsvm(path)
        raise InvalidInput(f"{path}: not in LIBSVM's format: {error}") from error
    if not sparse.nnz:
        raise InvalidInput(f"{path}: has no examples with features")
    if not (np.isfinite(sparse.data).all() and np.isfinite(y).all()):
        _check_libsvm(path)
    return sparse.toarray(), y


def _check_libsvm(path: pathlib.Path) -> None:
    """An error that names the first line that is wrong, if one is; the reader does not say which."""
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where, fields = f"{path}:{line}", text.partition("#")[0].split()
        if not fields:
            continue
        first, *rest = fields
        _finite(where, "target", first)
        last = -1
        for item in rest:
            index, _, value = item.partition(":")
            if not index.isascii() or not index.isdigit() or int(index) <= last:
                raise InvalidInput(f"{where}: must have increasing index:value after the target, got {item!r}")
            _finite(where, index, value)
            last = int(index)
