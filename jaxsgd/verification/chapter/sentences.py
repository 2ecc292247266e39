"""What the chapter says, in its order, and which statements test it."""

from typing import NamedTuple


class Sentence(NamedTuple):
    """One sentence of the chapter, in our words, and the names of the statements that test it, or of what is coming."""

    place: str
    text: str
    tested_by: tuple[str, ...]


COMING = {
    "scaled-coordinates": "needs more methods: preconditioning and adaptive rates (exercise 4)",
    "non-convex": (
        "needs non-convex problems: local minima of x^2 (1 + sin x) (exercise 5). That minimising is NP-hard is about "
        "the "
        "worst case; it does not forbid guarantees of stationarity"
    ),
    "other-schedules": "needs sweeps over families: warm-up, and rates that go up and down",
}
"""Parts of the chapter that are not tested yet, by name, and what they wait for."""

_UPDATES, _RATES = "Stochastic gradient updates", "Dynamic learning rate"
_ANALYSIS, _SAMPLES = "Convergence analysis for convex objectives", "Stochastic gradients and finite samples"
_SUMMARY, _EXERCISES = "Summary", "Exercises"

SENTENCES = (
    Sentence(_UPDATES, "gradient descent costs O(n) an iteration, SGD O(1)", ("cost-per-update",)),
    Sentence(_UPDATES, "the stochastic gradient is unbiased", ("unbiased", "mean-of-examples")),
    Sentence(_UPDATES, "noise of mean 0 and variance 1 on the gradient simulates SGD", ("unbiased",)),
    Sentence(_UPDATES, "the trajectory of SGD is noisier than that of gradient descent", ("noisier-than-descent",)),
    Sentence(
        _UPDATES, "near the minimum the noise of the gradient remains", ("noisier-than-descent", "figure-constant")
    ),
    Sentence(_UPDATES, "after 50 steps the quality is not good, and more steps do not help", ("constant-levels-off",)),
    Sentence(_UPDATES, "too small a rate: no progress; too large: no good solution", ("too-small-too-large",)),
    Sentence(_RATES, "too fast a decay stops too early, too slow a decay wastes time", ("how-fast-to-decay",)),
    Sentence(_RATES, "piecewise constant rates", ("figure-piecewise", "piecewise-stages")),
    Sentence(_RATES, "exponential decay", ("figure-exponential", "exponential-freezes")),
    Sentence(_RATES, "polynomial decay with power 1/2 behaves well", ("figure-polynomial", "how-fast-to-decay")),
    Sentence(_RATES, "under exponential decay the variance falls", ("exponential-freezes",)),
    Sentence(_RATES, "it ends far from the optimum after 1000 steps and fails to converge", ("exponential-freezes",)),
    Sentence(_RATES, "polynomial decay converges better after only 50 steps", ("polynomial-better",)),
    Sentence(_RATES, "many other choices: warm-up, alternating rates", ("other-schedules",)),
    Sentence(_RATES, "non-convex problems have no meaningful guarantee in general", ("non-convex",)),
    Sentence(_ANALYSIS, "the squared distance after one step", ("one-step-identity",)),
    Sentence(_ANALYSIS, "the squared gradient is bounded by L^2", ("gradient-norm-bounded",)),
    Sentence(_ANALYSIS, "for a given sequence the distance may grow", ("distance-may-grow",)),
    Sentence(_ANALYSIS, "the convexity inequality", ("convexity-inequality",)),
    Sentence(_ANALYSIS, "the one-step inequality in expectation", ("one-step-inequality",)),
    Sentence(_ANALYSIS, "progress while the gap exceeds eta L^2/2", ("progress-while-the-gap-is-large",)),
    Sentence(_ANALYSIS, "the learning rate must vanish", ("progress-while-the-gap-is-large", "wide-choice-converges")),
    Sentence(_ANALYSIS, "the telescoped inequality in expectation", ("telescoped-bound",)),
    Sentence(_ANALYSIS, "Jensen's inequality for the weighted average", ("jensen",)),
    Sentence(_ANALYSIS, "the bound on the risk of the average", ("bound-on-the-average",)),
    Sentence(
        _ANALYSIS, "the bound is about the average, a smoothed path", ("bound-on-the-average", "polynomial-better")
    ),
    Sentence(_ANALYSIS, "the rate depends on r and L", ("bound-on-the-average", "tuned-step")),
    Sentence(_ANALYSIS, "eta = r/(L sqrt T) gives rL/sqrt T", ("tuned-step",)),
    Sentence(_ANALYSIS, "so we converge at the rate 1/sqrt T", ("rate-one-over-sqrt-T",)),
    Sentence(_SAMPLES, "examples as draws from a discrete distribution", ("mean-of-examples",)),
    Sentence(_SAMPLES, "in practice every example is used once, in random order", ("four-orders",)),
    Sentence(_SAMPLES, "drawn at least once: 0.63", ("at-least-once",)),
    Sentence(_SAMPLES, "drawn exactly once: 0.37", ("exactly-once",)),
    Sentence(
        _SAMPLES,
        "with replacement has more variance and less efficiency",
        ("data-efficiency", "shuffling-needs-epochs", "importance-can-hurt"),
    ),
    Sentence(_SUMMARY, "a wide choice of rates converges on convex problems", ("wide-choice-converges",)),
    Sentence(_SUMMARY, "decrease the rate, but not too fast", ("how-fast-to-decay", "exponential-freezes")),
    Sentence(_SUMMARY, "rates too small or too large are trouble", ("too-small-too-large",)),
    Sentence(_SUMMARY, "more examples make gradient descent dearer", ("cost-per-update",)),
    Sentence(_SUMMARY, "no guarantee for non-convex problems", ("non-convex",)),
    Sentence(_EXERCISES, "1: schedules, iterations, distance from the optimum", ("exercise-1-distances",)),
    Sentence(_EXERCISES, "2: noise on the gradient is a random target", ("exercise-2-random-target",)),
    Sentence(_EXERCISES, "3: with and without replacement", ("exercise-3-orders", "four-orders", "data-efficiency")),
    Sentence(_EXERCISES, "4: coordinates of very different size", ("scaled-coordinates",)),
    Sentence(_EXERCISES, "5: local minima of x^2 (1 + sin x)", ("non-convex",)),
)
"""The chapter's sentences that say something that can be tested."""
