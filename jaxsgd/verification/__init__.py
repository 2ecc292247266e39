"""Claims put to the test: by simulation, with verdicts that say what could have been seen."""

from jaxsgd.verification.claim import Claim
from jaxsgd.verification.report import Finding, Report, Section
from jaxsgd.verification.run import verify
from jaxsgd.verification.statement import Statement

__all__ = ["Claim", "Finding", "Report", "Section", "Statement", "verify"]
