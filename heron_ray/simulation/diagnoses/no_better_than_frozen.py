"""A trained front model that a frozen one could stand for."""

from __future__ import annotations

from typing import ClassVar, Final

from heron_ray.simulation.diagnoses.signature import End, Finding, Signature

ROUNDS: Final = 20
"""Of shorter runs the front model is not judged: they have hardly begun."""

GAIN: Final = 0.02
"""By less than this the reader of the trained front model is better: about a standard error of the difference at 500
samples."""


class NoBetterThanFrozen(Signature):
    """At the run's end, a linear reader is no better on the trained front model's smashed data than on the untrained one's.

    The cheap control of `heron_ray.simulation.front_control`: it sees whether training made the classes easier to tell apart
    linearly. A deep back model may gain where a linear reader does not, and the other way round: it is a reason to run
    `frozen_client`, no verdict.
    """

    name: ClassVar[str] = "no_better_than_frozen"

    def conclude(self, end: End) -> Finding | None:
        """Compare both readers."""
        front = end.front
        if front is None or end.round < ROUNDS or front.trained_accuracy - front.untrained_accuracy >= GAIN:
            return None
        return Finding(
            message=(
                f"a linear reader gets {front.trained_accuracy:.3f} of {front.samples} validation samples right on the trained "
                f"front model's smashed data and {front.untrained_accuracy:.3f} on the untrained one's: training the clients "
                f"seems to have been for nothing (their front's parameters moved by {front.movement:.3g} of their length)"
            ),
            advice=(
                "Run the control: the same experiment with method.kind=frozen_client. If it does as well, the cut is so wide "
                "that random features suffice (narrow model.front's last layer), or the clients learn too slowly (learning "
                "rate, probes, mu)"
            ),
            figures={
                "trained_accuracy": front.trained_accuracy,
                "untrained_accuracy": front.untrained_accuracy,
                "samples": front.samples,
                "movement": front.movement,
                "validation_accuracy": end.scores["validation_accuracy"],
            },
        )
