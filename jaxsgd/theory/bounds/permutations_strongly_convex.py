"""The distance to the minimiser after whole epochs of permuted examples, each of them strongly convex."""

import numpy as np

from jaxsgd.study import Study
from jaxsgd.theory.bounds import assumptions_on_examples as on_examples
from jaxsgd.theory.bounds.assumption import Assumption, rates_below, start_known
from jaxsgd.theory.bounds.distance_recursion import DistanceRecursion, Recursion


class PermutationsStronglyConvex(DistanceRecursion):
    """E||x_T - x*||^2 <= d_T, d_0 = r^2 and d_{t+1} = (1 - eta_t mu_min) d_t + eta_t^3 L_max v_i, i = t mod n/b.

    For whole epochs with one eta_t <= 1 / L_max in each, where every f_i is mu_min-strongly convex. v_i = k (n - k) /
    ((n - 1) b^2) sigma_*^2 with k = i b is the mean square of the first i gradients of an epoch at x*, added. As k (n
    - k) <= n^2 / 4, with b = 1 and one eta throughout it is at most (1 - eta mu_min)^T r^2 + eta^2 L_max n sigma_*^2 /
    (2 mu_min), the form in which it is known.

    Proof: let z_0 = x* and z_{i+1} = z_i - eta grad F_i(x*), F_i the mean loss of batch i of the epoch; at its end z =
    x*, since the gradients at x* sum to 0. With D(y, x) = F_i(y) - F_i(x) - <grad F_i(x), y - x>,

        <grad F_i(x) - grad F_i(x*), x - z> = D(z, x) + D(x, x*) - D(z, x*),

    so that ||x_{t+1} - z_{i+1}||^2 = ||x - z||^2 - 2 eta (D(z, x) + D(x, x*) - D(z, x*)) + eta^2 ||grad F_i(x) - grad
    F_i(x*)||^2. The last square is at most 2 L_max D(x, x*), which eta <= 1 / L_max absorbs; 2 D(z, x) >= mu_min
    ||z - x||^2; and 2 D(z, x*) <= L_max ||z - x*||^2, of mean eta^2 L_max v_i. Nothing here needs the epochs to be
    independent: it holds for one permutation used in all of them too.
    """

    name = "permutations_strongly_convex"
    title = "E||x_T - x*||^2, permuted examples, every f_i strongly convex, eta_t <= 1 / L_max"
    statement = (
        r"\mathbb{E} \|x_T - x^*\|^2 \le r^2 \prod_{t<T} q_t + L_{\max} \sum_{t<T} \eta_t^3 v_{t \bmod n/b}"
        r" \prod_{t<u<T} q_u, \qquad q_t = 1 - \eta_t \mu_{\min}, \quad"
        r" v_i = \frac{ib\,(n - ib)}{(n-1)\,b^2}\, \sigma_*^2"
    )
    reference = "Mishchenko, Khaled and Richtárik (2020), Theorem 1, arXiv 2006.05988; with the v_i and batches kept"

    def assumptions(self, study: Study) -> tuple[Assumption, ...]:
        drawn = on_examples.permuted(study)
        if not drawn.holds:
            return (drawn,)
        of = on_examples.known(study)
        rates = rates_below(study, 1.0, of.L_max, "1 / L_max")
        return drawn, *start_known(study), *on_examples.constants(of), on_examples.whole_epochs(study, of), rates

    def recursion(self, study: Study) -> Recursion:
        of, eta = on_examples.known(study), study.learning_rates[: study.steps]
        v = np.resize(on_examples.partial_sums(of), study.steps)
        return Recursion(1 - eta * of.mu_min, eta**3 * of.L_max * v)
