"""Linear methods with a constant learning rate on a quadratic: the stationary law, and how fast it is reached."""

from typing import Any

import numpy as np
import xarray as xr

from jaxsgd import stated_facts
from jaxsgd.errors import InvalidInput, InvalidType, NoExactSolution, scalar
from jaxsgd.methods import Method, Sgd
from jaxsgd.oracles import FullGradient, Oracle
from jaxsgd.problems import EmpiricalRisk, Problem
from jaxsgd.structure import Structure
from jaxsgd.theory import finite_sums, growing_noise, linear
from jaxsgd.theory.eigenbasis import Eigenbasis, HigherCumulants, is_negative, labelled, rounding, stated_hessian
from jaxsgd.theory.recursion import columns


def stationary(oracle: Oracle, learning_rate: Any, method: Method = Sgd()) -> xr.Dataset:  # noqa: B008 - frozen
    """The law that x_t approaches with a constant learning rate eta: of mean x* and covariance V on a quadratic.

        A V + V A - eta A V A = eta S,    v_ij = eta s_ij / (h_i + h_j - eta h_i h_j)

    in the eigenbasis of A, with eigenvalues h and S = Cov xi_t there; normal if the noise is. For examples of
    quadratic losses, drawn afresh for every batch, S depends on x, and V solves

        A V + V A - eta A V A = eta E Cov(g_t | x_t),

    linear in V; the law is not Gaussian, and its variances of observables are not known. So it is where noise grows
    with the gradient, Cov(g | x) = diag(r (A e)^2) + C, as with `noise.Multiplicative`.

    For any other linear method, with z = (x - x*, state) and z_{t+1} = M z_t + N xi_t + c read off its code, E z and
    Cov z solve m = M m + c and V = M V M' + N S N'. Of a heavy ball with momentum b, for example,
    v = eta s (1 + b) / (h (1 - b) (2 (1 + b) - eta h)).

    **Arguments**

    - `oracle`: one that adds noise of a known covariance, or none, to the gradient of a problem with a constant
      Hessian, such as `AdditiveNoise(Quadratic, Gaussian)`; or `ExampleSampling` of quadratic losses with an order that
      draws afresh.
    - `learning_rate`: eta, above 0 and below [`jaxsgd.theory.stability_limit`][] of the oracle.
    - `method`: plain SGD or another linear method whose update does not change with t; of additive noise.

    **Returns** `x_mean (coordinate)`, `x_covariance (coordinate, coordinate_2)` unless it would hold over
    10^7 numbers, and the mean of `risk`, `distance_squared` and `gradient_norm_squared`; of Gaussian laws their
    variances as well, and of plain SGD where coordinates are independent and the noise states its cumulants.

    **Raises** `InvalidInput` if there is no stationary law, `NoExactSolution` for any other oracle; also for those
    that go through permutations, under which the law depends on the place in the epoch.

    Source: Mandt, Hoffman and Blei (2017), arXiv 1704.04289, for small eta; Liu, Ziyin and Ueda (2021),
    arXiv 2012.03636, for any eta; Ziyin, Liu, Mori and Ueda (2022), arXiv 2102.05375, for noise that depends on x.

    >>> from jaxsgd import noise, oracles, problems
    >>> oracle = oracles.AdditiveNoise(problems.Quadratic([2.0, 4.0]), noise.Gaussian(std=1.0))
    >>> round(float(stationary(oracle, learning_rate=0.1).risk_mean), 10)
    0.0590277778
    """
    eta = float(scalar("learning_rate", learning_rate, above=0.0))
    stated_facts.check_alone(oracle)
    if not _checked(method).plain:
        return _of_method(oracle, eta, method)
    if finite_sums.why_not(oracle) is None:
        return finite_sums.stationary_moments(oracle, eta)
    if growing_noise.why_not(oracle) is None:
        return growing_noise.stationary_moments(oracle, eta)
    basis = Eigenbasis.of(oracle)
    limit = _limit(basis.eigenvalues.max())
    if eta >= limit:
        raise InvalidInput(f"learning_rate must be below 2 / lambda_max = {limit:g}, got {eta:g}: x_t would not settle")
    _check_flat_directions(basis)
    h = columns(basis.eigenvalues, basis.noise)
    restoring = h + h.T - eta * h * h.T
    # Where nothing pulls back there is no noise either, and the variance stays 0.
    V = np.divide(eta * basis.noise, restoring, out=np.zeros_like(restoring), where=restoring > 0)
    mean = np.zeros_like(basis.eigenvalues)
    higher, of_gradient = _higher(oracle, basis, eta)
    moments = basis.observables(mean, V, higher=higher) | basis.gradient_norm(mean, V, higher=of_gradient)
    return labelled(moments | basis.x_moments(mean, V), [f"x[{i}]" for i in range(len(mean))])


