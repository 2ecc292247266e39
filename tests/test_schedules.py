"""Learning rates: against their formulas in NumPy float64, and against optax where it has the same."""

import contextlib
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxsgd import schedules
from jaxsgd.errors import InvalidInput, InvalidType

T = np.arange(101)

# name: the schedule, the same one with other numbers, and the formula of the first in NumPy
FAMILY = {
    "constant": (schedules.constant(0.1), schedules.constant(0.3), 0.1 + 0 * T),
    "piecewise_constant": (
        schedules.piecewise_constant([20, 40], [0.4, 0.2, 0.05]),
        schedules.piecewise_constant([10, 60], [0.3, 0.2, 0.1]),
        np.array([0.4] * 20 + [0.2] * 20 + [0.05] * 61),
    ),
    "exponential": (schedules.exponential(0.5, 0.1), schedules.exponential(0.4, 0.2), 0.5 * np.exp(-0.1 * T)),
    "polynomial": (schedules.polynomial(0.2, 0.1, 0.7), schedules.polynomial(0.1, 1, 1), 0.2 * (1 + 0.1 * T) ** -0.7),
    "inverse_time": (schedules.inverse_time(0.3, 0.25), schedules.inverse_time(0.2, 0.1), 0.3 / (1 + 0.25 * T)),
    "inverse_sqrt": (schedules.inverse_sqrt(0.3), schedules.inverse_sqrt(0.2), 0.3 / np.sqrt(T + 1)),
    "strongly_convex": (schedules.strongly_convex(2.5), schedules.strongly_convex(2.0), 1 / (2.5 * (T + 1))),
    "lacoste_julien": (schedules.lacoste_julien(2.5), schedules.lacoste_julien(2.0), 2 / (2.5 * (T + 2))),
    "linear_decay": (
        schedules.linear_decay(0.3, 80),
        schedules.linear_decay(0.2, 50),
        np.array([0.3 * (80 - t) / 80 if t < 80 else 0.0 for t in T]),
    ),
    "cosine": (
        schedules.cosine(0.3, 80, 0.05),
        schedules.cosine(0.2, 50, 0.1),
        np.array([0.05 + 0.25 * math.cos(math.pi * t / 160) ** 2 if t < 80 else 0.05 for t in T]),
    ),
    "warmup": (
        schedules.warmup(schedules.inverse_sqrt(0.3), 7),
        schedules.warmup(schedules.inverse_sqrt(0.2), 9),
        np.array([0.3 / math.sqrt(t + 1) * ((t + 1) / 7 if t < 7 else 1) for t in T]),
    ),
    "wsd": (
        schedules.wsd(0.3, 90, 10, 30),
        schedules.wsd(0.2, 80, 5, 20),
        np.concatenate([0.03 * np.arange(1, 11), np.full(50, 0.3), 0.01 * np.arange(30, -1, -1), np.zeros(10)]),
    ),
    "cyclic": (
        schedules.cyclic(0.1, 0.5, 20),
        schedules.cyclic(0.2, 0.3, 10),
        np.array([0.1 + 0.04 * min(t % 20, 20 - t % 20) for t in T]),
    ),
    "alternating": (
        schedules.alternating(0.1, 0.4, every=3),
        schedules.alternating(0.2, 0.3, every=5),
        np.array([[0.1, 0.4][(t // 3) % 2] for t in T]),
    ),
    "restarts": (
        schedules.restarts(schedules.cosine(0.3, 25), 25),
        schedules.restarts(schedules.cosine(0.2, 20), 30),
        np.array([0.3 * math.cos(math.pi * (t % 25) / 50) ** 2 for t in T]),
    ),
    "table": (schedules.table(0.5 / (1 + T)), schedules.table(0.1 * (1 + T)), 0.5 / (1 + T)),
    "shift": (
        schedules.shift(schedules.exponential(0.1, 0.1), 2),
        schedules.shift(schedules.exponential(0.2, 0.1), 5),
        0.1 * np.exp(-0.1 * (T + 2)),
    ),
    "scale": (
        schedules.scale(schedules.inverse_sqrt(0.3), 0.5),
        schedules.scale(schedules.inverse_sqrt(0.1), 0.25),
        0.15 / np.sqrt(T + 1),
    ),
    "composed": (
        schedules.scale(schedules.warmup(schedules.shift(schedules.inverse_time(1.0, 1.0), 3), 5), 0.5),
        schedules.scale(schedules.warmup(schedules.shift(schedules.inverse_time(2.0, 0.5), 4), 6), 0.25),
        0.5 * np.minimum((T + 1) / 5, 1) / (1 + (T + 3.0)),
    ),
}


def test_every_schedule_is_in_the_table_above():
    defined = {name for name, item in vars(schedules).items() if isinstance(item, type)}
    concrete = {name for name in defined if name.islower() and issubclass(getattr(schedules, name), schedules.Schedule)}
    assert concrete == set(FAMILY) - {"composed"}


@pytest.mark.parametrize("name", FAMILY)
def test_rates_follow_the_formula_in_float64(name):
    schedule, _, expected = FAMILY[name]
    rates = schedules.learning_rates(schedule, len(T))
    assert rates.dtype == np.float64
    assert rates.shape == (101,)
    np.testing.assert_allclose(rates, expected, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("name", FAMILY)
def test_other_numbers_do_not_trace_again(name):
    schedule, other, _ = FAMILY[name]
    schedules.learning_rates(schedule, len(T))
    with forbid_tracing():
        rates = schedules.learning_rates(other, len(T))
    assert not np.allclose(rates, schedules.learning_rates(schedule, len(T)))


@contextlib.contextmanager
def forbid_tracing():
    """An error when a schedule is traced inside: its constructor runs Python, its __call__ must not."""
    kinds = [kind for kind in vars(schedules).values() if isinstance(kind, type)]
    called = [(kind, kind.__call__) for kind in kinds if "__call__" in vars(kind)]

    def refuse(self, t):
        raise AssertionError(f"{type(self).__name__} was traced again")

    for kind, _ in called:
        kind.__call__ = refuse
    try:
        yield
    finally:
        for kind, original in called:
            kind.__call__ = original


def test_control_tracing_is_noticed():
    with forbid_tracing(), pytest.raises(InvalidType, match="was traced again"):
        schedules.learning_rates(FAMILY["constant"][0], 7919)  # a length that nothing else has: a new program


@pytest.fixture(scope="module")
def in_float32():
    """Every schedule at once: vectorised, and one count after the other."""
    family = {name: schedule for name, (schedule, _, _) in FAMILY.items()}
    together = jax.jit(lambda family, t: {name: schedule(t) for name, schedule in family.items()})
    vectorised = jax.jit(jax.vmap(lambda family, t: {n: s(t) for n, s in family.items()}, in_axes=(None, 0)))
    loop = [together(family, t) for t in range(len(T))]
    return vectorised(family, T), {name: np.stack([rates[name] for rates in loop]) for name in family}


@pytest.mark.parametrize("name", FAMILY)
def test_float32_vectorised_and_one_by_one(name, in_float32):
    vectorised, loop = (rates[name] for rates in in_float32)
    assert vectorised.dtype == loop.dtype == np.float32
    assert vectorised.shape == loop.shape == (101,)
    np.testing.assert_allclose(vectorised, loop, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(vectorised, FAMILY[name][2], rtol=1e-5, atol=1e-7)


def test_table_has_no_rate_past_its_end():
    rates = schedules.learning_rates(schedules.table([0.3, 0.2, 0.1]), 5)
    np.testing.assert_array_equal(rates, [0.3, 0.2, 0.1, np.nan, np.nan])


def test_piecewise_constant_changes_at_its_boundaries():
    rates = schedules.learning_rates(schedules.piecewise_constant([2, 3], [3, 2, 1]), 5)
    np.testing.assert_array_equal(rates, [3, 3, 2, 1, 1])
    np.testing.assert_array_equal(schedules.learning_rates(schedules.piecewise_constant([], [3]), 5), 5 * [3])


def test_wsd_at_its_edges():
    steady = schedules.wsd(initial=0.5, horizon=5, warmup=0, cooldown=0)
    np.testing.assert_array_equal(schedules.learning_rates(steady, 7), 5 * [0.5] + 2 * [0])
    triangle = schedules.wsd(initial=1.0, horizon=4, warmup=2, cooldown=2)
    np.testing.assert_array_equal(schedules.learning_rates(triangle, 7), [0.5, 1, 1, 0.5, 0, 0, 0])


def test_shift_continues_where_the_other_schedule_is():
    schedule = schedules.cosine(0.3, 50)
    whole = schedules.learning_rates(schedule, 70)
    np.testing.assert_allclose(schedules.learning_rates(schedules.shift(schedule, 20), 50), whole[20:], rtol=1e-14)
    zero = schedules.learning_rates(schedules.shift(schedule, 0), 70)
    np.testing.assert_array_equal(zero, whole)


def test_restarts_of_a_table_repeat_it_and_those_of_a_long_period_do_nothing():
    repeated = schedules.learning_rates(schedules.restarts(schedules.table([0.1, 0.4]), 2), 7)
    np.testing.assert_array_equal(repeated, [0.1, 0.4] * 3 + [0.1])
    np.testing.assert_array_equal(repeated, schedules.learning_rates(schedules.alternating(0.1, 0.4), 7))
    schedule = schedules.inverse_sqrt(0.3)
    never = schedules.learning_rates(schedules.restarts(schedule, 101), 101)
    np.testing.assert_array_equal(never, schedules.learning_rates(schedule, 101))


def test_tuned_constant_is_the_choice_of_the_chapter():
    np.testing.assert_allclose(schedules.tuned_constant(3.0, 2.0, 400).value, 3 / (2 * 20), rtol=1e-15)
    assert schedules.tuned_constant(distance=0, gradient_bound=1, steps=1).value == 0


# optax and plain functions

SAME_IN_OPTAX = {
    "constant": (schedules.constant(0.1), optax.constant_schedule(0.1)),
    "linear_decay": (schedules.linear_decay(0.3, 60), optax.linear_schedule(0.3, 0.0, 60)),
    "cosine": (schedules.cosine(0.3, 60, 0.03), optax.cosine_decay_schedule(0.3, 60, alpha=0.1)),
    "exponential": (
        schedules.exponential(0.3, 0.1),
        optax.exponential_decay(0.3, transition_steps=1, decay_rate=math.exp(-0.1)),
    ),
    # optax takes factors; both change at the boundary itself.
    "piecewise_constant": (
        schedules.piecewise_constant([20, 40], [0.4, 0.2, 0.05]),
        optax.piecewise_constant_schedule(0.4, {20: 0.5, 40: 0.25}),
    ),
    "restarts": (
        schedules.restarts(schedules.cosine(0.3, 25), 25),
        optax.sgdr_schedule(
            5 * [{"init_value": 0.3, "peak_value": 0.3, "decay_steps": 25, "warmup_steps": 0, "end_value": 0.0}]
        ),
    ),
    # optax warms up from t = 0 with rate 0: one count later.
    "warmup": (
        schedules.warmup(schedules.constant(0.3), 10),
        lambda t: optax.warmup_constant_schedule(0.0, 0.3, 10)(t + 1),
    ),
}


@pytest.mark.parametrize("name", SAME_IN_OPTAX)
def test_schedules_of_optax_are_accepted_and_agree(name):
    ours, theirs = SAME_IN_OPTAX[name]
    np.testing.assert_allclose(
        schedules.learning_rates(ours, 101), schedules.learning_rates(theirs, 101), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize(
    "schedule",
    [
        optax.warmup_cosine_decay_schedule(0.0, 0.3, 10, 80),
        optax.polynomial_schedule(0.3, 0.1, power=2, transition_steps=50),
        optax.join_schedules([optax.constant_schedule(0.3), optax.linear_schedule(0.3, 0.0, 20)], [30]),
    ],
)
def test_other_schedules_of_optax_are_accepted(schedule):
    counts = [0, 1, 9, 10, 11, 30, 31, 60, 100]
    rates = schedules.learning_rates(schedule, 101)
    np.testing.assert_allclose(rates[counts], jax.jit(jax.vmap(schedule))(np.array(counts)), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["polynomial", "warmup", "shift"])
def test_schedules_are_learning_rates_of_optax(name):
    schedule, _, expected = FAMILY[name]
    optimiser = optax.sgd(schedule)

    @jax.jit
    def three_updates():
        x = jnp.zeros(2)
        state, path = optimiser.init(x), [x]
        for _ in range(3):
            change, state = optimiser.update(jnp.array([1.0, -2.0]), state)
            path.append(optax.apply_updates(path[-1], change))
        return jnp.stack(path)

    moved = np.concatenate([[0], np.cumsum(expected[:3])])
    np.testing.assert_allclose(three_updates(), np.outer(moved, [-1.0, 2.0]), rtol=1e-5)


UNTRACEABLE = {
    "if": lambda t: 0.1 if t < 50 else 0.01,
    "math": lambda t: math.exp(-0.1 * t),
    "numpy": lambda t: np.exp(-0.1 * t),
    "list": lambda t: [0.3, 0.2, 0.1][min(t // 40, 2)],
    "int": lambda t: 0.1 / (1 + int(t)),
}


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_functions_that_jax_cannot_trace_are_called_for_each_count(name):
    function = UNTRACEABLE[name]
    expected = [function(t) for t in range(101)]
    np.testing.assert_allclose(schedules.learning_rates(function, 101), expected, rtol=1e-14)
    shifted = schedules.shift(schedules.scale(function, 0.5), 3)
    np.testing.assert_allclose(schedules.learning_rates(shifted, 98), [0.5 * rate for rate in expected[3:]], rtol=1e-14)


def test_a_function_that_jax_can_trace_is_called_once():
    calls = []

    def function(t):
        calls.append(t)
        return 0.1 / (1 + t)

    np.testing.assert_allclose(schedules.learning_rates(function, 101), 0.1 / (1 + T), rtol=1e-14)
    assert len(calls) == 1


# errors

BAD = {
    "not finite": (lambda: schedules.constant(np.nan), "value must be finite, got nan"),
    "infinite": (lambda: schedules.exponential(np.inf, 0.1), "initial must be finite, got inf"),
    "a list": (lambda: schedules.inverse_sqrt([0.1, 0.2]), r"initial must be one number, got an array of shape \(2,\)"),
    "text": (lambda: schedules.constant("0.1"), "value must be a number or an array of numbers, got '0.1'"),
    "nothing": (lambda: schedules.constant(None), "value must be a number or an array of numbers, got None"),
    "boundaries that fall": (
        lambda: schedules.piecewise_constant([5, 5], [1, 2, 3]),
        r"boundaries must be an increasing list, got \[5, 5\]",
    ),
    "values too few": (
        lambda: schedules.piecewise_constant([5, 6], [1, 2]),
        r"one number more than boundaries \(3\), got shape \(2,\)",
    ),
    "negative rate": (lambda: schedules.polynomial(0.1, -0.1, 0.5), "rate must be at least 0, got -0.1"),
    "negative rate in time": (lambda: schedules.inverse_time(0.1, -1), "rate must be at least 0, got -1"),
    "mu of zero": (lambda: schedules.strongly_convex(0.0), "mu must be greater than 0, got 0"),
    "negative mu": (lambda: schedules.lacoste_julien(-1.0), "mu must be greater than 0, got -1"),
    "horizon of zero": (lambda: schedules.linear_decay(0.1, 0), "horizon must be greater than 0, got 0"),
    "horizon of the cosine": (lambda: schedules.cosine(0.1, -5), "horizon must be greater than 0, got -5"),
    "warm-up of zero": (lambda: schedules.warmup(schedules.constant(0.1), 0), "steps must be greater than 0, got 0"),
    "warm-up of a number": (lambda: schedules.warmup(0.1, 5), "schedule must be a function of t, got 0.1"),
    "wsd too short": (
        lambda: schedules.wsd(0.1, 10, 6, 5),
        r"warmup \+ cooldown must not exceed the horizon 10, got 6 \+ 5",
    ),
    "period of zero": (lambda: schedules.cyclic(0.1, 0.2, 0), "period must be greater than 0, got 0"),
    "alternating by a fraction": (
        lambda: schedules.alternating(0.1, 0.2, every=1.5),
        "every must be an integer, got 1.5",
    ),
    "alternating never": (lambda: schedules.alternating(0.1, 0.2, every=0), "every must be at least 1, got 0"),
    "alternating lists": (lambda: schedules.alternating([0.1], 0.2), r"low must be one number, got an array of shape"),
    "restarts of a number": (lambda: schedules.restarts(0.1, 5), "schedule must be a function of t, got 0.1"),
    "restarts at once": (
        lambda: schedules.restarts(schedules.constant(0.1), 0),
        "period must be at least 1, got 0",
    ),
    "empty table": (lambda: schedules.table([]), r"values must be a list of learning rates, got shape \(0,\)"),
    "table with a gap": (lambda: schedules.table([0.1, np.nan]), r"values must be finite, got nan at index \[1\]"),
    "shift by a fraction": (lambda: schedules.shift(schedules.constant(1), 0.5), "by must be an integer, got 0.5"),
    "shift back": (lambda: schedules.shift(schedules.constant(1), -1), "by must be at least 0, got -1"),
    "negative factor": (lambda: schedules.scale(schedules.constant(1), -1), "factor must be at least 0, got -1"),
    "no gradient bound": (lambda: schedules.tuned_constant(1, 0, 10), "gradient_bound must be greater than 0, got 0"),
    "no steps": (lambda: schedules.tuned_constant(1, 1, 0), "steps must be at least 1, got 0"),
    "number for a schedule": (
        lambda: schedules.as_schedule(0.1),
        r"schedule must be a function of t, got 0.1; for numbers use schedules.constant\(0.1\)",
    ),
    "list for a schedule": (lambda: schedules.as_schedule([0.1]), r"for numbers use schedules.table\(\[0.1\]\)"),
    "several rates for one count": (
        lambda: schedules.learning_rates(lambda t: jnp.ones(2) * t, 5),
        r"schedule must give one number for one t, got an array of shape \(2,\)",
    ),
    "several rates, untraceable": (
        lambda: schedules.learning_rates(lambda t: [0.1, 0.2] if t < 9 else [0.1, 0.3], 5),
        r"schedule must give one number for one t, got an array of shape \(2,\)",
    ),
    "numbers of rates that differ": (
        lambda: schedules.learning_rates(lambda t: [0.1] * (t + 1) if t > 1 else 0.1, 5),
        r"schedule must give one number for one t, got an array of shape \(3,\) at t = 2",
    ),
    "no argument": (
        lambda: schedules.learning_rates(lambda: 0.1, 5),
        "at t = 0: TypeError: .* 0 positional arguments",
    ),
    "nothing returned": (lambda: schedules.learning_rates(lambda t: None, 5), "at t = 0: TypeError: it returned None"),
    "a list that ends": (
        lambda: schedules.learning_rates(lambda t: [0.3, 0.2, 0.1][t], 5),
        "schedule cannot be computed at t = 3: IndexError: list index out of range",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_arguments_say_what_is_wrong(what):
    make, message = BAD[what]
    with pytest.raises((InvalidInput, InvalidType), match=message):
        make()


@pytest.mark.parametrize("name", FAMILY)
def test_repr_and_replace(name):
    schedule, _, expected = FAMILY[name]
    assert len(repr(schedule)) < 200
    assert repr(schedule).startswith(type(schedule).__name__ + "(")
    np.testing.assert_allclose(schedules.learning_rates(schedule.replace(), 101), expected, rtol=1e-13, atol=1e-16)
    with pytest.raises(AttributeError):
        schedule.value = 1.0


def test_replace_validates_again():
    assert schedules.polynomial(0.1, 0.1, 0.5).replace(initial=0.2).initial == 0.2
    with pytest.raises(InvalidInput, match="rate must be at least 0"):
        schedules.polynomial(0.1, 0.1, 0.5).replace(rate=-1)
