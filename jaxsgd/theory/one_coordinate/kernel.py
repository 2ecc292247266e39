"""The law of x_0, x_1, .. of one coordinate as a Markov chain: what it says of regions, exits and the long run."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution, finite_array, integer
from jaxsgd.module import AbstractOrFinal, brief
from jaxsgd.regions import Regions, checked_regions, interval
from jaxsgd.study import Study
from jaxsgd.theory.one_coordinate import integral_equations
from jaxsgd.theory.one_coordinate.density import Law, mixture_anywhere
from jaxsgd.theory.one_coordinate.integral_equations import HardlyMixes, Stationary, density_at, stationary_law
from jaxsgd.theory.one_coordinate.quadrature import EVERYWHERE, TOLERANCE, Agreed, Answers, Quadrature
from jaxsgd.theory.one_coordinate.update_of_density import update_of_density


class MarkovKernel(AbstractOrFinal):
    """The law of x_t of a study of one coordinate, without simulation; what [`jaxsgd.theory.markov_kernel`][] returns.

    Everything is found by quadrature of densities on two grids that must agree to 1e-6; `quadrature_error` among the
    attributes of what is returned says how well they do. As grids agree on what no node of theirs sees, R and R' are
    looked at between the nodes too, wherever x may be, and panels are cut where they vary there. `quadrature_spacing`,
    another attribute, says how far apart: what is narrower than that, such as a wall, may be missed.

    **The long run.** Where R' grows faster than linearly, a chain with a constant rate and unbounded noise has no
    stationary law in the strict sense: sooner or later, with a tiny probability at each update, a path is thrown so
    far out that it diverges. What is returned then is the quasi-stationary law on an interval: what holds once the
    start is forgotten, long before a path leaves. The interval contains every local minimum that R' shows around the
    start (at points on all scales up to a thousand times 1 + |x_0|), and one three times as wide must give the same
    law, or the widest for which 6000 nodes suffice. Where parts hardly communicate, so that to forget the start takes
    more than 1e8 updates, or where what is lost meanwhile may change the law by more than 1e-6, there is no answer.

    **Raises** `NoExactSolution`, by each of its methods, where the grids do not agree or would be too large.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._update = update_of_density(study)
        self._stationary: dict[tuple[float, ...], Stationary] = {}

    # over time

    def probabilities(self, regions: Regions, steps: Sequence[int] | None = None) -> xr.DataArray:
        """P(x_s in a region), (step, region).

        **Arguments**

        - `regions`: intervals [low, high) by name, which must not overlap; infinite ends are allowed.
        - `steps`: default those that the study records.
        """
        parts, at = checked_regions(regions), self._steps(steps)

        def rows(law: Law) -> list[float]:
            return [_mass_in(law.points, law.masses, ends) for ends in parts.values()]

        found = self._asked(at, rows, np.array(list(parts.values())).ravel())
        values = xr.DataArray(found.answers["rows"], {"step": at, "region": list(parts)}, ("step", "region"))
        return values.sel(region=list(regions)).assign_attrs(_accuracy(found.error, found.spacing))

    def density(self, x: Any, step: int) -> xr.DataArray:
        """The density of x_s, s >= 1, at points (n,)."""
        points, step = _points(x), integer("step", step, at_least=1)
        if step > self.study.steps:
            raise InvalidInput(f"step must lie in 1..{self.study.steps}, got {step}")
        update = self._update
        eta, width = float(update.rates[step - 1]), float(update.widths[step - 1])
        if eta == 0:
            raise InvalidInput(f"the learning rate at t = {step - 1} is 0; ask for the density of an earlier step")

        def rows(law: Law) -> np.ndarray:
            found = mixture_anywhere(law.points - eta * law.slopes, law.masses, width, update.noise, points)
            return found * width * update.noise.scale  # of the order of 1, for the comparison of grids

        found = self._asked(np.array([step - 1]), rows, np.zeros(0))
        values = found.answers["rows"][0] / (width * update.noise.scale)
        return xr.DataArray(values, {"x": points}, ("x",), attrs=_accuracy(found.error, found.spacing))

    def exit_probability(self, low: float, high: float, steps: Sequence[int] | None = None) -> xr.DataArray:
        """P(some x_t, t <= s, outside [low, high)), (step,), from x_0 in it."""
        ends, at = self._around_start(low, high), self._steps(steps)
        return self._taken_away(at, np.zeros(0), inside=ends)

    def entry_probability(self, regions: Regions, steps: Sequence[int] | None = None) -> xr.DataArray:
        """P(some x_t, t <= s, in one of the regions), (step,), from x_0 in none; jumping over a region is no entry."""
        parts, at = checked_regions(regions), self._steps(steps)
        avoided = tuple(parts.values())
        if any(low <= self._update.start < high for low, high in avoided):
            raise InvalidInput(f"x_0 = {self._update.start:g} lies in one of the regions: it has entered it")
        return self._taken_away(at, np.array(avoided).ravel(), avoided=avoided)

    # in the long run, at a constant learning rate

    def mean_exit_time(self, low: float, high: float) -> float:
        """E of the first t >= 1 with x_t outside [low, high), from x_0 in it, at a constant learning rate.

        An end may be infinite: then it is taken so far out that going further would not change the time. A plain
        number, without attributes; two grids agree on it to a relative 1e-6.
        """
        ends, update = self._around_start(low, high), self._constant()
        if np.isfinite(ends).all():
            return integral_equations.mean_exit_time(update, ends)
        previous = np.nan
        for reach in self._reaches():
            cut = (max(ends[0], update.start - reach), min(ends[1], update.start + reach))
            found = integral_equations.mean_exit_time(update, cut)
            if abs(found - previous) <= 1e-9 * found:
                return found
            previous = found
        raise NoExactSolution("the mean exit time grows with every part of the infinite interval that is looked at")

    def stationary_density(self, x: Any) -> xr.DataArray:
        """The density of the stationary law at points (n,), at a constant learning rate."""
        points = _points(x)
        law = self._stationary_law(())
        values = density_at(points, law, self._update)
        return xr.DataArray(values, {"x": points}, ("x",), attrs=_accuracy(law.error, law.spacing))

    def stationary_probabilities(self, regions: Regions) -> xr.DataArray:
        """The probabilities of regions under the stationary law, (region,), at a constant learning rate."""
        parts = checked_regions(regions)
        law = self._stationary_law(tuple(end for ends in parts.values() for end in ends if np.isfinite(end)))
        values = [_mass_in(law.points, law.masses, parts[name]) for name in regions]
        return xr.DataArray(values, {"region": list(regions)}, ("region",), attrs=_accuracy(law.error, law.spacing))

    def __repr__(self) -> str:
        return f"MarkovKernel({self.study!r})"

    def _steps(self, steps: Sequence[int] | None) -> np.ndarray:
        if steps is None:
            return self.study.recorded_steps
        if isinstance(steps, (str, bytes)) or np.ndim(steps) != 1:
            raise InvalidType(f"steps must be a list of steps such as [{self.study.steps}], got {brief(steps)}")
        at = np.array([integer("steps", step, at_least=0) for step in steps])
        if not len(at) or at.max() > self.study.steps or np.any(np.diff(at) <= 0):
            raise InvalidInput(f"steps must increase within 0..{self.study.steps}, got {brief(steps)}")
        return at

    def _taken_away(self, at: np.ndarray, cuts: np.ndarray, **where: Any) -> xr.DataArray:
        """The probability of having been taken away by some steps, (step,)."""
        found = self._asked(at, lambda law: [float(law.masses.sum())], cuts, **where)
        values = 1 - found.answers["rows"][:, 0]
        return xr.DataArray(values, {"step": at}, ("step",), attrs=_accuracy(found.error, found.spacing))

    def _asked(
        self,
        at: np.ndarray,
        rows: Any,
        cuts: np.ndarray,
        inside: tuple[float, float] = EVERYWHERE,
        avoided: Sequence[tuple[float, float]] = (),
    ) -> Agreed:
        """What is asked of the laws at some steps, with panels that end at the cuts."""
        wanted = set(at.tolist())
        finite = cuts[np.isfinite(cuts)]
        update = self._update._replace(kinks=np.unique(np.concatenate([self._update.kinks, finite])))

        def ask(laws: Iterator[Law]) -> Answers:
            kept = [(rows(law), law.masses.sum()) for step, law in enumerate(laws) if step in wanted]
            return {"rows": np.array([row for row, _ in kept]), "mass": np.array([mass for _, mass in kept])}

        def difference(answers: Answers, others: Answers) -> float:
            apart = float(np.abs(answers["rows"] - others["rows"]).max())
            return apart if inside != EVERYWHERE or avoided else max(apart, float(np.abs(answers["mass"] - 1).max()))

        return Quadrature(update, int(at.max()), ask, difference, inside, avoided).agreed()

    def _around_start(self, low: float, high: float) -> tuple[float, float]:
        ends = interval("the set", (low, high))
        if not ends[0] <= self._update.start < ends[1]:
            raise InvalidInput(f"x_0 = {self._update.start:g} must lie in [{ends[0]:g}, {ends[1]:g})")
        return ends

    def _constant(self) -> Any:
        rates, factors = self._update.rates, self._update.factors
        if np.ptp(rates) > 0 or np.ptp(factors) > 0 or not rates[0] > 0:
            raise InvalidInput(
                "this needs a constant positive learning rate, and noise of constant size; got rates from "
                f"{rates.min():g} to {rates.max():g}"
            )
        return self._update

    def _reaches(self) -> np.ndarray:
        """Distances from the start, growing, in units of what one update adds."""
        unit = float(self._update.widths[0]) * self._update.noise.scale
        return unit * 16 * 1.5 ** np.arange(12)

    def _stationary_law(self, cuts: tuple[float, ...]) -> Stationary:
        """The law on an interval around the start so wide that a wider one changes nothing; found once."""
        if cuts not in self._stationary:
            self._stationary[cuts] = self._widened(cuts)
        return self._stationary[cuts]

    def _widened(self, cuts: tuple[float, ...]) -> Stationary:
        unit = self._constant().noise.scale * float(self._update.widths[0])
        previous, reason, reaches = None, "", self._reaches()
        least = self._farthest_minimum()
        if least > reaches[-1]:
            raise NoExactSolution(
                f"no stationary law is found: the risk has a minimum at the distance {least:.3g} from x_0, too far "
                f"away for updates that add noise of {unit:.3g}, and paths may come to stay there"
            )
        for number, reach in enumerate(reaches):
            if reach < least + reaches[0] and least:
                continue
            try:
                found = self._law_within(reach, cuts)
            except HardlyMixes as error:
                raise NoExactSolution(f"no stationary law is found: {error}") from error
            except NoExactSolution as error:
                reason = str(error)
                continue
            apart = np.inf if previous is None else found.difference(previous)
            if apart <= TOLERANCE / 10:
                agreed = found._replace(error=max(found.error, apart))
                return self._confirmed(agreed, reaches[number + 1 : number + 4], cuts)
            previous, reason = found, f"wider intervals change it by {apart:.1g}"
        raise NoExactSolution(f"no stationary law is found: {reason}")

    def _law_within(self, reach: float, cuts: tuple[float, ...]) -> Stationary:
        start = self._update.start
        return stationary_law(self._update, (start - reach, start + reach), np.array(cuts))

    def _confirmed(self, law: Stationary, reaches: np.ndarray, cuts: tuple[float, ...]) -> Stationary:
        """A law, if that on the widest interval for which there is one is the same."""
        for reach in reaches[::-1]:
            try:
                wider = self._law_within(float(reach), cuts)
            except HardlyMixes as error:
                raise NoExactSolution(f"no stationary law is found: {error}") from error
            except NoExactSolution:  # too many nodes
                continue
            apart = law.difference(wider)
            if apart > TOLERANCE:
                raise NoExactSolution(f"no stationary law is found: a far wider interval changes it by {apart:.1g}")
            return law._replace(error=max(law.error, apart))
        return law

    def _farthest_minimum(self) -> float:
        """The distance from x_0 to the farthest local minimum that R' shows, of points on all scales; 0 for none."""
        start, reaches = self._update.start, self._reaches()
        far = max(1e3 * (1 + abs(start)), float(reaches[-1]))
        away = np.unique(np.concatenate([np.geomspace(reaches[0] / 1e3, far, 8192), np.linspace(0, reaches[-1], 8192)]))
        points = np.unique(np.concatenate([start - away, start + away]))
        with np.errstate(all="ignore"):
            _, slopes = self._update.evaluate(points)
        told = np.isfinite(slopes) & (slopes != 0)
        points, rising = points[told], slopes[told] > 0
        minima = np.flatnonzero(~rising[:-1] & rising[1:])
        return float(np.abs(points[np.concatenate([minima, minima + 1])] - start).max(initial=0.0))


