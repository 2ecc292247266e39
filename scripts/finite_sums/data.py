"""scikit-learn's diabetes and breast cancer data as files.

    python scripts/finite_sums/data.py FOLDER

Writes diabetes.csv and breast-cancer.svm, and of each a fifth of the examples, drawn at random, as test data. A column
of ones is the intercept.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sklearn.datasets import dump_svmlight_file, load_breast_cancer, load_diabetes


def write(folder: Path) -> None:
    """Write the four files."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in _parts(len(load_diabetes().target)).items():
        raw = load_diabetes(scaled=False)
        table = np.column_stack([raw.data, np.ones(len(raw.target)), raw.target])
        names = [*raw.feature_names, "one", "progression"]
        np.savetxt(folder / f"diabetes{part}.csv", table[rows], "%.12g", ",", header=",".join(names), comments="")
    for part, rows in _parts(len(load_breast_cancer().target)).items():
        raw = load_breast_cancer()
        features = np.column_stack([raw.data, np.ones(len(raw.target))])
        path = str(folder / f"breast-cancer{part}.svm")
        dump_svmlight_file(features[rows], raw.target[rows], path, zero_based=False)


def _parts(n: int) -> dict[str, np.ndarray]:
    shuffled = np.random.default_rng(0).permutation(n)
    return {"": shuffled[n // 5 :], "-test": shuffled[: n // 5]}


def main(folder: Annotated[Path, typer.Argument(help="Folder to write to.")]) -> None:
    """Write scikit-learn's diabetes and breast cancer data as files."""
    write(folder)


if __name__ == "__main__":
    typer.run(main)
