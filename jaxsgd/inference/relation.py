"""How a statement places an expectation relative to a value."""

import enum

from jaxsgd.errors import InvalidInput


class Relation(enum.StrEnum):
    """How a statement places E Z relative to a value v; m is the margin of the measurement."""

    EQUAL = "=="
    """E Z = v."""
    AT_MOST = "<="
    """E Z <= v."""
    AT_LEAST = ">="
    """E Z >= v."""
    BELOW = "<"
    """E Z < v; refuted once E Z > v - m is shown, that is, no difference that matters."""
    ABOVE = ">"
    """E Z > v; refuted once E Z < v + m is shown."""
    WITHIN = "within"
    """|E Z - v| <= m: equivalence."""

    @property
    def strict(self) -> bool:
        """Whether the statement is that there is a difference, in a stated direction."""
        return self in (Relation.BELOW, Relation.ABOVE)

    @property
    def sides(self) -> int:
        """2 where E Z can depart from the statement both upwards and downwards, else 1."""
        return 2 if self in (Relation.EQUAL, Relation.WITHIN) else 1

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise InvalidInput(f"{value!r} is not a relation; allowed: {', '.join(cls)}")
