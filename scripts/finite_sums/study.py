"""Orders of examples, batches and averages on real data, each with its learning rate tuned.

    python scripts/finite_sums/study.py [--quick] [--out DIR]

Writes the data and reads them back, checks the minima against scikit-learn's solvers, and writes orders.csv,
batches.csv, averages.csv, summary.txt and figures to DIR.
"""

# ruff: noqa: E402 - the compiler's setting comes first

from jaxsgd import compiler

compiler.interleave()  # as the command line of jaxsgd does

import csv
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import data
import figures
import numpy as np
import typer
from sklearn.linear_model import LinearRegression, LogisticRegression

import jaxsgd as js
from jaxsgd.problems import EmpiricalRisk

L2 = 0.01  # the ridge of logistic regression
AVERAGES = {
    "uniform": js.averages.Uniform(),
    "suffix": js.averages.Suffix(0.5),
    "eta": js.averages.StepSizeWeighted(),
}


COMPARED = ("with replacement", "reshuffled")


class Scale(NamedTuple):
    """How much is run: epochs, learning rates of each family, trajectories of each cell, sizes of batches."""

    epochs: int
    rates: int
    trajectories: int
    batches: tuple[int, ...]


FULL = Scale(50, 16, 2048, (1, 4, 16, 64))
QUICK = Scale(2, 3, 256, (1, 16))


def problems(folder: Path) -> dict[str, EmpiricalRisk]:
    """Least squares of diabetes and logistic regression of breast cancer, read from files, standardised."""
    train, test = _read(folder / "diabetes.csv", folder / "diabetes-test.csv")
    of_diabetes = js.problems.LeastSquares(
        train.features, train.targets / 100, test=(test.features, test.targets / 100)
    )
    train, test = _read(folder / "breast-cancer.svm", folder / "breast-cancer-test.svm")
    of_cancer = js.problems.LogisticRegression(*train, l2=L2, test=test)
    return {"diabetes": of_diabetes, "breast cancer": of_cancer}


def _read(path: Path, held_out: Path) -> tuple[js.data.Examples, js.data.Examples]:
    raw = js.data.read(path)
    return js.data.read(path, standardise=True), js.data.read(held_out, standardise=raw.features)


def solved_by_others(problem: EmpiricalRisk) -> float:
    """The least risk that scikit-learn's own solver finds."""
    features, responses = problem.data
    if isinstance(problem, js.problems.LeastSquares):
        x = LinearRegression(fit_intercept=False).fit(features, responses).coef_
        return float(np.mean((features @ x - responses) ** 2) / 2)
    solver = LogisticRegression(
        C=1 / (L2 * len(responses)), fit_intercept=False, tol=1e-10, max_iter=10_000, solver="newton-cholesky"
    )
    x = solver.fit(features, responses).coef_[0]
    return float(np.mean(np.logaddexp(0, -responses * (features @ x))) + L2 / 2 * x @ x)


def orders(problem: EmpiricalRisk) -> dict[str, js.orders.Order]:
    """The orders that are compared; importance is by ||a_i||^2, half of it in the last."""
    features, _ = problem.data
    p = np.sum(features**2, 1) / np.sum(features**2)
    return {
        "with replacement": js.orders.WithReplacement(),
        "reshuffled": js.orders.RandomReshuffling(),
        "shuffled once": js.orders.ShuffleOnce(),
        "in the file's order": js.orders.Incremental(),
        "p ~ |a|^2": js.orders.ImportanceSampling(p),
        "p half uniform": js.orders.ImportanceSampling((p + 1 / len(p)) / 2),
    }


def study_of(problem: EmpiricalRisk, order: js.orders.Order, schedule: Any, epochs: int, batch: int = 1) -> js.Study:
    """SGD from 0, recorded after some whole epochs."""
    oracle = js.oracles.ExampleSampling(problem, order, batch)
    recorded = np.unique(np.rint(np.geomspace(1, epochs, 9)).astype(int))
    return js.Study(
        oracle=oracle,
        schedule=schedule,
        epochs=epochs,
        record=js.record.at(recorded * oracle.updates_per_epoch),
        observe=("risk",),
        observables={"test risk": problem.test_risk},
    )


