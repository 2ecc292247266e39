"""The noise floor of momentum on a quadratic with curvatures (1, 100).

Published: with a constant learning rate eta, unit noise and curvature h, Polyak's momentum b (1964) settles at

    Var x = eta s^2 (1 + b) / ((1 - b) h (2 (1 + b) - eta h)),

the variance of an autoregression of second order (Box and Jenkins, 1970, "Time series analysis", section 3.2.4); b = 0
is plain SGD. It depends on eta / (1 - b), the effective learning rate, to first order in eta only: where eta h is not
small momentum has a lower floor than SGD, and a wider range in which it is stable. Nesterov's momentum is an
autoregression, too, with coefficients (1 + b)(1 - eta h) and -b (1 - eta h).

Route: these closed forms, and a recursion of 2 x 2 covariance matrices, both in NumPy, against `theory.stationary`,
which reads the maps off the code of the methods, and against a simulation.
"""

import numpy as np
import pytest

import jaxsgd as js

H = np.array([1.0, 100.0])
EFFECTIVE = 0.01
B = 0.9
METHODS = {
    "SGD": (js.methods.Sgd(), 0.0, EFFECTIVE),
    "heavy ball": (js.methods.HeavyBall(B), B, (1 - B) * EFFECTIVE),
    "Nesterov": (js.methods.Nesterov(B), B, (1 - B) * EFFECTIVE),
}
ORACLE = js.oracles.AdditiveNoise(js.problems.Quadratic(H), js.noise.Gaussian(std=1.0))


def autoregression(first, second, eta):
    """The variance of x_{t+1} = first x_t + second x_{t-1} - eta xi_t with unit noise, by Yule and Walker."""
    return eta**2 * (1 - second) / ((1 + second) * ((1 - second) ** 2 - first**2))


def floor(name):
    """Var x of each coordinate, from the published formulas."""
    _, b, eta = METHODS[name]
    if name == "Nesterov":
        return autoregression((1 + b) * (1 - eta * H), -b * (1 - eta * H), eta)
    return eta * (1 + b) / ((1 - b) * H * (2 * (1 + b) - eta * H))


def by_recursion(name, steps):
    """The same after some updates from x = 0, by V <- M V M' + N N' for (x, x - its predecessor)."""
    _, b, eta = METHODS[name]
    found = []
    for h in H:
        pull = eta * h * (np.array([1.0, b]) if name == "Nesterov" else np.array([1.0, 0.0]))
        moved = np.array([0.0, b]) - pull
        M, N, V = np.array([np.array([1.0, 0.0]) + moved, moved]), np.array([-eta, -eta]), np.zeros((2, 2))
        for _ in range(steps):
            V = M @ V @ M.T + np.outer(N, N)
        found.append(V[0, 0])
    return np.array(found)


@pytest.mark.parametrize("name", METHODS)
def test_theory_gives_the_published_floor(name):
    method, _, eta = METHODS[name]
    law = js.theory.stationary(ORACLE, eta, method)
    np.testing.assert_allclose(by_recursion(name, 5000), floor(name), rtol=1e-11)
    np.testing.assert_allclose(np.diag(law.x_covariance), floor(name), rtol=1e-11)
    np.testing.assert_allclose(float(law.risk_mean), np.sum(H * floor(name)) / 2, rtol=1e-11)


def test_the_floors_are_the_numbers_that_the_formulas_print():
    numbers = {"SGD": (0.01 / 1.99, 1e-4), "heavy ball": (0.0019 / 0.3799, 0.0019 / 37.0)}
    for name, expected in numbers.items():
        np.testing.assert_allclose(floor(name), expected, rtol=1e-12)
    assert np.all(floor("heavy ball") < floor("SGD"))
    # of equal effective rate to first order: the ratio tends to 1 in the flat direction, not in the steep one
    assert floor("heavy ball")[0] / floor("SGD")[0] == pytest.approx(1, abs=0.006)
    assert floor("heavy ball")[1] / floor("SGD")[1] == pytest.approx(0.513514, rel=1e-5)


@pytest.mark.usefixtures("compiled_for_a_long_run")
def test_simulations_have_these_floors_and_not_each_other_s():
    """A risk that is off by 5% is refuted with probability 99.9%: |z| > 5, and the mean of z is 8.1 at least."""
    T, count = 600, 2**15
    scores = {}
    for name, (method, _, eta) in METHODS.items():
        study = js.Study(
            oracle=ORACLE, method=method, schedule=js.schedules.constant(eta), steps=T, record=js.record.at([T]),
            observe=("risk",),
        )  # fmt: skip
        end = js.simulate(study, count, progress=False).dataset.isel(step=-1)
        expected = {other: np.sum(H * floor(other)) / 2 for other in METHODS}
        np.testing.assert_allclose(by_recursion(name, T), floor(name), rtol=2e-5)  # T is long enough
        assert float(end.risk_sem) < 0.05 / 8.1 * expected[name]
        scores[name] = {
            other: (float(end.risk_mean) - value) / float(end.risk_sem) for other, value in expected.items()
        }
    for name, of_others in scores.items():
        assert abs(of_others.pop(name)) < 5
        assert all(abs(score) > 5 for score in of_others.values()), (name, of_others)
