"""A trajectory is a function of (study, seed, id), and sums are folded in one order: bitwise.

Nothing here is left to chance: tests compare runs with runs, so there are no sample sizes to choose.
"Bitwise" is ``Dataset.identical``, which compares every bit of every estimate, and the attributes.
Between different compiled programs only rounding is promised, in float32 some 1e-7 of a value.
"""

import itertools
import random
import warnings
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import economy
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import streams
from jaxsgd.engine.ledger import Ledger
from jaxsgd.engine.plan import Form
from jaxsgd.engine.statistics.observable_moments import ObservableMoments
from jaxsgd.errors import InexactMerge, InvalidInput, InvalidType

STUDY = js.chapter.study("polynomial")
TILE = js.Plan.choose(2, 50, 10**6).tile
PLAN = js.Plan.choose(2, 50, 10**6).replace(chunk=2 * TILE)
QUICK = economy.quick(PLAN)
CHUNK, CHUNKS = PLAN.chunk, 6


def run(start=0, stop=CHUNK * CHUNKS, *, study=STUDY, seed=0, plan=PLAN, **arguments):
    return js.simulate(study, stop - start, seed=seed, first_trajectory=start, plan=plan, progress=False, **arguments)


@pytest.fixture(scope="module")
def whole():
    return run()


def assert_close(result, other, relative):
    """Every estimate to ``relative`` of its largest value, counts exactly."""
    for name, values in result.dataset.data_vars.items():
        mine, its = values.values, other.dataset[name].values
        if mine.dtype.kind == "i":
            np.testing.assert_array_equal(mine, its, err_msg=str(name))
        else:
            np.testing.assert_allclose(
                mine, its, rtol=relative, atol=relative * np.nanmax(np.abs(mine)), err_msg=str(name)
            )


# executors


class InOrder(Executor):
    """Runs ``count`` tasks in the thread of the caller, in a given order, when all have been submitted."""

    def __init__(self, order):
        self.order, self.waiting = list(order), []

    def submit(self, function, /, *arguments, **keywords):
        self.waiting.append((Future(), function, arguments, keywords))
        future = self.waiting[-1][0]
        if len(self.waiting) == len(self.order):
            for position in self.order:
                done, task, args, kwargs = self.waiting[position]
                done.set_result(task(*args, **kwargs))
        return future


class OneByOne(ThreadPoolExecutor):
    """Ends chunks one at a time, in a shuffled order, each long before the next."""

    def __init__(self, count):
        super().__init__(1)
        self.order, self.waiting = random.Random(0).sample(range(count), count), []

    def submit(self, function, /, *arguments, **keywords):
        self.waiting.append((Future(), function, arguments, keywords))
        if len(self.waiting) == len(self.order):
            super().submit(self._run)
        return self.waiting[-1][0]

    def _run(self):
        for position in self.order:
            done, task, arguments, keywords = self.waiting[position]
            done.set_result(task(*arguments, **keywords))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_number_of_threads_does_not_matter(whole, threads):
    with ThreadPoolExecutor(threads) as executor:
        assert run(executor=executor).dataset.identical(whole.dataset)
    workers = run(plan=PLAN.replace(workers=threads)).dataset.assign_attrs(plan=whole.dataset.attrs["plan"])
    assert workers.identical(whole.dataset)


@pytest.mark.parametrize("order", [range(CHUNKS)[::-1], [3, 0, 5, 1, 4, 2]])
def test_order_of_chunks_does_not_matter(whole, order):
    assert run(executor=InOrder(order)).dataset.identical(whole.dataset)


def test_order_in_which_chunks_end_does_not_matter(whole):
    with OneByOne(CHUNKS) as executor:
        assert run(executor=executor).dataset.identical(whole.dataset)


def test_more_chunks_than_are_in_flight():
    """80 chunks, whose sums are folded while others still run."""
    small = PLAN.replace(chunk=TILE)
    results = [run(0, 80 * TILE - 5, plan=small.replace(workers=workers)) for workers in (1, 4)]
    assert results[0].trajectories == 80 * TILE - 5
    assert results[0].dataset.drop_attrs().identical(results[1].dataset.drop_attrs())


def test_an_error_in_a_chunk_is_raised():
    class Failing(ThreadPoolExecutor):
        def submit(self, function, /, *arguments, **keywords):
            if arguments[0] == 2 * CHUNK:
                return super().submit(lambda: 1 / 0)
            return super().submit(function, *arguments, **keywords)

    with Failing(2) as executor, pytest.raises(ZeroDivisionError):
        run(executor=executor)


