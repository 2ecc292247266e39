"""Folds: anything that is carried along a trajectory, and takes up each of its updates."""

from jaxsgd.folds.batch_means import BatchMeans, MeansOfBatches
from jaxsgd.folds.extremes import Maximum, Minimum
from jaxsgd.folds.first_time import FirstTime
from jaxsgd.folds.fold import Fold, PathFold
from jaxsgd.folds.last import Last
from jaxsgd.folds.running_covariance import MeanAndCovarianceOfUpdates, RunningCovariance
from jaxsgd.folds.sum import Sum

__all__ = [
    "BatchMeans", "FirstTime", "Fold", "Last", "Maximum", "MeanAndCovarianceOfUpdates", "MeansOfBatches", "Minimum",
    "PathFold", "RunningCovariance", "Sum",
]  # fmt: skip
