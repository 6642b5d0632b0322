"""What goes over the wire about curves."""

from __future__ import annotations

from pydantic import BaseModel, Field

from api.domain.curves import SampledCurve
from api.routes.wire import Curve


class ThinnedCurve(Curve):
    """One series, whole or cut down to its ends and the extremes of equal pieces."""

    total: int = Field(description="How many points the series has in the rounds asked for.")
    not_finite: int = Field(description="How many of those are not finite.")
    thinned: bool = Field(description="Whether points were left out.")

    @classmethod
    def of(cls, curve: SampledCurve) -> ThinnedCurve:
        """From what the store found."""
        return cls(
            rounds=list(curve.rounds),
            values=list(curve.values),
            total=curve.total,
            not_finite=curve.not_finite,
            thinned=curve.thinned,
        )


class CurvesOfExperiment(BaseModel):
    """The curves of one experiment, by name."""

    id: str
    series: dict[str, ThinnedCurve]


class Curves(BaseModel):
    """The curves of several experiments, in the order they were asked for."""

    experiments: list[CurvesOfExperiment]
