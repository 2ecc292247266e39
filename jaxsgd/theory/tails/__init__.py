"""What theory knows of heavy tails: moments that do not exist, and means that no sample of a feasible size shows."""

from jaxsgd.known_tails import trajectories_needed, why_no_moment
from jaxsgd.theory.tails.fourth_moments import relative_second_moments
from jaxsgd.theory.tails.standard_errors import why_no_standard_error

__all__ = ["relative_second_moments", "trajectories_needed", "why_no_moment", "why_no_standard_error"]
