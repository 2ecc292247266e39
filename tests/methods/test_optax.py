"""Every optimiser of optax through jaxsgd, against a plain loop of optax on the same gradients."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from economy import QUICK

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


compiled_quickly = functools.partial(jax.jit, compiler_options=dict(QUICK))

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
    """.split()  # noqa: SIM905
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
            makes = "GradientTransformation" in str(made) or (
                made is inspect.Signature.empty and name not in UNANNOTATED
            )
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

    @compiled_quickly
    def step(x, state):
        value, gradient = jax.value_and_grad(loss)(x)
        update, state = transformation.update(gradient, state, x, **EXTRA.get(name, lambda _: {})(value))
        return optax.apply_updates(x, update), state

    x = jax.tree.map(jnp.asarray, START)
    state, path = compiled_quickly(transformation.init)(x), [x]
    for _ in range(steps):
        x, state = step(x, state)
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

    @compiled_quickly
    def step(x, rate, t, state):
        return study.method.step(x, rate, t, state, one.draw(None))

    x = jax.tree.map(jnp.asarray, study.x0)
    state, path = compiled_quickly(study.method.init)(x), [x]
    for t, rate in enumerate(study.learning_rates[:-1]):
        x, state = step(x, jnp.asarray(rate), jnp.int32(t), state)
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


def two_pairs(learning_rate):
    search = optax.scale_by_backtracking_linesearch(8, increase_factor=1.0)
    return optax.lbfgs(learning_rate, memory_size=2, linesearch=search)


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
    "lbfgs": (js.methods.Optax(two_pairs), two_pairs),
    "lbfgs with its own line search": (js.methods.Optax(optax.lbfgs), optax.lbfgs),
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
    return (jnp.asarray(A)[t % len(A)] @ x - jnp.asarray(B)[t % len(A)]) ** 2 / 2


def plain_paths(make, steps):
    """x_0 .. x_T, and the slow weights where there are any, of a plain loop on the examples in turn."""
    transformation = make(0.1)
    x = jnp.asarray(X0)
    both = optax.LookaheadParams(x, x) if make(0.1).init.__qualname__.startswith("lookahead") else None
    state, path = compiled_quickly(transformation.init)(x if both is None else both), [both or x]
    takes_more = "extra_args" in inspect.signature(transformation.update).parameters

    @compiled_quickly
    def step(point, state, t):
        fast = point if both is None else point.fast
        of_one = functools.partial(example_loss, t=t)
        value, gradient = jax.value_and_grad(of_one)(fast)
        more = {"value": value, "grad": gradient, "value_fn": of_one} if takes_more else {}
        update, state = transformation.update(gradient, state, point, **more)
        return optax.apply_updates(point, update), state

    for t in range(steps):
        point, state = step(path[-1], state, t)
        path.append(point)
    return path


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if "own" in name else name for name in THROUGH]
)
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


def test_a_point_of_the_state_is_that_of_optax():
    """Schedule-free SGD evaluates at y, and returns x."""
    points = {"x": optax.contrib.schedule_free_eval_params}
    study = study_of(js.methods.Optax(optax.contrib.schedule_free_sgd, points=points), schedule=DECAYING)
    assert study.built_in == ("risk", "gradient_norm_squared", "risk_of_x")
    state = study.method.init(START)
    one = OneUpdate(study.oracle, study.method, Structure.of(START))
    y, state = study.method.step(START, jnp.asarray(RATE), jnp.int32(0), state, one.draw(None))
    y, state = study.method.step(y, jnp.asarray(RATE), jnp.int32(1), state, one.draw(None))
    x = study.method.points(y, state)["x"]
    jax.tree.map(lambda a, y, z: np.testing.assert_allclose(0.9 * a + 0.1 * z, y, rtol=1e-5), x, y, state.z)
    assert not np.allclose(x["w"], y["w"])


def test_counts_are_kept_once_for_all_trajectories():
    """Of Adam's state count, mu and nu: the first depends on t alone, as does what corrects the bias."""
    study = study_of(js.methods.Optax(optax.adam, b1=0.8), schedule=DECAYING)
    program, _ = prepare(study, ())
    adam = study.method.init(START)[0]
    assert jax.tree.structure(adam).num_leaves == len(program.common) == 5
    assert program.common == (True, False, False, False, False)


