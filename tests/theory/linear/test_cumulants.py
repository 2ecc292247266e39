"""Variances of observables under noise that is not normal, against all sequences of two-point noise, enumerated."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import averages, methods, noise, oracles, problems, record, schedules, theory

H, X_STAR, X_0 = np.array([2.0, 0.5]), np.array([1.0, -1.0]), np.array([2.0, -0.5])
SCALES = np.array([1.0, 0.7])
VALUES, CHANCES = np.array([2.0, -1.0]), np.array([1 / 3, 2 / 3])  # skewed, of mean 0


class Skewed(noise.Noise):
    """2 or -1 times a scale, with probabilities 1/3 and 2/3, in two coordinates."""

    tail_index, independent = np.inf, True

    def sample(self, stream, like):
        return jnp.where(stream.uniform((2,)) < 1 / 3, 2.0, -1.0) * SCALES

    def covariance_matrix(self, dimension):
        return 2 * SCALES**2

    def cumulants(self, order, dimension):
        return {2: 2.0, 3: 2.0, 4: -6.0}[order] * SCALES**order


class Dependent(noise.Noise):
    """The same without saying that coordinates are independent."""

    tail_index = np.inf

    def sample(self, stream, like):
        return jnp.where(stream.uniform((2,)) < 1 / 3, 2.0, -1.0) * SCALES

    def covariance_matrix(self, dimension):
        return 2 * SCALES**2


def study_of(law, curvature=H, **changes):
    problem = problems.Quadratic(curvature, X_STAR)
    oracle = oracles.AdditiveNoise(problem, law, schedules.inverse_sqrt(2.0))
    about = {
        "schedule": schedules.polynomial(0.3, 0.5, 0.5),
        "steps": 4,
        "x0": X_0,
        "averages": {"u": averages.Uniform()},
        "record": record.at([0, 1, 3, 4]),
    }
    return js.Study(oracle=oracle, **(about | changes))


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_variances_are_those_of_all_sequences(momentum):
    """Coordinates are independent: of each all 2^5 sequences, the last for the gradient that is drawn at the end."""
    study = study_of(Skewed(), method=methods.HeavyBall(momentum) if momentum else methods.Sgd())
    found = theory.exact(study)
    which = np.array(list(itertools.product([0, 1], repeat=5)))
    chance, xi = CHANCES[which].prod(1), VALUES[which]
    variances = {name: dict.fromkeys((0, 1, 3, 4), 0.0) for name in study.built_in}
    for j in range(2):
        e, v, mean = np.full(32, (X_0 - X_STAR)[j]), np.zeros(32), np.full(32, (X_0 - X_STAR)[j])
        for t in range(5):
            g = H[j] * e + 2.0 / np.sqrt(t + 1) * SCALES[j] * xi[:, t]
            parts = {
                "risk": H[j] / 2 * e**2,
                "distance_squared": e**2,
                "gradient_norm_squared": g**2,
                "risk_of_u": H[j] / 2 * mean**2,
                "distance_squared_of_u": mean**2,
            }
            if t in study.recorded_steps:
                for name, part in parts.items():
                    variances[name][t] += chance @ part**2 - (chance @ part) ** 2
            v, mean = momentum * v - study.learning_rates[t] * g, mean + (e - mean) / (t + 1)
            e = e + v
    for name, expected in variances.items():
        np.testing.assert_allclose(found[f"{name}_variance"], list(expected.values()), rtol=1e-12, atol=1e-14)


def test_normal_noise_as_a_stable_law_has_the_variances_of_normal_noise():
    one, other = (theory.exact(study_of(law)) for law in (noise.AlphaStable(2.0), noise.Gaussian(np.sqrt(2))))
    np.testing.assert_allclose(one.risk_variance, other.risk_variance, rtol=1e-14)


@pytest.mark.parametrize(
    ("law", "curvature"),
    [
        (Dependent(), H),
        (noise.StudentT(4.0), H),
        (noise.Laplace(), np.array([[2.0, 0.5], [0.5, 1.0]])),
    ],
)
def test_what_is_not_known_is_left_out(law, curvature):
    """Coordinates that may depend on each other, no fourth moment, coordinates that are mixed: means remain."""
    found = theory.exact(study_of(law, curvature))
    assert "risk_mean" in found
    assert "risk_variance" not in found


@pytest.mark.parametrize("law", [noise.CenteredExponential([1.0, 0.5]), noise.StudentT(9.0), noise.Rademacher()])
def test_stationary_variances_are_reached(law):
    oracle = oracles.AdditiveNoise(problems.Quadratic(H, X_STAR), law)
    settled = theory.stationary(oracle, 0.3)
    schedule, averages_ = schedules.constant(0.3), {}
    study = study_of(law, steps=200, schedule=schedule, averages=averages_, record=record.at([200]))
    end = theory.exact(study.replace(oracle=oracle)).isel(step=0)
    for name in ("risk", "distance_squared", "gradient_norm_squared"):
        np.testing.assert_allclose(settled[f"{name}_variance"], end[f"{name}_variance"], rtol=1e-10)
