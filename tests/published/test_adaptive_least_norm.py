"""Where adaptive methods end on least squares with more unknowns than examples.

Published: Wilson, Roelofs, Stern, Srebro and Recht (2017), "The marginal value of adaptive gradient methods in machine
learning", arXiv 1705.08292, section 3. Gradient descent and SGD from 0 stay in the span of the examples, and so end at
the solution of least norm. AdaGrad from 0 ends at a multiple of sign(X'y) wherever X sign(X'y) = c y (lemma 3.1), and
on the data of section 3.3 that solution calls every new example +1: its test error is the share of the minority, that
of the least-norm solution 0.

Lemma 3.1, derived anew: let u = sign(X'y) and w_t = l_t u. The gradient of ||Xw - y||^2 / (2 n) there is
X'(l_t X u - y) / n = (l_t c - 1) X'y / n. AdaGrad divides it, coordinate by coordinate, by the root of the sum of
squares so far, |(X'y)_j| / n sqrt(sum_s (l_s c - 1)^2): what is left is a number times u, so that w_{t+1} = l_{t+1} u
with

    l_{t+1} = l_t - eta (l_t c - 1) / sqrt(sum_{s <= t} (l_s c - 1)^2),

which tends to 1 / c. (Where (X'y)_j = 0 nothing moves.)

Route: `numpy.linalg.pinv` for least norm, this recursion of one number and a loop in NumPy for AdaGrad; against
`methods.Optax(optax.adagrad)`, full gradients and sampled examples in float64.
"""

import jax
import numpy as np
import optax
import pytest

import jaxsgd as js

pytestmark = pytest.mark.usefixtures("quick_compilation")

LABELS = np.array([1, 1, 1, -1, 1, -1, 1, -1, 1, -1.0])  # six of the majority, four of the minority
ETA, STEPS = 0.1, 400


def construction(labels):
    """X of section 3.3: the label, two ones, and for each example one feature of its own if +1, five if -1."""
    X = np.zeros((len(labels), 3 + 5 * len(labels)))
    X[:, 0], X[:, 1:3] = labels, 1
    for i, label in enumerate(labels):
        X[i, 3 + 5 * i : 3 + 5 * i + (1 if label > 0 else 5)] = 1
    return X


X = construction(LABELS)
NEW = np.array([[1.0, 1, 1], [-1.0, 1, 1]])  # what new examples of both labels have in the features of all
SIGNS = np.sign(X.T @ LABELS)


def ends(method, eta, oracle=js.oracles.FullGradient, steps=STEPS, **options):
    """Points at which a few trajectories from 0 end, (trajectory, coordinate)."""
    with jax.enable_x64(True):
        problem = js.problems.LeastSquares(X, LABELS)
        study = js.Study(
            oracle=oracle(problem, **options), method=method, schedule=js.schedules.constant(eta), steps=steps,
            x0=np.zeros(X.shape[1]), record=js.record.at([steps]),
        )  # fmt: skip
        return js.sample_paths(study, trajectories=2).x.isel(step=-1).values


def adagrad_loop():
    w, squares = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for _ in range(STEPS):
        g = X.T @ (X @ w - LABELS) / len(LABELS)
        squares += g**2
        w -= ETA * np.divide(g, np.sqrt(squares), out=np.zeros_like(g), where=squares > 0)
    return w


def adagrad_number():
    """l_T of the lemma's recursion, with c = 4."""
    number, squares = 0.0, 0.0
    for _ in range(STEPS):
        error = 4 * number - 1
        squares += error**2
        number -= ETA * error / np.sqrt(squares)
    return number


def errors(w):
    """Whether w calls new examples of label +1 and of label -1 wrongly."""
    return (np.sign(NEW @ w[:3]) != [1, -1]).tolist()


def test_the_construction_meets_the_condition_of_the_lemma():
    np.testing.assert_array_equal(X @ SIGNS, 4 * LABELS)


def test_gradient_descent_and_sgd_end_at_the_least_norm_solution():
    least = np.linalg.pinv(X) @ LABELS
    descent = ends(js.methods.Sgd(), 0.8, steps=600)
    sampled = ends(
        js.methods.Sgd(), 0.1, js.oracles.ExampleSampling, steps=3000, order=js.orders.WithReplacement(), batch=1
    )
    for w in (*descent, *sampled):
        np.testing.assert_allclose(w, least, atol=1e-9)
    assert errors(least) == [False, False]
    # w = X'a with one number for n examples of label +1 and one for m of -1: XX'a = y is two equations in two unknowns
    n, m = 6, 4
    a = np.where(LABELS > 0, 4 * m + 5, -(4 * n + 1)) / (15 * n + 3 * m + 8 * n * m + 5)
    np.testing.assert_allclose(X.T @ a, least, atol=1e-12)


def test_adagrad_ends_at_a_multiple_of_the_signs_and_calls_everything_the_majority():
    adagrad = js.methods.Optax(optax.adagrad, initial_accumulator_value=0.0, eps=0.0)
    for w in ends(adagrad, ETA):
        np.testing.assert_allclose(w, adagrad_loop(), atol=1e-12)
        np.testing.assert_allclose(w, adagrad_number() * SIGNS, atol=1e-12)
        np.testing.assert_allclose(w, SIGNS / 4, atol=1e-9)
        np.testing.assert_allclose(X @ w, LABELS, atol=1e-8)  # it fits the examples, as the least-norm solution does
        assert errors(w) == [False, True]  # the test error is the share of the minority
        assert np.linalg.norm(w) > 1.5 * np.linalg.norm(np.linalg.pinv(X) @ LABELS)


@pytest.mark.parametrize("broken", [js.methods.Sgd(), js.methods.Optax(optax.adagrad, initial_accumulator_value=1.0)])
def test_other_methods_do_not_end_there(broken):
    """Neither plain descent nor AdaGrad that does not start its sum of squares at 0."""
    for w in ends(broken, ETA):
        assert np.abs(w - SIGNS / 4).max() > 1e-3
