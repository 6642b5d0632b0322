"""`aggregation`: how the federation server joins the clients' updates."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.pre_aggregation import PreAggregatorSpec
from heron_ray.spec.section import Section

MOST_WORK = 500_000_000
"""Of `smea` in a round, at most: subsets times the cube of their size. Some seconds."""

MOST_FAR = 20
"""The largest f of `mda`: its search may take a number of steps that grows as 1.47^f."""


class _Rule(Section):
    """What all rules have in common."""

    NEEDS_CLIENTS: ClassVar[bool] = False
    """Whether the rule must know whose update each one is."""

    NEEDS_MORE: ClassVar[bool] = False
    """Whether the joined update depends on more than the round's vectors: on earlier rounds, on chance, or on clients."""

    kind: str
    before: tuple[PreAggregatorSpec, ...] = Field(
        default=(),
        max_length=8,
        exclude_if=lambda before: not before,  # specs without it keep the hashes they have
        description="Pre-aggregators, applied to the updates in this order before the rule.",
    )

    STREAMS: ClassVar[bool] = False
    """Whether updates are joined as they come; else the whole cohort's must be held at once."""

    @property
    def root_samples(self) -> int | None:
        """Clean samples on which the federation server must train, to have a measure of updates; None where it need not."""
        return None

    def vectors_held(self, cohort: int, clients: int) -> int:
        """How many vectors of a client's size the federation server holds at once, at most."""
        del clients
        return (0 if self.STREAMS else cohort) + (2 * cohort if self.before else 0)

    def bound_to_federation_server(self) -> str | None:
        """Why the rule cannot join vectors anywhere but at the federation server; None where it can."""
        if self.NEEDS_MORE or any(step.DRAWS for step in self.before):
            return "it remembers rounds, draws at random or must know clients, and only vectors are there"
        return None

    def fault(self, cohort: int, clients: int | None = None) -> tuple[str, str] | None:
        """Which field does not fit a cohort of that many clients, and why; None where all do.

        Args:
            cohort: Clients that take part in a round.
            clients: Clients there are; None where only the round's are known.
        """
        left = cohort
        for number, step in enumerate(self.before):
            if (wrong := step.fault(left)) is not None:
                return f"before.{number}.{wrong[0]}", wrong[1]
            if self.NEEDS_CLIENTS and not step.KEEPS_CLIENTS:
                return f"before.{number}.kind", f"{self.kind} must know whose each update is, and {step.kind} joins several"
            left = step.left(left)
        if (wrong := self.bound(left)) is not None:
            less = "" if left == cohort else f" ({left} vectors are left of {cohort} clients after `before`)"
            return wrong[0], wrong[1] + less
        return None if clients is None else self._population_fault(cohort, clients)

    def bound(self, vectors: int) -> tuple[str, str] | None:
        """The same for the rule alone, given so many vectors."""
        del vectors
        return None

    def _population_fault(self, cohort: int, clients: int) -> tuple[str, str] | None:
        del cohort, clients
        return None


class MeanAggregation(_Rule):
    """The mean of the clients' updates."""

    STREAMS: ClassVar[bool] = True

    kind: Literal["mean"] = Field(description="The mean of the clients' updates.")
    weights: Literal["uniform", "samples"] = Field(
        default="uniform", description="uniform: 1/N each (HERON, SplitFed). samples: n_i / sum n (FSL-SAGE, FedAvg)."
    )

    def bound(self, vectors: int) -> tuple[str, str] | None:
        """A pre-aggregator's vectors do not stand for numbers of samples."""
        del vectors
        if self.before and self.weights == "samples":
            return "weights", "with `before` every vector counts the same: use weights: uniform"
        return None


class MedianAggregation(_Rule):
    """The median of each coordinate: bounded by honest values while fewer than half of the cohort are Byzantine."""

    kind: Literal["median"] = Field(description="The median of each coordinate (Yin et al., arXiv 1803.01498).")


