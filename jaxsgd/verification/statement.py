"""A sentence of a text, what is tested of it, and how it is shown."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jaxsgd.errors import InvalidType
from jaxsgd.module import AbstractOrFinal, brief
from jaxsgd.verification.claim import Claim

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Statement(AbstractOrFinal):
    """Claims that together test one sentence. In all texts, LaTeX stands between dollar signs.

    - `name`: its identifier, such as "polynomial-better".
    - `place`: where the sentence stands.
    - `sentence`: what it says.
    - `tested`: what is tested, precisely.
    - `claims`: the tests; the statement is refuted when one of them is.
    - `remark`: where the sentence is imprecise, what is exact.
    - `proof`: paragraphs, for a sentence that asks for one.
    - `reference`: where the mathematics comes from.
    - `figure`: makes a figure of it from ``seed``; called when a report is written.
    """

    name: str
    place: str
    sentence: str
    tested: str
    claims: Sequence[Claim]
    remark: str = ""
    proof: Sequence[str] = ()
    reference: str = ""
    figure: Callable[[int], "Figure"] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidType(f"name must be a string that is not empty, got {self.name!r}")
        if isinstance(self.claims, Claim) or not all(isinstance(claim, Claim) for claim in self.claims):
            raise InvalidType(f"claims of statement {self.name!r} must be a list of claims, got {brief(self.claims)}")

    @classmethod
    def of(cls, claim: Claim, **changes: Any) -> "Statement":
        """The statement of one claim on its own."""
        about = "; ".join(claim.assumptions)
        return cls(
            name=claim.name,
            place=changes.pop("place", ""),
            sentence=claim.statement,
            tested=claim.formula + (f" Assumed: {about}." if about else ""),
            claims=(claim,),
            reference=claim.reference,
            **changes,
        )
