"""Exact moments of SGD: the ways to them, in the order in which they are tried."""

import weakref

import xarray as xr

from jaxsgd.errors import InvalidType, NoExactSolution
from jaxsgd.study import Study
from jaxsgd.theory.finite_sums import QuadraticLossesOfExamples
from jaxsgd.theory.growing_noise import QuadraticWithGrowingNoise
from jaxsgd.theory.one_coordinate import OneCoordinate
from jaxsgd.theory.quadratic_moments import QuadraticWithAdditiveNoise
from jaxsgd.theory.route import Route

ROUTES: tuple[Route, ...] = (
    QuadraticLossesOfExamples(), QuadraticWithAdditiveNoise(), QuadraticWithGrowingNoise(), OneCoordinate(),
)  # fmt: skip
"""The ways to exact moments; the first that applies is taken."""

_FOUND: "weakref.WeakKeyDictionary[Study, xr.Dataset | None]" = weakref.WeakKeyDictionary()
"""What `known` has found, as long as the study is there."""


def exact(study: Study) -> xr.Dataset:
    """Exact moments of SGD on R(x) = 1/2 (x - x*)' A (x - x*) with additive gradient noise, or of sampled examples.

    With e = x - x*, S = Cov xi_t and K = I - eta_t A, for any schedule,

        E e_{t+1} = K E e_t,    Cov x_{t+1} = K Cov(x_t) K' + eta_t^2 S;

    an average xbar <- xbar + c_t (x_t - xbar) has its own mean, C = Cov(x, xbar) and U = Cov xbar,

        C_{t+1} = K ((1 - c) C_t + c Cov x_t),
        U_{t+1} = (1 - c)^2 U_t + c (1 - c) (C_t + C_t') + c^2 Cov x_t.

    They hold for noise of any law with that covariance, and so do the means E e'Me = tr MV + m'Mm of the risk
    (M = A/2), of the squared distance (M = I) and of the norm of the drawn gradient, of mean A E e and covariance
    A V A + S. If the noise is normal, all are Gaussian, and Var e'Me = 2 tr(MVMV) + 4 m'MVMm. Of other noise it is
    known where coordinates are independent of each other, on a diagonal A, from the cumulants that the noise states:
    those of order k pass on as kappa_k(x_{t+1}) = (1 - eta_t h)^k kappa_k(x_t) + (-eta_t)^k kappa_k(xi_t), and
    sum_i w_i^2 (kappa_4 + 4 kappa_3 m_i) is added to the variance of sum_i w_i e_i^2.

    The cost is O(T d) if A and S are diagonal or S is a multiple of the identity, otherwise O(T d^2).

    Any other linear method has exact moments in the same way, a class of one's own as well: its update is traced, and
    must make x_{t+1} and the next state by sums of x_t, the state and gradients, and by products of these with what
    depends on t alone. With z = (x - x*, state) it is z_{t+1} = M_t z_t + N_t xi_t + c_t, and

        E z_{t+1} = M_t E z_t + c_t,    Cov z_{t+1} = M_t Cov(z_t) M_t' + N_t S N_t'.

    Averages, and further points of the method, are linear in z. A method that treats every coordinate for itself costs
    what so many methods of one coordinate do; otherwise O(T n^3), where z has n numbers.

    For any other risk of one coordinate the density of x_{t+1} = x_t - eta_t (R'(x_t) + xi_t) is found step by
    step by quadrature, see `jaxsgd.theory.one_coordinate.density`. Then averages have no moments, and the attribute
    `quadrature_error` of what is returned estimates the largest relative error; above 1e-6 it is not returned.
    It takes some seconds for thousands of steps.

    Where noise grows with the gradient, Cov(g_t | x_t) = diag(r (A e_t)^2) + S as with `noise.Multiplicative`, its mean
    is linear in E ee', and the recursion goes on with that mean in place of S; variances of observables are left out.

    On a finite sum of quadratic losses, `LeastSquares` or a `FiniteSum` of them, the examples that are drawn are the
    noise. Then means are exact, of averages too, and variances of observables are left out, for which fourth moments
    would be needed:

    - drawn afresh (`WithReplacement`, `ImportanceSampling`): E Cov(g_t | x_t) is linear in E ee', so that the recursion
      above goes on with it for S, in O(n d^2) or O(d^4) a step; also of any linear method that takes its gradient at
      one point.
    - `RandomReshuffling` and `ShuffleOnce` of examples with one Hessian: x_s is a linear function of a random
      permutation of their gradients, for any number of examples.
    - `RandomReshuffling` with different Hessians: a recursion over all subsets of at most 16 examples.
    - `ShuffleOnce` with different Hessians: all arrangements into batches, at most 50,000 (8 examples one by one).
    - `Incremental` and `FullGradient`: no randomness.

    The mean of an observable that is the ``test_risk`` of `LeastSquares` is returned too.

    Where examples are drawn afresh, or noise grows with the gradient, and the largest learning rate is not below
    [`jaxsgd.theory.stability_limit`][] of the oracle, second moments grow: they are still exact, but an average over
    simulated trajectories hardly ever shows it. Then the attribute `mean_square_stable` is False, and
    `mean_square_reason` says why. Of other linear methods, whose update does not change with t, it is so where the map
    of second moments with the largest learning rate has a spectral radius above 1.

    **Arguments**

    - `study`: with a linear method, such as plain SGD, and an oracle that adds noise of a known covariance (or none)
      to the gradient of a problem with a constant Hessian, such as `AdditiveNoise(Quadratic, Gaussian)`; or
      `FullGradient` or `ExampleSampling` of quadratic losses of examples; or, of one coordinate, normal noise on any
      problem. Losses of examples count as quadratic if they are computed from x by sums and products alone, with at
      most two factors x, whatever functions of the example they hold. What is asked are the facts that oracle, noise,
      problem, order and method declare, so that classes of one's own have exact moments as those of jaxsgd do.

    **Returns** the variables of a simulation along `step`, the recorded steps: `o_mean` and, where it is known,
    `o_variance` of each built-in observable o, `x_mean`, `x_covariance` (unless it would hold over 10^7 numbers) and
    `learning_rate`. NaN where an average has no value, and where iterates grew so much before they returned that
    rounding leaves less than six digits of it. After an overflow the moments of observables are
    inf, those of x inf or NaN.

    The attributes `route`, `sentence` and `reference` say on what the moments rest.

    **Raises** `NoExactSolution` with the reasons for any other study, where quadrature does not reach 1e-6, and where
    moments of a finite sum would take more than about a minute.

    Source: Bach and Moulines (2013), arXiv 1306.2119, for the recursion; Mathai and Provost (1992),
    "Quadratic Forms in Random Variables", for their variances; Cochran (1977), "Sampling Techniques", theorem 2.2, for
    permutations.

    >>> from jaxsgd import chapter
    >>> moments = exact(chapter.study("constant"))
    >>> round(float(moments.risk_mean.sel(step=50)), 10)
    0.0590277829

    Five epochs of the mean of four numbers, each once in an epoch:

    >>> from jaxsgd import noise, oracles, orders, problems, schedules
    >>> problem = problems.LeastSquares([[1.0]] * 4, [1, 2, 3, 6])
    >>> oracle = oracles.ExampleSampling(problem, orders.RandomReshuffling())
    >>> study = Study(oracle=oracle, schedule=schedules.constant(0.1), epochs=5)
    >>> round(float(exact(study).distance_squared_mean[-1]), 10)
    0.1363265279

    With a constant learning rate on |x| the balance of squared distances gives E|x| = eta (1 + sigma^2) / 2.

    >>> oracle = oracles.AdditiveNoise(problems.AbsoluteValue(), noise.Gaussian(std=1.0))
    >>> study = Study(oracle=oracle, schedule=schedules.constant(0.1), steps=300)
    >>> round(float(exact(study).risk_mean[-1]), 10)
    0.1
    """
    if not isinstance(study, Study):
        raise InvalidType(f"exact(study) needs a jaxsgd.Study, got {study!r}")
    reasons: dict[str, list[str]] = {}
    for route in ROUTES:
        reason = route.applies(study)
        if reason is None:
            try:
                about = {"route": route.title, "sentence": route.sentence, "reference": route.reference}
                return route.moments(study).assign_attrs(about)
            except NoExactSolution as error:
                reason = str(error)
        reasons.setdefault(reason, []).append(route.title)
    listed = (f"not those of {' or '.join(titles)}, since {why}" for why, titles in reasons.items())
    raise NoExactSolution(f"no exact moments: {'; '.join(listed)}")


def known(study: Study) -> xr.Dataset | None:
    """What [`jaxsgd.theory.exact`][] says of a study, None where it refuses; found once for each study object.

    For those who ask again and again, such as the figures and tables of one command.
    """
    if study not in _FOUND:
        try:
            _FOUND[study] = exact(study)
        except NoExactSolution:
            _FOUND[study] = None
    return _FOUND[study]


def route_of(study: Study) -> Route | None:
    """The way by which [`jaxsgd.theory.exact`][] finds the moments of a study, as far as its facts tell."""
    return next((route for route in ROUTES if route.applies(study) is None), None)