class _Tolerant(_Rule):
    """A rule that is told how many Byzantine clients to bear."""

    f: int = Field(ge=0, le=10_000_000, description="Byzantine clients tolerated in a cohort of n: 2 f < n.")

    def bound(self, vectors: int) -> tuple[str, str] | None:
        """The honest must be the majority: 2 f < n."""
        if 2 * self.f < vectors:
            return None
        return "f", _too_few(f"{self.kind} with f={self.f}", 2 * self.f + 1, "2 f < n", vectors)


class TrimmedMeanAggregation(_Tolerant):
    """The mean of each coordinate without its f smallest and f largest values."""

    kind: Literal["trimmed_mean"] = Field(
        description="The mean of each coordinate without its f smallest and f largest values (Yin et al., arXiv 1803.01498)."
    )
    f: int = Field(ge=0, le=10_000_000, description="Byzantine clients tolerated in a cohort of n: 2 f < n. 0: the mean.")


class MeamedAggregation(_Tolerant):
    """The mean of the n - f values of each coordinate that are nearest to its median."""

    kind: Literal["meamed"] = Field(
        description="The mean of the n - f values of each coordinate nearest to its median (Xie et al., arXiv 1802.10116)."
    )


class GeometricMedianAggregation(_Rule):
    """The geometric median of the updates, by some steps of the smoothed Weiszfeld iteration."""

    kind: Literal["geometric_median"] = Field(
        description="Weiszfeld's iteration towards the geometric median, from zero (Pillutla et al., arXiv 1912.13445)."
    )
    nu: float = Field(
        default=0.1, gt=0, description="Distances count as at least this, in parameter units: keeps weights bounded."
    )
    iterations: int = Field(default=3, ge=1, le=1000, description="Steps T.")


class KrumAggregation(_Rule):
    """The update that lies closest to its neighbours, or the mean of the m such updates (Multi-Krum)."""

    kind: Literal["krum"] = Field(
        description="The update closest to its n - f - 2 nearest neighbours (Blanchard et al., arXiv 1703.02757)."
    )
    f: int = Field(ge=0, le=10_000_000, description="Byzantine clients tolerated in a cohort of n: 2 f + 2 < n.")
    m: int = Field(
        default=1, ge=1, le=10_000_000, description="Updates whose mean is taken, at most n - f. 1: Krum. More: Multi-Krum."
    )

    def bound(self, vectors: int) -> tuple[str, str] | None:
        """Honest clients must be each other's nearest (2 f + 2 < n), and enough of them left to choose m from."""
        if 2 * self.f + 2 >= vectors:
            return "f", _too_few(f"krum with f={self.f}", 2 * self.f + 3, "2 f + 2 < n", vectors)
        if self.m > vectors - self.f:
            return "m", f"krum with m={self.m} may choose at most n - f = {vectors - self.f} updates of a cohort of {vectors}"
        return None


class BulyanAggregation(_Rule):
    """Krum's choice of n - 2 f updates, then the values of each coordinate nearest to their median."""

    kind: Literal["bulyan"] = Field(
        description="n - 2 f updates chosen by Krum one after another, of which each coordinate's n - 4 f values nearest to "
        "their median are averaged (El Mhamdi et al., arXiv 1802.07927)."
    )
    f: int = Field(ge=0, le=10_000_000, description="Byzantine clients tolerated in a cohort of n: 4 f + 3 <= n.")

    def bound(self, vectors: int) -> tuple[str, str] | None:
        """4 f + 3 <= n."""
        if 4 * self.f + 3 <= vectors:
            return None
        return "f", _too_few(f"bulyan with f={self.f}", 4 * self.f + 3, "4 f + 3 <= n", vectors)


class MdaAggregation(_Tolerant):
    """Minimum-diameter averaging: the mean of the n - f updates that lie closest together."""

    kind: Literal["mda"] = Field(
        description="The mean of the n - f updates whose largest distance is smallest (El Mhamdi et al., arXiv 1905.03853)."
    )
    f: int = Field(
        ge=0,
        le=MOST_FAR,
        description="Byzantine clients tolerated in a cohort of n: 2 f < n. The search may grow as 1.47^f.",
    )


