"""How many trajectories a statement needs before it can come out CONSISTENT."""

import math
from collections.abc import Callable

from scipy.special import ndtri

from jaxsgd.errors import InvalidInput, integer, scalar
from jaxsgd.inference.binomial import at_least
from jaxsgd.inference.checks import level
from jaxsgd.inference.deciding import LARGEST
from jaxsgd.inference.intervals import z_value
from jaxsgd.inference.measurement import Measurement
from jaxsgd.inference.relation import Relation
from jaxsgd.inference.verdict import Verdict, assess


def needed(
    standard_deviation: float,
    margin: float,
    *,
    relation: Relation | str = "==",
    alpha: float = 0.01,
    power: float = 0.9,
    tests: int = 1,
) -> int:
    """Trajectories for which a true statement about E Z comes out CONSISTENT with probability `power`.

        n = ceil(((z_{1 - alpha / (2 k)} + q) sd / m)^2),    q = z_power for inequalities,
                                                            q = z_{(1 + power) / 2} for "==" and "within".

    The interval, half-width z SE, fits below v + m if the estimate is at most v + m - z SE; at E Z = v,
    the hardest true case, that has probability `power` if m >= (z + z_power) SE. For "==" and "within" the
    estimate must also keep that distance from v - m, which divides the error 1 - power by two: this is
    the larger q, and more than what makes a departure m detectable. "<" and ">" have this power where
    E Z differs from v by the margin, "within" where E Z = v.

    **Arguments**

    - `standard_deviation`: of Z for one trajectory.
    - `margin`: m, the smallest departure that matters, less the `rounding` of the measurement if it has one.
    - `relation`: of the statement, a `Relation` or its text.
    - `alpha`: as for `judge`.
    - `power`: probability of CONSISTENT, at most 1 - alpha / k for "==", "<=" and ">=".
    - `tests`: k, how many statements `judge` is given together.

    **Returns** n, at least 2.

    **Raises** `InvalidInput` or `InvalidType` if an argument is not as stated, or n exceeds 10^12.

    Source: Julious (2004), "Sample sizes for clinical trials with normal data", Stat. Med. 23.

    >>> needed(1.0, 0.1), needed(1.0, 0.1, relation="<=")
    (1782, 1488)
    """
    deviation = float(scalar("standard_deviation", standard_deviation, at_least=0.0))
    margin = float(scalar("margin", margin, above=0.0))
    relation = Relation(relation)
    power = _power(relation, alpha, power, tests)
    quantile = z_value(alpha, tests) + float(ndtri((1 + power) / 2 if relation.sides == 2 else power))
    errors = max(quantile, 0.0) * (deviation / margin)
    if errors**2 > LARGEST:
        raise _too_many(margin)
    return max(2, math.ceil(errors**2))


def needed_for_proportion(
    value: float,
    margin: float,
    *,
    relation: Relation | str = "==",
    alpha: float = 0.01,
    power: float = 0.9,
    tests: int = 1,
) -> int:
    """Trajectories for which a true statement about a probability comes out CONSISTENT.

    The counterpart of `needed` for `Measurement.proportion`, from exact binomial probabilities: with n
    trials the verdict is CONSISTENT with probability at least `power` where the probability equals
    `value` (for "<" and ">": lies the margin below or above it). That chance rises with n in small
    jumps, and n comes from a bisection: somewhat more trials than n may fall just short of `power`.

    **Arguments**: `value`, what the probability is compared with; the others as for `needed`.

    **Returns** n.

    **Raises** `InvalidInput` or `InvalidType` if an argument is not as stated, or n exceeds 10^12.

    >>> needed_for_proportion(0.0, 0.001)  # no event in n trials: 1 - 0.005^(1/n) <= 0.001
    5296
    """
    value, margin = float(scalar("value", value)), float(scalar("margin", margin, above=0.0))
    relation = Relation(relation)
    power = _power(relation, alpha, power, tests)
    tests = integer("tests", tests, at_least=1)
    short, enough = 0, 1
    while _chance(relation, value, margin, enough, alpha, tests) < power:
        short, enough = enough, 2 * enough
        if enough > LARGEST:
            raise _too_many(margin)
    while enough - short > 1:
        middle = (short + enough) // 2
        if _chance(relation, value, margin, middle, alpha, tests) < power:
            short = middle
        else:
            enough = middle
    return enough


def _chance(relation: Relation, value: float, margin: float, trials: int, alpha: float, tests: int) -> float:
    """P(CONSISTENT) for a true statement among true ones, the first in Holm's procedure."""

    def consistent(successes: int) -> bool:
        measurement = Measurement.proportion(relation, value, successes, trials, margin)
        return assess(measurement, tests * measurement.p_value, alpha, tests).verdict is Verdict.CONSISTENT

    truth = min(max(value + margin * {Relation.BELOW: -1, Relation.ABOVE: 1}.get(relation, 0), 0.0), 1.0)
    centre = round(truth * trials)
    if not consistent(centre):
        return 0.0
    least, greatest = _edge(consistent, centre, -1), _edge(consistent, centre, trials + 1)
    return at_least(least, trials, truth) - at_least(greatest + 1, trials, truth)


def _edge(holds: Callable[[int], bool], inside: int, outside: int) -> int:
    """The last integer, on the way from `inside`, where it does, to `outside`, where `holds` is false."""
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside


def _power(relation: Relation, alpha: float, power: float, tests: int) -> float:
    most, power = 1 - level("alpha", alpha) / integer("tests", tests, at_least=1), level("power", power)
    if relation in ("==", "<=", ">=") and power > most:
        raise InvalidInput(
            f"power must be at most 1 - alpha / tests = {most:g} for {relation}, got {power:g}: where all statements "
            f"are true, each is refuted with probability alpha / tests; lower alpha or the power"
        )
    return power


def _too_many(margin: float) -> InvalidInput:
    return InvalidInput(f"a margin of {margin:g} needs more than {LARGEST:.0e} trajectories; use a wider margin")
