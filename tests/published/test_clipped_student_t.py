"""Clipped SGD under Student's t of 1.5 degrees of freedom: its law by an independent computation, and simulated.

Zhang et al. (2020), arXiv 1912.03194: where the gradient has no variance, SGD has no mean square error, and clipped SGD
has one. In one coordinate, R(x) = h x^2 / 2, the law of x' = x - eta clip(h x + xi, tau) is known as exactly as one
likes: given x it has atoms at x -+ eta tau, where the gradient is clipped, and the density f((x - y) / eta - h x) / eta
of y between them, f that of Student's t by scipy. From a point x_0 the law of x_t has atoms at x_0 + k eta tau, and a
density that is smooth between these points alone. Panels of Gauss-Legendre nodes that end at them take each other to
themselves by a step of eta tau, and so nothing is cut off and nothing is smeared: errors fall faster than any power of
the number of nodes.
"""

import functools
import itertools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.interpolate import BarycentricInterpolator
from scipy.optimize import brentq

import jaxsgd as js
from jaxsgd.errors import NoExactSolution
from jaxsgd.inference import Verdict

pytestmark = pytest.mark.usefixtures("quick_compilation")

DF, H, ETA, TAU, START, STEPS = 1.5, 1.0, 0.1, 1.0, 2.0, 12
TRAJECTORIES = 2**15


class Law(NamedTuple):
    """Atoms at x_0 + k eta tau, k = -T .. T, and the density at the nodes of the panels between them."""

    places: np.ndarray
    masses: np.ndarray
    nodes: np.ndarray  # (panels, n)
    weights: np.ndarray  # (n,)
    density: np.ndarray  # (panels, n)

    def mean(self, function):
        of_density = (self.weights * self.density * function(self.nodes)).sum()
        return self.masses @ function(self.places) + of_density

    def risk_at_most(self, risk):
        """P(h x^2 / 2 <= risk)."""
        end = np.sqrt(2 * risk / H)
        total = self.masses[np.abs(self.places) <= end].sum()
        unit, weights = np.polynomial.legendre.leggauss(len(self.weights))
        for panel, low, high in zip(range(len(self.nodes)), self.places[:-1], self.places[1:], strict=True):
            a, b = max(low, -end), min(high, end)
            if a < b:
                at = (a + b) / 2 + (b - a) / 2 * unit
                total += (b - a) / 2 * weights @ BarycentricInterpolator(self.nodes[panel], self.density[panel])(at)
        return total


@functools.cache
def law(tau=TAU, n=12, steps=STEPS):
    """The law of x_T."""
    xi, step = stats.t(DF), ETA * tau
    places = START + step * np.arange(-steps, steps + 1)
    unit, unit_weights = np.polynomial.legendre.leggauss(n)
    u, weights = (unit + 1) / 2, step * unit_weights / 2  # fractions of a panel
    nodes = places[:-1, None] + step * u
    down, up = (lambda x: xi.sf(tau - H * x)), (lambda x: xi.cdf(-tau - H * x))

    def kernel(y, x):
        return xi.pdf((x - y) / ETA - H * x) / ETA

    # Of y at the fraction u_i of a panel: x in the last 1 - u_i of the one before, all of its own, u_i of the next.
    from_before, from_next = [], []  # (n, n): the values at the nodes times these are those at the nodes of the part
    basis = BarycentricInterpolator(u, np.eye(n))
    for fraction in u:
        from_before.append(((fraction + (1 - fraction) * u), basis(fraction + (1 - fraction) * u)))
        from_next.append((fraction * u, basis(fraction * u)))
    panels = len(nodes)
    matrix = np.zeros((panels, n, panels, n))
    for c, i in itertools.product(range(panels), range(n)):
        y = nodes[c, i]
        matrix[c, i, c] += weights * kernel(y, nodes[c])
        if c > 0:
            at, values = from_before[i]
            matrix[c, i, c - 1] += (1 - u[i]) * (weights * kernel(y, places[c - 1] + step * at)) @ values
            matrix[c, i, c - 1, i] += up(nodes[c - 1, i])
        if c < panels - 1:
            at, values = from_next[i]
            matrix[c, i, c + 1] += u[i] * (weights * kernel(y, places[c + 1] + step * at)) @ values
            matrix[c, i, c + 1, i] += down(nodes[c + 1, i])
    matrix = matrix.reshape(panels * n, panels * n)
    near = np.abs(nodes[..., None] - places) < step
    of_atoms = np.where(near, kernel(nodes[..., None], places), 0.0).reshape(panels * n, -1)
    masses, density = (np.arange(-steps, steps + 1) == 0).astype(float), np.zeros(panels * n)
    for _ in range(steps):
        density = matrix @ density + of_atoms @ masses
        masses = np.append((masses * down(places))[1:], 0) + np.append(0, (masses * up(places))[:-1])
    return Law(places, masses, nodes, weights, density.reshape(panels, n))


