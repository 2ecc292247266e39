"""Permutations of examples with one Hessian: iterates are linear in the permuted gradients."""

from collections.abc import Iterator

import numpy as np

from jaxsgd.orders import Order
from jaxsgd.study import Study
from jaxsgd.theory.finite_sums.batches_of_an_epoch import slots_of
from jaxsgd.theory.finite_sums.cost_limit import OVERHEAD, check_cost
from jaxsgd.theory.finite_sums.moments_at_a_step import Snapshot
from jaxsgd.theory.finite_sums.quadratic_examples import QuadraticExamples
from jaxsgd.theory.recursion import EPS, AverageMoments, MeanAndCovariance, known, mixed


class LinearForms:
    """Vectors sum_j u_j g_{pi(j)} of a uniform permutation pi of the g_i, u_j a diagonal of the eigenbasis.

    Their covariances are those of sampling without replacement: with S the covariance of the g_i,

        Cov(sum_j u_j g_{pi(j)}, sum_j v_j g_{pi(j)}) = n/(n-1) S o [sum_j u_j v_j' - (sum_j u_j)(sum_j v_j)'/n],

    o entry by entry. Coefficients are equal within a batch, and given once for each, (L, d).

    Source: Cochran (1977), Sampling Techniques, theorem 2.2.
    """

    def __init__(self, gradients: np.ndarray, sizes: np.ndarray) -> None:
        n = len(gradients)
        centred = gradients - gradients.mean(0)
        self.S = centred.T @ centred / max(n - 1, 1)
        self.n, self.sizes = n, sizes[:, None]

    def covariance(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """(d, d), of u for rows and v for columns."""
        # Centred before they are multiplied: for small learning rates nearly all of u would cancel after it.
        left, right = u - self._mean(u), v - self._mean(v)
        unused = self.n - self.sizes.sum()
        return self.S * ((self.sizes * left).T @ right + unused * np.outer(self._mean(u), self._mean(v)))

    def variance(self, u: np.ndarray) -> np.ndarray:
        """The diagonal of covariance(u, u) (d,)."""
        mean = self._mean(u)
        squares = np.sum(self.sizes * (u - mean) ** 2, 0) + (self.n - self.sizes.sum()) * mean**2
        return np.diag(self.S) * squares

    def lost(self, u: np.ndarray, error: np.ndarray) -> np.ndarray:
        """How far errors of u may move the variance (d,)."""
        return np.diag(self.S) * np.sum(self.sizes * (2 * np.abs(u - self._mean(u)) + error) * error, 0)

    def _mean(self, u: np.ndarray) -> np.ndarray:
        return (self.sizes * u).sum(0) / self.n


def snapshots(examples: QuadraticExamples, study: Study) -> Iterator[Snapshot]:
    """The moments at the recorded steps, of reshuffling or of one permutation for all epochs.

    x_s - c = P_s e_0 - sum_j u_j g_{pi(j)}, where P_s is the product of k = 1 - eta_t h, and update t of the batch J,
    of b examples, multiplies all u_j by k and then adds eta_t / b to those of J; an average has the coefficients
    that it mixes of these, and g_s those of H e_s and 1/b at the next batch. Under reshuffling the epochs are
    independent: at the end of each the covariance is added to what is past, and the u_j start from 0 again.
    """
    order: Order = study.oracle.order  # type: ignore[assignment]
    slots = slots_of(study)
    rates, last = study.learning_rates[: study.steps], int(study.recorded_steps.max())
    mixings = np.array([average.mixing(rates) for average in study.averages.values()]).reshape(-1, study.steps)
    d, L, averages_count = study.dimension, len(slots.sizes), len(mixings)
    recorded = len(study.recorded_steps)
    check_cost(last * OVERHEAD + 5 * L * d * (1 + 2 * averages_count) * (last + d * recorded))
    h, drift, wanted = examples.eigenvalues, examples.drift, set(study.recorded_steps.tolist())
    forms = LinearForms(examples.gradients, slots.sizes)
    x = examples.start_of(study)
    past = [AverageMoments.at(x)] * averages_count
    u, of_averages = np.zeros((L, d)), np.zeros((averages_count, L, d))
    lost = np.zeros_like(of_averages)
    for step in range(last + 1):
        slot = step % L
        if slot == 0 and order.shuffled == "every epoch":
            past = [_joined(*average, u, forms) for average in zip(past, of_averages, lost, strict=True)]
            x = MeanAndCovariance(x.mean, x.covariance + forms.covariance(u, u))
            u, of_averages, lost = (np.zeros_like(each) for each in (u, of_averages, lost))
        if step in wanted:
            of_gradient = -h * u
            of_gradient[slot] += 1 / slots.sizes[slot]
            squared_norm = np.sum(
                (h * x.mean + drift) ** 2 + h**2 * np.diag(x.covariance) + forms.variance(of_gradient)
            )
            joined = [_joined(*average, u, forms) for average in zip(past, of_averages, lost, strict=True)]
            now = MeanAndCovariance(x.mean, x.covariance + forms.covariance(u, u))
            yield Snapshot(now, squared_norm, [known(average) for average in joined])
        if step == last:
            return
        eta, c = rates[step], mixings[:, step]
        k = 1 - eta * h
        past = [mixed(average, x, float(mixing), k[:, None]) for average, mixing in zip(past, c, strict=True)]
        x = MeanAndCovariance(k * x.mean - eta * drift, np.outer(k, k) * x.covariance)
        keep, take = 1 - c[:, None, None], c[:, None, None]
        lost = np.abs(keep) * lost + EPS * (np.abs(keep * of_averages) + np.abs(take * u))
        of_averages = keep * of_averages + take * u
        u *= k
        u[slot] += eta / slots.sizes[slot]


def _joined(past: AverageMoments, v: np.ndarray, lost: np.ndarray, u: np.ndarray, forms: LinearForms) -> AverageMoments:
    """The law of an average together with what this epoch adds to it, and its cross-covariance with x."""
    law = MeanAndCovariance(past.law.mean, past.law.covariance + forms.covariance(v, v))
    more = MeanAndCovariance(past.lost.mean, past.lost.covariance + np.diag(forms.lost(v, lost)))
    return AverageMoments(law, past.cross + forms.covariance(u, v), more)
