"""How often verdicts and intervals are wrong: on claims that are known to be true or false, and on known laws.

    python scripts/calibration/calibrate.py [--seeds 1000] [--out scripts/calibration/TABLE.md]

writes the table beside it. Each claim is judged alone, at alpha = 0.01, from samples of 8192 trajectories.
"""

import argparse
import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence

import jax
import known_claims as known
import numpy as np

import jaxsgd as js
from jaxsgd import inference
from jaxsgd.inference import Verdict
from jaxsgd.verification.measure import Group

RESOLUTION = 0.1
"""The smallest relative departure that matters, of so few trajectories."""

KINDS = {
    "heavy-tailed, true": (known.HEAVY, 0.0),
    "ordinary, true": (known.ORDINARY, 0.0),
    "ordinary, false": (known.ORDINARY, inference.z_value(known.ALPHA) + inference.z_value(2 * (1 - known.POWER))),
}
"""False claims are off by what a test with known standard deviation refutes with probability 0.9."""

COUNTS = (8, 20, 50, 100, 300, 1000)
LAWS = {
    "normal": (lambda rng, size: rng.normal(size=size), 0.0),
    "exponential": (lambda rng, size: rng.exponential(size=size), 1.0),
    "chi-square (1)": (lambda rng, size: rng.chisquare(1, size=size), 1.0),
    "lognormal (0, 1)": (lambda rng, size: rng.lognormal(size=size), np.exp(0.5)),
}


def verdicts(seeds: Sequence[int], kinds: Sequence[str] = tuple(KINDS)) -> dict[str, Counter[tuple[str, Verdict]]]:
    """How often each claim of each kind came out how."""
    made = {kind: known.claims(*KINDS[kind]) for kind in kinds}
    every = [claim for of_kind in made.values() for claim in of_kind]
    # Two claims with one variable have one observable, so that all share one compiled program.
    group, counts = Group.of(every), {kind: Counter() for kind in kinds}
    names = [(kind, claim.name) for kind, of_kind in made.items() for claim in of_kind]
    for seed in seeds:
        for (kind, name), verdict in zip(names, _of_one_seed(group, seed), strict=True):
            counts[kind][name, verdict] += 1
    return counts


def _of_one_seed(group: Group, seed: int) -> Iterator[Verdict]:
    """The verdict on each claim alone, as ``verify`` reaches it."""
    extents = None
    for position, (subject, sample) in enumerate(
        zip(group.subjects, group.sample(0, known.TRAJECTORIES, seed), strict=True)
    ):
        measured = subject.measured(sample, RESOLUTION, sample.deviation, known.ALPHA)
        (judged,) = inference.judge([measured.measurement], known.ALPHA)
        if judged.verdict is Verdict.REFUTED:
            extents = extents or group.extents(seed)
            assert extents is not None
            doubted = subject.doubted(measured, *extents[position], known.ALPHA)
            (judged,) = inference.judge([doubted.measurement], known.ALPHA)
        yield judged.verdict


def agreement(seeds: Sequence[int]) -> tuple[int, int]:
    """Of how many verdicts float32 and float64 agree, and of how many in all."""
    same = total = 0
    for seed in seeds:
        found = []
        for precise in (False, True):
            with jax.enable_x64(precise):
                every = [claim for laws, off in KINDS.values() for claim in known.claims(laws, off)]
                found.append(list(_of_one_seed(Group.of(every), seed)))
        same += sum(a is b for a, b in zip(*found, strict=True))
        total += len(found[0])
    return same, total


def coverage(replications: int) -> dict[str, list[float]]:
    """Of the interval of 95%, how often it holds the mean of each law, for each of `COUNTS`."""
    rng, found = np.random.default_rng(0), {}
    for name, (draw, mean) in LAWS.items():
        row = []
        for count in COUNTS:
            values = draw(rng, (replications, count))
            lower, upper = inference.mean_interval(values.mean(1), values.std(1, ddof=1) / np.sqrt(count), 0.95, count)
            row.append(float(np.mean((lower <= mean) & (mean <= upper))))
        found[name] = row
    return found


HEAD = """# Calibration

`python scripts/calibration/calibrate.py`, jaxsgd {version}, jax {jax}.

Each of thirty claims alone, alpha = {alpha:g}, {trajectories} trajectories, {seeds} seeds: how many verdicts of
each kind. False claims are off by what a test with known standard deviation refutes with probability {power:g}, which
is less than the resolution of {resolution:.0%}.
"""


def table(seeds: int, replications: int) -> str:
    """All of it, in Markdown."""
    head = HEAD.format(
        version=js.__version__, jax=jax.__version__, alpha=known.ALPHA, trajectories=known.TRAJECTORIES, seeds=seeds,
        power=known.POWER, resolution=RESOLUTION,
    )  # fmt: skip
    lines = head.splitlines()
    order = (Verdict.REFUTED, Verdict.INCONCLUSIVE, Verdict.CONSISTENT)
    for kind, found in verdicts(range(seeds)).items():
        rows = [[name, *(found[name, verdict] for verdict in order)] for name in dict.fromkeys(n for n, _ in found)]
        lines += ["", *_table([kind, *order], rows)]
    same, total = agreement(range(20))
    lines += ["", f"float32 and float64 reach the same verdict on {same} of {total}."]
    lines += ["", f"Coverage of `inference.mean_interval` at 95%, {replications:,} samples each:", ""]
    rows = [[name, *(f"{share:.3f}" for share in row)] for name, row in coverage(replications).items()]
    return "\n".join([*lines, *_table(["N", *COUNTS], rows)]) + "\n"


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    return [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)]


def main() -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--replications", type=int, default=40_000)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).with_name("TABLE.md"))
    given = parser.parse_args()
    given.out.write_text(table(given.seeds, given.replications))
    print(given.out.read_text())


if __name__ == "__main__":
    main()