def risk(x):
    return H * x**2 / 2


def moments(of):
    """E R and the standard deviation of R."""
    mean = of.mean(risk)
    return mean, np.sqrt(of.mean(lambda x: risk(x) ** 2) - mean**2)


def quantile(of, p):
    return brentq(lambda q: of.risk_at_most(q) - p, 1e-6, 10)


PROBABILITIES = (0.1, 0.5, 0.9)
FAR = 1.0  # P(R > 1) is some 13%


STUDY = js.Study(
    oracle=js.oracles.AdditiveNoise(js.problems.Quadratic([H]), js.noise.StudentT(DF)),
    schedule=js.schedules.constant(ETA),
    method=js.methods.Clipped(js.methods.Sgd(), value=TAU),
    x0=[START],
    steps=STEPS,
)


def at_most(q):
    return lambda x: H * jnp.sum(x**2) / 2 <= q


def claims(of, name):
    """That E R, quantiles of R and P(R <= 1) of the simulated x_T are those of a law."""
    events = {FAR: of.risk_at_most(FAR)} | {quantile(of, p): p for p in PROBABILITIES}
    return [
        js.Claim(f"{name}, mean", "E R", STUDY, "risk", "==", of.mean(risk)),
        *(
            js.Claim(f"{name}, {q:.3g}", "P(R <= q)", STUDY, at_most(q), "==", p, margin=0.02)
            for q, p in events.items()
        ),
    ]


def test_two_grids_agree_and_nothing_is_lost():
    coarse, fine = law(n=8), law()
    for one in (coarse, fine):
        assert one.mean(np.ones_like) == pytest.approx(1, abs=1e-11)
    assert moments(coarse) == pytest.approx(moments(fine), rel=1e-9)
    for p in PROBABILITIES:
        assert quantile(coarse, p) == pytest.approx(quantile(fine, p), rel=1e-8)
    assert 0.01 < fine.masses.sum() < 0.1  # atoms count


def test_a_step_is_that_of_the_update():
    """E x_3^2 is E_2 E[(x - eta clip(h x + xi, tau))^2 | x], the inner one by quadrature of its definition."""
    xi = stats.t(DF)

    def next_square(x):
        low, high = -TAU - H * x, TAU - H * x  # where the gradient is clipped
        between, _ = quad(lambda z: (x - ETA * (H * x + z)) ** 2 * xi.pdf(z), low, high)
        return (x - ETA * TAU) ** 2 * xi.sf(high) + (x + ETA * TAU) ** 2 * xi.cdf(low) + between

    assert law(n=8, steps=3).mean(np.square) == pytest.approx(
        law(n=8, steps=2).mean(np.vectorize(next_square)), rel=1e-9
    )


def test_simulated_and_computed_laws_agree():
    """And a law with tau 5% larger is refuted: its E R is 25 standard errors away, P(R > 1) 10, known in advance."""
    of, other = law(), law(tau=1.05 * TAU)
    error = moments(of)[1] / np.sqrt(TRAJECTORIES)
    beyond = 1 - of.risk_at_most(FAR)
    scores = {
        "mean": (moments(of)[0] - moments(other)[0]) / error,
        "far": (other.risk_at_most(FAR) - of.risk_at_most(FAR)) / np.sqrt(beyond * (1 - beyond) / TRAJECTORIES),
    }
    assert scores["mean"] > 25
    assert scores["far"] > 10
    report = js.verify([*claims(of, "tau"), *claims(other, "other")], TRAJECTORIES)
    for name, verdict in report.verdicts.items():
        assert verdict == (Verdict.CONSISTENT if name.startswith("tau") else Verdict.REFUTED)
    assert report["tau, mean"].findings[0].measurement.standard_error == pytest.approx(error, rel=0.05)


def test_without_clipping_there_is_no_mean():
    """E R(x_t) is infinite from t = 1 on: no exact moments, and no standard error of what a sample shows."""
    study = STUDY.replace(method=js.methods.Sgd(), steps=1)
    with pytest.raises(NoExactSolution, match="covariance"):
        js.theory.exact(study)
    report = js.verify(js.Claim("mean", "E R", study, "risk", "==", moments(law())[0]), 1024)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "its mean is infinite" in report.findings[0].why
