"""`aggregation`: how the federation server joins the clients' updates."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from heron_ray.spec.section import Section


class MeanAggregation(Section):
    """The mean of the clients' updates."""

    kind: Literal["mean"] = Field(description="The mean of the clients' updates.")
    weights: Literal["uniform", "samples"] = Field(
        default="uniform", description="uniform: 1/N each (HERON, SplitFed). samples: n_i / sum n (FSL-SAGE, FedAvg)."
    )


AggregationSpec: TypeAlias = MeanAggregation
