"""How the iterates of studies move, in sizes: as it is declared, or as their functions show it at a few points."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from jaxsgd.engine.program import Program
from jaxsgd.problems.problem import GradientSizes
from jaxsgd.runs.probe import Probe
from jaxsgd.runs.rounding_bounds import EPSILON, Motion
from jaxsgd.structure import flat
from jaxsgd.study import Study


class Declared(NamedTuple):
    """What an oracle and its problem declare; None stands for not known.

    - `sizes`: of gradients, from the start; `noise`: the standard deviation of a gradient given x, (d,).
    - `constant_covariance`: whether that is the same at every x.
    - `mixes`: whether the risk is a quadratic that mixes coordinates.
    """

    sizes: GradientSizes | None
    noise: np.ndarray | None
    constant_covariance: bool
    minimiser: np.ndarray | None
    minimum: float
    strong_convexity: float
    smoothness: float
    mixes: bool
    normal: bool

    @property
    def is_enough(self) -> bool:
        """Whether the motion follows from it."""
        return self.sizes is not None and self.noise is not None

    @classmethod
    def of(cls, study: Study) -> Self:
        """What those of a study declare."""
        oracle, problem = study.oracle, study.oracle.problem
        sizes = problem and _largest([problem.gradient_sizes(point) for point in study.starting_points])
        covariances = oracle.gradient_covariances(study.dimension, study.steps)
        noise = None
        if covariances is not None:
            covariance, factors = covariances
            # The least of all updates, beside which rounding is largest.
            variances = np.min(factors) * (covariance if covariance.ndim == 1 else np.diag(covariance))
            noise = np.sqrt(variances).astype(float)
        elif problem and sizes and oracle.averages_examples and oracle.batch < problem.examples:
            noise = None if sizes.examples is None else sizes.examples / np.sqrt(oracle.batch)
        return cls(
            sizes,
            noise,
            covariances is not None,
            None if problem is None or problem.minimiser is None else flat(problem.minimiser),
            float((problem and problem.minimum) or 0.0),
            float((problem and problem.strong_convexity) or 0.0),
            float((problem and problem.smoothness) or np.inf),
            problem is not None and problem.hessian is not None and problem.hessian.ndim == 2,
            bool(oracle.normal),
        )


def _largest(sizes: Sequence[GradientSizes | None]) -> GradientSizes | None:
    """The sizes from some starts as those from one; None where they are not known."""
    known = [each for each in sizes if each is not None]
    if len(known) < len(sizes):
        return None
    drift, rounding = (np.max([getattr(each, name) for each in known], 0) for name in ("drift", "rounding"))
    return GradientSizes(drift, rounding, known[0].examples)


class Moving(NamedTuple):
    """How the cells of a launch move.

    - `motion`: of all of them; `declared`, `probes`: of each what is declared, and what functions show if it was asked.
    """

    motion: Motion
    declared: list[Declared]
    probes: list[Probe | None]

    @classmethod
    def of(cls, studies: Sequence[Study], program: Program, rates: np.ndarray) -> Self:
        """That of studies with one program, with their rates (cells, T)."""
        held: dict[tuple[int, bytes], Declared] = {}
        motions, declared, probes = [], [], []
        for study, own in zip(studies, rates, strict=True):
            key = id(study.oracle), study.starting_points.tobytes()
            if key not in held:  # cells often differ in their schedules alone
                held[key] = Declared.of(study)
            motion, probe = _motion(study, program, own, held[key])
            motions.append(motion)
            declared.append(held[key])
            probes.append(probe)
        return cls(Motion.stack(motions), declared, probes)


def _motion(study: Study, program: Program, rates: np.ndarray, of_it: Declared) -> tuple[Motion, Probe | None]:
    d, starts, minimiser = study.dimension, study.starting_points, of_it.minimiser
    noise, mu = of_it.noise, of_it.strong_convexity
    about = {
        "strong_convexity": mu,
        "smoothness": of_it.smoothness,
        "normal": of_it.normal,
        "is_declared": of_it.is_enough,
    }
    centre = np.abs(starts).max(0) if minimiser is None else np.abs(minimiser)
    probe = None
    if not of_it.is_enough or program.observables:
        centres = [starts[0]] if minimiser is None else [starts[0], minimiser]
        width = np.sqrt(min(float(np.sum(rates**2)), rates.max() / (2 * mu) if mu else np.inf))
        unknown = noise is None or (program.requests and not noise.any())
        probe = Probe.of(study, program, centres, width * (np.ones(d) if unknown else noise))
    if of_it.is_enough:
        assert of_it.sizes is not None
        drift, error = of_it.sizes.drift, EPSILON * of_it.sizes.rounding
    elif probe is None:
        unknown = np.zeros(d)
        about |= {"normal": False, "is_declared": False}
        return Motion(rates, unknown, np.ones(d), np.abs(starts).max(0), unknown, unknown, **about), None
    else:
        with np.errstate(invalid="ignore", over="ignore"):
            gradient = np.nan_to_num(probe.double.gradient.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
            gap = np.nan_to_num(probe.single.gradient - gradient, nan=0.0, posinf=0.0, neginf=0.0)
        half = gradient[len(gradient) % 2 :: 2] if minimiser is None else gradient[1::2]
        noise = half.std(0) / np.sqrt(study.oracle.batch) if noise is None else noise
        if not study.oracle.unbiased:  # what was looked at may be one time of many: with 0 no bound settles anything
            noise = np.zeros(d)
        drift, error = np.abs(gradient).max(0), np.abs(gap.mean(0))
    if minimiser is None:
        distance = np.minimum(rates.sum() * drift, np.finfo(np.float32).max)
    else:
        distance = np.abs(starts - minimiser).max(0)
    assert noise is not None
    return Motion(rates, noise, drift, centre, distance, error, **about), probe