class MonnaAggregation(_Tolerant):
    """The mean of the n - f updates nearest to that of one trusted client."""

    NEEDS_MORE: ClassVar[bool] = True
    NEEDS_CLIENTS: ClassVar[bool] = True

    kind: Literal["monna"] = Field(
        description="The mean of the n - f updates nearest to a trusted client's (Farhadkhani et al., arXiv 2209.10931)."
    )
    trusted: int = Field(
        default=0, ge=0, le=1_000_000_000, description="The client that is trusted, counted from 0; it must be in every cohort."
    )

    def _population_fault(self, cohort: int, clients: int) -> tuple[str, str] | None:
        if self.trusted >= clients:
            return "trusted", f"there is no client {self.trusted} among clients.count={clients}: at most {clients - 1}"
        if cohort < clients:
            return "kind", (
                f"monna's trusted client must take part in every round, and only {cohort} of {clients} do: "
                "set clients.per_round to clients.count"
            )
        return None


class CafAggregation(_Tolerant):
    """Covariance-bound agnostic filter: updates that stand out along the widest direction lose weight step by step."""

    kind: Literal["caf"] = Field(
        description="The weighted mean of least variance met while updates that stand out along the widest direction lose "
        "weight (Allouah et al., arXiv 2505.01874)."
    )


class SmeaAggregation(_Tolerant):
    """Smallest maximum eigenvalue averaging: the mean of the n - f updates that are least spread in any direction."""

    kind: Literal["smea"] = Field(
        description="The mean of the n - f updates whose covariance has the smallest largest eigenvalue (Allouah et al., "
        "arXiv 2302.04787). All subsets are judged."
    )

    def bound(self, vectors: int) -> tuple[str, str] | None:
        """2 f < n, and not too many subsets to choose from."""
        if (wrong := super().bound(vectors)) is not None:
            return wrong
        subsets, size = math.comb(vectors, self.f), vectors - self.f
        if subsets * size**3 > MOST_WORK:
            return "f", (
                f"smea with f={self.f} would have to judge {subsets} subsets of {size} of {vectors} updates, and "
                f"subsets x size^3 may be at most {MOST_WORK}: lower f, sample fewer clients, or use caf, which aims at the "
                "same without subsets"
            )
        return None


class CenteredClippingAggregation(_Rule):
    """The last joined update, moved by the mean of the clients' clipped differences from it."""

    NEEDS_MORE: ClassVar[bool] = True
    kind: Literal["centered_clipping"] = Field(
        description="v + mean of the updates' differences from v, each shortened to tau; v is the last round's result "
        "(Karimireddy et al., arXiv 2012.10333)."
    )
    iterations: int = Field(default=1, ge=1, le=1000, description="Steps L in a round.")
    tau: float = Field(default=100.0, gt=0, description="Largest norm of a difference from the centre, in parameter units.")


class DncAggregation(_Tolerant):
    """Divide and conquer: updates that stand out along the widest direction of random coordinates are left out."""

    NEEDS_MORE: ClassVar[bool] = True
    kind: Literal["dnc"] = Field(
        description="The mean of the updates that never stood out among the f widest along the top singular vector of random "
        "coordinates (Shejwalkar and Houmansadr, NDSS 2021)."
    )
    sub_dim: int = Field(default=10_000, ge=1, le=1_000_000_000, description="Coordinates drawn for each look; at most all.")
    iterations: int = Field(default=5, ge=1, le=1000, description="Looks.")


class NormBoundingAggregation(_Rule):
    """The mean of the updates, each shortened to a largest norm; taken as updates come."""

    STREAMS: ClassVar[bool] = True

    kind: Literal["norm_bounding"] = Field(
        description="The mean of the updates, each shortened to a norm of at most max_norm (Sun et al., arXiv 1911.07963)."
    )
    max_norm: float = Field(gt=0, description="Largest Euclidean norm of an update, in parameter units.")


