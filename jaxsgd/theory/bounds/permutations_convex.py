"""The distance to the minimiser after whole epochs of permuted examples, each of them convex."""

import numpy as np

from jaxsgd.study import Study
from jaxsgd.theory.bounds import assumptions_on_examples as on_examples
from jaxsgd.theory.bounds.assumption import Assumption, rates_below, start_known
from jaxsgd.theory.bounds.distance_recursion import DistanceRecursion, Recursion


class PermutationsConvex(DistanceRecursion):
    """E||x_T - x*||^2 <= d_K, d_0 = r^2 and d_{k+1} = (1 - eta_k m mu) d_k + 2 eta_k^3 L_max sum_i v_i, K epochs.

    For whole epochs of m = n/b updates, with one eta_k <= (sqrt 5 - 1) / (2 m L_max) in each, where every f_i is convex
    and mu is that of R; v_i as for [`jaxsgd.theory.bounds.PermutationsStronglyConvex`][]. With b = 1 the last term is
    eta_k^3 L_max n (n + 1) / 3 sigma_*^2.

    Proof: let x be the point at which an epoch starts and y_i that before its update i, S = sum_i D_i(x*, y_i) >= 0 in
    the notation there. From <grad F_i(y_i), x - x*> = F_i(x) - F_i(x*) + D_i(x*, y_i) - D_i(x, y_i),

        ||x' - x*||^2 = ||x - x*||^2 - 2 eta (m (R(x) - R*) + S - sum_i D_i(x, y_i)) + eta^2 ||sum_i grad F_i(y_i)||^2.

    The last square, in which grad F_i(x*) can be taken from each gradient, is at most 2 L_max m S; D_i(x, y_i) <=
    L_max / 2 ||x - y_i||^2; and sum_i E||x - y_i||^2 <= 2 eta^2 (L_max m (m - 1) S + sum_i v_i), of the same
    difference and of what was taken. With u = eta m L_max the coefficient of S is at most -2 eta (1 - u - u^2) <= 0.
    R(x) - R* >= mu / 2 ||x - x*||^2 leaves the recursion.
    """

    name = "permutations_convex"
    title = "E||x_T - x*||^2, permuted examples, every f_i convex, eta_t <= 0.618 b / (n L_max)"
    statement = (
        r"\mathbb{E} \|x_T - x^*\|^2 \le r^2 \prod_{k<K} q_k + 2 L_{\max} \sum_{k<K} \eta_k^3 \sum_i v_i"
        r" \prod_{k<l<K} q_l, \qquad q_k = 1 - \eta_k \tfrac{n}{b} \mu, \quad"
        r" v_i = \frac{ib\,(n - ib)}{(n-1)\,b^2}\, \sigma_*^2"
    )
    reference = "Mishchenko, Khaled and Richtárik (2020), Theorem 2, arXiv 2006.05988; constants worked out here"

    def assumptions(self, study: Study) -> tuple[Assumption, ...]:
        drawn = on_examples.permuted(study)
        if not drawn.holds:
            return (drawn,)
        of = on_examples.known(study)
        rates = rates_below(study, (np.sqrt(5) - 1) / (2 * of.m), of.L_max, "0.618 b / (n L_max)")
        return drawn, *start_known(study), *on_examples.constants(of), on_examples.whole_epochs(study, of), rates

    def recursion(self, study: Study) -> Recursion:
        of = on_examples.known(study)
        eta = study.learning_rates[: study.steps : of.m]
        added = 2 * eta**3 * of.L_max * on_examples.partial_sums(of).sum()
        return Recursion(1 - eta * of.m * of.mu, added)
