"""What is the same for many studies is done once: counted, not timed."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import compiler
from jaxsgd.remembering import remember
from jaxsgd.theory import exact_moments
from jaxsgd.theory.bounds import WeightedAverage
from jaxsgd.theory.route import Route
from jaxsgd.verification.of_study import of_bound


class Counted:
    """A function that counts its calls, those by a trace among them."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *arguments):
        self.calls += 1
        return self.function(*arguments)


def test_studies_of_one_structure_are_traced_once():
    risk, seen, summed = Counted(lambda x: jnp.sum(x**4)), Counted(lambda x: x[0]), Counted(lambda u: u.learning_rate)

    def make(rate, std=1.0, start=(1.0, 2.0)):
        return js.Study(
            oracle=js.oracles.AdditiveNoise(js.problems.Function(risk), js.noise.Gaussian(std)),
            schedule=js.schedules.constant(rate),
            x0=list(start),
            steps=5,
            observables={"seen": seen},
            path_sums={"summed": summed},
        )

    first = make(0.1)
    traces = risk.calls, seen.calls, summed.calls
    assert min(traces) >= 1
    for rate in np.linspace(0.01, 0.1, 20):
        make(rate, std=rate, start=(rate, 1.0)).replace(schedule=js.schedules.cosine(rate, 5))
    assert first.requests == make(0.2).requests
    assert (risk.calls, seen.calls, summed.calls) == traces
    make(0.1, start=(1.0, 2.0, 3.0))  # another structure is another trace
    assert risk.calls > traces[0]


def test_errors_are_found_in_every_study():
    for _ in range(2):
        with pytest.raises(TypeError, match="observable 'o'"):
            js.chapter.study("constant", 5).replace(observables={"o": _not_traceable})


def _not_traceable(x):
    return float(x[0])


def test_the_noise_of_gradients_compiles_once(monkeypatch):
    loss = Counted(lambda x, a: jnp.sum((x - a) ** 2) / 2)
    compiled = Counted(compiler.jit)
    monkeypatch.setattr(compiler, "jit", compiled)
    data = np.array([1.0, 2.0, 6.0])
    values = [js.problems.FiniteSum(loss, data * k, minimiser=3.0 * k, minimum=1.0).gradient_noise for k in (1, 2, 3)]
    np.testing.assert_allclose(values, [14 / 3 * k**2 for k in (1, 2, 3)], rtol=1e-14)
    assert compiled.calls == 1
    assert loss.calls == 1


def test_assumptions_are_evaluated_once_a_report():
    class CountedBound(js.theory.Bound):
        name, title, statement, reference = "counted", "a bound that counts", "", ""
        calls = 0

        def assumptions(self, study):
            type(self).calls += 1
            return WeightedAverage().assumptions(study)

        def point(self, study):
            return WeightedAverage().point(study)

        def coefficients(self, study):
            return WeightedAverage().coefficients(study)

    study = js.chapter.study("constant", 5).replace(method=js.methods.Projected(js.methods.Ball(10.0)))
    report = js.theory.bounds(study, among=[CountedBound()])
    assert report["counted"].assumptions
    assert CountedBound.calls == 1
    assert len(of_bound(CountedBound(), study).claims) == 2  # with the gradients of the run, and known before it
    assert CountedBound.calls == 2


def test_exact_moments_are_found_once_for_a_study(monkeypatch):
    class CountedRoute(Route):
        title, sentence, reference, slow = "counted", "", "", False
        calls = 0

        def applies(self, study):
            return None if study.steps == 5 else "it has other steps"

        def moments(self, study):
            type(self).calls += 1
            return exact_moments.QuadraticWithAdditiveNoise().moments(study)

    monkeypatch.setattr(exact_moments, "ROUTES", (CountedRoute(),))
    study = js.chapter.study("constant", 5)
    assert exact_moments.known(study) is exact_moments.known(study)
    assert CountedRoute.calls == 1
    assert exact_moments.known(study.replace(steps=4)) is None
    with pytest.raises(js.errors.NoExactSolution, match="not those of counted, since it has other steps"):
        js.theory.exact(study.replace(steps=4))


def test_what_cannot_be_hashed_is_computed_anew():
    made = Counted(lambda value: value)
    remembered = remember(4)(made.__call__)
    assert [remembered(1), remembered(1), remembered([1]), remembered([1])] == [1, 1, [1], [1]]
    assert made.calls == 3
