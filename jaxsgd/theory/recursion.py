"""How mean and covariance of an iterate, and of averages of iterates, pass from step to step on a quadratic."""

from typing import NamedTuple

import numpy as np

EPS = np.finfo(float).eps
DIGITS = 1e-6
"""Relative error from which on a moment is not known."""


class MeanAndCovariance(NamedTuple):
    """Mean (d,) and covariance (d,) or (d, d) of a vector in the eigenbasis, if rounding leaves them known."""

    mean: np.ndarray
    covariance: np.ndarray
    known: np.ndarray | bool = True


class AverageMoments(NamedTuple):
    """The law of an average xbar, C = Cov(x, xbar), and how far rounding may have moved mean and covariance."""

    law: MeanAndCovariance
    cross: np.ndarray
    lost: MeanAndCovariance

    @classmethod
    def at(cls, start: MeanAndCovariance) -> "AverageMoments":
        """That of an average which starts at x_0."""
        zero = np.zeros_like(start.covariance)
        return cls(start, start.covariance, MeanAndCovariance(np.zeros_like(start.mean), zero))


def columns(k: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """k, of (d, 1) if covariances are matrices, so that k * k.T are the factors k_i k_j of their entries."""
    return k[:, None] if covariance.ndim == 2 else k


def known(average: AverageMoments) -> MeanAndCovariance:
    """The law of an average; known where rounding leaves six digits of E e'e."""
    (mean, U, _), lost = average.law, average.lost
    variance, lost_variance = (each if each.ndim == 1 else np.diag(each) for each in (U, lost.covariance))
    size = np.sum(variance + mean**2)
    error = np.sum(lost_variance + 2 * np.abs(mean) * lost.mean)
    return MeanAndCovariance(mean, U, not error > DIGITS * size)


def mixed(average: AverageMoments, x: MeanAndCovariance, c: float, K: np.ndarray) -> AverageMoments:
    """The law of xbar + c (x_t - xbar), and its cross-covariance with x_{t+1}, where e_{t+1} = K e_t - eta_t xi_t."""
    (mean, U, _), C, lost = average
    law = MeanAndCovariance(
        (1 - c) * mean + c * x.mean, (1 - c) ** 2 * U + c * (1 - c) * (C + C.T) + c**2 * x.covariance
    )
    of_mean = abs(1 - c) * np.abs(mean) + abs(c) * np.abs(x.mean)
    of_covariance = (1 - c) ** 2 * np.abs(U) + abs(c * (1 - c)) * np.abs(C + C.T) + c**2 * np.abs(x.covariance)
    lost = MeanAndCovariance(
        abs(1 - c) * lost.mean + EPS * of_mean, (1 - c) ** 2 * lost.covariance + EPS * of_covariance
    )
    return AverageMoments(law, K * ((1 - c) * C + c * x.covariance), lost)
