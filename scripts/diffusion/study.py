"""How fast SGD approaches its diffusions of order 1 and 2: exact on a quadratic, measured there and on a double well.

    python scripts/diffusion/study.py --out scripts/diffusion/results

takes some two minutes on 2 cores. Without diffrax, pip install "jaxsgd[sde]", the double well is left out.
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import jaxsgd as js
from jaxsgd.plot import style
from jaxsgd.verification import WeakOrder

TRAJECTORIES = 2**22
ON_WELL = 2**20


def on_quadratic(updates: int) -> js.Study:
    """R = x^2 / 2 from 1 with unit noise, up to time 1."""
    oracle = js.oracles.AdditiveNoise(js.problems.Quadratic([1.0]), js.noise.Gaussian(1.0))
    return js.Study(oracle=oracle, schedule=js.schedules.constant(1 / updates), steps=updates, x0=[1.0])


def on_double_well(updates: int) -> js.Study:
    """(x^2 - 1)^2 / 4 from 1.5 with noise 0.2, up to time 0.4."""
    oracle = js.oracles.AdditiveNoise(js.problems.DoubleWell(), js.noise.Gaussian(0.2))
    return js.Study(oracle=oracle, schedule=js.schedules.constant(0.4 / updates), steps=updates, x0=[1.5])


def exact_error(updates: int, order: int) -> float:
    """E R of SGD minus that of the diffusion, on the quadratic."""
    study = on_quadratic(updates)
    return float(js.theory.exact(study).risk_mean[-1] - js.theory.diffusion(study, order).risk_mean[-1])


def described(name: str, found: WeakOrder) -> list[str]:
    """What was measured, in lines of text."""
    low, high = found.interval(0.95)
    errors = ", ".join(
        f"{rate:g}: {error:+.6f} +- {deviation:.6f}"
        for rate, error, deviation in zip(found.rates, found.errors, found.standard_errors, strict=True)
    )
    return [
        f"{name}, order {found.order}: exponent {found.fit.slope:.3f}, 95% interval {low:.3f} to {high:.3f}, "
        f"claim of order {found.order} within 0.25: {found.judged().verdict.value}, lack of fit p = "
        f"{found.fit.p_value:.2g}, {found.trajectories:,} trajectories",
        f"    errors by rate: {errors}",
    ]


def draw(ax: Axes, found: list[WeakOrder], exact: bool, title: str) -> None:
    """Errors over the learning rate."""
    for each, colour in zip(found, style.COLOURS, strict=False):
        label = f"order {each.order}: exponent {each.fit.slope:.2f} ± {2 * each.fit.standard_error:.2f}"
        marker = style.MARKERS[each.order - 1]
        style.points(ax, each.rates, np.abs(each.errors), each.standard_errors, color=colour, fmt=marker, label=label)
        if exact:
            updates = np.arange(2 if each.order == 2 else 8, 65)  # the first error changes its sign before
            errors = [abs(exact_error(int(N), each.order)) for N in updates]
            ax.plot(1 / updates, errors, color=colour, linewidth=1)
        else:
            ends = each.rates[[0, -1]]
            ax.plot(ends, abs(each.errors[0]) * (ends / ends[0]) ** each.order, color=colour, linewidth=1, alpha=0.5)
    rates = np.unique(np.concatenate([each.rates for each in found]))
    ax.set(xscale="log", yscale="log", xlabel=r"learning rate $\eta$")
    ax.set_xticks(rates, [f"{rate:.3g}" for rate in rates])
    ax.set_xticks([], minor=True)
    ax.set_ylabel("|E R(SGD) - E R(diffusion)|")
    about = f"{title}; {style.sample(found[0].trajectories)}"
    ax.text(0, 1.01, about, transform=ax.transAxes, va="bottom", fontsize="x-small")
    ax.spines[["top", "right"]].set_visible(False)
    style.legend(ax)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    lines = ["Quadratic, SGD minus diffusion, exact:"]
    for updates in (10, 20, 40):
        first, second = (exact_error(updates, order) for order in (1, 2))
        lines.append(f"    N = {updates}: order 1 {first:+.9f}, order 2 {second:+.9f}")
    # Where errors are large enough to be measured, and do not change their sign.
    quadratic = [js.weak_order(on_quadratic(N), order, trajectories=TRAJECTORIES) for N, order in ((8, 1), (2, 2))]
    panels = [(quadratic, True, "quadratic; lines: exact")]
    if importlib.util.find_spec("diffrax"):
        well = [js.weak_order(on_double_well(4), order, trajectories=ON_WELL) for order in (1, 2)]
        panels.append((well, False, "double well; lines: slopes 1 and 2"))
    else:
        lines.append('double well: skipped, it needs diffrax: pip install "jaxsgd[sde]"')
    figure = Figure(figsize=(5.0 * len(panels), 4.2), layout="constrained")
    for ax, (found, exact, title) in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        draw(ax, found, exact, title)
        for each in found:
            lines += described(title.partition(";")[0], each)
    figure.savefig(out / "orders.png", dpi=110)
    (out / "summary.txt").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
