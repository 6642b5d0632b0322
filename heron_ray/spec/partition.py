"""`partition`: which client holds which training samples, and what a client's samples look like."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section

Alpha = Annotated[float, Field(ge=1e-6, le=1e6)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]

Fault: TypeAlias = tuple[str, str] | None
"""Which field of a section does not fit, as a dotted path below it, and why; None where all do."""


class _Partition(Section):
    """What all partitioners have in common."""

    looks_at_labels: ClassVar[bool] = False
    """Whether it divides samples by their labels, which sequences of text do not have."""

    def fault(self, clients: int, classes: int) -> Fault:
        """What can be told to be wrong before the data are there, for that many clients and classes."""
        del clients, classes
        return None


class IidPartition(_Partition):
    """Every client draws from the same distribution: a random split into sizes that differ by at most one."""

    kind: Literal["iid"] = Field(description="A random, even split.")


class DirichletPartition(_Partition):
    """Label skew: the smaller alpha, the fewer classes a client holds."""

    looks_at_labels: ClassVar[bool] = True
    kind: Literal["dirichlet"] = Field(description="Label skew drawn from a Dirichlet distribution.")
    alpha: Alpha = Field(description="Concentration; 0.1 is strongly non-IID, 100 nearly IID.")
    law: Literal["per_class", "per_client", "balanced"] = Field(
        default="per_class",
        description=(
            "per_class: each class is divided over the clients by proportions ~ Dir(alpha), sizes differ (the usual "
            "LDA split). per_client: each client has class proportions ~ Dir(alpha) and all sizes are equal, drawn "
            "without replacement (FSL-SAGE's split). balanced: as per_class, but a client that holds its even share of all "
            "samples gets none of the classes that follow (NIID-Bench's split)."
        ),
    )
    minimum: Count = Field(
        default=2, description="Fewest samples a client may hold under per_class and balanced; redrawn until met."
    )


class ShardsPartition(_Partition):
    """Label skew: samples sorted by label are cut into equal shards, and every client is dealt the same number of them."""

    looks_at_labels: ClassVar[bool] = True
    kind: Literal["shards"] = Field(description="Shards of the samples sorted by label (McMahan et al., arXiv 1602.05629).")
    per_client: Count = Field(default=2, description="Shards of each client.")


class _ClassesEach(_Partition):
    """What partitioners that give every client a number of classes have in common."""

    looks_at_labels: ClassVar[bool] = True
    classes: Count = Field(default=2, description="Classes that each client holds.")

    def fault(self, clients: int, classes: int) -> Fault:
        """A client cannot hold more classes than there are."""
        del clients
        if self.classes > classes:
            return "classes", f"{self.classes} classes each, but the data have {classes}: lower it"
        return None


class PathologicalPartition(_ClassesEach):
    """Every client holds the same number of classes, and every class has as many clients as the next, or one more."""

    kind: Literal["pathological"] = Field(description="A number of classes each; classes have equally many clients.")

    def fault(self, clients: int, classes: int) -> Fault:
        """Every class needs a client."""
        if (fault := super().fault(clients, classes)) is not None or clients * self.classes >= classes:
            return fault
        return "classes", f"{clients} clients with {self.classes} classes each cannot hold {classes} classes: raise it"


class LabelQuantityPartition(_ClassesEach):
    """Every client holds one class in turn and a number of others drawn at random."""

    kind: Literal["label_quantity"] = Field(description="Classes drawn by each client (NIID-Bench's #C, arXiv 2102.02079).")

    def fault(self, clients: int, classes: int) -> Fault:
        """The class in turn is what gives every class a client."""
        if (fault := super().fault(clients, classes)) is not None or clients >= classes:
            return fault
        return "kind", f"label_quantity needs a client for each of {classes} classes, not {clients} clients: use pathological"


class LogNormalSizes(Section):
    """Sizes proportional to exp(sigma z), z ~ N(0, 1)."""

    kind: Literal["log_normal"] = Field(description="Proportional to exp(sigma z), z ~ N(0, 1).")
    sigma: float = Field(default=1.0, gt=0, le=10, description="Standard deviation of the sizes' logarithm.")


class LinearSizes(Section):
    """Sizes proportional to 1, 2, ..., N."""

    kind: Literal["linear"] = Field(description="Proportional to the client's place 1, 2, ..., N.")


class SquareSizes(Section):
    """Sizes proportional to 1, 4, ..., N^2."""

    kind: Literal["square"] = Field(description="Proportional to the square of the client's place.")


class ExponentialSizes(Section):
    """Sizes proportional to exp(rate i) for the client's place i = 1, 2, ..., N."""

    kind: Literal["exponential"] = Field(description="Proportional to exp(rate i) for the client's place i.")
    rate: float = Field(default=1.0, gt=0, le=100, description="Logarithm of the ratio between neighbours' sizes.")


class DirichletSizes(Section):
    """Sizes proportional to a draw from Dir(alpha)."""

    kind: Literal["dirichlet"] = Field(description="Proportional to shares ~ Dir(alpha).")
    alpha: Alpha = Field(default=0.5, description="Concentration; the smaller, the more sizes differ.")


SizesSpec: TypeAlias = Annotated[
    LogNormalSizes | LinearSizes | SquareSizes | ExponentialSizes | DirichletSizes, Field(discriminator="kind")
]


