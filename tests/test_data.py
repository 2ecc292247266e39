"""Data files: what is read, and what each mistake in them is answered with."""

import re
import sys

import numpy as np
import pytest
from sklearn.datasets import dump_svmlight_file, load_breast_cancer, load_diabetes

from jaxsgd import data
from jaxsgd.errors import InvalidInput, InvalidType

X = np.array([[1.0, -2.5, 0.0], [0.0, 1e-300, 3.0], [7.0, 0.1, 0.0], [-1.0, 12345.678901234567, 0.0]])
Y = np.array([1.0, -1.0, 0.5, 2.0])


def write_csv(path, X, y, header=False, first=False):
    """A row for each example, numbers in full; the target last, or first."""
    columns = [f"x{j}" for j in range(X.shape[1])]
    table = np.column_stack([y, X] if first else [X, y])
    lines = [",".join(["y", *columns] if first else [*columns, "y"])] if header else []
    path.write_text("\n".join([*lines, *(",".join(map(repr, row.tolist())) for row in table)]) + "\n")
    return path


def write(path, X, y):
    """A file of the kind that its name says."""
    if path.suffix == ".npz":
        np.savez(path, X=X, y=y)
    elif path.suffix == ".csv":
        write_csv(path, X, y)
    else:
        dump_svmlight_file(X, y, str(path), zero_based=False)
    return path


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a.libsvm", "a"])
@pytest.mark.parametrize("load", [lambda **_: (X, Y), load_diabetes, load_breast_cancer])
def test_what_was_written_is_read(tmp_path, name, load):
    examples = load(return_X_y=True)
    features, targets = data.read(write(tmp_path / name, *examples))
    assert features.dtype == targets.dtype == np.float64
    exact = (
        {"rtol": 0, "atol": 0} if name in ("a.npz", "a.csv") else {"rtol": 1e-14, "atol": 0}
    )  # 16 digits are written
    np.testing.assert_allclose(features, examples[0], **exact)
    np.testing.assert_allclose(targets, examples[1], **exact)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("header", [False, True])
def test_the_target_may_be_any_column(tmp_path, header, first):
    path = write_csv(tmp_path / "a.csv", X, Y, header, first)
    names = [0 if first else 3, -4 if first else -1, *(["y"] if header else []), *([] if first else [None])]
    for name in names:
        read = data.read(path, target=name)
        np.testing.assert_array_equal(read.features, X)
        np.testing.assert_array_equal(read.targets, Y)


