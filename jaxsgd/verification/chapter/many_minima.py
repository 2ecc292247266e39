"""Exercise 5: the local minima of x^2 (1 + sin x), where descent ends, and what noise changes of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxsgd import start, theory
from jaxsgd.study import Study
from jaxsgd.verification.chapter import drawing_of_minima
from jaxsgd.verification.chapter import rippled_studies as rippled
from jaxsgd.verification.chapter.prose import Prose
from jaxsgd.verification.claim import Claim
from jaxsgd.verification.statement import Statement

PROSE = Prose.of("many_minima")
ON_THE_WAY = 20
"""The update after which a mean of gradient descent is compared."""
ARRIVES = 1500


def near(place: float, x: jax.Array) -> jax.Array:
    """Whether x is at a place, to 0.01."""
    return jnp.abs(x[0] - place) < 0.01


def height(x: jax.Array) -> jax.Array:
    """f = 2 (x sin(x/2 + pi/4))^2, which loses no digits at the minima."""
    return 2 * (x[0] * jnp.sin(x[0] / 2 + jnp.pi / 4)) ** 2


def is_minimal(x: jax.Array) -> jax.Array:
    """Whether f is 0, to 1e-6."""
    return height(x) < 1e-6


def _mean_on_the_way(low: float, high: float) -> float:
    """E f(x_20) from a uniform start, by the midpoint rule."""
    n = 4096
    starts = low + (high - low) * (np.arange(n) + 0.5) / n
    x = theory.gradient_descent(rippled.PROBLEM, starts, rippled.SMALL_RATE, ON_THE_WAY)
    return float(np.mean(x**2 * (1 + np.sin(x))))


def minima() -> Statement:
    """Descent from anywhere ends at a minimum, all of which are global, and in each cell with its share."""
    found = rippled.landscape()
    ends = float(found.maxima[0]), float(found.maxima[-1])
    uniform = rippled.descent(rippled.SMALL_RATE, ARRIVES, start.Uniform(*ends, shape=(1,)))
    mean = _mean_on_the_way(*ends)
    shares = {name: (high - low) / (ends[1] - ends[0]) for name, (low, high) in rippled.cells().items()}
    return PROSE.statement(
        "exercise-5-minima",
        claims=(
            Claim(
                "minima-value",
                r"$f(x_T) < 10^{-6}$ with probability 1, but for starts within 0.01 of a maximum",
                uniform,
                is_minimal,
                "within",
                1.0,
                margin=0.005,
            ),
            *(
                Claim(
                    f"minima-share-{name.replace('/', '-over-')}",
                    f"gradient descent ends at {rippled.in_words(name)} with the share of its cell, {shares[name]:.4f}",
                    uniform,
                    functools.partial(near, float(place)),
                    "==",
                    shares[name],
                )
                for name, place in zip(rippled.NAMES, found.minima, strict=True)
            ),
            Claim(
                "minima-on-the-way",
                rf"$\mathbb{{E}} f(x_{{{ON_THE_WAY}}}) = {mean:.6g}$, by the midpoint rule over starts",
                uniform,
                height,
                "==",
                mean,
                step=ON_THE_WAY,
                margin=0.1,
            ),
        ),
        values={
            "ten": int(np.sum(np.abs(found.minima) <= 10)),
            "hundred": len(rippled.PROBLEM.local_minima(-100, 100)),
            "thousand": len(rippled.PROBLEM.local_minima(-1000, 1000)),
            "rate": rippled.SMALL_RATE,
            "barrier": float(np.nanmin(found.barriers)),
            "second": float(found.barriers[2, 1]),
        },
        reference="theory.landscape; the proof below",
        figure=drawing_of_minima.paths,
    )


def _in_cells(prefix: str, text: str, study: Study, shares: dict[str, float], step: int) -> list[Claim]:
    """The probability of each cell at a step."""
    return [
        Claim(
            f"{prefix}-{name.replace('/', '-over-')}",
            f"{text}, update {step}: in the cell of {rippled.in_words(name)} with probability {share:.6g}",
            study,
            rippled.in_cells()[name],
            "==",
            share,
            step=step,
            reference="theory.markov_kernel",
        )
        for name, share in shares.items()
    ]


def basins() -> Statement:
    """The probability of each cell over time, from one start and from several."""
    one = rippled.basins_from(3.0)
    steps = one.steps
    exact = rippled.occupancy()
    per_start = [rippled.kernel_from(x0).probabilities(rippled.cells(), [steps])[0] for x0 in rippled.SEVERAL_STARTS]
    several = dict(zip(rippled.NAMES, np.mean(per_start, axis=0).tolist(), strict=True))
    reached = rippled.NAMES[1:]
    shares = {step: {name: float(exact.sel(step=step, region=name)) for name in reached} for step in (10, steps)}
    mixed = {name: several[name] for name in reached}
    return PROSE.statement(
        "exercise-5-basins",
        claims=(
            *_in_cells("basins-10", "from 3", one, {name: shares[10][name] for name in reached[1:]}, 10),
            *_in_cells("basins-end", "from 3", one, shares[steps], steps),
            *_in_cells("basins-mixed", "from one of four starts", rippled.from_several(), mixed, steps),
        ),
        values={
            "steps": steps,
            **{f"end_{i}": shares[steps][name] for i, name in enumerate(reached)},
            **{f"mixed_{i}": mixed[name] for i, name in enumerate(reached)},
        },
        reference="theory.markov_kernel: Nystroem (1930), Acta Math. 54",
        figure=drawing_of_minima.occupancy,
    )


def first(x: jax.Array) -> jax.Array:
    return x[0]


def unstable() -> Statement:
    """Linear instability of a minimum is not escape from its cell."""
    cycling, settling = (rippled.descent(rate, 401, 4.0) for rate in (0.1, 0.08))
    ends = {
        (rate, steps): float(theory.gradient_descent(rippled.PROBLEM, 4.0, rate, steps))
        for rate in (0.1, 0.08)
        for steps in (400, 401)
    }
    cycle = [ends[0.1, steps] for steps in (400, 401)]
    cell = rippled.cells()["3pi/2"]
    stays = float(theory.markov_kernel(rippled.unstable()).probabilities({"cell": cell}, [50])[0, 0])
    slopes = 1 - 0.1 * rippled.curvature(np.array(cycle))
    return PROSE.statement(
        "exercise-5-unstable",
        claims=(
            *(
                Claim(
                    f"unstable-{rate:g}-after-{steps}",
                    f"gradient descent from 4 at the rate {rate:g} is at {point:.5f} after {steps} updates",
                    cycling if rate == 0.1 else settling,
                    first,
                    "==",
                    point,
                    step=steps,
                    margin=0.001,
                )
                for (rate, steps), point in ends.items()
            ),
            Claim(
                "unstable-stays",
                f"with noise 2 an iterate is in the cell after 50 updates with probability {stays:.6g}",
                rippled.unstable(),
                rippled.in_cells()["3pi/2"],
                "==",
                stays,
                reference="theory.markov_kernel",
            ),
        ),
        values={
            "low": min(cycle),
            "high": max(cycle),
            "stays": stays,
            "multiplier": float(np.prod(slopes)),
            **{f"limit_{i}": float(limit) for i, limit in enumerate(rippled.landscape().learning_rate_limits)},
        },
        reference="theory.landscape; theory.markov_kernel; Strogatz (2015), Nonlinear dynamics, section 10.3",
        figure=drawing_of_minima.basins,
    )


def escape() -> Statement:
    """Noise lets iterates leave a cell, after a time that is exponential in 1 / noise^2."""
    steps = 200
    study = rippled.leaving(rippled.ESCAPE_STD, steps)
    gone = theory.markov_kernel(study).exit_probability(*rippled.cells()["0"], steps=range(steps + 1)).values
    mean = float(np.sum(1 - gone[:-1]))  # E min(tau, T) = sum_{s < T} P(tau > s)
    times = rippled.mean_exit_times()
    slow, slower = (rippled.ESCAPE_STDS[i] for i in (1, 0))
    slope = np.log(times[slower] / times[slow]) / (slower**-2 - slow**-2)
    return PROSE.statement(
        "exercise-5-escape",
        claims=(
            Claim(
                "escape-probability",
                rf"$P(\tau \le {steps}) = {gone[-1]:.6g}$",
                study,
                rippled.has_left,
                "==",
                float(gone[-1]),
                reference="theory.markov_kernel",
            ),
            Claim(
                "escape-early",
                rf"$P(\tau \le 20) = {gone[20]:.6g}$",
                study,
                rippled.has_left,
                "==",
                float(gone[20]),
                step=20,
                reference="theory.markov_kernel",
            ),
            Claim(
                "escape-time",
                rf"$\mathbb{{E}} \min(\tau, {steps}) = {mean:.6g}$",
                study,
                functools.partial(rippled.time_to_leave, steps),
                "==",
                mean,
                margin=0.02 * mean,
                reference="theory.markov_kernel",
            ),
        ),
        values={
            "rate": rippled.ESCAPE_RATE,
            "std": rippled.ESCAPE_STD,
            "steps": steps,
            "barrier": float(rippled.landscape().barriers[2, 0]),
            "slow": times[slower],
            "from_std": slow,
            "to_std": slower,
            "fast": times[3.0],
            "slope": float(slope),
            "arrhenius": rippled.arrhenius_slope(),
        },
        reference="Kramers (1940), Physica 7; Freidlin and Wentzell (2012), Random perturbations, chapter 4",
        figure=drawing_of_minima.exit_times,
    )


def all_statements() -> tuple[Statement, ...]:
    """The minima, and what becomes of descent without and with noise."""
    return PROSE.section(minima(), basins(), unstable(), escape())