def _higher(oracle: Oracle, basis: Eigenbasis, eta: float) -> tuple[HigherCumulants | None, HigherCumulants | None]:
    """Cumulants of e and of g = h e + xi in the stationary law, where coordinates are independent and not normal.

    kappa_k(e) = (-eta)^k kappa_k(xi) / (1 - (1 - eta h)^k); 0 where nothing pulls back, and there is no noise.
    """
    h = basis.eigenvalues
    known = [oracle.gradient_cumulants(order, len(h), 1) for order in (3, 4)]
    diagonal = basis.vectors is None and basis.noise.ndim == 1
    if basis.normal or not (diagonal and oracle.independent) or any(each is None for each in known):
        return None, None
    of_x, of_gradient = [], []
    for order, of_noise in zip((3, 4), known, strict=True):
        (xi,) = of_noise  # type: ignore[misc]
        restoring = 1 - (1 - eta * h) ** order
        kappa = np.divide((-eta) ** order * xi, restoring, out=np.zeros_like(h), where=restoring > 0)
        of_x.append(kappa)
        of_gradient.append(h**order * kappa + xi)
    return HigherCumulants(*of_x), HigherCumulants(*of_gradient)


def _of_method(oracle: Oracle, eta: float, method: Method) -> xr.Dataset:
    """The same of a method that is not plain SGD."""
    basis = Eigenbasis.of(oracle)
    point = Structure.of(oracle.problem.minimiser)  # type: ignore[union-attr]
    radius = float(linear.spectral_radii(method, basis, point, np.array([eta]))[0])
    if radius >= 1:
        limit = linear.stability_limit_of(method, basis, point)
        raise InvalidInput(f"learning_rate must be below {limit:g}, got {eta:g}, with which x_t would not settle: the "
                           f"spectral radius is {radius:g}")  # fmt: skip
    _check_flat_directions(basis)
    law, basis = linear.stationary_law(method, basis, point, eta)
    moments = basis.observables(*law[:2]) | basis.gradient_norm(*law[:2]) | basis.x_moments(*law[:2])
    return labelled(moments, [f"x[{i}]" for i in range(len(law.mean))])


def spectral_radius(problem: Problem | Oracle, learning_rate: Any, method: Method = Sgd()) -> float:  # noqa: B008
    """The factor by which a linear method contracts in the long run: E z_t - m is at most about radius^t.

    With a constant learning rate z = (x - x*, state) passes to M z + N xi + c, and this is the largest absolute
    eigenvalue of M; of plain SGD max |1 - eta h|. Its mean error falls like radius^t, the excess risk without noise
    like radius^(2 t); -log(radius) is the rate of contraction. Directions in which the curvature is 0 are left out
    where the method treats all coordinates alike.

    **Arguments**

    - `problem`: one with a constant Hessian, such as `Quadratic`, or an oracle of such a problem.
    - `learning_rate`: eta, above 0.
    - `method`: a linear method whose update does not change with t.

    **Raises** `NoExactSolution` for any other problem or method.

    >>> from jaxsgd import problems
    >>> round(spectral_radius(problems.Quadratic([2.0, 4.0]), 0.1), 10)
    0.8
    """
    eta = float(scalar("learning_rate", learning_rate, above=0.0))
    basis, point = _of_problem(problem)
    return float(linear.spectral_radii(_checked(method), basis, point, np.array([eta]))[0])


