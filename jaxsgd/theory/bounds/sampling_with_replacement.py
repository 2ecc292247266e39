"""The distance to the minimiser where batches of examples are drawn afresh."""

from jaxsgd.study import Study
from jaxsgd.theory.bounds import assumption
from jaxsgd.theory.bounds import assumptions_on_examples as on_examples
from jaxsgd.theory.bounds.distance_recursion import DistanceRecursion, Recursion


class SamplingWithReplacement(DistanceRecursion):
    """E||x_T - x*||^2 <= d_T, d_0 = r^2 and d_{t+1} = (1 - 2 eta_t mu (1 - eta_t L_b)) d_t + 2 eta_t^2 sigma_b^2.

    For any eta_t <= 1 / L_b. mu is that of R. With batches of one example L_b = L_max and sigma_b^2 = sigma_*^2 =
    1/n sum ||grad f_i(x*)||^2. In general, with a = 1/b for independent examples and a = (n - b) / (b (n - 1)) for
    different ones, L_b = a L_max + (1 - a) L and sigma_b^2 = a sigma_*^2. With one eta throughout,

        d_T <= (1 - 2 eta mu (1 - eta L_b))^T r^2 + eta sigma_b^2 / (mu (1 - eta L_b)).

    Proof: ||g||^2 <= 2 ||g - g*||^2 + 2 ||g*||^2, g* the gradient of the same batch at x*. Every f_i is convex and
    L_max-smooth, so that ||grad f_i(x) - grad f_i(x*)||^2 <= L_max <x - x*, grad f_i(x) - grad f_i(x*)>, and R alike
    with L; the mean square of a batch mean is a times that of one example plus 1 - a times the square of the mean.
    So E||g - g*||^2 <= L_b <x - x*, grad R(x)>, and E||x - eta g - x*||^2 <= d - 2 eta (1 - eta L_b) <x - x*,
    grad R(x)> + 2 eta^2 sigma_b^2, with <x - x*, grad R(x)> >= mu d. A projection on a set with x* in it only helps.
    """

    name = "sampling_with_replacement"
    title = "E||x_T - x*||^2, batches of examples drawn afresh, eta_t <= 1 / L_b"
    statement = (
        r"\mathbb{E} \|x_T - x^*\|^2 \le r^2 \prod_{t<T} q_t + \sum_{t<T} 2 \eta_t^2 \sigma_b^2 \prod_{t<u<T} q_u,"
        r" \qquad q_t = 1 - 2 \eta_t \mu (1 - \eta_t L_b)"
    )
    reference = (
        "Needell, Srebro and Ward (2014), Theorem 2.1, arXiv 1310.5715; for batches, the expected smoothness of Gower, "
        "Loizou, Qian, Sailanbayev, Shulgin and Richtárik (2019), arXiv 1901.09401; written out here for any schedule"
    )

    def assumptions(self, study: Study) -> tuple[assumption.Assumption, ...]:
        drawn = on_examples.drawn_afresh(study)
        if not drawn.holds:
            return (drawn,)
        of = on_examples.known(study)
        rates = assumption.rates_below(study, 1.0, _smoothness(of), "1 / L_b")
        descent = assumption.descent(study, start_inside=False)
        return drawn, *assumption.start_known(study), *on_examples.constants(of), descent, rates

    def recursion(self, study: Study) -> Recursion:
        of, eta = on_examples.known(study), study.learning_rates[: study.steps]
        factors = 1 - 2 * eta * of.mu * (1 - eta * _smoothness(of))
        return Recursion(factors, 2 * eta**2 * _share_of_one(of) * of.noise)


def _share_of_one(of: on_examples.Known) -> float:
    """a, with which E||mean of a batch of v_i||^2 = a mean ||v_i||^2 + (1 - a) ||mean v_i||^2."""
    different = of.order.distinct and of.n > 1
    return (of.n - of.b) / (of.b * (of.n - 1)) if different else 1 / of.b


def _smoothness(of: on_examples.Known) -> float:
    """L_b."""
    a = _share_of_one(of)
    return a * of.L_max + (1 - a) * of.L
