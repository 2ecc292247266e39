"""Sweeps: every cell is the study run alone, cells share draws, nothing compiles twice, divergence stays at home."""

import functools

import numpy as np
import pytest

import jaxsgd as js
from jaxsgd.engine import compiled
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.runs import axes, cost

N = 3000
STEPS = 20
GRID = js.record.at([0, 10, 20])


def make(initial=0.1, power=0.5, **changes):
    study = js.chapter.study("polynomial", STEPS)
    return study.replace(schedule=js.schedules.polynomial(initial, 0.1, power), record=GRID, **changes)


STUDY_OF_64_RECORDS = js.chapter.study("constant", 210).replace(record=js.record.at([*range(0, 189, 3), 210]))
AXES = {"initial": [0.02, 0.1, 0.3], "power": [0.0, 0.5]}


@pytest.fixture(scope="module")
def swept():
    return js.sweep(make, AXES, N, seed=3, compare=("risk", "risk_of_eta"))


def test_the_dataset_is_labelled(swept):
    dataset = swept.dataset
    assert dict(dataset.sizes) == {"initial": 3, "power": 2, "step": 3, "coordinate": 2, "coordinate_2": 2}
    assert list(dataset.initial.values) == AXES["initial"]
    assert dataset.risk_mean.dims == ("initial", "power", "step")
    assert dataset.x_covariance.dims == ("initial", "power", "step", "coordinate", "coordinate_2")
    assert dataset.attrs["seed"] == 3
    assert "initial=0.1, power=0.5" in repr(swept)


def test_each_cell_is_its_study_run_alone(swept):
    """To rounding: the compiled program is another."""
    for cell in swept.cells:
        alone = js.simulate(cell.study, N, seed=3, progress=False).dataset
        here = swept.dataset.sel(**cell.point)
        assert set(alone.data_vars) == set(here.data_vars)
        for name, values in alone.data_vars.items():
            scale = float(np.abs(values).max())
            np.testing.assert_allclose(here[name], values, rtol=2e-5, atol=1e-6 * scale, err_msg=str(name))


def test_covariance_between_steps_of_each_cell():
    """Of each cell that of the study run alone, to rounding; one diverges, of which nothing has a covariance."""
    names = ("risk", "risk_of_eta")
    asked = {"step_covariance": names, "statistics": (), "seed": 3, "progress": False}
    few = functools.partial(make, observe=names)
    swept = js.sweep(few, {"initial": [0.02, 0.1, 1e6], "power": [0.0, 0.5]}, N, compare=(), **asked)
    dataset = swept.dataset
    assert dataset.risk_step_covariance.dims == ("initial", "power", "step", "step_2")
    np.testing.assert_array_equal(dataset.step_2, GRID.steps(STEPS))
    for position, cell in enumerate(swept.cells):
        alone = js.simulate(cell.study, N, **asked).dataset
        for name in ("risk_step_covariance", "risk_of_eta_step_covariance"):
            for found in (dataset.sel(**cell.point), swept.result(position).dataset):
                assert found[name].dims == ("step", "step_2")
                scale = float(np.nan_to_num(np.abs(alone[name])).max())
                np.testing.assert_allclose(found[name], alone[name], rtol=1e-4, atol=1e-5 * scale)
        assert np.isnan(alone.risk_step_covariance).any() == (cell.point["initial"] == 1e6)


def test_the_cost_of_covariances_between_steps_can_be_estimated():
    """The pilot of 200 steps has no more records than the study of 210, which has as many as there may be: 64."""
    made = axes.make_cells(
        lambda rate: STUDY_OF_64_RECORDS.replace(schedule=js.schedules.constant(rate)), {"rate": [0.1]}
    )
    assert len(made[0].study.recorded_steps) == 64
    assert cost.estimate_sweep(made, 1000, step_covariance=("risk",)).trajectory_steps == 210_000


def test_cells_agree_with_theory(swept):
    """Statistical: five standard errors of N = 3000, with the exact variance."""
    for cell in swept.cells:
        exact, here = js.theory.exact(cell.study), swept.dataset.sel(**cell.point)
        for o in ("risk", "risk_of_eta", "distance_squared"):
            z = (here[f"{o}_mean"] - exact[f"{o}_mean"])[1:] / np.sqrt(exact[f"{o}_variance"][1:] / N)
            assert np.abs(z).max() < 5, (cell.label, o)


def test_cells_of_many_coordinates_are_their_studies_run_alone():
    """Four cells of 16 coordinates, which the compiler's own fusions get wrong: see jaxsgd/compiler.py."""
    random = np.random.default_rng(0)
    problem = js.problems.LeastSquares(random.normal(size=(20, 16)), random.normal(size=20))
    study = js.Study(oracle=js.oracles.ExampleSampling(problem), schedule=js.schedules.constant(0.1), epochs=1)
    rates = [0.001, 0.003, 0.01, 0.02]
    swept = js.sweep(lambda rate: study.replace(schedule=js.schedules.constant(rate)), {"rate": rates}, 1024)
    for cell in swept.cells:
        alone = js.simulate(cell.study, 1024, progress=False).dataset
        for name in ("risk_mean", "gradient_norm_squared_mean", "x_mean"):
            np.testing.assert_allclose(swept.dataset.sel(**cell.point)[name], alone[name], rtol=1e-4, atol=1e-6)


