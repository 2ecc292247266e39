"""Intervals, tests, verdicts, sample sizes and rates. NumPy and SciPy, float64; never imports JAX."""

from jaxsgd.inference.best import BestSet, best_set, best_set_independent, separate
from jaxsgd.inference.holm import holm
from jaxsgd.inference.intervals import mean_interval, proportion_interval, z_value
from jaxsgd.inference.measurement import Measurement
from jaxsgd.inference.paired import PairedDifference, paired_difference
from jaxsgd.inference.relation import Relation
from jaxsgd.inference.sample_size import needed, needed_for_proportion
from jaxsgd.inference.sequential import Look, Precision
from jaxsgd.inference.slope import Slope, fit_slope
from jaxsgd.inference.verdict import Judgement, Verdict, judge

__all__ = [
    "BestSet",
    "Judgement",
    "Look",
    "Measurement",
    "PairedDifference",
    "Precision",
    "Relation",
    "Slope",
    "Verdict",
    "best_set",
    "best_set_independent",
    "fit_slope",
    "holm",
    "judge",
    "mean_interval",
    "needed",
    "needed_for_proportion",
    "paired_difference",
    "proportion_interval",
    "separate",
    "z_value",
]