@pytest.mark.parametrize("chunks", [1, 3, 5])
def test_ledger_folds_any_order_to_the_same_bits(chunks):
    """All orders of up to five chunks that start at id 3 * 1024, and of a part of a sixth."""
    chunk, kind = 1024, ObservableMoments(("risk",))
    draw = np.random.default_rng(0).normal(size=(chunks + 1, 3, 1, 1))
    ranges = [(3 + i, 4 + i) for i in range(chunks)]
    parts = [(a * chunk, b * chunk) for a, b in ranges] + [((3 + chunks) * chunk, (3 + chunks) * chunk + 77)]
    sums = [
        {"moments": {"count": np.full((1, 1), b - a), "mean": m, "m2": abs(s)}}
        for (a, b), (m, s, _) in zip(parts, draw, strict=True)
    ]
    totals = []
    for order in itertools.permutations(range(len(parts))):
        ledger = Ledger((kind,), chunk)
        for position in order:
            ledger.add(*parts[position], sums[position])
        totals.append(ledger.total()["moments"])
        assert ledger.count == chunks * chunk + 77
    for total in totals[1:]:
        for key, array in total.items():
            np.testing.assert_array_equal(array, totals[0][key])


# merging


def test_halves_merge_bitwise(whole):
    halves = [run(0, 3 * CHUNK), run(3 * CHUNK)]
    assert js.merge(halves).dataset.identical(whole.dataset)
    assert js.merge(halves[::-1]).dataset.identical(whole.dataset)
    assert js.merge([whole]).dataset.identical(whole.dataset)


def test_parts_merge_bitwise_in_any_order(whole, tmp_path):
    """Also when the first to be merged are not neighbours, and when they come from files."""
    parts = [run(0, CHUNK), run(CHUNK, 4 * CHUNK), run(4 * CHUNK)]
    for position, part in enumerate(parts):
        part.save(tmp_path / f"{position}.nc")
    loaded = [js.load(tmp_path / f"{position}.nc") for position in range(3)]
    for order in itertools.permutations(range(3)):
        assert js.merge([parts[i] for i in order]).dataset.identical(whole.dataset)
        assert js.merge([loaded[i] for i in order]).dataset.identical(whole.dataset)
    apart = js.merge([loaded[0], parts[2]])
    assert apart.trajectories == 3 * CHUNK
    apart.save(tmp_path / "apart.nc")
    assert js.merge([js.load(tmp_path / "apart.nc"), parts[1]]).dataset.identical(whole.dataset)


def test_a_last_part_that_is_short_merges_bitwise_under_the_default_plan():
    """Shards of a long run, the last of them small: it is compiled like the others."""
    chunk = js.Plan.choose(2, 50, 10**6).chunk
    assert js.Plan.choose(2, 50, 1000).tile < TILE  # which alone it would not be
    shards = [run(0, chunk, plan=None), run(chunk, chunk + 1000, plan=None)]
    alone = run(0, chunk + 1000, plan=None)
    assert js.merge(shards).dataset.identical(alone.dataset)


def test_ranges_that_are_not_cut_at_chunk_bounds(whole):
    """Cut between blocks of 1024 the sums agree to 1e-12; inside a block to the rounding of float32 means."""
    for cut, relative in ((CHUNK + 3 * 1024, 1e-12), (CHUNK + 1000, 1e-6)):
        parts = [run(0, cut), run(cut)]
        with pytest.warns(InexactMerge, match="multiples of the chunk"):
            merged = js.merge(parts)
        assert_close(merged, whole, relative)
        assert not merged.dataset.attrs["merge_is_bitwise"]
    with pytest.warns(InexactMerge):  # once inexact, inexact for good
        js.merge([js.merge([run(0, 1000), run(1000, CHUNK)]), run(CHUNK)])


def test_a_range_that_starts_inside_a_chunk_merges_bitwise():
    """A run of ids 1000 .. is cut at the next bound by itself."""
    alone = run(1000, 3 * CHUNK)
    assert js.merge([run(1000, CHUNK), run(CHUNK, 3 * CHUNK)]).dataset.identical(alone.dataset)


