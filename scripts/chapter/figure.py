"""The README's figure: expected risk of the chapter's three learning rates, estimated and exact.

Run: python scripts/chapter/figure.py [FILE.png]
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import jaxsgd as js

TITLES = {
    "constant": "constant: $0.1$",
    "exponential": r"exponential: $0.1\,e^{-0.1 (t + 2)}$",
    "polynomial": r"polynomial: $0.1\,(1 + 0.1 (t + 2))^{-1/2}$",
}


def main(path: Path) -> None:
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
    for ax, (name, title) in zip(panels, TITLES.items(), strict=True):
        study = js.chapter.study(name, steps=1000).replace(record=js.record.log_spaced(120))
        result = js.simulate(study, trajectories=100_000, progress=False)
        js.plot.curves(result, ["risk", "risk_of_eta"], exact=js.theory.exact(study), ax=ax)
        ax.set_title(title, fontsize="medium")
    panels[0].set_ylabel("expected risk, 100,000 trajectories")
    for ax in panels[1:]:
        ax.set_ylabel("")
        ax.get_legend().remove()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("risk.png"))
