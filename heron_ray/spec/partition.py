"""`partition`: which client holds which training samples."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section


class IidPartition(Section):
    """Every client draws from the same distribution: a random split into sizes that differ by at most one."""

    kind: Literal["iid"] = Field(description="A random, even split.")


class DirichletPartition(Section):
    """Label skew: the smaller alpha, the fewer classes a client holds."""

    kind: Literal["dirichlet"] = Field(description="Label skew drawn from a Dirichlet distribution.")
    alpha: float = Field(ge=1e-6, le=1e6, description="Concentration; 0.1 is strongly non-IID, 100 nearly IID.")
    law: Literal["per_class", "per_client"] = Field(
        default="per_class",
        description=(
            "per_class: each class is divided over the clients by proportions ~ Dir(alpha), sizes differ (the usual "
            "LDA split). per_client: each client has class proportions ~ Dir(alpha) and all sizes are equal, drawn "
            "without replacement (FSL-SAGE's split)."
        ),
    )
    minimum: int = Field(
        default=2, ge=1, le=1_000_000, description="Fewest samples a client may hold under per_class; redrawn until met."
    )


PartitionSpec: TypeAlias = Annotated[IidPartition | DirichletPartition, Field(discriminator="kind")]
