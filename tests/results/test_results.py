"""Results as files and as text, what they carry, progress, and every way to ask for something wrong.

Nothing here is statistical. One small study, so that few programs are compiled: 10 steps, every fifth
recorded, 2000 trajectories.
"""

import io
import json
import pathlib
import sys

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import jaxsgd as js
from jaxsgd.cli import study_summary
from jaxsgd.errors import InvalidInput, InvalidType
from jaxsgd.inference.intervals import proportion_interval
from jaxsgd.results import layout, storage
from jaxsgd.results.old_layouts import with_decided_events
from jaxsgd.runs import progress

N = 2000
STUDY = js.chapter.study("polynomial", steps=10).replace(
    record=js.record.every(5), averages={"eta": js.averages.StepSizeWeighted(), "last": js.averages.Suffix(0.3)}
)
EVERYTHING = {
    "quantiles": (0.1, 0.5),
    "probabilities": {"left": lambda x: x[0] < -1.0},
    "step_covariance": ("risk", "risk_of_last"),
}


def run(trajectories=N, study=STUDY, **arguments):
    return js.simulate(study, trajectories, **({"progress": False} | arguments))


@pytest.fixture(scope="module")
def result():
    return run()


@pytest.fixture(scope="module")
def full():
    return run(seed=2**64 - 1, **EVERYTHING)


# what a result carries


def test_variables_and_dimensions(full):
    dataset = full.dataset
    names = [f"{kind}{of}" for of in ("", "_of_eta", "_of_last") for kind in ("risk", "distance_squared")]
    for name in (*names, "gradient_norm_squared"):
        for estimate in ("mean", "variance", "sem", "min", "max", "mean_finite", "count_finite"):
            assert dataset[f"{name}_{estimate}"].dims == ("step",)
        for estimate in ("quantile", "quantile_width"):
            assert dataset[f"{name}_{estimate}"].dims == ("quantile", "step")
    assert dataset.x_mean.dims == ("step", "coordinate")
    assert dataset.x_covariance.dims == ("step", "coordinate", "coordinate_2")
    assert dataset.risk_step_covariance.dims == ("step", "step_2")
    for name in ("diverged", "learning_rate", "example_gradients", "left_count", "left_probability"):
        assert dataset[name].dims == ("step",)
    for name, variable in dataset.data_vars.items():
        integer = str(name).endswith(("count", "count_finite", "diverged", "example_gradients"))
        assert variable.dtype == (np.int64 if integer else np.float64), name
    np.testing.assert_array_equal(dataset.step, [0, 5, 10])
    np.testing.assert_array_equal(dataset.coordinate, ["x[0]", "x[1]"])
    np.testing.assert_array_equal(dataset["quantile"], [0.1, 0.5])
    np.testing.assert_array_equal(dataset.example_gradients, [0, 5, 10])
    np.testing.assert_allclose(dataset.learning_rate, STUDY.learning_rates[[0, 5, 10]], rtol=1e-15)


def test_averages_without_a_value_have_none_anywhere(full):
    """Suffix(0.3) of 10 steps starts at x_7."""
    at_5 = full.at(5)
    for estimate in ("mean", "variance", "sem", "min", "max", "mean_finite"):
        assert np.isnan(at_5[f"risk_of_last_{estimate}"])
    assert np.isnan(at_5.risk_of_last_quantile).all()
    assert at_5.risk_of_last_count_finite == 0
    undefined = np.isnan(full.dataset.risk_of_last_step_covariance.values)
    np.testing.assert_array_equal(undefined, [[0, 1, 0], [1, 1, 1], [0, 1, 0]])


def test_attributes(full):
    attributes = full.dataset.attrs
    assert attributes["study"] == repr(STUDY)
    assert attributes["seed"] == full.seed == 2**64 - 1
    assert attributes["trajectories"] == full.trajectories == N
    assert "chunk=" in attributes["plan"]
    assert attributes["jaxsgd"] == js.__version__
    assert attributes["jax"] == jax.__version__
    for name in ("jaxlib", "numpy", "equinox", "python", "device", "cpu", "precision", "fingerprint", "file_format"):
        assert attributes[name], name
    assert full.study is STUDY


