"""The interface of a bound."""

import abc
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from jaxsgd.averages import Average
from jaxsgd.errors import InvalidInput
from jaxsgd.module import AbstractOrFinal
from jaxsgd.study import Study
from jaxsgd.theory.bounds.assumption import Assumption, failing, no_schedule, no_variance
from jaxsgd.theory.bounds.geometry import distance_squared

Quantity = Literal["excess_risk", "final_excess_risk", "distance_squared", "true_gradient_squared"]


class Coefficients(NamedTuple):
    """c, of r^2, and a_t, of G_t^2 (T,)."""

    distance: float
    gradients: np.ndarray


class Bound(AbstractOrFinal, abc.ABC):
    """A theorem E Q <= c r^2 + sum_t a_t G_t^2 + e, with r = ||x_0 - x*|| and G_t^2 = E||g_t||^2.

    - `name`, `title`: an identifier; what the theorem is about, in a few words.
    - `quantity`: what Q is: "excess_risk" for R(point) - R*, "final_excess_risk" for R(x_T) - R*, "distance_squared"
      for ||x_T - x*||^2, "true_gradient_squared" for sum_t w_t ||grad R(x_t)||^2, a mean with the `weights` w_t.
    - `statement`: the inequality in LaTeX, with t = 0 .. T-1.
    - `reference`: authors, year, theorem, arXiv id.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    statement: ClassVar[str]
    reference: ClassVar[str]
    quantity: ClassVar[Quantity] = "excess_risk"

    @abc.abstractmethod
    def assumptions(self, study: Study) -> tuple[Assumption, ...]:
        """What the theorem assumes, and whether it is so in this study."""

    @abc.abstractmethod
    def point(self, study: Study) -> Average | None:
        """The average that is bounded; None for the last iterate.

        That is x_{T-1} for the excess risk, the last point at which a gradient was taken. Other quantities have none.
        """

    @abc.abstractmethod
    def coefficients(self, study: Study) -> Coefficients:
        """c and a_t, for a study of which no assumption is known to fail."""

    def constant(self, study: Study) -> float:
        """e, for such a study."""
        return 0.0

    def weights(self, study: Study) -> np.ndarray:
        """w_t (T,), where true gradients are bounded; all alike unless a theorem says otherwise."""
        return np.full(study.steps, 1 / study.steps)

    def assumed(self, study: Study) -> tuple[Assumption, ...]:
        """The same of any study; every theorem here assumes a schedule, and finite second moments of gradients."""
        return (no_schedule(study),) if study.schedule is None else (*self.assumptions(study), *no_variance(study))

    def reasons(self, study: Study) -> tuple[str, ...]:
        """Why the bound does not apply: the assumptions that fail. Empty where none is known to."""
        return failing(self.assumed(study))

    def value(self, study: Study, second_moments: Any) -> float:
        """c r^2 + sum_t a_t G_t^2 + e.

        **Arguments**

        - `second_moments`: G_0^2 .. G_{T-1}^2 (T,), or one number L^2 that none of them exceeds.

        **Raises** `InvalidInput` where the bound does not apply.
        """
        reasons = self.reasons(study)
        if reasons:
            raise InvalidInput(f"the bound {self.name!r} does not apply; it assumes that {'; '.join(reasons)}")
        G2 = np.asarray(second_moments, np.float64)  # inf is allowed: it is what exact moments overflow to
        if G2.shape not in ((), (study.steps,)) or np.any(G2 < 0):
            raise InvalidInput(
                f"second_moments must be one number or {study.steps}, one for each update, none of them negative, "
                f"got shape {G2.shape}" + (f" with {G2.min():g}" if G2.size else "")
            )
        return self.right_side(study, G2)

    def without_gradients(self, study: Study) -> float:
        """c r^2 + e, for such a study; r is not asked for where c is 0."""
        c, _ = self.coefficients(study)
        return float((c * distance_squared(study) if c else 0.0) + self.constant(study))

    def right_side(self, study: Study, second_moments: np.ndarray | float) -> float:
        """The same of a study to which the bound is known to apply, and of second moments that are known to be some."""
        _, a = self.coefficients(study)
        return self.without_gradients(study) + float(a @ np.broadcast_to(second_moments, a.shape))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(): {self.title}"
