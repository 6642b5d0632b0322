"""`aggregation.before`: what is done to the clients' updates before a rule joins them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section


class _PreAggregator(Section):
    """What all pre-aggregators have in common."""

    DRAWS: ClassVar[bool] = False
    """Whether it draws at random."""

    KEEPS_CLIENTS: ClassVar[bool] = True
    """Whether each vector that it leaves still stands for one client."""

    kind: str

    def fault(self, cohort: int) -> tuple[str, str] | None:
        """Which field does not fit so many vectors, and why; None where all do."""
        del cohort
        return None

    def left(self, cohort: int) -> int:
        """How many vectors it leaves of so many."""
        return cohort

    def _majority(self, f: int, cohort: int) -> tuple[str, str] | None:
        if 2 * f < cohort:
            return None
        needed = f"{self.kind} with f={f} needs at least {2 * f + 1} vectors (2 f < n)"
        return "f", f"{needed}, not {cohort}: lower f or sample more clients"


class NnmSection(_PreAggregator):
    """Nearest-neighbour mixing: each update becomes the mean of the n - f updates nearest to it."""

    kind: Literal["nnm"] = Field(
        description="Each update becomes the mean of the n - f updates nearest to it (Allouah et al., arXiv 2302.01772)."
    )
    f: int = Field(ge=0, le=10_000_000, description="Byzantine clients tolerated in a cohort of n: 2 f < n.")

    def fault(self, cohort: int) -> tuple[str, str] | None:
        """The honest must be the majority: 2 f < n."""
        return self._majority(self.f, cohort)


class BucketingSection(_PreAggregator):
    """The means of random buckets of s updates each: fewer, more alike vectors."""

    KEEPS_CLIENTS: ClassVar[bool] = False
    DRAWS: ClassVar[bool] = True

    kind: Literal["bucketing"] = Field(
        description="The means of buckets of s updates, drawn anew in every round (Karimireddy et al., arXiv 2006.09365)."
    )
    s: int = Field(
        default=2, ge=1, le=10_000_000, description="Updates in a bucket, at most n; the last may hold fewer. 1: only shuffles."
    )

    def fault(self, cohort: int) -> tuple[str, str] | None:
        """A bucket cannot hold more than there is."""
        if self.s <= cohort:
            return None
        return "s", f"a bucket of s={self.s} cannot be filled from {cohort} vectors: at most {cohort}"

    def left(self, cohort: int) -> int:
        """One vector per bucket: ceil(n / s)."""
        return -(-cohort // self.s)


class StaticClippingSection(_PreAggregator):
    """Each update shortened to a norm of at most c."""

    kind: Literal["static_clipping"] = Field(description="Each update shortened to a norm of at most c.")
    c: float = Field(default=2.0, gt=0, description="Largest Euclidean norm of an update, in parameter units.")


class ArcSection(_PreAggregator):
    """Adaptive robust clipping: the largest updates shortened to the norm of the largest that is left as it is."""

    kind: Literal["arc"] = Field(
        description="The floor(2 (f/n) (n - f)) longest updates shortened to the norm of the next one (Allouah et al., "
        "arXiv 2405.14432)."
    )
    f: int = Field(ge=0, le=10_000_000, description="Byzantine clients tolerated in a cohort of n: 2 f < n.")

    def fault(self, cohort: int) -> tuple[str, str] | None:
        """The honest must be the majority: 2 f < n."""
        return self._majority(self.f, cohort)


PreAggregatorSpec: TypeAlias = Annotated[
    NnmSection | BucketingSection | StaticClippingSection | ArcSection, Field(discriminator="kind")
]