def test_repr_is_one_screen(full):
    text = repr(full)
    assert text.startswith(f"Result: {N:,} trajectories, seed {2**64 - 1}, 3 records\n  at step 10:\n    risk = ")
    end = full.dataset.isel(step=-1)
    assert f"    risk = {float(end.risk_mean):.6g} +- {float(end.risk_sem):.2g}" in text
    lines = text.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 100


def test_at_a_step(result):
    assert result.at(5).identical(result.dataset.sel(step=5))
    with pytest.raises(InvalidInput, match=r"step 7 was not recorded \(recorded: 0, 5, 10\).*at\(\[\.\.\., 7\]\)"):
        result.at(7)


def test_seeds_and_counts_may_be_numpy_integers(result):
    same = js.simulate(STUDY, np.int64(N), seed=np.uint8(0), first_trajectory=np.int32(0), progress=False)
    assert same.dataset.identical(result.dataset)


# files


def test_files_hold_everything(full, result, tmp_path):
    for name, each in {"full": full, "plain": result}.items():
        each.save(tmp_path / f"{name}.nc")
        loaded = js.load(str(tmp_path / f"{name}.nc"))
        assert loaded.dataset.identical(each.dataset)
        assert repr(loaded) == repr(each)
        assert loaded.seed == each.seed
        assert loaded.trajectories == N
        assert loaded.study is None
        assert loaded.at(5).identical(each.at(5))
        loaded.save(tmp_path / "again.nc")
        assert js.load(tmp_path / "again.nc").dataset.identical(each.dataset)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.nc", "full.nc", "plain.nc"]


def test_other_programs_read_the_estimates(full, tmp_path):
    full.save(tmp_path / "full.nc")
    with xr.open_dataset(tmp_path / "full.nc", engine="h5netcdf") as dataset:
        np.testing.assert_array_equal(dataset.risk_mean, full.dataset.risk_mean)
        assert dataset.attrs["study"] == repr(STUDY)


def test_pytree_names_and_odd_names_survive(tmp_path):
    study = js.Study(
        oracle=js.oracles.AdditiveNoise(
            js.problems.Function(lambda x: jnp.sum(x["w"] ** 2), minimiser={"w": np.zeros((1, 2))}), js.noise.Gaussian()
        ),
        schedule=js.schedules.table([0.1]),
        steps=1,
        x0={"w": np.ones((1, 2))},
        averages={"my average": js.averages.Uniform()},
        observables={"f(x) in %": lambda x: x["w"][0, 0]},
    )
    plan = js.Plan.choose(2, 1, 100)
    made = run(100, study, plan=plan)
    made.save(tmp_path / "odd.nc")
    loaded = js.load(tmp_path / "odd.nc")
    assert loaded.dataset.identical(made.dataset)
    assert list(loaded.dataset.coordinate.values) == ["w[0,0]", "w[0,1]"]
    assert "f(x) in %_mean" in loaded.dataset
    assert np.isnan(loaded.dataset.learning_rate[-1])  # the end of the table
    merged = js.merge([loaded, run(100, study, plan=plan, first_trajectory=plan.chunk)])
    assert merged.trajectories == 200


def test_files_of_others_and_damaged_files(result, tmp_path):
    path = tmp_path / "result.nc"
    result.save(path)
    content = path.read_bytes()

    def refused(match, made=None):
        if made is not None:
            path.write_bytes(made)
        with pytest.raises(InvalidInput, match=match):
            js.load(path)

    for made in (b"", b"no file of ours", content[:8], content[:1000], content[: len(content) // 2], content[:-1]):
        refused("is not a result of jaxsgd", made)
    xr.Dataset({"a": ("x", [1.0, 2.0])}).to_netcdf(path, engine="h5netcdf")
    refused("is not a result of jaxsgd")
    for text in ("3", "{}", "[", json.dumps({"undefined": {}, "unknown": 1})):
        path.write_bytes(content)
        with h5py.File(path, "a") as file:
            file.attrs["asked"] = text
        refused("is not a result of jaxsgd")
    path.write_bytes(content)
    with h5py.File(path, "a") as file:
        del file["sums"]
    refused("is not a result of jaxsgd")
    path.write_bytes(content)
    with h5py.File(path, "a") as file:
        file.attrs["file_format"] = 99
    refused("has file format 99; this version reads 2 and 3")
    path.unlink()
    refused("there is no file")
    with pytest.raises(InvalidInput, match="there is no file"):
        js.load(tmp_path)


def test_a_result_cannot_be_written_to_no_folder(result, tmp_path):
    with pytest.raises(InvalidInput, match=r"cannot write .*nowhere"):
        result.save(tmp_path / "nowhere" / "result.nc")


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt("Ctrl-C"), RuntimeError("HDF5")])
def test_a_file_is_never_half_written(result, tmp_path, monkeypatch, error):
    """What fails after the estimates are written leaves the file of before, and no other."""
    path = tmp_path / "result.nc"
    path.write_bytes(b"what was there before")

    def failing(*_):
        raise error

    monkeypatch.setattr(storage, "_write_sums", failing)
    with pytest.raises(InvalidInput if isinstance(error, OSError) else type(error), match=str(error)):
        result.save(path)
    assert path.read_bytes() == b"what was there before"
    assert [each.name for each in tmp_path.iterdir()] == ["result.nc"]


