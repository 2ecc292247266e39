"""Claims put to the test: by simulation, with verdicts that say what could have been seen."""

from jaxsgd.verification.claim import Claim
from jaxsgd.verification.report import Finding, Report, Section
from jaxsgd.verification.run import verify
from jaxsgd.verification.simulated_diffusion import MeanRisk, simulated_diffusion
from jaxsgd.verification.statement import Statement
from jaxsgd.verification.weak_order import WeakOrder, weak_order

__all__ = [
    "Claim",
    "Finding",
    "MeanRisk",
    "Report",
    "Section",
    "Statement",
    "WeakOrder",
    "simulated_diffusion",
    "verify",
    "weak_order",
]