class QuantityPartition(_Partition):
    """Quantity skew: clients draw from the same distribution but hold very different numbers of samples."""

    kind: Literal["quantity"] = Field(description="Different sizes, the same distribution.")
    sizes: SizesSpec = Field(description="The law of the sizes.")
    minimum: Count = Field(default=2, description="A client whose share is smaller is given so many samples.")


class GammaSimilarityPartition(_Partition):
    """A share gamma of the samples is split evenly at random, the rest sorted by label and cut into consecutive pieces."""

    looks_at_labels: ClassVar[bool] = True
    kind: Literal["gamma_similarity"] = Field(description="Partly IID, partly sorted by label (arXiv 1910.06378).")
    gamma: float = Field(ge=0, le=1, description="Share of the samples that is split IID. 1: iid. 0: all are sorted by label.")


class ExtremePartition(_Partition):
    """One label per client as far as it goes: classes are shared out over the clients in proportion to their samples."""

    looks_at_labels: ClassVar[bool] = True
    kind: Literal["extreme"] = Field(description="One label per client; several whole classes where there are fewer clients.")


DealtPartition: TypeAlias = (
    IidPartition
    | DirichletPartition
    | ShardsPartition
    | PathologicalPartition
    | LabelQuantityPartition
    | QuantityPartition
    | GammaSimilarityPartition
    | ExtremePartition
)
"""Partitioners that deal samples out by their labels alone. The others are made of them."""


class NaturalPartition(_Partition):
    """Samples stay with who made them: data.client_column says who that is."""

    kind: Literal["natural"] = Field(description="Each sample belongs to whom the data set says made it (data.client_column).")


class MixedPart(Section):
    """Some of the clients and how their samples are divided among them."""

    share: float = Field(gt=0, lt=1, description="Share of the clients.")
    partition: Annotated[DealtPartition, Field(discriminator="kind")] = Field(description="How they divide their samples.")


class MixedPartition(_Partition):
    """Groups of clients, each with a partitioner of its own; samples are drawn at random, as many per client in all groups."""

    kind: Literal["mixed"] = Field(description="Several partitioners, each over a share of the clients.")
    parts: Annotated[tuple[MixedPart, ...], Field(min_length=2, max_length=100)] = Field(
        description="The groups, in the order of the clients' numbers; their shares add up to 1."
    )

    def counts(self, clients: int) -> list[int]:
        """Number of clients of each group."""
        ends = [round(clients * end) for end in itertools.accumulate(part.share for part in self.parts)]
        return [end - start for start, end in zip([0, *ends], ends, strict=False)]

    def fault(self, clients: int, classes: int) -> Fault:
        """The shares must make a whole, and every group a client; each group's own partitioner must fit it."""
        total = math.fsum(part.share for part in self.parts)
        if abs(total - 1) > 1e-6:
            return "parts", f"the shares add up to {total:g}, not to 1"
        for number, (part, count) in enumerate(zip(self.parts, self.counts(clients), strict=True)):
            if count < 1:
                return f"parts.{number}.share", f"{part.share:g} of {clients} clients is none: raise it or clients.count"
            if (fault := part.partition.fault(count, classes)) is not None:
                return f"parts.{number}.partition.{fault[0]}", fault[1]
        return None


class RotationTransform(Section):
    """Client i of N sees its images turned by degrees * i / N."""

    kind: Literal["rotation"] = Field(description="Images turned by degrees * i / N for client i of N, counter-clockwise.")
    needs_images: ClassVar[bool] = True
    degrees: float = Field(default=90.0, ge=-360, le=360, description="The angle that N clients span, in degrees.")


class NoiseTransform(Section):
    """Client i of N sees its samples with noise of standard deviation sigma * (i + 1) / N, the same for a sample each time."""

    kind: Literal["noise"] = Field(description="Noise of standard deviation sigma * (i + 1) / N for client i of N.")
    needs_images: ClassVar[bool] = False
    sigma: float = Field(default=0.5, gt=0, le=100, description="Of the noisiest client, in units of the normalised samples.")


class ColourTransform(Section):
    """Each client sees every channel stretched and shifted in a way of its own."""

    kind: Literal["colour"] = Field(description="Per client and channel: x * (1 + a) + b with a, b ~ U(-strength, strength).")
    needs_images: ClassVar[bool] = True
    strength: float = Field(default=0.5, gt=0, le=1, description="Bound of stretch and shift, in normalised units.")


TransformSpec: TypeAlias = Annotated[RotationTransform | NoiseTransform | ColourTransform, Field(discriminator="kind")]


class FeaturePartition(_Partition):
    """Feature skew: samples are dealt by another partitioner, and each client sees its own through a transform of its own."""

    kind: Literal["feature"] = Field(description="Each client's samples look different: turned, noisy or coloured.")
    transform: TransformSpec = Field(description="What a client's samples go through, whenever a batch is made of them.")
    base: Annotated[DealtPartition, Field(discriminator="kind")] = Field(
        default=IidPartition(kind="iid"), description="Which client holds which samples."
    )

    def fault(self, clients: int, classes: int) -> Fault:
        """The other partitioner must fit."""
        fault = self.base.fault(clients, classes)
        return None if fault is None else (f"base.{fault[0]}", fault[1])


PartitionSpec: TypeAlias = Annotated[
    DealtPartition | NaturalPartition | MixedPartition | FeaturePartition, Field(discriminator="kind")
]