def smoothness(problem: EmpiricalRisk, batch: int) -> float:
    """L_b of batches of independent examples: up to 1 / L_b convergence is certain."""
    return problem.example_smoothness / batch + (1 - 1 / batch) * problem.smoothness


Makers = Mapping[str, Callable[[float], js.Study]]


class Tuned(NamedTuple):
    """The best rate of each family for one observable, on trajectories that had no part in the choice."""

    observable: str
    rates: list[float]
    at_end: list[bool]
    fresh: js.SweepResult


def tune(makers: Makers, rates: np.ndarray, scale: Scale, observables: tuple[str, ...] = ("risk",)) -> list[Tuned]:
    """One sweep, and for each observable the best cell of each family."""
    axes = {family: {"rate": rates} for family in makers}
    swept = js.sweep(makers, axes, scale.trajectories, compare=observables, progress=False)
    found = []
    for observable in observables:
        leaders = [js.compare(swept, observable, family=family).leader.point["rate"] for family in makers]
        best = {family: {"rate": [rate]} for family, rate in zip(makers, leaders, strict=True)}
        later = {"first_trajectory": scale.trajectories, "compare": (observable,), "progress": False}
        fresh = js.sweep(makers, best, scale.trajectories, **later)
        at_end = [rate in (rates.min(), rates.max()) for rate in leaders]
        found.append(Tuned(observable, list(map(float, leaders)), at_end, fresh))
    return found


def rows(name: str, problem: EmpiricalRisk, found: Iterable[Tuned], **more: Any) -> Iterator[dict[str, Any]]:
    """What was found of each family, at the end."""
    for tuned in found:
        end = tuned.fresh.dataset.isel(step=-1)
        for i, cell in enumerate(tuned.fresh.cells):
            row = {
                "data": name,
                "iterate": tuned.observable.removeprefix("risk_of_").replace("risk", "last"),
                "family": cell.family,
                **more,
                "rate": tuned.rates[i],
                "rate at end of grid": tuned.at_end[i],
                "excess risk": float(end[f"{tuned.observable}_mean"][i]) - problem.minimum,
                "se": float(end[f"{tuned.observable}_sem"][i]),
            }
            if "test risk_mean" in end:
                row |= {"test risk": float(end["test risk_mean"][i]), "se of test risk": float(end["test risk_sem"][i])}
                row["exact excess risk"] = _exact(cell.study, tuned.observable)
            yield row


def _exact(study: js.Study, observable: str) -> float | None:
    try:
        return float(js.theory.exact(study)[f"{observable}_mean"][-1]) - study.oracle.problem.minimum
    except js.errors.NoExactSolution:
        return None


def mark_best(table: list[dict[str, Any]], trajectories: int) -> None:
    """Of each data set, which rows may be the best, with confidence 95%; orders share no draws."""
    for name in dict.fromkeys(row["data"] for row in table):
        same = [row for row in table if row["data"] == name]
        means, errors = (np.array([row[key] for row in same]) for key in ("excess risk", "se"))
        best = js.inference.best_set_independent(means, errors**2 * trajectories, trajectories)
        for row, member in zip(same, best.members, strict=True):
            row["may be best"] = bool(member)


def constant(problem: EmpiricalRisk, order: js.orders.Order, epochs: int, batch: int = 1) -> Callable[..., js.Study]:
    return lambda rate: study_of(problem, order, js.schedules.constant(rate), epochs, batch)


def of_orders(problem: EmpiricalRisk, scale: Scale) -> Tuned:
    """Every order with its own best constant rate."""
    makers = {name: constant(problem, order, scale.epochs) for name, order in orders(problem).items()}
    (found,) = tune(makers, np.geomspace(0.003, 3.0, scale.rates) / problem.example_smoothness, scale)
    return found


