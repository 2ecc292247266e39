"""Every optimiser of optax through jaxsgd, against a plain loop of optax on the same gradients."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxsgd as js
from jaxsgd.engine import compiled
from jaxsgd.engine.program import prepare
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.one_update import OneUpdate
from jaxsgd.structure import Structure

STEPS, RATE = 3, 0.05
DECAYING = js.schedules.polynomial(initial=RATE, rate=0.5, power=1)


def loss(x):
    """Not quadratic, of a pytree of two matrices, with a minimum of 0."""
    return jnp.sum((x["w"] - 1) ** 2) + jnp.sum(x["v"] ** 2 * (1 + x["w"] ** 2))


START = {"v": np.array([[0.7, -0.4], [0.2, 0.9]]), "w": np.array([[1.0, -2.0], [0.3, 1.5]])}
ORACLE = js.oracles.FullGradient(js.problems.Function(loss))


# every optimiser


def squared_gradient():
    """A diagonal of the Hessian for Sophia that needs no random numbers: that of Gauss and Newton for one number."""

    def update(gradient, state, params=None, obj_fn=None, **_):
        return jax.tree.map(lambda g: g * g / obj_fn(params), gradient), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


SGD = optax.sgd(RATE)
ASCENT = optax.chain(optax.contrib.normalize(), optax.sgd(0.02))
NUMBERS = {
    "adabelief": {"b1": 0.8, "eps": 1e-12},
    "adadelta": {"rho": 0.8},
    "adafactor": {"min_dim_size_to_factor": 2, "clipping_threshold": 0.5},
    "adagrad": {"initial_accumulator_value": 0.2},
    "adam": {"b1": 0.8, "b2": 0.95, "eps": 1e-6, "nesterov": True},
    "adamax": {"b2": 0.9},
    "adamaxw": {"weight_decay": 0.1},
    "adamw": {"b1": 0, "weight_decay": 0.1},
    "adan": {"b3": 0.9},
    "amsgrad": {"b2": 0.9},
    "fromage": {},
    "lamb": {"weight_decay": 0.1},
    "lars": {"momentum": 0.5},
    "lion": {"b2": 0.9},
    "nadam": {},
    "nadamw": {"weight_decay": 0.1},
    "novograd": {"b1": 0.8},
    "optimistic_adam": {},
    "optimistic_adam_v2": {"alpha": 0.5},
    "optimistic_gradient_descent": {"beta": 0.5},
    "polyak_sgd": {"scaling": 0.5},
    "radam": {"b2": 0.9},
    "rmsprop": {"momentum": 0.5, "centered": True},
    "rprop": {"eta_plus": 1.5},
    "sgd": {"momentum": 0.9, "nesterov": True},
    "sign_sgd": {},
    "signum": {"beta": 0.5},
    "sm3": {"momentum": 0.5},
    "yogi": {"b1": 0.8},
    "contrib.acprop": {"b1": 0.8},
    "contrib.ademamix": {"b3": 0.99},
    "contrib.adopt": {"b1": 0.8},
    "contrib.cocob": {"alpha": 10.0},
    "contrib.dadapt_adamw": {"betas": (0.8, 0.99), "estim_lr0": 1e-2},
    "contrib.dog": {"init_step": ("heuristic", 1e-2)},
    "contrib.dowg": {"init_estim_sq_dist": 1e-2},
    "contrib.galore": {"rank": 1, "update_proj_gap": 2},
    "contrib.madgrad": {"momentum": 0.5},
    "contrib.mechanize": {"base_optimizer": SGD, "s_init": 1e-2},
    "contrib.momo": {"beta": 0.5},
    "contrib.momo_adam": {"b1": 0.5},
    "contrib.muon": {"beta": 0.5, "ns_steps": 2},
    "contrib.prodigy": {"betas": (0.8, 0.99), "estim_lr0": 1e-2},
    "contrib.sam": {"optimizer": SGD, "adv_optimizer": ASCENT, "opaque_mode": True},
    "contrib.schedule_free": {"base_optimizer": SGD, "b1": 0.8},
    "contrib.schedule_free_adamw": {"b1": 0.8},
    "contrib.schedule_free_sgd": {"weight_decay": 0.1},
    "contrib.simplified_ademamix": {"alpha": 1.0},
    "contrib.sophia": {"hessian_diagonal_fn": squared_gradient(), "update_interval": 2},
}
"""The optimisers that optax and optax.contrib export, and some numbers of each."""
OTHERWISE = {"lbfgs", "lookahead", "noisy_sgd", "contrib.dpsgd"}
"""Those that have tests of their own below."""
PARTS = set(
    """
    adaptive_grad_clip add_decayed_weights add_noise apply_every apply_if_finite centralize chain clip clip_by_block_rms
    clip_by_global_norm conditionally_mask conditionally_transform ema flatten freeze identity inject_hyperparams
    inject_stateful_hyperparams keep_params_nonnegative masked measure_with_ema monitor multi_transform named_chain
    normalize_by_update_norm partition scale scale_by_adadelta
    scale_by_adam scale_by_adamax scale_by_adan scale_by_amsgrad scale_by_backtracking_linesearch scale_by_belief
    scale_by_distance_over_gradients scale_by_factored_rms scale_by_lbfgs scale_by_learning_rate scale_by_lion
    scale_by_novograd scale_by_optimistic_gradient scale_by_param_block_norm scale_by_param_block_rms scale_by_polyak
    scale_by_radam scale_by_rms scale_by_rprop scale_by_rss scale_by_schedule scale_by_sign scale_by_sm3 scale_by_stddev
    scale_by_trust_ratio scale_by_yogi scale_by_zoom_linesearch selective_transform set_to_zero snapshot stateless
    stateless_with_tree_map trace with_extra_args_support zero_nans contrib.differentially_private_aggregate
    contrib.hutchinson_estimator_diag_hessian contrib.normalize contrib.reduce_on_plateau contrib.scale_by_acprop
    contrib.scale_by_ademamix contrib.scale_by_adopt contrib.scale_by_cocob contrib.scale_by_galore
    contrib.scale_by_madgrad contrib.scale_by_muon contrib.scale_by_simplified_ademamix contrib.split_real_and_imaginary
    """.split()
)
"""What optimisers are made of."""


def maker(name):
    return functools.reduce(getattr, name.split("."), optax)


UNANNOTATED = {
    "matrix_inverse_pth_root", "sigmoid_binary_cross_entropy", "update_infinity_moment", "update_moment",
    "update_moment_per_elem_norm", "schedule_free_eval_params",
}  # fmt: skip
"""Functions that do not say what they return, and make no transformations."""


def exported():
    """The functions of optax and optax.contrib that make transformations."""
    found = set()
    for module, stem in ((optax.contrib, "contrib."), (optax, "")):
        for name, item in vars(module).items():
            function = item.func if isinstance(item, functools.partial) else item
            if name[0] == "_" or not inspect.isfunction(function):
                continue
            made = inspect.signature(function).return_annotation
            makes = "GradientTransformation" in str(made) or (made is inspect.Signature.empty and name not in UNANNOTATED)
            if makes:
                found.add(stem + name)
    return found


def test_every_optimiser_has_an_entry():
    assert exported() == set(NUMBERS) | OTHERWISE | PARTS


def by_optax(name, steps=STEPS):
    """x_0 .. x_T of a plain loop of optax, which gets its learning rates as a schedule where it takes one."""
    make, numbers = maker(name), dict(NUMBERS[name])
    if "learning_rate" in inspect.signature(make).parameters:
        numbers["learning_rate"] = DECAYING if takes_schedule(make) else RATE
    transformation = make(**numbers)
    x = jax.tree.map(jnp.asarray, START)
    state, path = transformation.init(x), [x]
    for _ in range(steps):
        value, gradient = jax.value_and_grad(loss)(x)
        update, state = transformation.update(gradient, state, x, **EXTRA.get(name, lambda _: {})(value))
        x = optax.apply_updates(x, update)
        path.append(x)
    return path


EXTRA = {
    "polyak_sgd": lambda value: {"value": value},
    "contrib.momo": lambda value: {"value": value},
    "contrib.momo_adam": lambda value: {"value": value},
    "contrib.sophia": lambda _: {"obj_fn": loss},
    "contrib.sam": lambda _: {"grad_fn": lambda x, _: jax.grad(loss)(x)},
}
"""What the updates of some take besides."""


def takes_schedule(make):
    return "Callable" in str(inspect.signature(make).parameters["learning_rate"].annotation)


def by_jaxsgd(study):
    """The same of a study, one update after the other."""
    one = OneUpdate(study.oracle, study.method, Structure.of(study.x0))
    x = jax.tree.map(jnp.asarray, study.x0)
    state, path = study.method.init(x), [x]
    for t, rate in enumerate(study.learning_rates[:-1]):
        x, state = study.method.step(x, jnp.asarray(rate), jnp.int32(t), state, one.draw(None))
        path.append(x)
    return path


def study_of(method, **changes):
    arguments = {"oracle": ORACLE, "x0": START, "steps": STEPS, "record": js.record.every(1)}
    return js.Study(method=method, **(arguments | changes))


@pytest.mark.filterwarnings("ignore:.optimistic_adam. is deprecated")
@pytest.mark.parametrize("name", NUMBERS)
def test_optimiser_moves_as_in_a_plain_loop(name):
    """To 1e-10 in float64, relative; and the engine maps it over trajectories."""
    make = maker(name)
    method = js.methods.Optax(make, **NUMBERS[name])
    with jax.enable_x64(True):
        schedule = None
        if not method.has_own_learning_rate:
            schedule = DECAYING if takes_schedule(make) else js.schedules.constant(RATE)
        study = study_of(method, schedule=schedule)
        prepare(study, ())
        expected, found = by_optax(name), by_jaxsgd(study)
    for step in range(STEPS + 1):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), found[step], expected[step])
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), expected[-1], expected[0])
    assert max(jax.tree.leaves(moved)) > 1e-6


# through the engine

A = np.array([[1.0, 0.5], [-0.5, 2.0], [1.5, -1.0], [0.5, 1.0]])
B = np.array([1.0, 2.0, -1.0, 0.5])
IN_TURN = js.oracles.ExampleSampling(js.problems.LeastSquares(A, B), js.orders.Incremental())
X0 = np.array([2.0, -1.0])


def line_search(learning_rate):
    return optax.chain(optax.sgd(learning_rate), optax.scale_by_backtracking_linesearch(8, increase_factor=1.0))


def reduced_when_it_stalls(learning_rate, factor):
    return optax.chain(optax.sgd(learning_rate), optax.contrib.reduce_on_plateau(factor, patience=1, cooldown=1))


def looking_ahead(learning_rate, slow_step_size):
    return optax.lookahead(optax.sgd(learning_rate), 2, slow_step_size)


THROUGH = {
    "adam": (js.methods.Optax(optax.adam, b1=0.8, eps=1e-6), lambda eta: optax.adam(eta, b1=0.8, eps=1e-6)),
    "adamw": (js.methods.Optax(optax.adamw, weight_decay=0.1), lambda eta: optax.adamw(eta, weight_decay=0.1)),
    "lion": (js.methods.Optax(optax.lion, b1=0.7), lambda eta: optax.lion(eta, b1=0.7)),
    "finished": (optax.sgd(0.1, momentum=0.5), lambda _: optax.sgd(0.1, momentum=0.5)),
    "several steps in one": (optax.MultiSteps(optax.sgd(0.1), 2), lambda _: optax.MultiSteps(optax.sgd(0.1), 2)),
    "lbfgs": (js.methods.Optax(optax.lbfgs, memory_size=2), lambda eta: optax.lbfgs(eta, memory_size=2)),
    "line search": (js.methods.Optax(line_search), line_search),
    "plateau": (
        js.methods.Optax(reduced_when_it_stalls, factor=0.5),
        lambda eta: reduced_when_it_stalls(eta, 0.5),
    ),
    "slow weights": (
        js.methods.Optax(looking_ahead, slow_step_size=0.5),
        lambda eta: looking_ahead(eta, 0.5),
    ),
}


def example_loss(x, t):
    return (A[t % len(A)] @ x - B[t % len(A)]) ** 2 / 2


def plain_paths(make, steps):
    """x_0 .. x_T, and the slow weights where there are any, of a plain loop on the examples in turn."""
    transformation = make(0.1)
    x = jnp.asarray(X0)
    both = optax.LookaheadParams(x, x) if make(0.1).init.__qualname__.startswith("lookahead") else None
    state, path = transformation.init(x if both is None else both), [both or x]
    takes_more = "extra_args" in inspect.signature(transformation.update).parameters
    for t in range(steps):
        point = path[-1]
        fast = point if both is None else point.fast
        of_one = functools.partial(example_loss, t=t)
        value, gradient = jax.value_and_grad(of_one)(fast)
        more = {"value": value, "grad": gradient, "value_fn": of_one} if takes_more else {}
        update, state = transformation.update(gradient, state, point, **more)
        path.append(optax.apply_updates(point, update))
    return path


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize("name", THROUGH)
def test_trajectories_are_those_of_a_plain_loop(name):
    method, make = THROUGH[name]
    own = not isinstance(method, js.methods.Method)
    with jax.enable_x64(True):
        schedule = None if own else js.schedules.constant(0.1)
        study = study_of(method, oracle=IN_TURN, x0=X0, schedule=schedule, steps=6)
        found = js.sample_paths(study, trajectories=2, seed=0)
        expected = plain_paths(make, 6)
        if name == "slow weights":
            assert "risk_of_slow" in study.built_in
            expected = [both.fast for both in expected]
    np.testing.assert_allclose(found["x"].values[0], np.stack(expected), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(found["x"].values[0], found["x"].values[1])
    assert np.isnan(found["learning_rate"].values).all() == own