@pytest.mark.usefixtures("quick_compilation")
def test_a_sweep_over_its_numbers_is_one_program():
    def make(eta, b1, eps):
        return js.Study(
            oracle=js.oracles.AdditiveNoise(js.problems.Quadratic([2.0, 0.5]), js.noise.Gaussian(std=0.3)),
            schedule=js.schedules.constant(eta),
            method=js.methods.Optax(optax.adam, b1=b1, eps=eps),
            x0=[3.0, -2.0],
            steps=7,
            record=js.record.at([7]),
        )

    axes = {"eta": [0.1, 0.2], "b1": [0.5, 0.9], "eps": [1e-8, 0.1]}
    with jax.enable_x64(True):
        before = compiled.compiled.cache_info().misses
        swept = js.sweep(make, axes, trajectories=64, seed=3)
        assert compiled.compiled.cache_info().misses == before + 1
        alone = js.simulate(make(0.2, 0.5, 0.1), trajectories=64, seed=3)
        js.simulate(make(0.1, 0.9, 1e-8), trajectories=64, seed=3)
        assert compiled.compiled.cache_info().misses == before + 2
    found = swept.dataset.sel(eta=0.2, b1=0.5, eps=0.1)
    for name in ("risk_mean", "risk_variance", "x_mean"):
        np.testing.assert_allclose(found[name], alone.dataset[name], rtol=1e-10)
    assert len(np.unique(swept.dataset["risk_mean"].values)) == 8


@pytest.mark.usefixtures("quick_compilation")
def test_a_finished_transformation_brings_its_learning_rate(tmp_path):
    study = study_of(optax.adam(0.1), oracle=IN_TURN, x0=X0, averages={"mean": js.averages.Uniform()})
    result = js.simulate(study, trajectories=8, seed=0)
    result.save(tmp_path / "saved.nc")
    for dataset in (result.dataset, js.load(tmp_path / "saved.nc").dataset):
        assert np.isnan(dataset["learning_rate"]).all()
        assert (
            dataset["learning_rate"].attrs["long_name"]
            == "of the schedule; NaN where the method has a learning rate of its own"
        )
        assert np.isfinite(dataset["risk_mean"]).all()
    assert np.isnan(study.learning_rates).all()
    assert study.replace(steps=2).schedule is None
    for evaluation in js.theory.bounds(study).not_applicable:
        assert evaluation.reasons == ("a schedule gives eta_t: methods.Optax has a learning rate of its own",)
    assert not js.theory.bounds(study).applicable
    with pytest.raises(js.errors.NoExactSolution, match="Optax does not state"):
        js.theory.exact(study)
    with pytest.raises(InvalidInput, match=r"eta_t is not known: methods[.]Optax has a learning rate of its own"):
        js.verify(study)
    with pytest.raises(InvalidInput, match="no schedule to draw"):
        js.plot.schedule(study)


def test_numbers_are_kept_as_optax_takes_them():
    """Floats are leaves, an integer for a float is one; integers, flags, functions and what is looked at are not."""

    def mask(params):
        return jax.tree.map(lambda _: True, params)

    def leaves(make, **numbers):
        return [
            leaf.tolist() for leaf in jax.tree.leaves(js.methods.Optax(make, **numbers)) if isinstance(leaf, np.ndarray)
        ]

    assert leaves(optax.adamw, b1=0, eps=1e-3, mask=mask, nesterov=True, mu_dtype=jnp.float32) == [0.0, 0.001]
    assert leaves(optax.contrib.prodigy, betas=(0, 0.5), beta3=None) == [0.0, 0.5]
    assert leaves(optax.adafactor, min_dim_size_to_factor=2, eps=1e-20) == [1e-20]
    assert leaves(optax.contrib.reduce_on_plateau, factor=0.5, min_scale=0.25) == [0.25]
    assert leaves(functools.partial(optax.adam, b2=0.5), b1=0.8) == [0.8]
    same = [js.methods.Optax(functools.partial(optax.adam, b2=0.5)) for _ in range(2)]
    assert jax.tree.structure(same[0]) == jax.tree.structure(same[1])
    assert jax.tree.leaves(same[0]) == jax.tree.leaves(same[1])
    assert repr(js.methods.Optax(optax.adam, b1=0.8).replace(b1=0.7)) == "Optax(optax.adam, b1=0.7)"


# refusals

NOISY = js.oracles.AdditiveNoise(js.problems.Quadratic([2.0, 0.5]), js.noise.Gaussian(std=0.3))
CONSTANT = js.schedules.constant(0.1)


def of(method, schedule=CONSTANT, **changes):
    return js.Study(**({"oracle": NOISY, "x0": X0, "steps": 3, "schedule": schedule, "method": method} | changes))


def looks(learning_rate, a):
    return optax.stateless(lambda g, _: jax.tree.map(lambda leaf: -learning_rate * leaf if a > 0 else leaf, g))


def private(learning_rate):
    """optax.contrib.dpsgd, which optax makes with a deprecated argument."""
    return optax.chain(optax.contrib.differentially_private_aggregate(1.0, 1.0, key=0), optax.sgd(learning_rate))


