"""The best learning rate and momentum of methods that are linear, from exact moments of many cells at once.

Both forms of momentum are a linear map of (x, u) in each coordinate, u the last step or the velocity:

    Polyak's:  x <- x - eta_t g + b u,  u <- -eta_t g + b u;      torch's:  u <- b u + g,  x <- x - eta_t u.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

Array = np.ndarray
LARGEST_MOMENTUM = 0.95
"""Nearer to 1, without bad scales, a constant rate can be found whose mean swings and first comes to 0 at T itself."""


class Quadratic(NamedTuple):
    """1/2 sum_i h_i x_i^2 with noise of variances s_i on the gradient, from x_0; T updates."""

    h: Array
    s: Array
    x0: Array
    steps: int


def risks(problem: Quadratic, rate: Any, momentum: Any, final: float, velocity: bool = False) -> Array:
    """E R(x_T) of cells with these rates and momenta, which are broadcast; the rate falls by half a cosine."""
    rate, b = np.broadcast_arrays(np.asarray(rate, float), np.asarray(momentum, float))
    total = np.zeros(rate.shape)
    falling = final + (1 - final) * 0.5 * (1 + np.cos(np.pi * np.arange(problem.steps) / problem.steps))
    with np.errstate(over="ignore", invalid="ignore"):
        for h, s, start in zip(problem.h, problem.s, problem.x0, strict=True):
            x, u, xx, xu, uu = np.full(rate.shape, float(start)), *np.zeros((4, *rate.shape))
            for share in falling:
                eta = rate * share
                # x <- p x + q u + k xi, u <- r x + b u + m xi
                p, k = 1 - eta * h, -eta
                q, r, m = (-eta * b, h, 1.0) if velocity else (b, -eta * h, -eta)
                x, u = p * x + q * u, r * x + b * u
                xx, xu, uu = (
                    p * p * xx + 2 * p * q * xu + q * q * uu + k * k * s,
                    p * r * xx + (p * b + q * r) * xu + q * b * uu + k * m * s,
                    r * r * xx + 2 * r * b * xu + b * b * uu + m * m * s,
                )
            total += 0.5 * h * (x * x + xx)
    return np.where(np.isfinite(total), total, np.inf)


def best(problem: Quadratic, with_momentum: bool, velocity: bool = False) -> tuple[dict[str, float], float]:
    """Rate, share at the end, 0 or 1, and momentum with the least risk, to six digits; and that risk.

    The least of a fine grid, from which a simplex descends. Beyond eta_0 h_max = 4 (1 + b) no falling rate settles.
    """
    h_max = float(np.max(problem.h))
    momenta = np.linspace(0, LARGEST_MOMENTUM, 39) if with_momentum else np.zeros(1)
    count = 100 if with_momentum else 1000
    rates = np.concatenate([np.geomspace(5e-4, 1, count), np.linspace(1, 4, count)[1:]])
    found = []
    for final in (0.0, 1.0):
        grid = risks(problem, rates[:, None] * (1 + momenta) / h_max, momenta, final, velocity)
        for place in np.argsort(grid, axis=None)[:2]:
            i, j = np.unravel_index(place, grid.shape)

            def logarithm(point: Array, final: float = final) -> float:
                b = float(point[1]) if with_momentum else 0.0
                inside = 0 <= b <= LARGEST_MOMENTUM
                return float(np.log(risks(problem, np.exp(point[0]), b, final, velocity))) if inside else np.inf

            start = [np.log(rates[i] * (1 + momenta[j]) / h_max), momenta[j]][: 1 + with_momentum]
            simplex = np.array([start, *(np.array(start) + 0.01 * row for row in np.eye(len(start)))])
            simplex[:, 1:] = np.minimum(simplex[:, 1:], LARGEST_MOMENTUM)
            end = minimize(logarithm, start, method="Nelder-Mead", options={"initial_simplex": simplex, "maxfev": 60}).x
            rate, b = float(f"{np.exp(end[0]):.6g}"), float(f"{end[1]:.6g}") if with_momentum else 0.0
            risk = float(risks(problem, rate, b, final, velocity))
            found.append((risk, {"rate": rate, "final": final} | ({"momentum": b} if with_momentum else {})))
    risk, cell = min(found, key=lambda each: each[0])
    return cell, risk