def test_layouts_survive_as_text(full):
    made = full._layout
    read = layout.Layout.from_json(made.to_json())
    assert read == made
    assert read.to_json() == made.to_json()  # also what compiled code does not depend on


# paths


def test_sampled_paths():
    paths = js.sample_paths(STUDY, 7, seed=3)
    assert paths.x.dims == ("trajectory", "step", "coordinate")
    assert paths.x.shape == (7, 3, 2)
    np.testing.assert_array_equal(paths.trajectory, range(7))
    np.testing.assert_array_equal(paths.step, [0, 5, 10])
    np.testing.assert_array_equal(paths.coordinate, ["x[0]", "x[1]"])
    np.testing.assert_array_equal(paths.x[:, 0], np.tile([-5, -2], (7, 1)))
    np.testing.assert_allclose(paths.learning_rate, STUDY.learning_rates[[0, 5, 10]])
    assert paths.attrs["seed"] == 3
    assert len(js.sample_paths(STUDY).trajectory) == 20
    mean = run(7, seed=3).dataset.x_mean
    np.testing.assert_allclose(mean, paths.x.mean("trajectory"), rtol=1e-5)
    assert not np.allclose(js.sample_paths(STUDY, 7, seed=4).x[:, 1], paths.x[:, 1])


@pytest.mark.parametrize(("arguments", "error"), [({"trajectories": 0}, InvalidInput), ({"seed": -1}, InvalidInput)])
def test_sampled_paths_of_bad_input(arguments, error):
    with pytest.raises(error, match="must be at least"):
        js.sample_paths(STUDY, **arguments)
    with pytest.raises(InvalidType, match="study must be"):
        js.sample_paths("study", **arguments)


# progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, stream, **arguments):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    js.simulate(STUDY, N, **arguments)
    return stream.getvalue()


def test_progress_is_silent_unless_somebody_watches(monkeypatch, capsys):
    assert shown(monkeypatch, io.StringIO()) == ""
    assert shown(monkeypatch, Terminal(), progress=False) == ""
    assert shown(monkeypatch, io.StringIO(), progress=False) == ""
    assert capsys.readouterr() == ("", "")


def test_progress_is_shown_when_it_is_wanted(monkeypatch, capsys):
    for text in (
        shown(monkeypatch, Terminal(), progress=True),
        shown(monkeypatch, io.StringIO(), progress=True),
        shown(monkeypatch, Terminal()),
    ):
        assert f"{N}/{N}" in text
        assert "M steps/s" in text
    assert capsys.readouterr().out == ""


def test_a_short_run_shows_no_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.Progress(10, "auto") as bar:
        bar.expect([10])
        bar.hear(0, [((0, 10), {})])
    assert terminal.getvalue() == ""


# what cannot be simulated


