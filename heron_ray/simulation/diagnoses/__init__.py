"""Failure signatures: what a run's own figures show when it goes wrong in a known way, with advice. One file each.

A function of spec and rounds: every figure they read is the same on every executor, and what they remember is in the
checkpoint. They only look: no series, digest or parameter depends on them. Only `heron_ray.simulation.simulation` imports this.
"""

from heron_ray.simulation.diagnoses.diagnoses import Diagnoses
from heron_ray.simulation.diagnoses.signature import End, Finding, Run, Seen, Signature

__all__ = ["Diagnoses", "End", "Finding", "Run", "Seen", "Signature"]