def test_merging_what_does_not_belong_together():
    result = run(0, CHUNK, plan=QUICK)

    def refused(match, **changes):
        with pytest.raises(InvalidInput, match=match):
            js.merge([result, run(CHUNK, CHUNK + 1000, **({"plan": QUICK} | changes))])

    with pytest.raises(InvalidInput, match=f"trajectories {CHUNK - 10} to {CHUNK - 1} would be counted twice"):
        js.merge([result, run(CHUNK - 10, CHUNK + 1000, plan=QUICK)])
    with pytest.raises(InvalidInput, match="counted twice"):
        js.merge([result, result])
    refused(r"differ in seed \(0 and 1\)", seed=1)
    refused("differ in chunk", plan=QUICK.replace(chunk=CHUNK // 2))
    refused("differ in study", study=STUDY.replace(x0=[-5.0, -2.5]))
    refused("differ in study", study=js.chapter.study("constant"))
    refused("differ in .*(statistics|fingerprint)", statistics=("mean", "variance", "extremes"))
    with jax.enable_x64(True):
        refused("differ in precision")
    with pytest.raises(InvalidInput, match="at least one"):
        js.merge([])
    for wrong in (result, [result, "result"], [None]):
        with pytest.raises(InvalidType, match="list of results"):
            js.merge(wrong)


def shifted(by):
    return lambda x: jnp.sum(x) + by


def is_right(x):
    return x[0] > 0


def test_functions_and_names_that_the_repr_does_not_show_are_seen_when_merging():
    """Observables of one name with other numbers in them, and one event under two names."""

    def part(start, by, event):
        study = STUDY.replace(observe=(), averages={}, observables={"sum": shifted(by)})
        return run(start, start + CHUNK, study=study, probabilities={event: is_right}, plan=QUICK)

    first = part(0, 1.0, "right")
    for other in (part(CHUNK, 2.0, "right"), part(CHUNK, 1.0, "positive")):
        with pytest.raises(InvalidInput, match="differ in"):
            js.merge([first, other])


# other cuts


def test_other_chunks_change_nothing_but_the_order_of_sums(whole):
    """In float64: 1e-12."""
    for chunk in (CHUNK // 2, 4 * CHUNK):
        assert_close(run(plan=PLAN.replace(chunk=chunk)), whole, 1e-12)


def test_other_tiles_agree_to_rounding(whole):
    """Other compiled programs: each trajectory to some 1e-7, estimates to 1e-6."""
    assert_close(run(plan=PLAN.replace(tile=2048)), whole, 1e-6)
    assert_close(run(plan=js.Plan(chunk=CHUNK, tile=TILE, workers=2)), whole, 1e-6)  # without compiler options


def test_other_forms_of_the_loop_agree_to_rounding(whole):
    """Also on a grid that is not walked record by record."""
    assert_close(run(plan=PLAN.replace(form=Form(carry_draws=False))), whole, 1e-6)
    study = STUDY.replace(record=js.record.at([0, 1, 4, 9, 19, 29, 50]))
    form = Form(carry_draws=False, split_state=True, unroll=4)
    other = run(0, 2048, study=study, plan=QUICK.replace(form=form))
    assert_close(other, run(0, 2048, study=study, plan=QUICK), 1e-6)


# ids


def test_paths_of_a_shorter_run_are_those_of_a_longer_one(compiled_quickly):
    """To rounding where the programs differ (tiles of 1024 and 4096), bitwise where they do not."""
    few, some, many = (js.sample_paths(STUDY, n, seed=0).x for n in (20, 1000, 2200))
    assert few.identical(some[:20].assign_attrs(few.attrs))
    np.testing.assert_allclose(some, many[:1000], rtol=1e-5, atol=1e-6)


def test_the_first_trajectory_says_which_ids_run():
    """Means over single ids, and over 1500 from id 700 on, are those of the sampled paths."""
    x = js.sample_paths(STUDY, 2200, seed=0).x.values
    for start, stop in ((0, 1), (5, 6), (1023, 1024), (1024, 1025), (700, 2200)):
        result = run(start, stop)
        assert result.trajectories == stop - start
        np.testing.assert_allclose(result.dataset.x_mean, x[start:stop].mean(0), rtol=1e-5, atol=1e-6)


def test_the_last_ids():
    last = 2**32
    np.testing.assert_array_equal(run(last - 2000, last - 1000).dataset.risk_count_finite, 1000)
    assert run(last - 1, last).dataset.risk_mean[-1] != run(last - 2, last - 1).dataset.risk_mean[-1]


def test_seeds_give_other_draws():
    means = {float(run(0, 1024, seed=seed).dataset.risk_mean[-1]) for seed in (0, 1, 2**32, 2**64 - 1)}
    assert len(means) == 4
    assert run(0, 1024, seed=7).dataset.identical(run(0, 1024, seed=np.uint64(7)).dataset)


# words and draws


def steps_of_one(sampler, dimension, **changes):
    """A study whose gradient is the draw: x_{t+1} = x_t - xi_t from 0, exact in any order of operations."""
    arguments = {"steps": 3, "record": js.record.every(1), "schedule": js.schedules.constant(1.0)} | changes
    oracle = js.oracles.RandomLoss(lambda xi, x: jnp.dot(xi, x), sampler)
    return js.Study(oracle=oracle, x0=np.zeros(dimension), **arguments)


def uniform_pairs(stream):
    return stream.uniform((2,))


def normal_pairs(stream):
    return stream.normal((2,))


def words(ids, steps, size, seed=0):
    """The uint32 words of each variate (trajectory, step, size), by the definition in NumPy."""
    key = streams.make_key(seed, "gradient")
    counter = np.arange(steps * (size // 2), dtype=np.uint32).reshape(steps, -1)
    first, second = np.broadcast_arrays(np.arange(ids, dtype=np.uint32)[:, None, None], counter)
    return np.concatenate(streams.threefry2x32((key[:1], key[1:]), first, second), -1)


def test_draws_are_words_at_the_counters_of_id_and_step(compiled_quickly):
    """Uniforms are exact functions of their words: paths are bitwise sums of them, in float32."""
    n = 1100
    paths = js.sample_paths(steps_of_one(uniform_pairs, 2), n).x.values
    uniforms = ((words(n, 3, 2) >> 9) + np.float32(0.5)) * np.float32(2.0**-23)
    x = np.zeros((n, 2), np.float32)
    for step in range(3):
        np.testing.assert_array_equal(paths[:, step], x)
        x = x - uniforms[:, step].astype(np.float32)
    np.testing.assert_array_equal(paths[:, 3], x)


def test_studies_with_one_seed_share_their_draws(compiled_quickly):
    """Another problem, method, schedule, number of steps and records; the same words for the same ids."""
    reference = js.sample_paths(steps_of_one(uniform_pairs, 2), 1100).x.values
    other = js.Study(
        oracle=js.oracles.RandomLoss(lambda xi, x: jnp.sum(xi * x) + 0 * jnp.sum(x**4), uniform_pairs),
        schedule=js.schedules.table([1.0, 1.0, 1.0, 0.5, 0.25]),
        x0=[0.0, 0.0],
        steps=5,
        method=js.methods.Projected(js.methods.Box(-100, 100)),
        averages={"all": js.averages.Uniform()},
        record=js.record.at([1, 3]),
    )
    paths = js.sample_paths(other, 1100).x.values
    np.testing.assert_array_equal(paths[:, 0], reference[:, 1])
    np.testing.assert_array_equal(paths[:, 1], reference[:, 3])
    # and simulate runs the same ones
    means = js.simulate(other, 1100, progress=False).dataset.x_mean
    np.testing.assert_allclose(means, reference[:, [1, 3]].mean(0), rtol=1e-6)


def test_double_precision_draws_the_same_single_precision_numbers(compiled_quickly):
    for sampler, difference in ((uniform_pairs, 0.0), (normal_pairs, 2e-6)):
        study = steps_of_one(sampler, 2)
        single = js.sample_paths(study, 1100).x.values[:, 1]
        with jax.enable_x64(True):
            double = js.sample_paths(study, 1100).x.values[:, 1]
        np.testing.assert_array_equal(double, double.astype(np.float32))  # upcast, not drawn anew
        assert np.abs(double - single).max() <= difference


def test_double_precision_follows_the_same_path():
    """The difference is the rounding of float32: 1e-7 of the largest x of the path, some 50 times; and not 0."""
    single = js.sample_paths(STUDY, 1000).x.values
    with jax.enable_x64(True):
        double = js.sample_paths(STUDY, 1000).x.values
        result = run(0, 1000)
    difference = np.abs(double - single)
    assert 1e-8 < difference.max() < 1e-5
    assert result.dataset.attrs["precision"] == "float64"
    assert_close(run(0, 1000), result, 1e-5)
    # float64 throughout: the estimates are those of the paths to float64 rounding
    np.testing.assert_allclose(result.dataset.x_mean, double.mean(0), rtol=1e-12, atol=1e-12)


def test_warnings_are_not_needed_for_any_of_it(tmp_path, whole):
    """Neither exact merging nor saving warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole.save(tmp_path / "whole.nc")
        js.merge([js.load(tmp_path / "whole.nc"), run(CHUNKS * CHUNK, (CHUNKS + 1) * CHUNK)])