def of_vector(x):
    return x > 0


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"trajectories": 0}, InvalidInput, "trajectories must be at least 1, got 0"),
        ({"trajectories": -1}, InvalidInput, "trajectories must be at least 1, got -1"),
        ({"trajectories": 1.5}, InvalidType, "trajectories must be an integer, got 1.5"),
        ({"trajectories": True}, InvalidType, "trajectories must be an integer, got True"),
        ({"trajectories": "many"}, InvalidType, "trajectories must be an integer, got 'many'"),
        ({"seed": -1}, InvalidInput, "seed must be at least 0 and below 18446744073709551616, got -1"),
        ({"seed": 2**64}, InvalidInput, "seed must be at least 0 and below"),
        ({"seed": 1.0}, InvalidType, "seed must be an integer, got 1.0"),
        ({"seed": None}, InvalidType, "seed must be an integer, got None"),
        ({"first_trajectory": -1}, InvalidInput, "first_trajectory must be at least 0, got -1"),
        ({"first_trajectory": 2.0}, InvalidType, "first_trajectory must be an integer"),
        ({"first_trajectory": 2**32 - N + 1}, InvalidInput, r"trajectory ids must stay below 2\^32"),
        ({"trajectories": 2**32 + 1}, InvalidInput, r"trajectory ids must stay below 2\^32.*use another seed"),
        ({"statistics": ["mean", "median"]}, InvalidInput, "statistics has no 'median'; allowed: extremes, mean"),
        ({"statistics": "mean"}, InvalidType, "statistics must be a list of names"),
        ({"quantiles": [0.0]}, InvalidInput, r"quantiles must lie in \(0, 1\), got 0"),
        ({"quantiles": [0.5, 1.0]}, InvalidInput, r"quantiles must lie in \(0, 1\), got 1"),
        ({"quantiles": [float("nan")]}, InvalidInput, "quantiles must be finite"),
        ({"quantiles": 0.5}, InvalidType, "quantiles must be a list"),
        ({"quantiles": ["half"]}, InvalidType, "quantiles must be"),
        ({"step_covariance": ["loss"]}, InvalidInput, "step_covariance names 'loss', which is not recorded; allowed"),
        ({"step_covariance": "risk"}, InvalidType, "step_covariance must be a list of names"),
        ({"probabilities": {"event": 0.05}}, InvalidType, r"probabilities\['event'\] must be a function"),
        (
            {"probabilities": {"event": of_vector}},
            InvalidInput,
            r"probabilities\['event'\] must be one number for one x",
        ),
        ({"probabilities": {"event": lambda x: x["w"] > 0}}, InvalidType, "can be computed neither on x"),
        ({"probabilities": [of_vector]}, InvalidType, "probabilities must be a dict"),
        ({"plan": "fast"}, InvalidType, "plan must be a jaxsgd.Plan, got 'fast'"),
        ({"plan": 1024}, InvalidType, "plan must be a jaxsgd.Plan"),
        ({"executor": 4}, InvalidType, "executor must be a concurrent.futures.Executor, got 4"),
        ({"study": "constant"}, InvalidType, "study must be a jaxsgd.Study, got 'constant'"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(monkeypatch, arguments, error, match):
    def nothing(*_, **__):
        raise AssertionError("something was compiled")

    monkeypatch.setattr("jaxsgd.engine.task.compiled", nothing)
    given = {"study": STUDY, "trajectories": N} | arguments
    with pytest.raises(error, match=match):
        js.simulate(given.pop("study"), given.pop("trajectories"), **given)


def test_covariance_between_too_many_steps():
    study = js.chapter.study("constant")
    for steps, allowed in ((64, False), (63, True)):
        many = study.replace(steps=steps, averages={}, observe=("risk",))
        if allowed:
            made = run(40, many, step_covariance=["risk"])
            assert made.dataset.risk_step_covariance.shape == (64, 64)
            with pytest.raises(InvalidInput, match=r"recorded: 0, 1, 2, \.\.\., 62, 63\)"):
                made.at(64)
        else:
            with pytest.raises(InvalidInput, match="at most 64 records, the study has 65; use record="):
                run(10, many, step_covariance=["risk"])


@pytest.mark.parametrize(
    ("numbers", "error", "match"),
    [
        ({"chunk": 3000, "tile": 1024}, InvalidInput, "chunk must be a multiple of 1024, got 3000"),
        ({"chunk": 4096, "tile": 1500}, InvalidInput, "tile must be a multiple of 1024, got 1500"),
        ({"chunk": 4096, "tile": 3072}, InvalidInput, r"tile must divide chunk \(4096\)"),
        ({"chunk": 0, "tile": 1024}, InvalidInput, "chunk must be at least 1024"),
        ({"chunk": 1024.0, "tile": 1024}, InvalidType, "chunk must be an integer"),
        ({"chunk": 1024, "tile": 1024, "workers": 0}, InvalidInput, "workers must be at least 1"),
    ],
)
def test_plans_that_are_none(numbers, error, match):
    with pytest.raises(error, match=match):
        js.Plan(**({"workers": 1} | numbers))
    if numbers["chunk"] == 4096:
        with pytest.raises(error, match=match):
            js.Plan(chunk=4096, tile=1024, workers=1).replace(tile=numbers["tile"])


KEPT = pathlib.Path(__file__).parent


def later(path, made):
    """The same file, of trajectories from the next chunk on."""
    made.write_bytes(path.read_bytes())
    with h5py.File(made, "a") as file:
        for job in file["sums"].values():
            (span,) = job
            job.move(span, "_".join(str(int(edge) + int(job.attrs["chunk"])) for edge in span.split("_")))
    return js.load(made)


@pytest.mark.parametrize("name", ["study", "sweep"])
def test_results_of_format_2_are_saved_and_merged_as_any_other(name, tmp_path):
    old = js.load(KEPT / f"format-2-{name}.nc")
    old.save(tmp_path / "now.nc")
    now = js.load(tmp_path / "now.nc")
    assert now.dataset.identical(old.dataset)
    with h5py.File(tmp_path / "now.nc") as file:
        assert int(file.attrs["file_format"][0]) == storage.FORMAT
    other = later(KEPT / f"format-2-{name}.nc", tmp_path / "later.nc")
    for first in (old, now):
        merged = js.merge([other, first])
        assert merged.trajectories == 3000
        np.testing.assert_allclose(merged.dataset.risk_mean, old.dataset.risk_mean, rtol=1e-14)
        np.testing.assert_array_equal(merged.dataset.near_count, 2 * old.dataset.near_count)


def test_an_event_is_shown_with_its_limits(full):
    """In words, and in what `jaxsgd run` writes: 0 or all of N has limits, too, and says N."""
    last = full.dataset.isel(step=-1)
    count = int(last.left_count)
    lower, upper = proportion_interval(count, N, 0.95)
    shown = (
        f"P(left) = {count / N:.4g}, in [{lower:.3g}, {upper:.3g}] at confidence 0.95: {count:,} of {N:,} trajectories"
    )
    assert shown in repr(full)
    row = {"count": count, "finite": N, "probability": count / N, "lower": lower, "upper": upper}
    assert study_summary.summarise(STUDY, full, None)["events"] == {"left": row}
    assert last.left_probability_upper.attrs["long_name"].startswith("upper limit of the exact interval")


def test_events_of_older_files_are_decided_where_nothing_diverged():
    """Counted in 5 and in 300 of 1000, of which 10 diverged: it happened in 0 to 20, and in 290 to 310."""
    old = {"diverged": {"diverged": np.array([0.0, 10.0])}, "events": {"count": np.array([[5.0, 300.0]] * 2)}}
    ((span, sums),) = with_decided_events([((2048, 3048), old)])
    assert span == (2048, 3048)
    count, finite = sums["events"]["count"], sums["events"]["finite"]
    np.testing.assert_array_equal(count, [[5, 300], [0, 290]])
    np.testing.assert_array_equal(count + 1000 - finite, [[5, 300], [20, 310]])
    assert with_decided_events([(span, sums)]) == [(span, sums)]
    dataset = js.load(KEPT / "format-2-study.nc").dataset
    np.testing.assert_array_equal(dataset.near_count_finite, 1500)


def test_results_of_before_the_rooms_load():
    """Files that were written when layouts were one flat record; the numbers are those that were printed then."""
    study = js.load(KEPT / "format-2-study.nc")
    assert study.dataset.risk_mean.values[-1].hex() == "0x1.25df0bc54a692p-4"
    assert {"risk_quantile", "near_probability", "risk_step_covariance", "x_covariance"} <= set(study.dataset)
    sweep = js.load(KEPT / "format-2-sweep.nc")
    expected = [10.615950714111328, 1.163818208694458, 3.421330814361572, 0.07174591634670893]
    assert sweep.dataset.risk_mean.values.ravel().tolist() == expected
    assert sweep.result(1).at(20).risk_mean == expected[3]
    assert sweep.values("risk").shape == (2, 1500)