def of_batches(problem: EmpiricalRisk, scale: Scale) -> dict[int, list[Tuned]]:
    """Batches at an equal number of gradients of examples, each with its own best constant rate."""
    found = {}
    for batch in scale.batches:
        makers = {name: constant(problem, orders(problem)[name], scale.epochs, batch) for name in COMPARED}
        found[batch] = tune(makers, np.geomspace(0.003, 3.0, scale.rates) / smoothness(problem, batch), scale)
    return found


def of_averages(problem: EmpiricalRisk, scale: Scale) -> list[Tuned]:
    """The last iterate and averages, with three schedules and two orders."""
    observables = ("risk", *(f"risk_of_{name}" for name in AVERAGES))
    shapes = {"constant": 0.0, "1/sqrt t": 0.5, "1/t": 1.0}

    def maker(order: js.orders.Order, power: float) -> Callable[[float], js.Study]:
        def make(rate: float) -> js.Study:
            schedule = js.schedules.polynomial(rate, 1 / problem.examples, power)
            study = study_of(problem, order, schedule, scale.epochs)
            return study.replace(averages=AVERAGES, observe=observables, observables={})

        return make

    makers = {
        f"{order}, {name}": maker(orders(problem)[order], power) for order in COMPARED for name, power in shapes.items()
    }
    return tune(makers, np.geomspace(0.03, 30.0, scale.rates) / problem.example_smoothness, scale, observables)


def in_words(row: Mapping[str, Any]) -> str:
    """One row of a table."""
    what = ", ".join(str(row[key]) for key in ("data", "iterate", "family"))
    batch = f", b = {row['batch']}" if "batch" in row else ""
    rate = f"rate {row['rate']:.3g}{' (end of grid)' if row['rate at end of grid'] else ''}"
    best = " *" if row["may be best"] else ""
    return f"{what}{batch}: {rate}, excess {row['excess risk']:.4g} +- {row['se']:.1g}{best}"


def save(table: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def main(
    quick: Annotated[bool, typer.Option("--quick", help="Run little, to see that it works.")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("finite-sums-results"),
) -> None:
    """Compare orders, batches and averages on two data sets of scikit-learn."""
    began, scale = time.perf_counter(), QUICK if quick else FULL
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        data.write(Path(folder))
        read = problems(Path(folder))
    lines, by_order = [], {}
    tables: dict[str, list[dict[str, Any]]] = {"orders": [], "batches": [], "averages": []}
    for name, problem in read.items():
        facts = ", ".join(f"{key} {value:.6g}" for key, value in problem.constants.items())
        lines.append(f"{name}: {facts}; scikit-learn finds {solved_by_others(problem) - problem.minimum:+.1e} more")
        by_order[name] = of_orders(problem, scale)
        tables["orders"] += rows(name, problem, [by_order[name]])
        for batch, found in of_batches(problem, scale).items():
            tables["batches"] += rows(name, problem, found, batch=batch)
        tables["averages"] += rows(name, problem, of_averages(problem, scale))
    for title, table in tables.items():
        mark_best(table, scale.trajectories)
        save(table, out / f"{title}.csv")
        lines += [f"{title}: {line}" for line in map(in_words, table)]
    known = [row for row in tables["orders"] if row["exact excess risk"] is not None and row["se"] > 0]
    scores = [(row["excess risk"] - row["exact excess risk"]) / row["se"] for row in known]
    lines.append(f"largest |z| of the {len(scores)} estimates of orders with exact values: {np.abs(scores).max():.2f}")
    lines.append("* may be the best of its data set (95%), on trajectories that had no part in the choice of the rate")
    made = {
        "orders": figures.orders(by_order, read),
        "batches": figures.batches(tables["batches"], scale.epochs),
        "averages": figures.averages(tables["averages"], scale.epochs),
    }
    for title, figure in made.items():
        figure.savefig(out / f"{title}.png", dpi=110)
    (out / "summary.txt").write_text("\n".join(lines) + "\n")
    print(*lines, sep="\n")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    typer.run(main)