def stability_limit(problem: Problem | Oracle, method: Method = Sgd()) -> float:  # noqa: B008
    """The learning rate below which, and only there, SGD with a constant one is stable: second moments stay bounded.

    On a quadratic whose noise does not depend on x it is 2 / lambda_max(A). With sampled examples of quadratic losses
    noise grows with x, and the limit is smaller: with H_i the Hessians, H their mean, rho_i = 1 / (n^2 p_i) and q the
    share of a batch in the variance of one draw (1/b; (n - b) / (b (n - 1)) for b different examples), it is

        1 / max over symmetric M of <M, N M> / <M, H M + M H>,    N M = q sum_i rho_i H_i M H_i + (1 - q) H M H.

    Of noise with Cov(g | x) = diag(r (A e)^2) + C, as with `noise.Multiplicative`, it is min 2 / (h_i (1 + r_i)) for a
    diagonal A, and otherwise 1 over the spectral radius of the map from M to the V with A V + V A = N M, where
    N M = diag(r (AMA)_ii) + A M A.

    Between it and 2 / lambda_max(H) the mean of x_t settles and its second moment grows without bound: x_t has heavy
    tails. With orders that go through permutations, only examples of one Hessian have a known limit, 2 / lambda_max.

    Of any other linear method it is the first learning rate at which [`jaxsgd.theory.spectral_radius`][] is 1 or more:
    looked for from 0.001 to 1000 times 2 / lambda_max(A) on a grid of 64 rates, and then between two of them; inf if
    all are stable, 0 if the lowest is not. Of gradients that are tau updates late it is
    2 sin(pi / (2 (2 tau + 1))) / lambda_max.

    **Arguments**

    - `problem`: one with a constant Hessian, such as `Quadratic`; or an oracle, of such a problem with added noise,
      or `ExampleSampling` of quadratic losses.
    - `method`: plain SGD, or another linear method whose update does not change with t; then of additive noise.

    **Returns** the limit; inf where the mean Hessian is 0, with those of all examples; 0 where no learning rate is
    stable.

    **Raises** `NoExactSolution` for any other problem, where 2 / smoothness is sufficient, not necessary.

    Source: Défossez and Bach (2015), "Constant step size least-mean-square", arXiv 1412.0156, for least squares, b = 1.

    >>> from jaxsgd import oracles, problems
    >>> stability_limit(problems.Quadratic([2.0, 4.0]))
    0.5
    >>> oracle = oracles.ExampleSampling(problems.LeastSquares([[1.0], [2.0]], [0.0, 1.0]))
    >>> round(stability_limit(oracle), 10), round(2 / oracle.problem.smoothness, 10)
    (0.5882352941, 0.8)
    """
    if not _checked(method).plain:
        return linear.stability_limit_of(method, *_of_problem(problem, noisy=True))
    stated_facts.check_alone(problem if isinstance(problem, Oracle) else FullGradient(problem))
    if isinstance(problem, Oracle):
        if finite_sums.why_not(problem) is None:
            return finite_sums.mean_square_limit(problem)
        if growing_noise.why_not(problem) is None:
            return growing_noise.mean_square_limit(problem)
        return _limit(Eigenbasis.of(problem, 1).eigenvalues.max())
    given = f"problems.{type(problem).__name__}"
    if isinstance(problem, EmpiricalRisk):
        raise NoExactSolution(f"of {given} the limit depends on how examples are drawn: give the oracle")
    if problem.hessian is None:
        raise NoExactSolution(f"the stability limit needs a quadratic, and {given} does not state a constant Hessian")
    A = stated_hessian(problem)
    values = A if A.ndim == 1 else np.linalg.eigvalsh(A)
    return 0.0 if is_negative(values) else _limit(float(values.max()))


def _checked(method: Any) -> Method:
    if not isinstance(method, Method):
        raise InvalidType(f"method must be one of jaxsgd.methods, got {method!r}")
    if method.has_own_learning_rate:
        raise NoExactSolution(f"methods.{type(method).__name__} has a learning rate of its own, not one that is given")
    return method


def _of_problem(given: Problem | Oracle, noisy: bool = False) -> tuple[Eigenbasis, Structure]:
    """The eigenbasis of a problem, or of that of an oracle, with its noise or without; and the structure of x."""
    oracle = given if isinstance(given, Oracle) and (noisy or given.problem is None) else None
    if oracle is None:
        oracle = FullGradient(given.problem if isinstance(given, Oracle) else given)  # type: ignore[arg-type]
    stated_facts.check_alone(oracle)
    basis = Eigenbasis.of(oracle, 1)  # the size of the noise, which may depend on t, does not matter
    return basis, Structure.of(oracle.problem.minimiser)  # type: ignore[union-attr]


def _limit(largest: float) -> float:
    return 2 / largest if largest > 0 else np.inf


def _check_flat_directions(basis: Eigenbasis) -> None:
    variances = basis.noise if basis.noise.ndim == 1 else np.diagonal(basis.noise)
    if np.any((basis.eigenvalues == 0) & (variances > rounding(variances))):
        raise InvalidInput(
            "there is no stationary law: the curvature has a zero eigenvalue, and along it the noise makes x_t "
            "a random walk; use a curvature without zero eigenvalues, or noise that spares these directions"
        )