class SignGuardAggregation(_Rule):
    """Updates of unusual length or unusual signs are left out, the others shortened to the median norm and averaged."""

    NEEDS_MORE: ClassVar[bool] = True
    kind: Literal["sign_guard"] = Field(
        description="The mean of the updates whose norm and share of signs are usual, shortened to the median norm (Xu et al., "
        "arXiv 2109.05872)."
    )
    lower: float = Field(default=0.1, ge=0, le=1, description="Shorter than this times the median norm is left out.")
    upper: float = Field(default=3.0, ge=1, le=1e6, description="Longer than this times the median norm is left out.")
    coordinates: float = Field(
        default=0.1, gt=0, le=1, description="Share of the coordinates whose signs are looked at, drawn anew in every round."
    )


class ClippedClusteringAggregation(_Rule):
    """Updates shortened to the median of past norms and parted into two by their angles; the mean of the larger part."""

    NEEDS_MORE: ClassVar[bool] = True
    kind: Literal["clipped_clustering"] = Field(
        description="The mean of the larger of two clusters by cosine, after shortening to the median of the norms so far (Li "
        "et al., arXiv 2302.07173)."
    )
    memory: int = Field(default=1000, ge=1, le=1_000_000, description="Norms of so many rounds are remembered.")


class FltrustAggregation(_Rule):
    """Updates that point as the server's own does, brought to its length and weighted by their cosine with it."""

    NEEDS_MORE: ClassVar[bool] = True

    kind: Literal["fltrust"] = Field(
        description="The updates at the length of the server's own, weighted by their cosine with it where that is above 0 "
        "(Cao et al., arXiv 2012.13995)."
    )
    samples: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="Clean samples that the federation server trains on in every round, drawn from the validation split.",
    )

    @property
    def root_samples(self) -> int:
        """All of them."""
        return self.samples

    def vectors_held(self, cohort: int, clients: int) -> int:
        """One more, the server's own."""
        return super().vectors_held(cohort, clients) + 1

    def bound(self, vectors: int) -> tuple[str, str] | None:
        """Every vector must be one client's."""
        del vectors
        if self.before:
            return "before", "fltrust measures each client's own update: use no pre-aggregators"
        return None

    def bound_to_federation_server(self) -> str | None:
        """The reference is made there."""
        return "it measures whole updates by one that the federation server makes itself"


class FoolsGoldAggregation(_Rule):
    """Clients whose updates of all rounds point the same way lose weight: made against many clients of one attacker."""

    NEEDS_MORE: ClassVar[bool] = True
    NEEDS_CLIENTS: ClassVar[bool] = True

    kind: Literal["fools_gold"] = Field(
        description="The mean, weighted by how little each client's summed updates resemble another's (Fung et al., "
        "arXiv 1808.04866). One vector per client ever seen is kept."
    )

    def vectors_held(self, cohort: int, clients: int) -> int:
        """One more for every client."""
        return super().vectors_held(cohort, clients) + clients


def _too_few(rule: str, needed: int, bound: str, cohort: int) -> str:
    return f"{rule} needs a cohort of at least {needed} clients ({bound}), not {cohort}: lower f or sample more clients"


AggregationSpec: TypeAlias = Annotated[
    MeanAggregation
    | MedianAggregation
    | TrimmedMeanAggregation
    | KrumAggregation
    | BulyanAggregation
    | CafAggregation
    | CenteredClippingAggregation
    | ClippedClusteringAggregation
    | DncAggregation
    | FltrustAggregation
    | FoolsGoldAggregation
    | GeometricMedianAggregation
    | MdaAggregation
    | MeamedAggregation
    | MonnaAggregation
    | NormBoundingAggregation
    | SignGuardAggregation
    | SmeaAggregation,
    Field(discriminator="kind"),
]
