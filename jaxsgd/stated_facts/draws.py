"""Draws for checks, and what they may be held against: tests that are wrong with probability 1e-10 at most."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsgd.stated_facts.held import contradiction
from jaxsgd.streams import DTYPES, Request

LANES, _EXTREME = 4096, 1024
_FEWEST = 512
_MOST = 2**22  # numbers that all draws may touch
FALSE = 1e-10  # the probability of a false alarm, of all coordinates of one fact together
_WILD = 25.0
_PAIRS = 16  # coordinates of which covariances are looked at


def lanes_for(size: int) -> int:
    """How many draws a check may take that touch so many numbers each; 0 if too few."""
    lanes = min(LANES, _MOST // max(size, 1))
    return lanes if lanes >= _FEWEST else 0


def variates(requests: Sequence[Request], lanes: int) -> tuple[Any, ...]:
    """What some steps draw, on the first axis: as many ordinary ones as `lanes`, and then extreme ones.

    Those have every other variate near an end of its range, where rare events are: uniforms as near as 1e-9, those of
    which heavy tails are made 1e-18, normals up to twice as large, the first and the last integer.
    """
    rng = np.random.default_rng(0)
    drawn = []
    for request in requests:
        leaves = [_leaf(rng, request, lanes, shape) for shape in request.structure.shapes]
        drawn.append(jax.tree.unflatten(request.structure.treedef, leaves))
    return (*drawn, np.zeros(lanes + _EXTREME))  # the last is for those that draw nothing, to have as many lanes


def _leaf(rng: np.random.Generator, request: Request, lanes: int, shape: tuple[int, ...]) -> np.ndarray:
    usual, rare = (lanes, *shape), (_EXTREME, *shape)
    at_end, low = rng.random(rare) < 0.5, rng.random(rare) < 0.5
    if request.kind == "normal":
        ordinary, extreme, ends = rng.normal(size=usual), rng.normal(size=rare), 2 * rng.normal(size=rare)
    elif request.kind == "uniform":
        near = 10.0 ** -rng.uniform(0, 9, rare)
        ordinary, extreme, ends = rng.random(usual), rng.random(rare), np.where(low, near, 1 - near)
    elif request.kind == "centred_uniform":
        ordinary, extreme = rng.random(usual) - 0.5, rng.random(rare) - 0.5
        ends = np.where(low, 1, -1) * 0.5 * 10.0 ** -rng.uniform(0, 18, rare)
    elif request.kind == "rademacher":
        ordinary, extreme = 2.0 * rng.integers(0, 2, usual) - 1, 2.0 * rng.integers(0, 2, rare) - 1
        ends = extreme
    else:
        bound, dtype = (request.bound, np.int32) if request.kind == "integers" else (2**32, np.uint32)
        ordinary, extreme = (rng.integers(0, bound, each, dtype=np.int64).astype(dtype) for each in (usual, rare))
        ends = np.where(low, 0, bound - 1).astype(dtype)
    return np.concatenate([ordinary, np.where(at_end, ends, extreme)])


class Sample(NamedTuple):
    """Ordinary draws (N, d), and whether extreme ones show tails that these lack."""

    values: np.ndarray
    is_wild: bool


def sample_of(values: np.ndarray, requests: Sequence[Request], lanes: int) -> Sample | None:
    """The draws of `variates`, (lanes + 1024, d); None if some are not finite.

    Of integers so many that some may not have been drawn, any may be the one that makes a tail.
    """
    if not np.isfinite(values[:lanes]).all():
        return None
    squares = values**2
    largest, extreme = squares[:lanes].max(0), np.nan_to_num(squares[lanes:], nan=np.inf).max(0)
    unseen = any(request.kind in DTYPES and not 0 < request.bound <= lanes // 16 for request in requests)
    return Sample(values[:lanes], unseen or bool((extreme > _WILD * largest).any()))


def standardised_limit(tests: int) -> float:
    """z with 2 exp(-z^2 / 2) = 1e-10 / tests, for a mean against the root of the mean square."""
    return float(np.sqrt(2 * np.log(2 * tests / FALSE)))


def wrong_mean(sample: Sample, mean: np.ndarray) -> tuple[int, float, float] | None:
    """A coordinate whose mean is not this one (d,): which, its mean, and by how many standard errors.

    Not of a law with tails that the draws lack, of which a mean says little.
    """
    if sample.is_wild:
        return None
    off = sample.values - mean
    errors = np.sqrt((off**2).mean(0) / len(off))
    z = np.divide(off.mean(0), errors, out=np.zeros(off.shape[1]), where=errors > 0)
    k = int(np.argmax(np.abs(z)))
    return (k, float(sample.values[:, k].mean()), float(z[k])) if abs(z[k]) > standardised_limit(len(z)) else None


def wrong_covariance(sample: Sample, covariance: np.ndarray) -> tuple[int, int, float, float, float] | None:
    """Coordinates i, j whose E[xi_i xi_j] is not this: i, j, the one stated, the one found, the standard errors.

    The standard error is the root of E[xi_i^2 xi_j^2] / N. A mean square below what is stated has probability
    exp(-z^2 / 2) at most (a bound for variables that are not negative, whatever their law, if that moment is right);
    where extreme draws show tails that these lack, it says nothing. One above is less likely still, since what makes it
    large makes the standard error large.
    """
    x, N = sample.values, len(sample.values)
    d = x.shape[1]
    C = np.diag(covariance) if covariance.ndim == 1 and d <= _PAIRS else covariance
    if C.ndim == 2 and d > _PAIRS:
        C = np.diag(C)
    if C.ndim == 1:
        products, stated, places = x**2, C, [(i, i) for i in range(d)]
    else:
        i, j = np.triu_indices(d)
        products, stated, places = x[:, i] * x[:, j], C[i, j], list(zip(i.tolist(), j.tolist(), strict=True))
    found, errors = products.mean(0), np.sqrt((products**2).mean(0) / N)
    z = np.divide(found - stated, errors, out=np.where(found == stated, 0.0, np.inf), where=errors > 0)
    diagonal = np.array([i == j for i, j in places])
    if sample.is_wild:
        z = np.where(diagonal & (z > 0) & np.isfinite(z), z, 0.0)
    k = int(np.argmax(np.abs(z)))
    if abs(z[k]) <= standardised_limit(len(z)):
        return None
    return (*places[k], float(stated[k]), float(found[k]), float(z[k]))


def check_covariance(what: str, fact: str, sample: Sample, covariance: np.ndarray, where: str = "") -> None:
    """An error if draws have another covariance than this, which ``fact`` of ``what`` states; ``where`` they are."""
    wrong = wrong_covariance(sample, covariance)
    if wrong is not None:
        i, j, stated, found, z = wrong
        raise contradiction(
            what,
            f"{fact} with {stated:.6g} at {(i, j)}",
            f"in {len(sample.values)} draws{where} it is {found:.6g} ({z:+.0f} standard errors)",
        )