def _points(x: Any) -> np.ndarray:
    """Some finite numbers, or one, as (n,)."""
    points = np.atleast_1d(finite_array("x", x))
    if points.ndim != 1 or not len(points):
        raise InvalidInput(f"x must be a number or some numbers (n,), got shape {points.shape}")
    return points


def _accuracy(error: float, spacing: float) -> dict[str, float]:
    """The attributes of an answer: how far two grids differ, and how far apart R was looked at between their nodes."""
    return {"quadrature_error": error, "quadrature_spacing": spacing}


def _mass_in(points: np.ndarray, masses: np.ndarray, ends: tuple[float, float]) -> float:
    return float(masses[(points >= ends[0]) & (points < ends[1])].sum())


def markov_kernel(study: Study) -> MarkovKernel:
    """The law of x_0, x_1, .. of a study of one coordinate, as a Markov chain.

    With m(x) = x - eta_t R'(x) and noise xi of density f, x_{t+1} given x_t = x has the density
    f((m(x) - y) / w_t) / w_t, w_t = eta_t c_t where the noise has the scale c_t. From it follow, without simulation,
    the probabilities of regions over time, those of leaving a set by a step, mean exit times, and the stationary law.

    **Arguments**

    - `study`: of plain SGD in one coordinate from one start, with noise whose density is known and smooth, such as
      Gaussian noise, on any risk.

    **Raises** `NoExactSolution` with the reason for any other study.

    Source: Nystroem (1930), Acta Math. 54, for the quadrature; Kemeny and Snell (1960), Finite Markov Chains, chapter
    3, for exit times.

    >>> from jaxsgd import noise, oracles, problems, schedules
    >>> oracle = oracles.AdditiveNoise(problems.RippledParabola(), noise.Gaussian(std=4.0))
    >>> study = Study(oracle=oracle, schedule=schedules.constant(0.05), steps=100, x0=[3.0])
    >>> found = markov_kernel(study).probabilities({"basin of 0": (-0.8052563484, 2.8084472048)}, steps=[100])
    >>> round(float(found[0, 0]), 6)
    0.075392
    """
    if not isinstance(study, Study):
        raise InvalidType(f"markov_kernel(study) needs a jaxsgd.Study, got {study!r}")
    return MarkovKernel(study)
