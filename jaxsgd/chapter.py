"""The studies of the chapter "Stochastic Gradient Descent" of *Dive into Deep Learning*."""

from jaxsgd import averages, noise, oracles, problems, record, schedules
from jaxsgd.errors import InvalidInput, nearest
from jaxsgd.study import Study

INITIAL = 0.1
_STEPS = {"constant": 50, "exponential": 1000, "polynomial": 50, "piecewise": 50}


def schedule(name: str, as_printed: bool = False) -> schedules.Schedule:
    """The chapter's learning rate: 0.1 times the factor that its code computes.

    The code starts its counter at 1 and increments it before use, so update t = 0, 1, ... has the
    factor exp(-0.1 (t + 2)) or (1 + 0.1 (t + 2))^-0.5. With ``as_printed`` the counter starts at 0,
    as the printed formulas say. The constant does not count; the piecewise constant one, of which the
    chapter prints the formula only, is 0.1, then 0.05 from t = 20, then 0.025 from t = 40 on.
    """
    counted = {
        "exponential": schedules.exponential(initial=INITIAL, rate=0.1),
        "polynomial": schedules.polynomial(initial=INITIAL, rate=0.1, power=0.5),
    }
    if name in counted:
        return counted[name] if as_printed else schedules.shift(counted[name], 2)
    if name == "constant":
        return schedules.constant(INITIAL)
    if name == "piecewise":
        return schedules.piecewise_constant([20, 40], [INITIAL, INITIAL / 2, INITIAL / 4])
    raise InvalidInput(f"the chapter has no schedule {name!r}; {nearest(name, _STEPS)}")


def study(name: str, steps: int | None = None, as_printed: bool = False) -> Study:
    """SGD on x1^2 + 2 x2^2 from (-5, -2) with N(0, I) gradient noise, as the chapter codes it.

    **Arguments**

    - `name`: "constant", "exponential", "polynomial" or "piecewise".
    - `steps`: number of updates; default that of the chapter's figure (50, 1000, 50; 50 for piecewise).
    - `as_printed`: count the schedule from 0, as the formulas are printed, not from 2, as they are coded.

    Every step is recorded, with the eta-weighted average of the chapter's analysis under the name "eta".
    """
    rates = schedule(name, as_printed)
    problem = problems.Quadratic(curvature=[2.0, 4.0])
    return Study(
        oracle=oracles.AdditiveNoise(problem, noise.Gaussian(std=1.0)),
        schedule=rates,
        steps=_STEPS[name] if steps is None else steps,
        x0=[-5.0, -2.0],
        averages={"eta": averages.StepSizeWeighted()},
        record=record.every(1),
    )