def test_text_may_have_marks_spaces_and_empty_lines(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbf"a", b\r\n\r\n 1 ,"2"\r\n\r\n3,4e0\r\n')
    features, targets = data.read(tmp_path / "a.csv", target="a")
    np.testing.assert_array_equal(features, [[2], [4]])
    np.testing.assert_array_equal(targets, [1, 3])
    (tmp_path / "a").write_text("# of four coordinates\n1 1:2 4:-1 # first\n\n0\n")
    features, targets = data.read(str(tmp_path / "a"))
    np.testing.assert_array_equal(features, [[2, 0, 0, -1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(targets, [1, 0])


def test_standardised_features_have_mean_0_and_variance_1_but_for_constant_ones(tmp_path):
    random = np.random.default_rng(0)
    varied = random.normal(1000.0, [1e-3, 1.0, 1e6], (500, 3))
    # 0.1 has a standard deviation of 1e-17 in float64, and is constant nevertheless.
    features = np.column_stack([varied, np.ones(500), np.full(500, 0.1), np.zeros(500)])
    path = write(tmp_path / "a.npz", features, features[:, 0])
    read = data.read(path, standardise=True)
    np.testing.assert_allclose(read.features[:, :3].mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(read.features[:, :3].std(0), 1, rtol=1e-9)
    np.testing.assert_array_equal(read.features[:, 3:], features[:, 3:])
    np.testing.assert_array_equal(read.targets, features[:, 0])
    np.testing.assert_array_equal(data.read(path).features, features)


@pytest.mark.parametrize(
    ("name", "text", "target", "message"),
    [
        ("a.csv", "1,2\n3,x\n", None, ":2: column '1' must be a finite number, got 'x'"),
        ("a.csv", "a,b\n1,2\n\n3,\n", None, ":4: column 'b' must be a finite number, got ''"),
        ("a.csv", "a,b\n1,nan\n", None, ":2: column 'b' must be a finite number, got 'nan'"),
        ("a.csv", "a,b\n1,1e999\n", None, ":2: column 'b' must be a finite number, got '1e999'"),
        ("a.csv", "1,2\n1,2,3\n", None, ":2: must have 2 fields, as the first line, got 3"),
        ("a.csv", "a,b\n1\n", None, ":2: must have 2 fields, as the first line, got 1"),
        ("a.csv", "1,b\n1,2\n", None, ":1: column '1' must be a finite number, got 'b'"),
        ("a.csv", 'a,b\n1,"2\n', None, ":2: unexpected end of data"),
        ("a.csv", "", None, ": has no examples"),
        ("a.csv", "a,b\n", None, ": has no examples"),
        ("a.csv", "a\n1\n", None, ": must have a column for the target and at least one feature, got one column"),
        ("a.csv", "price,b\n1,2\n", "prize", ": target 'prize' is no column; allowed: b, price; did you mean 'price'?"),
        ("a.csv", "a,a,b\n1,2,3\n", "a", ": target 'a' is the name of several columns"),
        ("a.csv", "1,2\n", "a", ": target 'a' is a name, but the first line has numbers; give its index"),
        ("a.csv", "1,2\n", 2, ": target must be the index of one of 2 columns, got 2"),
        ("a.csv", "1,2\n", -3, ": target must be the index of one of 2 columns, got -3"),
        ("a.csv", b"a,b\n\xff,2\n", None, ": not text in UTF-8"),
        ("a", "1 1:2\n1 2:x\n", None, ":2: column '2' must be a finite number, got 'x'"),
        ("a", "1 1:2\n# comment\n\none 1:2\n", None, ":4: column 'target' must be a finite number, got 'one'"),
        ("a", "1 1:2\n1 3:1 2:1\n", None, ":2: must have increasing index:value after the target, got '2:1'"),
        ("a", "1 1:2\n1 2\n", None, ":2: column '2' must be a finite number, got ''"),
        ("a", "1 -1:2\n", None, ":1: must have increasing index:value after the target, got '-1:2'"),
        ("a", "1 1:2\n1 1:nan\n", None, ":2: column '1' must be a finite number, got 'nan'"),
        ("a", "inf 1:2\n", None, ":1: column 'target' must be a finite number, got 'inf'"),
        ("a", "", None, ": has no examples with features"),
        ("a", "1\n2\n", None, ": has no examples with features"),
        ("a", "1 1:2\n", "y", ": target names a column of a .csv file; other files say themselves what it is"),
        ("a.npz", "text", None, ": not a NumPy file of plain arrays"),
        ("a.npz", b"", None, ": not a NumPy file of plain arrays"),
    ],
)  # fmt: skip
def test_errors_name_the_file_and_the_line(tmp_path, name, text, target, message):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidInput, match=re.escape(f"{path}{message}")):
        data.read(path, target)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X}, ": needs arrays X and y, has X"),
        ({}, ": needs arrays X and y, has none"),
        ({"X": X, "y": Y[:2]}, ": X must be (n, d) and y (n,), with n and d at least 1, got (4, 3) and (2,)"),
        ({"X": X[:0], "y": Y[:0]}, ": X must be (n, d) and y (n,), with n and d at least 1, got (0, 3) and (0,)"),
        ({"X": X[0], "y": Y}, "got (3,) and (4,)"),
        ({"X": X, "y": Y * np.inf}, ": y must be finite, got inf at index [0]"),
        ({"X": np.where(X == 3, np.nan, X), "y": Y}, ": X must be finite, got nan at index [1, 2]"),
        ({"X": X, "y": ["a"] * 4}, ": y must hold real numbers, got <U1"),
        ({"X": X, "y": np.array([None] * 4)}, ": not a NumPy file of plain arrays"),
    ],
)
def test_errors_of_numpy_files(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InvalidInput, match=re.escape(message)) as error:
        data.read(tmp_path / "a.npz")
    assert str(error.value).startswith(str(tmp_path / "a.npz"))


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a"])
def test_a_file_that_is_missing_is_named(tmp_path, name):
    with pytest.raises(InvalidInput, match=re.escape(f"{tmp_path / name}: No such file")):
        data.read(tmp_path / name)


def test_a_target_is_a_name_or_an_index(tmp_path):
    path = write_csv(tmp_path / "a.csv", X, Y)
    for target in (1.0, True):
        with pytest.raises(InvalidType, match="target must be the name or the index of a column"):
            data.read(path, target)


def test_without_scikit_learn_the_error_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "a", X, Y)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(InvalidInput, match=re.escape("needs scikit-learn: pip install 'jaxsgd[data]'")):
        data.read(path)
