"""Exact moments of SGD: on a quadratic with Gaussian gradient noise, on finite sums of quadratics, in one dimension."""

import numpy as np
import xarray as xr

from jaxsgd.errors import InvalidType, NoExactSolution
from jaxsgd.methods import Sgd
from jaxsgd.problems import Quadratic
from jaxsgd.study import Study
from jaxsgd.theory import finite_sums, one_dimension
from jaxsgd.theory.eigenbasis import Eigenbasis, labelled
from jaxsgd.theory.laws import Law, laws


def exact(study: Study) -> xr.Dataset:
    """Exact moments of SGD on R(x) = 1/2 (x - x*)' A (x - x*) with Gaussian gradient noise, or of sampled examples.

    With e = x - x*, S = Cov xi_t and K = I - eta_t A, for any schedule,

        E e_{t+1} = K E e_t,    Cov x_{t+1} = K Cov(x_t) K' + eta_t^2 S;

    an average xbar <- xbar + c_t (x_t - xbar) has its own mean, C = Cov(x, xbar) and U = Cov xbar,

        C_{t+1} = K ((1 - c) C_t + c Cov x_t),
        U_{t+1} = (1 - c)^2 U_t + c (1 - c) (C_t + C_t') + c^2 Cov x_t.

    All are Gaussian, so that E e'Me = tr MV + m'Mm and Var e'Me = 2 tr(MVMV) + 4 m'MVMm give the risk
    (M = A/2), the squared distance (M = I) and the norm of the drawn gradient, N(A E e, A V A + S).

    The cost is O(T d) if A and S are diagonal or S is a multiple of the identity, otherwise O(T d^2).

    For any other risk of one coordinate the density of x_{t+1} = x_t - eta_t (R'(x_t) + xi_t) is found step by
    step by quadrature, see `jaxsgd.theory.density`. Then averages have no moments, and the attribute
    `quadrature_error` of what is returned estimates the largest relative error; above 1e-6 it is not returned.
    It takes some seconds for thousands of steps.

    On a finite sum of quadratic losses, `LeastSquares` or a `FiniteSum` of them, the examples that are drawn are the
    noise. Then means are exact, of averages too, and variances of observables are left out, for which fourth moments
    would be needed:

    - drawn afresh (`WithReplacement`, `ImportanceSampling`): E Cov(g_t | x_t) is linear in E ee', so that the recursion
      above goes on with it for S, in O(n d^2) or O(d^4) a step.
    - `RandomReshuffling` and `ShuffleOnce` of examples with one Hessian: x_s is a linear function of a random
      permutation of their gradients, for any number of examples.
    - `RandomReshuffling` with different Hessians: a recursion over all subsets of at most 16 examples.
    - `ShuffleOnce` with different Hessians: all arrangements into batches, at most 50,000 (8 examples one by one).
    - `Incremental` and `FullGradient`: no randomness.

    The mean of an observable that is the ``test_risk`` of `LeastSquares` is returned too.

    Where examples are drawn afresh and the largest learning rate is not below [`jaxsgd.theory.stability_limit`][] of
    the oracle, second moments grow: they are still exact, but an average over simulated trajectories hardly ever shows
    it. Then the attribute `mean_square_stable` is False, and `mean_square_reason` says why.

    **Arguments**

    - `study`: with method `Sgd` and oracle `AdditiveNoise(Quadratic, Gaussian)`; or `FullGradient` or
      `ExampleSampling` of `LeastSquares` or a `FiniteSum` of quadratic losses; or `FullGradient(Quadratic)`; or, of one
      coordinate, `AdditiveNoise(problem, Gaussian)`. The loss of a `FiniteSum` counts as quadratic if it is computed
      from x by sums and products alone, with at most two factors x, whatever functions of the example they hold.

    **Returns** the variables of a simulation along `step`, the recorded steps: `o_mean` and, but for finite sums,
    `o_variance` of each built-in observable o, `x_mean`, `x_covariance` (unless it would hold over 10^7 numbers) and
    `learning_rate`. NaN where an average has no value, and where iterates grew so much before they returned that
    rounding leaves less than six digits of it. After an overflow the moments of observables are
    inf, those of x inf or NaN.

    **Raises** `NoExactSolution` with the reason for any other study, where quadrature does not reach 1e-6, and where
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
    >>> problem = problems.LeastSquares(np.ones((4, 1)), [1, 2, 3, 6])
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
    if not isinstance(study.method, Sgd):
        raise NoExactSolution(f"exact moments need methods.Sgd, got {type(study.method).__name__}")
    if finite_sums.applies(study.oracle):
        return finite_sums.exact_moments(study)
    if one_dimension.applies(study) and not isinstance(study.oracle.problem, Quadratic):
        return one_dimension.by_quadrature(study)
    basis = Eigenbasis.of(study.oracle)
    with np.errstate(over="ignore", invalid="ignore"):
        x, *averages = _recorded(study, basis)
        observables = basis.observables(x.mean, x.covariance) | basis.gradient_norm(x.mean, x.covariance)
        for (name, average), law in zip(study.averages.items(), averages, strict=True):
            unknown = average.undefined(study.recorded_steps, study.steps) | ~law.known
            for variable, values in basis.observables(law.mean, law.covariance, of=f"_of_{name}").items():
                observables[variable] = np.where(unknown, np.nan, values)
        moments = observables | basis.x_moments(x.mean, x.covariance)
    moments["learning_rate"] = study.learning_rates[study.recorded_steps]
    return labelled(moments, study.coordinates, step=study.recorded_steps)


def _recorded(study: Study, basis: Eigenbasis) -> list[Law]:
    """The laws of x and of each average, every array with a leading axis of recorded steps."""
    rates = study.learning_rates[: study.steps]
    mixings = [average.mixing(rates) for average in study.averages.values()]
    wanted = set(study.recorded_steps.tolist())
    start = Law(basis.enter(study.x0), np.zeros_like(basis.noise))
    found = laws(basis.eigenvalues, start, lambda _: basis.noise, rates[: max(wanted)], mixings)
    kept = [law for step, law in enumerate(found) if step in wanted]
    return [Law(*map(np.stack, zip(*of_one, strict=True))) for of_one in zip(*kept, strict=True)]