OPTAX = js.methods.Optax
REFUSED = {
    "noisy_sgd": (lambda: of(OPTAX(optax.noisy_sgd, key=0)), "optax.noisy_sgd draws random.*let the oracle draw"),
    "add_noise": (lambda: of(OPTAX(optax.add_noise, eta=0.1, gamma=0.1, key=0), None), "optax.add_noise draws random"),
    "dpsgd": (
        lambda: of(OPTAX(private)),
        r"private draws random.*let the oracle draw",
    ),
    "sophia": (lambda: of(OPTAX(optax.contrib.sophia)), "optax.contrib.sophia draws random"),
    "a key": (lambda: OPTAX(optax.noisy_sgd, key=jax.random.key(0)), "key of optax.noisy_sgd: it draws random"),
    "injected": (
        lambda: of(OPTAX(optax.inject_hyperparams(optax.adam))),
        "give methods.Optax the function that is inj",
    ),
    "no loss": (lambda: of(OPTAX(optax.contrib.momo)), r"optax.contrib.momo: .* needs the loss .*AdditiveNoise draws"),
    "no loss to call": (lambda: of(OPTAX(line_search)), r"line_search: .* needs the loss of a draw"),
    "no loss, finished": (lambda: of(optax.lbfgs(), None), "the finished transformation: .* needs the loss of a draw"),
    "an if in the update": (lambda: of(OPTAX(looks, a=1.0)), r"looks at a number that is traced.*functools.partial\("),
    "an if on the rate": (
        lambda: OPTAX(lambda learning_rate: optax.sgd(learning_rate) if learning_rate > 0 else None),
        "looks at its learning rate, which is traced: give a finished transformation",
    ),
    "as a schedule": (lambda: of(js.methods.Sgd(), optax.adam(0.1)), "a function of t.*is a method: give it as Study"),
    "its function as a schedule": (lambda: of(js.methods.Sgd(), optax.adam), "t = 0.*is a method: give it as Study"),
    "a schedule besides": (lambda: of(optax.adam(0.1)), "schedule has no use.*Leave the schedule out.*methods.Optax"),
    "a schedule for a part": (lambda: of(OPTAX(optax.scale_by_adam)), "schedule has no use"),
    "no schedule": (lambda: of(OPTAX(optax.adam), None), "schedule is needed, eta_t as a function of t"),
    "no schedule for SGD": (lambda: of(js.methods.Sgd(), None), "schedule is needed"),
    "not called": (
        lambda: of(optax.adam),
        r"got .*adam; give optax.adam\(learning_rate\).*methods.Optax\(optax.adam\)",
    ),
    "not called, without a rate": (lambda: of(optax.polyak_sgd), r"give methods.Optax\(optax.polyak_sgd\)"),
    "a class": (lambda: of(js.methods.Optax), "got jaxsgd.methods.Optax; call it"),
    "a class of optax": (lambda: of(optax.MultiSteps), "MultiSteps; call it"),
    "no number of it": (lambda: OPTAX(optax.adam, beta=1), "optax.adam takes no 'beta'; allowed: b1, b2, eps"),
    "a number of a finished one": (lambda: OPTAX(optax.adam(0.1), b1=0.5), "the finished transformation takes no 'b1'"),
    "a learning rate": (lambda: OPTAX(optax.adam, learning_rate=0.1), "learning_rate of optax.adam is the schedule of"),
    "a text": (lambda: OPTAX(optax.adam, b1="high"), "b1 of optax.adam must be a number, got 'high'"),
    "a flag": (lambda: OPTAX(optax.adam, b1=True), "b1 of optax.adam must be a number, got True"),
    "no flag": (lambda: OPTAX(optax.adam, nesterov=1), "nesterov of optax.adam must be True or False, got 1"),
    "no integer": (lambda: OPTAX(optax.adafactor, min_dim_size_to_factor=1.5), "must be an integer.*got 1.5"),
    "not finite": (lambda: OPTAX(optax.adam, b1=np.nan), "b1 of optax.adam must be finite, got nan"),
    "out of range": (lambda: OPTAX(optax.contrib.reduce_on_plateau, factor=1.5), "cannot be made: .*range"),
    "one that is missing": (lambda: OPTAX(optax.contrib.mechanize), "optax.contrib.mechanize needs base_optimizer"),
    "nothing to make": (lambda: OPTAX(0.1), "make must be a function that makes an optax transformation, got 0.1"),
    "another function": (lambda: OPTAX(optax.constant_schedule, value=0.1), "optax.constant_schedule made "),
    "no function of a point": (lambda: OPTAX(optax.adam, points={"x": 1}), r"points\['x'\] must be a function"),
    "a weight of eta": (
        lambda: of(optax.adam(0.1), None, averages={"eta": js.averages.StepSizeWeighted()}),
        r"averages\['eta'\].*needs the learning rates.*Optax.*choose another",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_with_a_way_out(name):
    make, message = REFUSED[name]
    with pytest.raises((InvalidInput, InvalidType), match=message):
        make()


def test_what_needs_no_loss_works_without_one():
    of(OPTAX(optax.adam))
    of(optax.chain(optax.clip(1.0), optax.sgd(0.1)), None)
    of(OPTAX(functools.partial(looks, a=1.0)))
    of(OPTAX(optax.contrib.sophia, hessian_diagonal_fn=optax.identity()))
