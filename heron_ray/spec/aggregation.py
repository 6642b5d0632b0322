"""`aggregation`: how the federation server joins the clients' updates."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section


class _Rule(Section):
    """What all rules have in common."""

    def fault(self, cohort: int) -> tuple[str, str] | None:
        """Which field does not fit a cohort of that many clients, and why; None where all do."""
        del cohort
        return None


class MeanAggregation(_Rule):
    """The mean of the clients' updates."""

    kind: Literal["mean"] = Field(description="The mean of the clients' updates.")
    weights: Literal["uniform", "samples"] = Field(
        default="uniform", description="uniform: 1/N each (HERON, SplitFed). samples: n_i / sum n (FSL-SAGE, FedAvg)."
    )


class MedianAggregation(_Rule):
    """The median of each coordinate: bounded by honest values while fewer than half of the cohort are Byzantine."""

    kind: Literal["median"] = Field(description="The median of each coordinate (Yin et al., arXiv 1803.01498).")


class TrimmedMeanAggregation(_Rule):
    """The mean of each coordinate without its f smallest and f largest values."""

    kind: Literal["trimmed_mean"] = Field(
        description="The mean of each coordinate without its f smallest and f largest values (Yin et al., arXiv 1803.01498)."
    )
    f: int = Field(ge=0, le=10_000_000, description="Byzantine clients tolerated in a cohort of n: 2 f < n. 0: the mean.")

    def fault(self, cohort: int) -> tuple[str, str] | None:
        """Something must be left after trimming: 2 f < n."""
        if 2 * self.f < cohort:
            return None
        return "f", _too_few(f"trimmed_mean with f={self.f}", 2 * self.f + 1, "2 f < n", cohort)


class KrumAggregation(_Rule):
    """The update that lies closest to its neighbours, or the mean of the m such updates (Multi-Krum)."""

    kind: Literal["krum"] = Field(
        description="The update closest to its n - f - 2 nearest neighbours (Blanchard et al., arXiv 1703.02757)."
    )
    f: int = Field(ge=0, le=10_000_000, description="Byzantine clients tolerated in a cohort of n: 2 f + 2 < n.")
    m: int = Field(
        default=1, ge=1, le=10_000_000, description="Updates whose mean is taken, at most n - f. 1: Krum. More: Multi-Krum."
    )

    def fault(self, cohort: int) -> tuple[str, str] | None:
        """Honest clients must be each other's nearest (2 f + 2 < n), and enough of them left to choose m from."""
        if 2 * self.f + 2 >= cohort:
            return "f", _too_few(f"krum with f={self.f}", 2 * self.f + 3, "2 f + 2 < n", cohort)
        if self.m > cohort - self.f:
            return "m", f"krum with m={self.m} may choose at most n - f = {cohort - self.f} updates of a cohort of {cohort}"
        return None


def _too_few(rule: str, needed: int, bound: str, cohort: int) -> str:
    return f"{rule} needs a cohort of at least {needed} clients ({bound}), not {cohort}: lower f or sample more clients"


AggregationSpec: TypeAlias = Annotated[
    MeanAggregation | MedianAggregation | TrimmedMeanAggregation | KrumAggregation, Field(discriminator="kind")
]
