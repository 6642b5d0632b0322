"""`ExperimentSpec`: the only description of an experiment, from YAML file to database row to checkpoint header."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from heron_ray.spec.aggregation import AggregationSpec
from heron_ray.spec.compute import ClientsSpec, ComputeSpec, EvaluationSpec, StopSpec
from heron_ray.spec.data import DataSpec
from heron_ray.spec.method import MethodSpec
from heron_ray.spec.model import MlpModel, ModelSpec
from heron_ray.spec.partition import PartitionSpec
from heron_ray.spec.section import Section

SCHEMA_VERSION = 1


class ExperimentSpec(Section):
    """One experiment, complete: the same spec gives the same result, bit for bit."""

    NOT_IN_TRAJECTORY: ClassVar[tuple[str, ...]] = (
        "name",
        "compute.executor",
        "compute.actors",
        "compute.checkpoint_every",
    )
    """Paths that must not change a result and are left out of `trajectory_hash`."""

    schema_version: int = Field(
        default=SCHEMA_VERSION, ge=1, le=SCHEMA_VERSION, description="Version of this schema; older ones are migrated."
    )
    name: str = Field(
        default="experiment",
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="A name for people, on one line.",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Every random draw is derived from it.")
    rounds: int = Field(ge=1, le=100_000_000, description="Rounds T.")
    data: DataSpec = Field(description="The samples.")
    partition: PartitionSpec = Field(description="Which client holds which training samples.")
    model: ModelSpec = Field(description="The split network.")
    clients: ClientsSpec = Field(description="Who takes part and what each does in a round.")
    method: MethodSpec = Field(description="The training method.")
    aggregation: AggregationSpec = Field(description="How the clients' updates are joined.")
    evaluation: EvaluationSpec = Field(default=EvaluationSpec(), description="When the global model is judged.")
    stop: StopSpec | None = Field(default=None, description="When to end early. null: after the last round.")
    compute: ComputeSpec = Field(default=ComputeSpec(), description="Where the run executes.")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ExperimentSpec:
        if self.clients.cohort > self.clients.count:
            raise _contradiction(
                "clients.per_round",
                f"{self.clients.cohort} clients cannot be sampled from clients.count={self.clients.count}",
            )
        if isinstance(self.model, MlpModel) and self.model.client_layers > len(self.model.hidden):
            raise _contradiction(
                "model.cut",
                f"{self.model.cut} lies beyond the last layer: front + back have {len(self.model.hidden)} hidden layers",
            )
        return self

    def canonical(self) -> dict[str, Any]:
        """The spec as plain JSON values with every default filled in."""
        return self.model_dump(mode="json")

    def spec_hash(self) -> str:
        """SHA-256 over the canonical form, as 64 hexadecimal digits."""
        return _hash(self.canonical())

    def trajectory_hash(self) -> str:
        """SHA-256 over what may change a result: the canonical form without `NOT_IN_TRAJECTORY`."""
        canonical = self.canonical()
        for path in self.NOT_IN_TRAJECTORY:
            *parents, leaf = path.split(".")
            holder = canonical
            for parent in parents:
                holder = holder[parent]
            del holder[leaf]
        return _hash(canonical)


def _hash(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _contradiction(path: str, message: str) -> PydanticCustomError:
    """An error about `path` found only when the whole spec is at hand."""
    return PydanticCustomError("contradiction", "{message}", {"path": path, "message": message})