def test_values_are_those_of_the_trajectories(swept):
    values = swept.values("risk")
    assert values.shape == (6, N)
    np.testing.assert_allclose(values.mean(1), swept.dataset.risk_mean.isel(step=-1).values.ravel(), rtol=1e-5)
    paths = js.sample_paths(swept.cells[3].study, 50, seed=3).x.values[:, -1]
    np.testing.assert_allclose(values[3, :50], paths[:, 0] ** 2 + 2 * paths[:, 1] ** 2, rtol=1e-4, atol=1e-8)


def test_draws_are_shared_or_not(swept):
    correlation = np.corrcoef(swept.values("risk")[2:4])[0, 1]
    assert correlation > 0.6  # 0.72 here
    apart = js.sweep(make, AXES, N, seed=3, common_random_numbers=False)
    assert abs(np.corrcoef(apart.values("risk")[2:4])[0, 1]) < 5 / np.sqrt(N)
    assert not apart.shares_draws


def test_a_second_sweep_compiles_nothing(swept):
    before = compiled.compiled.cache_info().misses
    js.sweep(make, {"initial": [0.05, 0.2, 0.25], "power": [0.3, 0.7]}, N, seed=4, compare=("risk", "risk_of_eta"))
    assert compiled.compiled.cache_info().misses == before


def test_every_number_can_be_swept():
    def of(std, curvature, start):
        problem = js.problems.Quadratic([curvature, 4.0])
        oracle = js.oracles.AdditiveNoise(problem, js.noise.Gaussian(std=std))
        return make(oracle=oracle, x0=[start, -2.0])

    found = js.sweep(of, {"std": [0.5, 2.0], "curvature": [1.0, 3.0], "start": [-5.0, 1.0]}, N).dataset
    for std in (0.5, 2.0):
        exact = js.theory.exact(of(std, 3.0, 1.0))
        here = found.sel(std=std, curvature=3.0, start=1.0)
        z = (here.risk_mean - exact.risk_mean)[1:] / np.sqrt(exact.risk_variance[1:] / N)
        assert np.abs(z).max() < 5


def test_divergent_cells_disturb_no_other(swept):
    wild = js.sweep(make, {"initial": [0.1, 50.0], "power": [0.0, 0.5]}, N, seed=3)
    wild_cells = [cell.label for cell in wild.cells if cell.point["initial"] == 50.0]
    assert set(wild.diverged) <= set(wild_cells)
    here, there = wild.dataset.sel(initial=0.1), swept.dataset.sel(initial=0.1)
    np.testing.assert_allclose(here.risk_mean, there.risk_mean, rtol=2e-5)


def test_families_make_groups():
    def cosine(initial):
        return make().replace(schedule=js.schedules.cosine(initial, STEPS))

    def projected(radius):
        return make().replace(method=js.methods.Projected(js.methods.Ball(radius)))

    found = js.sweep(
        {"cosine": cosine, "projected": projected},
        {"cosine": {"initial": [0.1, 0.2]}, "projected": {"radius": [9.0]}},
        N,
    )
    assert list(found.dataset.family.values) == ["cosine", "cosine", "projected"]
    np.testing.assert_array_equal(found.dataset.initial.values, [0.1, 0.2, np.nan])
    alone = js.simulate(make(), N, progress=False).dataset
    np.testing.assert_allclose(found.dataset.risk_mean.isel(cell=2), alone.risk_mean, rtol=2e-5)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ((3, AXES, N), InvalidType, "make_study must be a function"),
        ((make, {}, N), InvalidType, "at least one axis"),
        ((make, {"initial": []}, N), InvalidInput, "axis 'initial' must be a list with at least one value"),
        ((make, {"initial": "0.1"}, N), InvalidInput, "axis 'initial' must be a list"),
        ((make, {"initial": [0.1, -1.0]}, N), InvalidInput, "cell initial=-1.0: the learning rate must be"),
        ((lambda initial: 3, {"initial": [0.1]}, N), InvalidType, "make_study must return a jaxsgd.Study, got 3"),
        ((make, AXES, 0), InvalidInput, "trajectories must be at least 1"),
        (({"a": make}, {"b": AXES}, N), InvalidInput, "axes must have the families"),
        (
            (lambda steps: js.chapter.study("constant", steps), {"steps": [5, 6]}, N),
            InvalidInput,
            "all cells must have the same recorded steps; cell steps=6 differs",
        ),
    ],
)
def test_bad_input(arguments, kind, message):
    with pytest.raises(kind, match=message):
        js.sweep(*arguments)


def test_bad_names(swept):
    with pytest.raises(InvalidInput, match="compare names 'rsk', which is not recorded"):
        js.sweep(make, AXES, N, compare=("rsk",))
    with pytest.raises(InvalidInput, match="compare_at must be a recorded step, got 5"):
        js.sweep(make, AXES, N, compare_at=5)
    with pytest.raises(InvalidInput, match="kept no values of 'distance_squared'"):
        swept.values("distance_squared")
