"""What folds carry, against NumPy on the paths of the same trajectories."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsgd as js
from jaxsgd import averages, folds, methods, noise, oracles, problems, record, schedules
from jaxsgd.config import read
from jaxsgd.errors import InvalidInput, InvalidType, Unresolved
from jaxsgd.runs.trajectories import trajectory_values
from jaxsgd.verification.subject import _of_finite

pytestmark = pytest.mark.usefixtures("quick_compilation")

T, N, RATE, BATCH = 12, 40, 0.1, 3


class Counting(methods.Method):
    """Plain SGD that counts how often the first coordinate has fallen."""

    plain = linear = True

    def init(self, x0):
        return jnp.int32(0)

    def step(self, x, learning_rate, t, state, draw):
        x_next = x - learning_rate * draw.gradient(x)
        return x_next, state + (x_next[0] < x[0])


STUDY = js.Study(
    oracle=oracles.AdditiveNoise(problems.Quadratic([2.0, 4.0]), noise.Gaussian(std=[1.0, 3.0])),
    schedule=schedules.constant(RATE),
    x0=[-2.0, 1.0],
    steps=T,
    method=Counting(),
    averages={"tail": averages.Suffix(0.5)},
    record=record.every(1),
)


def running(function):
    """A function of x_1 .. x_s, and of g_0 .. g_{s-1}, at every step s; NaN at 0."""

    def at_steps(x, g):
        return [function(x[1 : s + 1], g[:s]) if s else np.nan for s in range(T + 1)]

    return at_steps


def batches(x, s):
    """Means of complete batches of x_0 .. x_{s-1}, second coordinate."""
    return x[: s // BATCH * BATCH, 1].reshape(-1, BATCH).mean(1)


def of_batches(function):
    def at_steps(x, g):
        return [function(batches(x, s)) for s in range(T + 1)]

    return at_steps


def first(event):
    """The first step at which an event of (x, g, step) holds."""

    def at_steps(x, g):
        times = [s for s in range(T + 1) if event(x, g, s)]
        return [next((time for time in times if time <= s), np.inf) for s in range(T + 1)]

    return at_steps


def tail(x, s):
    return x[T // 2 : s].mean(0) if s > T // 2 else (x[0] if s == 0 else np.full(2, np.nan))


def centred(xs):
    return (xs - xs.mean(0)).T @ (xs - xs.mean(0)) / (len(xs) - 1) if len(xs) > 1 else np.full((2, 2), np.nan)


# each fold, what is looked at, and the same of a path x (T + 1, 2) and its gradients g (T, 2)
CASES = {
    "sum": (folds.Sum(lambda u: u.gradient), lambda v: v[1], lambda x, g: [g[:s, 1].sum() for s in range(T + 1)]),
    "sum of samples": (
        folds.Sum(lambda u: u.sample * u.learning_rate),
        lambda v: v[0],
        lambda x, g: [RATE * (g[:s, 0] - 2 * x[:s, 0]).sum() for s in range(T + 1)],
    ),
    "maximum": (folds.Maximum(lambda u: u.x_next), lambda v: v[1], running(lambda x, g: x[:, 1].max())),
    "maximum of a number": (
        folds.Maximum(lambda u: jnp.sum(u.gradient**2)),
        lambda v: v,
        running(lambda x, g: (g**2).sum(1).max()),
    ),
    "minimum": (folds.Minimum(lambda u: u.gradient), lambda v: v[0], running(lambda x, g: g[:, 0].min())),
    "last": (folds.Last(lambda u: u.x_next - u.x), lambda v: v[0], running(lambda x, g: -RATE * g[-1, 0])),
    "first time": (folds.FirstTime(lambda x: x[0] > -0.6), lambda v: v, first(lambda x, g, s: x[s, 0] > -0.6)),
    "at once": (folds.FirstTime(lambda x: x[0] < 0), lambda v: v, first(lambda x, g, s: True)),
    "first time of an average": (
        folds.FirstTime(lambda s: s.averages["tail"][1] < -0.1),
        lambda v: v,
        first(lambda x, g, s: tail(x, s)[1] < -0.1),
    ),
    "first time of a method's state": (
        folds.FirstTime(lambda s: s.method >= 3),
        lambda v: v,
        first(lambda x, g, s: (np.diff(x[: s + 1, 0]) < 0).sum() >= 3),
    ),
    "mean of batches": (
        folds.BatchMeans(lambda u: u.x, BATCH),
        lambda v: v.mean[1],
        of_batches(lambda means: means.mean() if len(means) else np.nan),
    ),
    "variance of batches": (
        folds.BatchMeans(lambda u: u.x[1], BATCH),
        lambda v: v.variance,
        of_batches(lambda means: means.var(ddof=1) if len(means) > 1 else np.nan),
    ),
    "long-run variance": (
        folds.BatchMeans(lambda u: u.x[1], BATCH),
        lambda v: v.long_run_variance,
        of_batches(lambda means: BATCH * means.var(ddof=1) if len(means) > 1 else np.nan),
    ),
    "count of batches": (folds.BatchMeans(lambda u: u.x, BATCH), lambda v: v.batches, of_batches(len)),
    "running mean": (
        folds.RunningCovariance(lambda u: u.x_next), lambda v: v.mean[0], running(lambda x, g: x[:, 0].mean())
    ),
    "running covariance": (
        folds.RunningCovariance(lambda u: u.x_next),
        lambda v: v.covariance[0, 1],
        running(lambda x, g: centred(x)[0, 1]),
    ),
    "running variance of a number": (
        folds.RunningCovariance(lambda u: u.gradient[0]),
        lambda v: v.covariance,
        running(lambda x, g: centred(g)[0, 0]),
    ),
    "integers": (
        folds.Fold({"falls": 0}, lambda c, u: {"falls": c["falls"] + (u.gradient[0] > 0)}),
        lambda v: v["falls"],
        lambda x, g: [(g[:s, 0] > 0).sum() for s in range(T + 1)],
    ),
    "finished": (
        folds.Fold(lambda s: s.x, lambda c, u: c + u.averages["tail"], lambda c: c[0] ** 2),
        lambda v: v,
        lambda x, g: [(x[0, 0] + sum(tail(x, r + 1)[0] for r in range(s))) ** 2 for s in range(T + 1)],
    ),
}  # fmt: skip


def seen(name):
    look = CASES[name][1]
    return lambda state: look(state.folds[name])


def exited_by_5(state):
    return state.folds["first time"] <= 5


WITH_ALL = STUDY.replace(
    folds={name: fold for name, (fold, _, _) in CASES.items()}, observables={name: seen(name) for name in CASES}
)
WITH_ALL = WITH_ALL.replace(observables={**WITH_ALL.observables, "claimed": _of_finite(exited_by_5, WITH_ALL)})


@pytest.fixture(scope="module")
def found(quick_compilation):
    """The values of all folds (records, trajectories); x and gradients, with the trajectories first."""
    values = trajectory_values(WITH_ALL, N)
    of_folds = {name: values[:, WITH_ALL.observed.index(name)] for name in WITH_ALL.observables}
    x = js.sample_paths(STUDY, N)["x"].values.astype(float)
    return of_folds, x, -np.diff(x, axis=1) / RATE


def differs(values, expected):
    """Whether values (records, trajectories) are others than these, up to the rounding of float32."""
    return not np.allclose(values, expected, rtol=2e-4, atol=2e-4, equal_nan=True)


@pytest.mark.parametrize("name", CASES)
def test_a_fold_is_what_it_says(name, found):
    """Of every trajectory, at every step; of the trajectory with another id it is not, the control."""
    of_folds, x, g = found
    expected = np.array([CASES[name][2](x[i], g[i]) for i in range(N)], float).T
    assert of_folds[name].shape == expected.shape
    assert not differs(of_folds[name], expected)
    assert name in ("at once", "count of batches", "finished") or differs(of_folds[name], np.roll(expected, 1, axis=1))


def share_exited(x, step):
    return (x[:, : step + 1, 0] > -0.6).any(1)


def test_a_claim_on_a_first_time_loses_no_trajectory_in_which_it_has_not_come(found):
    """Nor one in which a fold that it does not read has no value."""
    of_folds, x, _ = found
    expected = [share_exited(x, min(step, 5)) for step in range(T + 1)]
    np.testing.assert_array_equal(of_folds["claimed"], expected)
    assert 0.05 < np.mean(expected[-1]) < 0.95


def test_probabilities_and_rounding_of_folds(found, recwarn):
    """A time that has not come decides an event. Trajectories in both precisions decide what rounding does.

    A count has no rounding, and an average without a value at first is no reason for a warning.
    """
    _, x, _ = found
    study = STUDY.replace(
        folds={
            "first time": folds.FirstTime(lambda x: x[0] > -0.6),
            "worst": folds.Maximum(lambda u: u.x),
            "count": folds.Fold(0, lambda c, u: c + 1),
        },
        observables={"worst": lambda s: s.folds["worst"][0], "count": lambda s: s.folds["count"]},
        record=record.at([0, 1, 2, 5, T]),
    )
    events = {"exited": exited_by_5, "high": lambda state: state.folds["worst"][0] > -1.0}
    result = js.simulate(study, N, probabilities=events, progress=False)
    assert not [warning for warning in recwarn if warning.category is Unresolved]
    by = [share_exited(x, step).mean() for step in (0, 1, 2, 5, 5)]
    np.testing.assert_allclose(result.dataset["exited_probability"], by)
    high = [np.nan, *((x[:, :s, 0].max(1) > -1).mean() for s in (1, 2, 5, T))]
    np.testing.assert_allclose(result.dataset["high_probability"][1:], high[1:])
    assert np.nanmax(result.rounding["worst"].departure) < 1e-4
    assert result.rounding["worst"].is_open


def test_a_sweep_shares_folds_and_their_numbers():
    """The number of updates of a batch is swept in one program; each cell is its own study."""

    def make(length):
        return STUDY.replace(
            averages={},
            folds={"batches": folds.BatchMeans(lambda u: u.x[0], length)},
            observables={"k": lambda state: state.folds["batches"].batches},
            observe=(),
            record=record.at([T]),
        )

    with jax.enable_x64(True):
        swept = js.sweep(make, {"length": [2, 5]}, trajectories=8, compare=(), progress=False)
    np.testing.assert_array_equal(swept.dataset["k_mean"][:, 0], [T // 2, T // 5])


def fold_study(fold, **options):
    return STUDY.replace(folds={"mine": fold}, **options)


@pytest.mark.parametrize(
    ("fold", "error", "message"),
    [
        (folds.Fold(0.0, lambda c, u: u.x), InvalidInput, r"fold 'mine': .* must have .* float32\[\], as before"),
        (folds.Fold(0, lambda c, u: c + 0.5), InvalidInput, r"fold 'mine': .* type int32\[\], as before; .* float32"),
        (folds.Fold(0.0, lambda c, u: (c, c)), InvalidInput, r"fold 'mine': .* must have the structure"),
        (folds.Fold(0.0, lambda c, u: float(u.t)), InvalidType, r"fold 'mine' cannot be computed: .*jax.numpy"),
        (folds.FirstTime(lambda x: x[0]), InvalidType, r"fold 'mine'.* must be one boolean, .* got float32\[\]"),
        (folds.FirstTime(lambda x: x > 0), InvalidType, r"fold 'mine'.* must be one boolean, .* got bool\[2\]"),
        (folds.FirstTime(lambda x: x.risk > 0), InvalidType, r"fold 'mine'.* neither on x .* nor on a State"),
        (folds.FirstTime(lambda s: s.folds["mine"] > 0), InvalidType, r"neither on x .* nor on a State \(KeyError"),
        (folds.Maximum(lambda u: {"a": 1.0}), InvalidType, r"fold 'mine' cannot be computed"),
        (folds.Sum, InvalidType, r"folds\['mine'\] must be one of jaxsgd.folds, got jaxsgd.folds.Sum"),
    ],
)  # fmt: skip
def test_a_fold_that_cannot_be_carried_is_refused(fold, error, message):
    with pytest.raises(error, match=message):
        fold_study(fold)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: folds.Maximum(3.0), InvalidType, "a maximum is one of a function of an Update, got 3.0"),
        (lambda: folds.FirstTime(True), InvalidType, "a boolean function of x or of a State, got True"),
        (lambda: folds.BatchMeans(lambda u: u.x, 0), InvalidInput, "length must be at least 1 and below .*, got 0"),
        (lambda: folds.Fold(0.0, None), InvalidType, "update of a fold must be a function, got None"),
        (lambda: STUDY.replace(folds=[folds.Sum(len)]), InvalidType, "folds must be a dict, .*name"),
        (
            lambda: fold_study(folds.Sum(lambda u: u.t), path_sums={"mine": lambda u: u.t}),
            InvalidInput,
            r"path_sums and folds share the names \['mine'\]",
        ),
    ],
)
def test_what_is_no_fold_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_study_files_know_the_named_ones(tmp_path):
    (tmp_path / "kept_along.py").write_text(
        "import jax.numpy as jnp\nfrom jaxsgd import folds\n\n"
        "def length(update):\n    return jnp.sum((update.x_next - update.x) ** 2)\n\n"
        "def out(x):\n    return x[0] > 0\n\n"
        "def power(exponent):\n    return folds.Sum(lambda update: update.x**exponent)\n"
    )
    (tmp_path / "study.toml").write_text(
        "steps = 4\nx0 = [1.0]\n[problem]\nkind = 'quadratic'\ncurvature = [1.0]\n[noise]\nkind = 'gaussian'\n"
        "[schedule]\nkind = 'constant'\nvalue = 0.1\n"
        "[folds]\nworst = {kind = 'maximum', function = 'kept_along:length'}\n"
        "exit = {kind = 'first_time', event = 'kept_along:out'}\n"
        "means = {kind = 'batch_means', function = 'kept_along:length', length = 2}\n"
        "own = {kind = 'kept_along:power', exponent = 3}\n"
    )
    study = read(tmp_path / "study.toml").study
    kinds = [type(fold).__name__ for fold in study.folds.values()]
    assert kinds == ["Maximum", "FirstTime", "BatchMeans", "Sum"]
    assert study.folds["means"].length == 2
    text = (tmp_path / "study.toml").read_text()
    (tmp_path / "wrong.toml").write_text(text.replace("'maximum'", "'maximal'"))
    with pytest.raises(InvalidInput, match=r"folds.worst.kind: unknown kind 'maximal'; allowed: .*did you mean 'max"):
        read(tmp_path / "wrong.toml")
